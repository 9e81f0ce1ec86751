"""Why the retrieved arm's wrong answers are wrong, from the arms themselves: no judge, no second model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from configs.evaluation import ArmName
from eval.items import Cause, Item, Outcome

CAUSES: tuple[Cause, ...] = get_args(Cause)


@dataclass(frozen=True, slots=True)
class Share:
    """How many of an arm's wrong answers have one cause."""

    cause: Cause
    n: int
    share: float


@dataclass(frozen=True, slots=True)
class HitTable:
    """Whether a judged passage stood in the prompt, against whether the answer was right."""

    hit_right: int
    hit_wrong: int
    miss_right: int
    miss_wrong: int


def cause_of(outcome: Outcome, closed: Outcome | None, gold: Outcome | None) -> Cause | None:
    """Why an answer is wrong, the first that holds; None when it is right.

    unparsed: there is no answer. not judged: no judgements say which passages would help.
    distracted: right without passages, wrong with them. unanswerable: wrong with the judged passages
    alone too, so no retriever would have helped this reader. passage cut: a judged passage was found but
    did not fit into the prompt. reader ignored: a judged passage stood there. retriever missed: none was found.
    """
    if outcome.is_right:
        return None
    tests: tuple[tuple[Cause, bool], ...] = (
        ("unparsed", outcome.answer is None),
        ("not judged", outcome.shows_gold is None),
        ("distracted", closed is not None and closed.is_right),
        ("unanswerable", gold is not None and not gold.is_right),
        ("reader ignored", outcome.shows_gold is True),
        ("passage cut", outcome.found_gold is True),
        ("retriever missed", True),
    )
    return next(cause for cause, holds in tests if holds)


def with_causes(item: Item, arms: Sequence[ArmName] = ("retrieved", "gated")) -> Item:
    """The item with the causes of what these arms got wrong; essays are neither right nor wrong."""
    if item.traits.kind == "essay":
        return item
    closed, gold = item.outcome("closed"), item.outcome("gold")
    return replace(
        item,
        outcomes=tuple(
            replace(outcome, cause=cause_of(outcome, closed, gold)) if outcome.arm in arms else outcome
            for outcome in item.outcomes
        ),
    )


def shares(items: Iterable[Item], arm: ArmName) -> list[Share]:
    """The causes of an arm's wrong answers, in the order of `Cause`; the shares add up to 1."""
    found = [outcome.cause for item in items if (outcome := item.outcome(arm)) is not None]
    counts = Counter(cause for cause in found if cause is not None)
    return [Share(cause, counts[cause], counts[cause] / counts.total()) for cause in CAUSES if counts[cause]]


def hit_table(items: Iterable[Item], arm: ArmName) -> HitTable | None:
    """The 2x2 of an arm over its judged items, essays left out; None when none is judged."""
    judged = Counter(
        (outcome.shows_gold, outcome.is_right)
        for item in items
        if item.traits.kind != "essay" and (outcome := item.outcome(arm)) is not None and outcome.shows_gold is not None
    )
    if not judged:
        return None
    return HitTable(judged[True, True], judged[True, False], judged[False, True], judged[False, False])
