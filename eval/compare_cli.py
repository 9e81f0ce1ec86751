"""python -m eval compare RUN_A RUN_B [--json] and python -m eval report RUN: runs that lie on disk, looked at again.

Example: python -m eval compare runs/sample-solver runs/sample-transformers
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from configs.errors import UserError
from configs.evaluation import ArmName
from eval.cells import Table, pair_cells, percent
from eval.compare import Pair, holm, pair
from eval.items import Item, read_items
from eval.record import RunRecord, read_record
from eval.report import print_record, print_table, record_json, write_report
from eval.summary import Dice, accuracy, arms_of
from eval.verdict import p_text


@dataclass(frozen=True, slots=True)
class ArmPair:
    """One arm of run A against the same arm of run B, on the items that both asked."""

    arm: ArmName
    accuracy_a: float
    accuracy_b: float
    pair: Pair
    p_holm: float


def main_compare(argv: list[str]) -> int:
    """Compare two runs arm by arm, item by item."""
    parser = argparse.ArgumentParser(prog="python -m eval compare", description="Two runs on the same items.")
    parser.add_argument("a", type=Path, metavar="RUN_A")
    parser.add_argument("b", type=Path, metavar="RUN_B")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(argv)
    records = read_record(args.a), read_record(args.b)
    common = _common(read_items(args.a), read_items(args.b), (args.a, args.b))
    found = compare_runs(common, Dice(records[1].resamples, records[1].seed))
    left_out = records[0].n - len(common), records[1].n - len(common)
    if args.json:
        print(json.dumps(_as_json(found, len(common), left_out), ensure_ascii=False))
    else:
        _print(found, records, len(common), left_out)
    return 0


def compare_runs(common: Sequence[tuple[Item, Item]], dice: Dice) -> list[ArmPair]:
    """Every arm that both runs asked, corrected together; essays are left out."""
    arms = [arm for arm in arms_of(a for a, _ in common) if arm in arms_of(b for _, b in common)]
    found: list[tuple[ArmName, float, float, Pair]] = []
    for arm in arms:
        both = [
            (first, second)
            for a, b in common
            if a.traits.kind != "essay"
            and (first := a.outcome(arm)) is not None
            and (second := b.outcome(arm)) is not None
        ]
        right_a, right_b = [first.is_right for first, _ in both], [second.is_right for _, second in both]
        found.append(
            (
                arm,
                accuracy(first for first, _ in both).accuracy,
                accuracy(second for _, second in both).accuracy,
                pair(right_a, right_b, resamples=dice.resamples, seed=dice.seed),
            )
        )
    corrected = holm([compared.mcnemar_p for *_, compared in found])
    return [ArmPair(arm, a, b, compared, p) for (arm, a, b, compared), p in zip(found, corrected, strict=True)]


def _common(a: Sequence[Item], b: Sequence[Item], folders: tuple[Path, Path]) -> list[tuple[Item, Item]]:
    """The items of both runs. Raises UserError when there is none, or one that reads differently in the two."""
    others = {item.question_id: item for item in b}
    common = [(item, others[item.question_id]) for item in a if item.question_id in others]
    if not common:
        raise UserError(f"{folders[0]} and {folders[1]} have no item in common; compare runs on one exam")
    changed = [first.question_id for first, second in common if first.digest != second.digest]
    if changed:
        raise UserError(
            f"item {changed[0]!r} ({len(changed)} in all) is not the same in {folders[0]} and {folders[1]};"
            " the exam was changed in between: run the older one again"
        )
    return common


def _as_json(found: Sequence[ArmPair], n: int, left_out: tuple[int, int]) -> Mapping[str, object]:
    return {
        "n": n,
        "only_a": left_out[0],
        "only_b": left_out[1],
        "arms": {
            part.arm: {
                "accuracy_a": part.accuracy_a,
                "accuracy_b": part.accuracy_b,
                **asdict(part.pair),
                "p_holm": part.p_holm,
            }
            for part in found
        },
    }


def _print(found: Sequence[ArmPair], records: Sequence[RunRecord], n: int, left_out: tuple[int, int]) -> None:
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    for letter, record in zip("AB", records, strict=True):
        reader = ", ".join(f"{name} {value}" for name, value in list(record.reader.items())[:3])
        console.print(f"{letter}: {record.exam}, {record.n} items, {reader}", markup=False)
    rows = [
        (
            part.arm,
            percent(part.accuracy_a),
            percent(part.accuracy_b),
            *pair_cells(part.pair),
            p_text(part.p_holm).removeprefix("p ").removeprefix("= "),
        )
        for part in found
    ]
    columns = ("arm", "A", "B", "points", "95 % interval", "fixed", "broken", "p", "p (Holm)")
    print_table(console, Table(f"B against A on {n} common items", "", columns, tuple(rows)))
    if any(left_out):
        console.print(f"left out: {left_out[0]} items only in A, {left_out[1]} only in B")


def main_report(argv: list[str]) -> int:
    """Write a run's report again from its record and items, and print it."""
    parser = argparse.ArgumentParser(prog="python -m eval report", description="A finished run's report, made anew.")
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(argv)
    record = read_record(args.run)
    path = write_report(args.run, record)
    if args.json:
        print(record_json(record, path))
    else:
        print_record(record, args.run)
    return 0
