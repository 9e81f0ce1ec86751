"""What a file of examples holds, in figures, and some of its examples as a model sees them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from finetune.examples import Example
from finetune.examples_make import Made
from rag.tokens import Wording

_MASKED = "bright_black"
_LEARNT = "bold green"


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens of prompts or answers."""

    mean: float
    p95: float
    longest: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a file of examples holds."""

    examples: int
    splits: dict[str, int]
    sources: dict[str, int]
    modes: dict[str, int]
    channels: dict[str, int]
    subjects: dict[str, int]
    gold_shown: int
    gold_places: dict[int, int]  # place of the first gold passage in the prompt, from 1 -> examples of RAFT
    passages: float  # shown, mean over the examples with any
    answers: dict[int, dict[str, int]]  # of multiple choice, number of choices -> label -> how often it is right
    prompt_tokens: Lengths
    answer_tokens: Lengths
    dropped: dict[str, dict[str, int]]  # source -> reason -> items


def statistics(made: Made, wording: Wording) -> Statistics:
    """The figures of what was made."""
    examples = made.examples
    dropped: dict[str, dict[str, int]] = {}
    for (source, reason), count in sorted(made.dropped.items()):
        dropped.setdefault(source, {})[reason] = count
    shown = [len(example.passages) for example in examples if example.passages]
    return Statistics(
        examples=len(examples),
        splits=_counted(example.split for example in examples),
        sources=_counted(example.source for example in examples),
        modes=_counted(example.mode for example in examples),
        channels=_counted(example.channel for example in examples),
        subjects=_counted(example.subject for example in examples),
        gold_shown=sum(example.gold_shown for example in examples),
        gold_places=dict(sorted(made.gold_places.items())),
        passages=sum(shown) / len(shown) if shown else 0.0,
        answers=_answers(examples),
        prompt_tokens=_lengths([wording.count(wording.render(example.messages).text) for example in examples]),
        answer_tokens=_lengths([wording.count(example.answer) for example in examples]),
        dropped=dropped,
    )


def _answers(examples: Sequence[Example]) -> dict[int, dict[str, int]]:
    labelled = [example for example in examples if example.choices and example.channel == "labels"]
    sizes = sorted({len(example.choices) for example in labelled})
    return {size: _counted(e.answer for e in labelled if len(e.choices) == size) for size in sizes}


def _counted(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def _lengths(counts: Sequence[int]) -> Lengths:
    if not counts:
        return Lengths(0.0, 0.0, 0)
    return Lengths(float(np.mean(counts)), float(np.percentile(counts, 95)), max(counts))


def print_statistics(console: Console, found: Statistics) -> None:
    """Print the figures as one table of names and values."""
    table = Table(title=f"{found.examples} examples", title_justify="left", show_header=False, show_edge=False)
    table.add_column(style="bold")
    table.add_column()
    rows: list[tuple[str, str]] = [
        ("splits", _listed(found.splits)),
        ("sources", _listed(found.sources)),
        ("modes", _listed(found.modes)),
        ("channels", _listed(found.channels)),
        ("subjects", _listed(found.subjects)),
        ("gold passage shown", f"{found.gold_shown} ({found.gold_shown / max(found.examples, 1):.0%})"),
        ("its place, RAFT", _listed(found.gold_places)),
        ("passages shown, mean", f"{found.passages:.1f}"),
        *((f"right labels of {size}", _listed(labels)) for size, labels in found.answers.items()),
        ("tokens of a prompt", _tokens(found.prompt_tokens)),
        ("tokens of an answer", _tokens(found.answer_tokens)),
    ]
    rows += [(f"dropped, {source}", _listed(reasons)) for source, reasons in found.dropped.items()]
    for name, value in rows:
        if value:
            table.add_row(name, Text(value))
    console.print(table)


def _listed(counts: dict[str, int] | dict[int, int]) -> str:
    return ", ".join(f"{name or '(none)'} {count}" for name, count in counts.items())


def _tokens(lengths: Lengths) -> str:
    return f"mean {lengths.mean:.0f}, 95 % up to {lengths.p95:.0f}, longest {lengths.longest}"


def print_examples(console: Console, examples: Sequence[Example], wording: Wording, *, count: int, seed: int) -> None:
    """Print some examples by chance, in order of the file, as the model reads them.

    What is masked, and so not learnt, is grey; what carries loss is green and stands in ⟦ ⟧.
    """
    rows = sorted(random.Random(f"{seed} shown").sample(range(len(examples)), min(count, len(examples))))
    for row in rows:
        example = examples[row]
        console.rule(Text(_title(example)), align="left", style="cyan")
        console.print(_as_seen(example, wording), soft_wrap=True)


def _title(example: Example) -> str:
    gold = "gold shown" if example.gold_shown else "no gold"
    return f"{example.id} · {example.split} · {example.subject} · {example.mode} · {example.channel} · {gold}"


def _as_seen(example: Example, wording: Wording) -> Text:
    seen = wording.render(example.messages)
    return Text.assemble((seen.text + seen.lead, _MASKED), ("⟦" + example.answer + "⟧", _LEARNT), "\n")
