"""python -m finetune dpo EXAMPLES [--run RUN] [--adapter DIR] [--dev FILE] [--config FILE] [--out DIR] [--json]

Trains a LoRA adapter on a reader's own mistakes (DPO): on the prompts of EXAMPLES it is asked; chosen is the right
answer, rejected the one that it prefers. --run takes only questions that an evaluation of the train split found
wrong. --adapter goes on from an adapter of `sft`; the reference is the model as it was before.

Example: python -m finetune dpo examples.jsonl --run runs/train --adapter runs/sft/adapter --out runs/dpo
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from configs import load
from configs.errors import UserError
from configs.reader import PromptSettings
from configs.schema import ROOT
from configs.training import DpoSettings
from finetune.base import Base, load_base
from finetune.examples import Example
from finetune.masking import Tokens
from finetune.mistakes import Preference, missed, preferences, write_preferences
from finetune.run_folder import Recipe, RunFolder, RunRecord, folder_for, read_run, start
from finetune.runs import Chosen, add_run_arguments, choose, dev_of, padding_of, recipe_of, report, summary
from rag.hf_model import wants_unsloth, weights_digest

_PREFERENCES = "preferences.jsonl"


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be trained."""

    examples: Path
    dev: Path | None
    run: Path | None
    adapter: Path | None
    folder: RunFolder
    settings: DpoSettings
    prompt: PromptSettings


def main_dpo(argv: list[str]) -> int:
    """Train, or say that the run is there already."""
    parser = argparse.ArgumentParser(
        prog="python -m finetune dpo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("examples", type=Path, metavar="EXAMPLES", help="made by: python -m finetune examples")
    parser.add_argument("--run", type=Path, metavar="RUN", help="only what this evaluation of the train split missed")
    parser.add_argument("--adapter", type=Path, metavar="DIR", help="to go on from")
    parser.add_argument("--dev", type=Path, metavar="FILE", help="examples to choose by (default: dev's of EXAMPLES)")
    add_run_arguments(parser, ROOT / "runs" / "dpo")
    args = parser.parse_args(argv)
    settings = load(args.config, args.overrides)
    dpo = settings.finetune.dpo
    folder = folder_for(args.out, dpo)
    request = Request(args.examples, args.dev, args.run, args.adapter, folder, dpo, settings.rag.prompt)
    record = run_dpo(request)
    print(json.dumps(summary(record, folder)) if args.json else report(record, folder))
    return 0


def run_dpo(request: Request) -> RunRecord:
    """Train an adapter on mistakes; the record of the run, which may have been finished before.

    Raises UserError for what the user can mend, and when the reader makes no mistakes.
    """
    settings = request.settings
    chosen, mistakes = choose(request.examples, request.dev, settings), ""
    if request.run is not None:
        wrong, mistakes = missed(request.run, settings.arm, settings.split)
        chosen = _of_questions(chosen, wrong, request)
    if wants_unsloth(settings.unsloth, settings.device):
        import unsloth  # type: ignore[import-not-found, unused-ignore]  # noqa: F401  # before transformers and trl
    base = load_base(settings, adapter=request.adapter)
    adapter = weights_digest(request.adapter) if request.adapter is not None else ""
    recipe = recipe_of("dpo", chosen, base, settings).model_copy(update={"adapter": adapter, "mistakes": mistakes})
    start(request.folder, recipe)
    if request.folder.is_finished:
        return read_run(request.folder.path)
    return _train(request, chosen, base, recipe)


def _of_questions(chosen: Chosen, wrong: set[str], request: Request) -> Chosen:
    kept = [example for example in chosen.train if example.question_id in wrong]
    if not kept:
        raise UserError(
            f"{request.run}: none of the {len(wrong)} questions it got wrong is among those of {request.examples}"
        )
    return replace(chosen, train=kept)


def _train(request: Request, chosen: Chosen, base: Base, recipe: Recipe) -> RunRecord:
    from datasets import Dataset  # with trl: slow to import, and after unsloth

    from finetune.trainers import DPOConfig, PreferenceTrainer, preference_collator, prove_preferences
    from finetune.training import Run, arguments, train

    settings = request.settings
    base.model.eval()
    found = preferences(chosen.train, base.reader, settings, request.prompt)
    write_preferences(request.folder.path / _PREFERENCES, found)
    pairs, too_long = tokenised(found, chosen.train, base, max_length=settings.max_length)
    dev, dev_counts = dev_of(chosen, base, settings, request.prompt)
    counts = {
        "examples": len(chosen.train),
        "preferences": len(found),
        "mistakes": sum(preference.margin is None or preference.margin < 0 for preference in found),
        "dropped: longer than max_length": len(too_long),
        **dev_counts,
    }
    names = [first.example_id for first, _ in pairs]
    run = Run(base, settings, request.folder, recipe, names, counts, too_long, dev)
    rows = [
        {
            "prompt_ids": list(first.ids[: first.start]),
            "chosen_ids": list(first.ids[first.start :]),
            "rejected_ids": list(second.ids[second.start :]),
            "row": row,
        }
        for row, (first, second) in enumerate(pairs)
    ]
    trainer = PreferenceTrainer(
        model=base.model,
        args=DPOConfig(**arguments(run), beta=settings.beta, loss_type=[settings.loss]),
        data_collator=preference_collator(padding_of(base)),
        train_dataset=Dataset.from_list(rows),
        processing_class=base.loaded.tokenizer,
    )
    prove_preferences(trainer, pairs)
    return train(run, trainer)


def tokenised(
    found: Sequence[Preference], examples: Sequence[Example], base: Base, *, max_length: int
) -> tuple[list[tuple[Tokens, Tokens]], dict[str, str]]:
    """((chosen, rejected) as tokens, what was dropped and why). Raises UserError when nothing is left."""
    messages = {example.id: example.messages for example in examples}
    pairs: list[tuple[Tokens, Tokens]] = []
    dropped: dict[str, str] = {}
    for preference in found:
        both = base.turn.tokens(
            preference.example_id, messages[preference.example_id], [preference.chosen, preference.rejected]
        )
        if max(len(tokens.ids) for tokens in both) > max_length:
            dropped[preference.example_id] = "longer than max_length"
        else:
            pairs.append((both[0], both[1]))
    if not pairs:
        raise UserError(f"all {len(found)} preferences are longer than finetune.dpo.max_length={max_length} tokens")
    return pairs, dropped
