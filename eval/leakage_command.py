"""The command `python -m eval leakage`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console

from eval.cells import Table, percent
from eval.rag import add_exam_arguments, chosen, exam_of, settings_of
from eval.report import print_table
from rag.index import Index
from rag.leakage import Leak, leaks

_SHOWN = 20


def main_leakage(argv: list[str]) -> int:
    """Print which exam items stand in the index, the most leaked first, or one JSON object."""
    parser = argparse.ArgumentParser(
        prog="python -m eval leakage",
        description="Exam items whose text stands in the index: the share of an item's runs of letters that one passage"
        " holds. Example: python -m eval leakage --exam jsonl:my-exam.jsonl --index indexes/wiki",
    )
    add_exam_arguments(parser)
    args = parser.parse_args(argv)
    settings = settings_of(args, arms=None)
    name, exam = exam_of(args.exam)
    index = Index(settings.rag.index)
    threshold = settings.eval.leakage.threshold
    found = leaks(chosen(exam, args.split, args.limit), index.store, settings.eval.leakage)
    if args.json:
        print(json.dumps(_as_json(found, threshold), ensure_ascii=False))
    else:
        _print(found, threshold, name, str(index.path))
    return 0


def _as_json(found: Sequence[Leak], threshold: float) -> dict[str, object]:
    return {
        "n": len(found),
        "leaked": sum(leak.is_leaked(threshold) for leak in found),
        "too_short": sum(not leak.runs for leak in found),
        "threshold": threshold,
        "items": [asdict(leak) for leak in _worst(found)],
    }


def _print(found: Sequence[Leak], threshold: float, exam: str, index: str) -> None:
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    leaked = [leak for leak in found if leak.is_leaked(threshold)]
    short = sum(not leak.runs for leak in found)
    console.print(
        f"{len(leaked)} of {len(found)} items of {exam} stand in {index} (at least {percent(threshold, digits=0)} of"
        f" their runs in one passage); {short} are too short to tell",
        markup=False,
    )
    rows = [
        (leak.question_id, percent(leak.question), percent(leak.with_answer), leak.passage_id)
        for leak in _worst(found)[:_SHOWN]
        if leak.passage_id
    ]
    if rows:
        columns = ("item", "question", "with its answer", "passage")
        print_table(console, Table("Most of an item in one passage", "", columns, tuple(rows)))


def _worst(found: Sequence[Leak]) -> list[Leak]:
    return sorted(found, key=lambda leak: (-max(leak.question, leak.with_answer), leak.question_id))
