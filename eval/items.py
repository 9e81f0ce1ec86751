"""What came of one exam item: how it is made, and what each arm answered. The unit of every statistic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from configs.errors import UserError
from configs.evaluation import ArmName
from corpora.records import Kind, Need, Question
from corpora.writing import replaced
from rag.gate_features import is_negated

NAME = "items.jsonl"

Cause = Literal[
    "unparsed", "not judged", "distracted", "unanswerable", "passage cut", "reader ignored", "retriever missed"
]
"""Why an answer is wrong: see eval.triage."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What an item is like: the dimensions that results are told apart by."""

    kind: Kind
    subject: str
    split: str
    choices: int  # 0 without
    is_negated: bool  # asks for what is not so
    has_box: bool  # <보기>
    paragraph: int  # characters of the item's own 지문
    needs_knowledge: Need | None
    hops: int
    is_leaked: bool | None = None  # stands in the index; None = not looked

    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One arm's answer to one item, judged."""

    arm: ArmName
    answer: str | None  # number or text; None = unparsed, and wrong
    is_right: bool  # multiple choice: the right number; short answer: exact match; essay: always False
    score: float  # multiple choice: 1 or 0; short answer: character F1; essay: ROUGE-L of morphemes
    confidence: float | None  # the chosen choice's share of the choices' probability
    shows_gold: bool | None  # a judged passage stands in the prompt; None = no judgements
    found_gold: bool | None  # ... was among the arm's passages before the prompt's budget
    injected: bool | None = None  # what the gate said; None in other arms
    gate: float | None = None  # what the gate decided by: higher = rather inject
    prompt_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    is_cut: bool = False  # what the reader wrote was stopped by its limit
    similarity: float | None = None  # essays: cosine of the embedded encoder to the nearest model answer; weak
    cause: Cause | None = None  # why it is wrong; None where it is right, and in other arms than `retrieved`

    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Rotations:
    """What one arm chose with the choices in every cyclic order; index = how far they were moved."""

    arm: ArmName
    positions: tuple[int | None, ...]  # where the chosen choice stood, from 1
    choices: tuple[int | None, ...]  # which choice that is in the item's own order

    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Item:
    """One exam item with what the arms made of it."""

    question_id: str
    digest: str  # of the question, its choices and its answer
    answer: int | None  # the right number
    traits: Traits
    outcomes: tuple[Outcome, ...]
    rotations: tuple[Rotations, ...] = ()

    __pydantic_config__ = ConfigDict(extra="forbid")

    def outcome(self, arm: ArmName) -> Outcome | None:
        """What this arm answered; None when it was not asked."""
        return next((outcome for outcome in self.outcomes if outcome.arm == arm), None)


def traits_of(question: Question, *, is_leaked: bool | None = None) -> Traits:
    """What a question is like."""
    return Traits(
        kind=question.kind,
        subject=question.subject,
        split=question.split,
        choices=len(question.choices),
        is_negated=is_negated(question),
        has_box=bool(question.box),
        paragraph=len(question.paragraph),
        needs_knowledge=question.needs_knowledge,
        hops=question.hops,
        is_leaked=is_leaked,
    )


def paired(items: Iterable[Item], arms: tuple[ArmName, ArmName]) -> Iterator[tuple[Item, Outcome, Outcome]]:
    """The items that both arms were asked and that are right or wrong (no essays), with their outcomes."""
    for item in items:
        first, second = item.outcome(arms[0]), item.outcome(arms[1])
        if first is not None and second is not None and item.traits.kind != "essay":
            yield item, first, second


_LINES = TypeAdapter(Item)


def write_items(folder: Path, items: Sequence[Item]) -> None:
    """Write items.jsonl into a run's folder."""
    with replaced(folder / NAME) as stream:
        for item in items:
            stream.write(_LINES.dump_json(item).decode() + "\n")


def read_items(folder: Path) -> list[Item]:
    """The items of a run. Raises UserError when there are none or they are of another version."""
    path = folder / NAME
    try:
        with path.open(encoding="utf-8") as stream:
            return [_LINES.validate_json(line) for line in stream]
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; is {folder} a finished run of: python -m eval --rag?") from None
    except ValidationError as error:
        fault = error.errors()[0]
        raise UserError(f"{path}: {fault['loc']}: {fault['msg']}; run again: python -m eval --rag") from None
