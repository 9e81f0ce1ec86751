"""What the files of an evaluation say about a reader's answers: the contract between `eval` and training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from configs.errors import UserError
from configs.evaluation import ArmName
from corpora.records import Kind, Question
from rag.reader import item_digest

RIGHT = "right"


class _View(BaseModel):
    """Part of a line of items.jsonl; the evaluation writes more."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Outcome(_View):
    """One arm's answer to one item."""

    arm: ArmName
    answer: str | None  # number or text; None = unparsed
    is_right: bool
    shows_gold: bool | None
    cause: str | None = None  # why it is wrong, where the evaluation looked


class Traits(_View):
    """What an item is like."""

    kind: Kind
    subject: str
    split: str


class Item(_View):
    """One item of a run."""

    question_id: str
    digest: str  # of the question, its choices and its answer
    traits: Traits
    outcomes: tuple[Outcome, ...]

    def outcome(self, arm: ArmName) -> Outcome | None:
        """What this arm answered; None when it was not asked."""
        return next((outcome for outcome in self.outcomes if outcome.arm == arm), None)


_LINE = TypeAdapter(Item)


def read_run(run: Path, arm: ArmName) -> list[tuple[Item, Outcome]]:
    """The items of a finished run that an arm was asked and that are right or wrong (no essays), in order.

    Raises UserError when the run is not whole, or has no such arm.
    """
    if not (run / "record.json").is_file():
        raise UserError(f"{run}: no record.json; this is no finished run of: python -m eval --rag")
    try:
        with (run / "items.jsonl").open(encoding="utf-8") as stream:
            items = [_LINE.validate_json(line) for line in stream]
    except FileNotFoundError:
        raise UserError(f"{run / 'items.jsonl'}: no such file; run again: python -m eval --rag") from None
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        raise UserError(f"{run / 'items.jsonl'}: {place}: {fault['msg']}; run again: python -m eval --rag") from None
    asked = [(item, found) for item in items if item.traits.kind != "essay" and (found := item.outcome(arm))]
    if not asked:
        there = ", ".join(sorted({outcome.arm for item in items for outcome in item.outcomes})) or "none"
        raise UserError(f"{run}: no answers of arm {arm!r}; it has: {there}")
    return asked


def only_splits(items: Iterable[Item], allowed: Sequence[str], *, run: Path, purpose: str) -> None:
    """Raise UserError naming the first item of a split that may not be used for this."""
    for item in items:
        if item.traits.split not in allowed:
            raise UserError(
                f"{run}: item {item.question_id!r} is of split {item.traits.split or '(none)'!r}; {purpose} on"
                f" {' or '.join(map(repr, allowed))} only, or what is measured later is what was learnt: evaluate that"
                f" split with python -m eval --rag --split {allowed[0]}"
            )


def matched(item: Item, questions: dict[str, Question], *, run: Path) -> Question:
    """The question of an item. Raises UserError when the exam lacks it or it was changed since the run."""
    question = questions.get(item.question_id)
    if question is None:
        raise UserError(f"{run}: the exam has no item {item.question_id!r}; name the exam of that run with --exam")
    if item_digest(question) != item.digest:
        raise UserError(f"{run}: item {item.question_id!r} was changed since; evaluate again: python -m eval --rag")
    return question
