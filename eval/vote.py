"""Several runs on the same items -> one answer per item: by votes, by weighted votes, by averaged probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum, log
from pathlib import Path
from typing import Literal

import xxhash
from pydantic import ValidationError

from configs.errors import UserError
from configs.evaluation import ArmName
from eval.compare import Pair, pair
from eval.items import Item, Outcome, read_items
from eval.journal import Entry
from eval.metrics import plain_text, wilson
from eval.record import read_record
from eval.run import JOURNAL
from eval.summary import Accuracy, Dice, accuracy
from rag.answer import probabilities

Method = Literal["hard", "weighted", "mean probability"]

_LEAST = 0.01  # of doubt: nothing is certain on a dev set


@dataclass(frozen=True, slots=True)
class Member:
    """One run's answers in one arm, item by item."""

    name: str
    items: tuple[Item, ...]
    outcomes: tuple[Outcome, ...]
    probabilities: tuple[tuple[float, ...], ...]  # of the choices; () where the answer was written


@dataclass(frozen=True, slots=True)
class Ensemble:
    """One method's score, and its pair with the best single run on the same items."""

    method: Method
    score: Accuracy
    best: Accuracy
    pair: Pair
    answers: Mapping[str, str | None]  # question id -> the voted answer; None where no run answered


def read_members(runs: Sequence[Path], arm: ArmName) -> list[Member]:
    """The runs on the items that all of them asked in this arm, essays left out; in the order of the first run.

    Raises UserError when they share no item, or one that reads differently in two of them.
    """
    found = [{item.question_id: item for item in read_items(run)} for run in runs]
    common = [
        name
        for name, item in found[0].items()
        if item.traits.kind != "essay" and all(name in items and items[name].outcome(arm) for items in found)
    ]
    if not common:
        raise UserError(f"{', '.join(map(str, runs))}: no item that all of them asked in arm {arm!r}")
    for name in common:
        if len({items[name].digest for items in found}) > 1:
            raise UserError(
                f"item {name!r} is not the same in all runs; the exam was changed: run the older ones again"
            )
    return [_member(run, [items[name] for name in common], arm) for run, items in zip(runs, found, strict=True)]


def _member(run: Path, items: Sequence[Item], arm: ArmName) -> Member:
    asked = [(item, outcome) for item in items if (outcome := item.outcome(arm)) is not None]
    entries = _entries(run, arm)
    shares = [_probabilities(outcome, entries.get(item.question_id, []), run, item) for item, outcome in asked]
    return Member(run.name, tuple(items), tuple(outcome for _, outcome in asked), tuple(shares))


def _entries(run: Path, arm: ArmName) -> dict[str, list[Entry]]:
    """Question id -> the journal's lines of this arm by the run's reader; damaged lines are passed over."""
    reader = read_record(run).digests.reader
    found: dict[str, list[Entry]] = {}
    try:
        lines = (run / JOURNAL).read_bytes().splitlines()
    except FileNotFoundError:
        raise UserError(f"{run / JOURNAL}: no such file; the probabilities of the choices are there") from None
    for line in lines:
        try:
            entry = Entry.model_validate_json(line)
        except ValidationError:
            continue
        if entry.arm == arm and entry.reader == reader:
            found.setdefault(entry.question_id, []).append(entry)
    return found


def _probabilities(outcome: Outcome, entries: Sequence[Entry], run: Path, item: Item) -> tuple[float, ...]:
    """The distribution that an outcome was read from: the journal also holds other orders of the choices."""
    if outcome.confidence is None:
        return ()
    for entry in entries:
        shares = probabilities(entry.logprobs)
        chosen = entry.number
        if chosen and str(chosen) == outcome.answer and shares[chosen - 1] == outcome.confidence:
            return shares
    raise UserError(f"{run / JOURNAL}: no answer to {item.question_id!r} as items.jsonl has it; run again")


def weight_of(member: Member) -> float:
    """The weight of a run's vote by its accuracy p on dev: log(p / (1 - p)) + log(K - 1), K choices; at least 0.

    p is (right + 1) / (n + 2) within 1-99 %, K the mean number of choices (2 without any): a run no better than
    chance does not count. Source: Zhu, Zou, Rosset, Hastie, Statistics and Its Interface 2, 2009 (SAMME).
    """
    right = sum(outcome.is_right for outcome in member.outcomes)
    share = min(max((right + 1) / (len(member.outcomes) + 2), _LEAST), 1 - _LEAST)
    sizes = [item.traits.choices for item in member.items if item.traits.choices]
    choices = fsum(sizes) / len(sizes) if sizes else 2.0
    return max(log(share / (1 - share)) + log(choices - 1), 0.0)


def hard(members: Sequence[Member], weights: Sequence[float] | None = None) -> list[str | None]:
    """The answer with most votes of each item; votes weighted where weights are given; None without any answer.

    A tie goes to the answer with the higher mean probability, then by a hash of item and answer. Texts vote
    together when KorQuAD's scorer takes them for equal; a run that gave no answer does not vote.
    """
    given = weights if weights is not None else [1.0] * len(members)
    return [_voted(members, given, row) for row in range(len(members[0].items))]


def _voted(members: Sequence[Member], weights: Sequence[float], row: int) -> str | None:
    item = members[0].items[row]
    votes: dict[str, list[float]] = {}
    written: dict[str, str] = {}
    for member, weight in zip(members, weights, strict=True):
        answer = member.outcomes[row].answer
        if answer is not None:
            key = answer if item.traits.kind == "multiple_choice" else plain_text(answer)
            votes.setdefault(key, []).append(weight)
            written.setdefault(key, answer)
    shares = _mean(members, row)

    def place(key: str) -> tuple[float, float, int]:
        sure = shares[int(key) - 1] if shares else 0.0
        return (-fsum(votes[key]), -sure, xxhash.xxh3_64_intdigest(f"{item.question_id}\0{key}".encode()))

    return written[min(votes, key=place)] if votes else None


def mean_probability(members: Sequence[Member]) -> list[str | None]:
    """The choice with the highest probability, averaged over the runs that gave one; None where none did."""
    found: list[str | None] = []
    for row in range(len(members[0].items)):
        shares = _mean(members, row)
        found.append(str(shares.index(max(shares)) + 1) if shares else None)
    return found


def gives_probabilities(member: Member) -> bool:
    """Whether a run scored choices at all, or wrote its answers."""
    return any(member.probabilities)


def _mean(members: Sequence[Member], row: int) -> tuple[float, ...]:
    rows = [member.probabilities[row] for member in members if member.probabilities[row]]
    return tuple(fsum(column) / len(rows) for column in zip(*rows, strict=True)) if rows else ()


def judged(
    members: Sequence[Member], answers: Sequence[str | None], method: Method, *, best: Member, dice: Dice
) -> Ensemble:
    """The score of what was voted, and its pair with a single run on the same items.

    Averaged probabilities are judged on multiple choice alone. No answer is wrong.
    """
    items = members[0].items
    rows = [row for row, item in enumerate(items) if method != "mean probability" or item.traits.choices]
    right = [_is_right(members, row, answers[row]) for row in rows]
    outcomes = [best.outcomes[row] for row in rows]
    return Ensemble(
        method=method,
        score=_share(right),
        best=accuracy(outcomes),
        pair=pair([outcome.is_right for outcome in outcomes], right, resamples=dice.resamples, seed=dice.seed),
        answers={items[row].question_id: answers[row] for row in rows},
    )


def _is_right(members: Sequence[Member], row: int, answer: str | None) -> bool:
    """As the runs were judged: of texts, the run that wrote this one knows."""
    item = members[0].items[row]
    if item.traits.kind == "multiple_choice":
        return answer == str(item.answer)
    outcomes = [member.outcomes[row] for member in members]
    return any(outcome.is_right for outcome in outcomes if answer is not None and outcome.answer == answer)


def _share(right: Sequence[bool]) -> Accuracy:
    return Accuracy(sum(right) / len(right) if right else 0.0, wilson(sum(right), len(right)), len(right))
