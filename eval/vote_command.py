"""python -m eval vote RUN RUN ... (--dev RUN RUN ... | --against RUN) [--arm ARM] [--json]: runs vote on each item.

Hard votes, votes weighted by accuracy on dev, and averaged probabilities, each compared item by item with one run:
the best of them on dev (--dev names the dev run of every RUN, in the same order), or the one that --against names.
Which run is best is never read off the items that are voted on.

Example: python -m eval vote runs/a-test runs/b-test --dev runs/a-dev runs/b-dev
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

from rich.console import Console

from configs.errors import UserError
from configs.evaluation import ArmName
from eval.cells import Table, interval, pair_cells, percent
from eval.record import read_record
from eval.report import print_table
from eval.summary import Accuracy, Dice, accuracy
from eval.vote import Ensemble, Member, gives_probabilities, hard, judged, mean_probability, read_members, weight_of


@dataclass(frozen=True, slots=True)
class _Single:
    """One run alone."""

    name: str
    score: Accuracy
    dev: Accuracy | None
    weight: float | None  # of its vote


def main_vote(argv: list[str]) -> int:
    """Vote and compare; print tables or one JSON object."""
    args = _parser().parse_args(argv)
    members, dev = _members(args)
    record = read_record(args.runs[0])
    best = _best(members, dev, args)
    found = ensembles(members, dev, best=best, dice=Dice(record.resamples, record.seed))
    singles = _singles(members, dev)
    if args.json:
        print(json.dumps(_as_json(found, singles, args.arm, best), ensure_ascii=False))
    else:
        _print(found, singles, args.arm, best)
    return 0


def ensembles(members: Sequence[Member], dev: Sequence[Member], *, best: Member, dice: Dice) -> list[Ensemble]:
    """Every method that the runs allow: weights need dev runs, averages need probabilities of every run."""
    found = [judged(members, hard(members), "hard", best=best, dice=dice)]
    if dev:
        weighted = hard(members, [weight_of(member) for member in dev])
        found.append(judged(members, weighted, "weighted", best=best, dice=dice))
    if all(map(gives_probabilities, members)):
        found.append(judged(members, mean_probability(members), "mean probability", best=best, dice=dice))
    return found


def _members(args: argparse.Namespace) -> tuple[list[Member], list[Member]]:
    """The runs, and their dev runs. Raises UserError where these are not the same readers on other items."""
    if len(args.runs) < 2:
        raise UserError(f"vote: found {len(args.runs)} run; expected at least two")
    members = read_members(args.runs, args.arm)
    if not args.dev:
        return members, []
    if len(args.dev) != len(args.runs):
        raise UserError(f"--dev: found {len(args.dev)} runs; expected one for each of the {len(args.runs)}, in order")
    for run, other in zip(args.runs, args.dev, strict=True):
        if read_record(run).digests.reader != read_record(other).digests.reader:
            raise UserError(f"--dev {other}: its reader is not that of {run}; name the dev runs in the same order")
    dev = read_members(args.dev, args.arm)
    voted_on = {item.digest for item in members[0].items}
    seen = [item.question_id for item in dev[0].items if item.digest in voted_on]
    if seen:
        raise UserError(
            f"--dev: item {seen[0]!r} ({len(seen)} in all) is voted on too: weights would be chosen on what they are"
            " measured by; evaluate another split with python -m eval --rag --split dev"
        )
    return members, dev


def _best(members: Sequence[Member], dev: Sequence[Member], args: argparse.Namespace) -> Member:
    """The run to compare with: the one named, else the most accurate on dev, the first of equals."""
    if args.against is not None:
        if args.against not in args.runs:
            raise UserError(f"--against {args.against}: expected one of {', '.join(map(str, args.runs))}")
        return next(member for run, member in zip(args.runs, members, strict=True) if run == args.against)
    if not dev:
        raise UserError("vote: say which run is the best one: with --dev RUN ... (chosen there) or --against RUN")
    scores = [accuracy(member.outcomes).accuracy for member in dev]
    return members[scores.index(max(scores))]


def _singles(members: Sequence[Member], dev: Sequence[Member]) -> list[_Single]:
    return [
        _Single(
            member.name,
            accuracy(member.outcomes),
            accuracy(dev[row].outcomes) if dev else None,
            weight_of(dev[row]) if dev else None,
        )
        for row, member in enumerate(members)
    ]


def _as_json(found: Sequence[Ensemble], singles: Sequence[_Single], arm: ArmName, best: Member) -> dict[str, object]:
    return {
        "n": len(best.items),
        "arm": arm,
        "best": best.name,
        "runs": [asdict(single) for single in singles],
        "methods": {
            part.method: {
                "n": part.score.n,
                "accuracy": part.score.accuracy,
                "ci95": part.score.ci95,
                "best_accuracy": part.best.accuracy,
                **{name: value for name, value in asdict(part.pair).items() if name not in ("n", "ci95")},
                "delta_ci95": part.pair.ci95,
            }
            for part in found
        },
    }


def _print(found: Sequence[Ensemble], singles: Sequence[_Single], arm: ArmName, best: Member) -> None:
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    rows = [
        (
            single.name,
            percent(single.score.accuracy),
            interval(single.score.ci95),
            percent(single.dev.accuracy) if single.dev else "",
            f"{single.weight:.2f}" if single.weight is not None else "",
        )
        for single in singles
    ]
    title = f"{len(singles)} runs, arm {arm}, {len(best.items)} common items"
    print_table(console, Table(title, "", ("run", "accuracy", "95 % interval", "on dev", "weight"), tuple(rows)))
    votes = [
        (
            part.method,
            str(part.score.n),
            percent(part.score.accuracy),
            percent(part.best.accuracy),
            *pair_cells(part.pair),
        )
        for part in found
    ]
    columns = ("method", "n", "accuracy", best.name, "points", "95 % interval", "fixed", "broken", "p")
    print_table(console, Table(f"Votes against {best.name}", "", columns, tuple(votes)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m eval vote", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--dev", type=Path, nargs="+", default=[], metavar="RUN", help="dev runs of the same readers")
    parser.add_argument("--against", type=Path, metavar="RUN", help="the run to compare with")
    parser.add_argument("--arm", choices=get_args(ArmName), default="retrieved")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser
