"""What `sft` and `dpo` share: the examples of a run, what became of them, and what is said at its end."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configs.errors import UserError
from configs.reader import PromptSettings
from configs.schema import ROOT
from configs.training import TrainingSettings
from finetune.base import Base
from finetune.dev import DevSet
from finetune.examples import Example, read_examples
from finetune.masking import Masked, masked
from finetune.run_folder import Recipe, RunFolder, RunRecord, recipe_settings

_SAME = 0.9  # of the choices: no exam has so many right answers in one place


@dataclass(frozen=True, slots=True)
class Chosen:
    """The examples of a run, with the digests of their files."""

    train: Sequence[Example]  # learnt from
    dev: Sequence[Example]  # chosen by; may be empty
    train_digest: str
    dev_digest: str  # "" without

    @property
    def templates(self) -> tuple[str, ...]:
        """Every version of a prompt that is seen."""
        return tuple(sorted({example.template for example in (*self.train, *self.dev)}))


def choose(examples: Path, dev: Path | None, settings: TrainingSettings) -> Chosen:
    """The examples to learn from and to choose by.

    Raises UserError when a split is empty, there are examples of a third one (those of a test split have no
    business here), or a question stands in both.
    """
    header, found = read_examples(examples)
    dev_header, dev_found = read_examples(dev) if dev is not None else (header, found)
    _check_splits(examples, found, settings)
    learnt = _of_split(examples, found, settings.split)
    if dev is not None:
        _check_splits(dev, dev_found, settings)
        _of_split(dev, dev_found, settings.dev_split)
    judged = [example for example in dev_found if example.split == settings.dev_split]
    shared = {example.question_id for example in learnt} & {example.question_id for example in judged}
    if shared:
        raise UserError(f"question {min(shared)} is both learnt from and chosen by ({len(shared)} such questions)")
    return Chosen(learnt, judged, header.digest, dev_header.digest if judged else "")


def _check_splits(path: Path, examples: Sequence[Example], settings: TrainingSettings) -> None:
    known = {settings.split, settings.dev_split}
    other = Counter(example.split for example in examples if example.split not in known)
    for split, count in sorted(other.items()):
        raise UserError(
            f"{path}: {count} examples of split {split!r}: learnt from is {settings.split!r}, chosen by"
            f" {settings.dev_split!r}, and neither may see another; make the file without them"
        )


def _of_split(path: Path, examples: Sequence[Example], split: str) -> list[Example]:
    found = [example for example in examples if example.split == split]
    if not found:
        raise UserError(f"{path}: no examples of split {split!r}; make them with: python -m finetune examples")
    return found


def recipe_of(task: str, chosen: Chosen, base: Base, settings: TrainingSettings) -> Recipe:
    """What determines the adapter."""
    return Recipe(
        task=task,
        settings=recipe_settings(settings),
        examples=chosen.train_digest,
        dev=chosen.dev_digest,
        templates=chosen.templates,
        base=base.facts,
    )


def counts_of(examples: Sequence[Example], found: Masked) -> dict[str, int]:
    """What became of the examples; kept + dropped = examples."""
    lengths = [len(tokens.ids) for tokens in found.kept]
    return {
        "examples": len(examples),
        "kept": len(found.kept),
        **{f"dropped: {why}": count for why, count in sorted(Counter(found.dropped.values()).items())},
        "longest": max(lengths),
        "tokens": sum(lengths),
        "tokens with loss": sum(len(tokens.ids) - tokens.start for tokens in found.kept),
    }


def dev_of(
    chosen: Chosen, base: Base, settings: TrainingSettings, prompt: PromptSettings
) -> tuple[DevSet | None, dict[str, int]]:
    """(dev set, how many examples it has and how many were dropped); None without dev examples."""
    if not chosen.dev:
        return None, {"dev": 0}
    found = masked(chosen.dev, base.turn, max_length=settings.max_length)
    kept = [example for example in chosen.dev if example.id not in found.dropped]
    dropped = {"dev dropped": len(found.dropped)} if found.dropped else {}
    return DevSet(kept, found.kept, prompt), {"dev": len(kept), **dropped}


def padding_of(base: Base) -> int:
    """The token that fills up a batch; it is attended to by nothing."""
    tokenizer = base.loaded.tokenizer
    return int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else base.turn.end)


def summary(record: RunRecord, folder: RunFolder) -> dict[str, Any]:
    """What --json prints."""
    best = next((look for look in record.looks if look["step"] == record.best_step), None)
    return {
        "adapter": str(folder.adapter),
        "counts": record.counts,
        "steps": record.steps,
        "best_step": record.best_step,
        "dev": {"accuracy": best["accuracy"], "loss": best["loss"]} if best is not None else None,
        "tokens_per_second": record.tokens_per_second,
        "peak_memory": record.peak_memory,
        "record": str(folder.path / "run.json"),
    }


def report(record: RunRecord, folder: RunFolder) -> str:
    """What came of a run, for people; the last line says where the adapter lies."""
    lines = [
        ", ".join(f"{name} {count}" for name, count in record.counts.items()),
        f"trained {record.trained:,} of {record.parameters:,} parameters in {record.steps} steps on {record.device}:"
        f" {record.tokens_per_second:,.0f} tokens/s, peak memory {record.peak_memory / 2**30:.2f} GiB",
    ]
    for look in record.looks:
        notes = {0: "  (before training)", record.best_step: "  <- kept"}
        note = notes.get(int(look["step"]), "")
        lines.append(f"step {look['step']:>6.0f}: dev accuracy {look['accuracy']:.3f}, loss {look['loss']:.3f}{note}")
    if record.looks and max(look["accuracy"] for look in record.looks[1:]) <= record.looks[0]["accuracy"]:
        lines.append("no checkpoint answers more of dev than the base did")
    kept = next((look for look in record.looks if look["step"] == record.best_step), None)
    if kept is not None and kept.get("commonest", 0.0) >= _SAME:
        lines.append(f"{kept['commonest']:.0%} of its choices on dev name the same place: it answers without reading")
    return "\n".join([*lines, f"adapter: {folder.adapter}"])


def add_run_arguments(parser: argparse.ArgumentParser, out: Path) -> None:
    """The arguments of every training command."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="for example one of configs/finetune/*.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("--out", type=Path, default=out, metavar="DIR", help=f"default: {out.relative_to(ROOT)}")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
