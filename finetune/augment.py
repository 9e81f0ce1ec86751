"""python -m finetune augment {shuffle|distractors|rules|paraphrase|questions} --out FILE [...] [--json]

  shuffle       the items in other orders of their choices
  distractors   short answers as multiple choice, and wrong choices exchanged: words of the answer's type (Kiwi's tags)
                from passages that look right; needs --index
  rules         new items about the passages of --index, by rules: blanks, statements, <보기>, short answers; no model
  paraphrase    the items in other words, by the language model of --config
  questions     new items about passages with pages (PDF) of --index, by the language model of --config; --docs GLOB
                for other documents

What is made comes from the split to learn from, and nothing of it may resemble an item kept for measuring. Other words
and choices are kept only where a reader that sees the passages answers them right; how many it knows without them is
counted. What was asked of a model is kept beside FILE, so a run that was stopped goes on where it stood.

Example: python -m finetune augment distractors --index indexes/default --out data/more.jsonl
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

from configs import load
from configs.errors import UserError
from configs.schema import Settings
from finetune.augment_make import KINDS, Kind, Outcome, augment
from finetune.exam_file import write_exam


def main_augment(argv: list[str]) -> int:
    """Make questions, write them as an exam file, print the counts."""
    args = _parser().parse_args(argv)
    kind: Kind = args.kind
    settings = _settings(args)
    made = augment(kind, args.exam or "sample", args.split, docs=args.docs, settings=settings, out=args.out)
    if not made.questions:
        why = ", ".join(f"{count} {reason}" for reason, count in sorted(made.dropped.items()))
        raise UserError(f"augment {kind}: {made.tried} tried, none kept ({why}); nothing is written")
    write_exam(args.out, made.questions)
    if args.json:
        print(json.dumps({"out": str(args.out), **_facts(made)}, ensure_ascii=False))
        return 0
    print(f"{made.tried} tried, {len(made.questions)} kept")
    for reason, count in sorted(made.dropped.items()):
        print(f"  {count:>5} dropped: {reason}")
    if made.verified:
        print(f"  of {made.verified} asked: {made.gold} right with the passages, {made.closed} without")
    print(f"\nquestions: {args.out}")
    return 0


def _facts(made: Outcome) -> dict[str, object]:
    return {
        "tried": made.tried,
        "kept": len(made.questions),
        "dropped": Counter(dict(sorted(made.dropped.items()))),
        "verified": made.verified,
        "right_with_passages": made.gold,
        "right_without": made.closed,
    }


def _settings(args: argparse.Namespace) -> Settings:
    overrides = list(args.overrides)
    if args.index is not None:
        overrides.append(f"rag.index={args.index}")
    return load(args.config, overrides)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m finetune augment", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--exam", metavar="KIND:PATH", help="default: the bundled exam")
    parser.add_argument("--split", default="train", help="of the items that others are made from (default: train)")
    parser.add_argument("--index", type=Path, metavar="DIR", help="default: indexes/default")
    parser.add_argument(
        "--docs", metavar="GLOB", help="ids of the documents to ask about (default: those with pages; rules: all)"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="for example configs/readers/endpoint.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("--out", type=Path, metavar="FILE", required=True, help="an exam file in our own form")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser
