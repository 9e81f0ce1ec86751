"""python -m eval fit-gate [--exam KIND:PATH] [--splits train,dev] [--index DIR]: learn when passages help.

Asks the closed and the retrieved arm, fits a logistic regression to the items that passages fixed or broke, and
compares it, cross-fitted, with rules. Items of the test split are never fitted on.

Example: python -m eval fit-gate --exam jsonl:my-exam.jsonl --splits train
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import log
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from configs.errors import UserError
from configs.evaluation import FittedGate
from configs.schema import Settings
from corpora.records import Question
from eval.cells import Table, pair_cells, percent
from eval.gate_report import GateReport, gate_report
from eval.items import Item
from eval.rag import add_exam_arguments, exam_of, settings_of
from eval.record import Digests
from eval.report import print_table
from eval.run import Asked, Request, ask
from eval.summary import Dice
from rag.gate import Case, Decision, FittedDecider, Gate, GateFile, ParagraphLength, ScoreFloor, Subjects, write_gate
from rag.gate_features import NAMES

_FOLDS = 5
_FEWEST = 5  # fixed and broken items each, below which nothing can be learnt
_PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


@dataclass(frozen=True, slots=True)
class Example:
    """One item to learn from."""

    case: Case
    closed: bool  # right without passages
    retrieved: bool  # right with them

    @property
    def is_flip(self) -> bool:
        """Whether passages changed it."""
        return self.closed != self.retrieved


Fitter = Callable[[Sequence[Example]], Gate]


class _Recorder:
    """A gate that always injects and keeps what it was asked."""

    name = "always"
    seen: frozenset[str] = frozenset()
    asks_index = True

    def __init__(self) -> None:
        self.cases: dict[str, Case] = {}

    def decide(self, case: Case) -> Decision:
        """Yes."""
        self.cases[case.question.question_id] = case
        return Decision(True, 1.0)


def main_fit_gate(argv: list[str]) -> int:
    """Fit a gate, write it, and print how it and the rules would have done on items they had not seen."""
    parser = argparse.ArgumentParser(
        prog="python -m eval fit-gate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_exam_arguments(parser)
    parser.add_argument("--splits", default="train,dev", help="to fit on, never test (default: train,dev)")
    args = parser.parse_args(argv)
    settings = settings_of(args, arms="closed,retrieved,gated")
    name, exam = exam_of(args.exam)
    splits = tuple(args.splits.split(","))
    questions = _questions(exam, splits, args.limit)
    out = args.out or settings.eval.out / f"{name}-{'-'.join(splits)}-{settings.rag.reader.kind}"
    recorder = _Recorder()
    asked = ask(Request(settings, name, questions, exam, out, with_index=True, look_for_leaks=False), gate=recorder)
    examples = _examples(asked.items, recorder.cases)
    path = _path(settings)
    file = fit(examples, asked.digests, splits)
    reports = compared(examples, asked, path=path, dice=Dice(settings.eval.resamples, settings.eval.seed))
    write_gate(path, file)
    if args.json:
        print(json.dumps({"gate": str(path), "reports": [asdict(report) for report in reports]}, ensure_ascii=False))
    else:
        _print(file, reports, path)
    return 0


def fit(examples: Sequence[Example], digests: Digests, splits: Sequence[str]) -> GateFile:
    """A logistic regression on the flips: P(fixed | changed) from standardised features.

    Items that passages do not change say nothing of when to inject, and are left out. The penalty is chosen by
    cross-validated log-loss. Raises UserError with fewer than five fixed or five broken items.
    """
    flips = [example for example in examples if example.is_flip]
    fixed = sum(example.retrieved for example in flips)
    if min(fixed, len(flips) - fixed) < _FEWEST:
        raise UserError(
            f"passages fixed {fixed} and broke {len(flips) - fixed} of {len(examples)} items: too few to learn from (at"
            f" least {_FEWEST} each); ask more items, or take a rule: --set rag.gate.kind=score_floor"
        )
    rows = _rows(flips)
    means, scales = rows.mean(axis=0), rows.std(axis=0)
    scales[scales == 0] = 1.0
    penalty, weights, intercept = _regression((rows - means) / scales, np.array([flip.retrieved for flip in flips]))
    return GateFile(
        features=NAMES,
        means=tuple(means.tolist()),
        scales=tuple(scales.tolist()),
        coefficients=tuple(weights.tolist()),
        intercept=intercept,
        index=digests.index,
        reader=digests.reader,
        retrieval=digests.retrieval,
        splits=tuple(splits),
        items=tuple(sorted(example.case.question.question_id for example in examples)),
        flips=len(flips),
        fixed=fixed,
        penalty=penalty,
    )


def _regression(rows: NDArray[np.float64], fixed: NDArray[np.bool_]) -> tuple[float, NDArray[np.float64], float]:
    """(C, weights, intercept) of the penalty with the lowest cross-validated log-loss."""
    from sklearn.linear_model import LogisticRegression  # takes a second to import; only fitting needs it
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    losses = {
        penalty: -cross_val_score(
            LogisticRegression(C=penalty, max_iter=1000), rows, fixed, cv=folds, scoring="neg_log_loss"
        ).mean()
        for penalty in _PENALTIES
    }
    best = min(losses, key=lambda penalty: (losses[penalty], penalty))
    model = LogisticRegression(C=best, max_iter=1000).fit(rows, fixed)
    return best, model.coef_[0], float(model.intercept_[0])


def compared(examples: Sequence[Example], asked: Asked, *, path: Path, dice: Dice) -> list[GateReport]:
    """Regression and rules, each fitted on four fifths of the items and judged on the fifth left out."""

    def regression(part: Sequence[Example]) -> Gate:
        return FittedDecider(fit(part, asked.digests, ()), path)

    fitters: Mapping[str, Fitter] = {
        "logistic regression": regression,
        "score floor": _best_floor,
        "subjects": _best_subjects,
        "paragraph: none": lambda _: ParagraphLength(0, ""),
        "paragraph: under 300": lambda _: ParagraphLength(299, ""),
    }
    found = [_cross_fitted(examples, asked.items, name, fitter, dice) for name, fitter in fitters.items()]
    return [report for report in found if report is not None]


def _cross_fitted(
    examples: Sequence[Example], items: Sequence[Item], name: str, fitter: Fitter, dice: Dice
) -> GateReport | None:
    decisions: dict[str, Decision] = {}
    ordered = sorted(examples, key=lambda example: (example.is_flip, example.retrieved, _id(example)))
    folds = [ordered[number::_FOLDS] for number in range(_FOLDS)]  # flips spread evenly
    for number, part in enumerate(folds):
        rest = [example for other, fold in enumerate(folds) if other != number for example in fold]
        try:
            gate = fitter(rest)
        except UserError:  # too few flips in this part: the rule that needs none
            gate = ScoreFloor(0.0, "")
        decisions.update({_id(example): gate.decide(example.case) for example in part})
    judged = [_with_decision(item, decisions[item.question_id]) for item in items if item.question_id in decisions]
    return gate_report(judged, name, seen=frozenset(), dice=dice)


def _best_floor(examples: Sequence[Example]) -> Gate:
    """The floor under which closed book gains most over injecting; 0 where none gains."""
    ordered = sorted((e for e in examples if e.is_flip), key=lambda e: e.case.features.top_score)
    best, gain, floor = 0, 0, 0.0
    for number, example in enumerate(ordered):
        gain += 1 if example.closed else -1  # kept closed from here down
        following = ordered[number + 1].case.features.top_score if number + 1 < len(ordered) else float("inf")
        if gain > best and following > example.case.features.top_score:
            best, floor = gain, following
    return ScoreFloor(floor, "")


def _best_subjects(examples: Sequence[Example]) -> Gate:
    gains: dict[str, int] = {}
    for example in examples:
        subject = example.case.question.subject
        gains[subject] = gains.get(subject, 0) + example.retrieved - example.closed
    return Subjects(frozenset(subject for subject, gain in gains.items() if gain >= 0), "")


def _with_decision(item: Item, decision: Decision) -> Item:
    return replace(
        item,
        outcomes=tuple(
            replace(outcome, injected=decision.inject, gate=decision.value) if outcome.arm == "gated" else outcome
            for outcome in item.outcomes
        ),
    )


def _examples(items: Sequence[Item], cases: Mapping[str, Case]) -> list[Example]:
    found = []
    for item in items:
        closed, retrieved = item.outcome("closed"), item.outcome("retrieved")
        if item.traits.kind != "essay" and closed is not None and retrieved is not None:
            found.append(Example(cases[item.question_id], closed.is_right, retrieved.is_right))
    return found


def _questions(exam: Sequence[Question], splits: Sequence[str], limit: int | None) -> list[Question]:
    if "test" in splits:
        raise UserError("--splits: the test split is for judging a gate, not for fitting it; choose train or dev")
    found = [question for question in exam if question.split in splits]
    if not found:
        there = ", ".join(sorted({question.split for question in exam})) or "none"
        raise UserError(f"--splits {','.join(splits)}: no questions; the exam's splits are: {there}")
    return found[:limit]


def _path(settings: Settings) -> Path:
    gate = settings.rag.gate
    return gate.path if isinstance(gate, FittedGate) else FittedGate().path


def _rows(examples: Sequence[Example]) -> NDArray[np.float64]:
    return np.array([example.case.features.as_row() for example in examples])


def _id(example: Example) -> str:
    return example.case.question.question_id


def _print(file: GateFile, reports: Sequence[GateReport], path: Path) -> None:
    rows = [
        (
            report.name,
            percent(report.injected),
            *pair_cells(report.against_never)[:2],
            *pair_cells(report.against_always),
        )
        for report in reports
    ]
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    note = ("gate", "injects", "never → it", "95 %", "always → it", "95 %", "fixed", "broken", "p")
    print_table(console, Table(f"Cross-fitted on {reports[0].n} items, points", "", note, tuple(rows)))
    weights = sorted(zip(file.features, file.coefficients, strict=True), key=lambda part: -abs(part[1]))
    print_table(
        console,
        Table(
            f"Weights (C = {file.penalty:g}, intercept {file.intercept:+.2f}, prior log-odds"
            f" {log(file.fixed / (file.flips - file.fixed)):+.2f})",
            "",
            ("feature", "per standard deviation"),
            tuple((name, f"{weight:+.3f}") for name, weight in weights),
        ),
    )
    console.print(f"\ngate: {path}", markup=False)
