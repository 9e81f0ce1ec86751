"""python -m eval --rag [--exam KIND:PATH] [--index DIR] [--arms closed,retrieved,...]: what did retrieval do?

The same questions are asked closed book, with retrieved passages, and in the other arms; every answer goes to the
run's journal at once, so a run that was stopped goes on where it stood. --no-rag asks the closed arm alone.

Example: python -m eval --rag --exam kmmlu:data/kmmlu-history.csv --index indexes/wiki --limit 200
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from configs import load
from configs.errors import UserError
from configs.schema import Settings
from corpora.exam_formats import parse_exam
from corpora.exams import load_exam
from corpora.records import Question
from corpora.sample import EXAM
from eval.report import print_record, record_json, write_report
from eval.run import Request, evaluate, first


def main_rag(argv: list[str]) -> int:
    """Evaluate, write the run's files, print the table or one JSON object."""
    args = _parser().parse_args(argv)
    request = request_of(args)
    record = evaluate(request)
    path = write_report(request.out, record)
    if args.json:
        print(record_json(record, path))
    else:
        print_record(record, request.out)
    return 0


def request_of(args: argparse.Namespace) -> Request:
    """What the arguments ask for. Raises UserError when they leave no question."""
    settings = settings_of(args, arms=args.arms)
    name, exam = exam_of(args.exam)
    questions = chosen(exam, args.split, args.limit)
    folder = "-".join(
        part for part in (name, args.split or "", settings.rag.reader.kind, "" if args.rag else "closed") if part
    )
    return Request(
        settings=settings,
        exam=name,
        questions=questions,
        pool=exam,
        out=args.out or settings.eval.out / folder,
        with_index=args.rag,
        qrels=args.qrels,
        permute=args.permute,
        look_for_leaks=args.leakage,
    )


def exam_of(source: str | None) -> tuple[str, list[Question]]:
    """(name, questions) of KIND:PATH; of the bundled exam for None."""
    if source is None:
        return "sample", load_exam(EXAM)
    return Path(source.partition(":")[2]).stem or source, parse_exam(source)


def chosen(questions: Sequence[Question], split: str | None, limit: int | None) -> list[Question]:
    """The questions of a split (None: all), the first `limit` of them. Raises UserError when none is left."""
    found = [question for question in questions if split in (None, question.split)]
    if not found:
        there = ", ".join(sorted({question.split for question in questions if question.split})) or "none"
        raise UserError(f"--split {split}: no questions; the exam's splits are: {there}")
    return first(found, limit)


def add_exam_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that every command on an exam and an index takes."""
    parser.add_argument("--exam", metavar="KIND:PATH", help="default: the bundled exam")
    parser.add_argument("--split", help="only items of this split")
    parser.add_argument("--limit", type=_positive, metavar="N", help="only the first N items")
    parser.add_argument("--index", type=Path, metavar="DIR", help="default: indexes/default")
    parser.add_argument("--config", type=Path, metavar="FILE", help="for example a reader: configs/readers/*.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the run's folder (default: one below runs/)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m eval", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--rag", action="store_true", default=False, help="with retrieval, in paired arms")
    which.add_argument("--no-rag", action="store_false", dest="rag", help="closed book alone")
    add_exam_arguments(parser)
    parser.add_argument("--arms", metavar="NAMES", help="of closed,retrieved,gated,gold,random,distract")
    parser.add_argument("--qrels", type=Path, metavar="FILE", help="judgements (default: the exam's gold quotes)")
    parser.add_argument("--permute", action="store_true", help="ask with the choices in every cyclic order too")
    parser.add_argument(
        "--no-leakage", action="store_false", dest="leakage", help="do not look for the exam's text in the index"
    )
    return parser


def settings_of(args: argparse.Namespace, *, arms: str | None) -> Settings:
    """The settings that the arguments of `add_exam_arguments` leave in effect."""
    overrides = list(args.overrides)
    if args.index is not None:
        overrides.append(f"rag.index={args.index}")
    if arms is not None:
        overrides.append(f"eval.arms=[{arms}]")
    return load(args.config, overrides)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
