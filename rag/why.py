"""The one-shot commands `why` (also called `explain`) and `miss`: the REPL's accounts for scripts and bug reports."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from configs import load
from configs.schema import RagSettings
from corpora.normalize import normalize
from corpora.records import Question
from rag.explain import Explanation, explain
from rag.index import row_of
from rag.miss import Missed, miss, named
from rag.repl.desk import Desk
from rag.repl.layout import render, source_of
from rag.repl.missing import missed_table
from rag.repl.passages import explanation_table
from rag.repl.state import Reply
from rag.retrieve import Filter
from rag.trace import Engines, trace

_EXAMPLE = 'python -m rag {} "대동법은 어디에서 처음 실시되었는가?" daedongbeop#2'
_WIDTH = 120  # columns where the output is no terminal


def main_why(argv: list[str]) -> int:
    """Print why one passage scores what it scores, as tables or as one JSON object."""
    args = _parser("why", "Why a passage stands where it stands.", passage="PASSAGE_ID").parse_args(argv)
    engines = _engines(args)
    found = explain(engines, normalize(args.query), args.passage)
    if args.json:
        print(json.dumps(_why_json(found), ensure_ascii=False))
    else:
        _show(explanation_table(found, engines.settings, width=_columns()))
    return 0


def main_miss(argv: list[str]) -> int:
    """Print where a passage stands in every stage of a search, as a table or as one JSON object."""
    parser = _parser("miss", "Where a passage that should have been found stands.", passage="PASSAGE_ID|TEXT")
    args = parser.parse_args(argv)
    engines = _engines(args)
    query = normalize(args.query)
    question = Question(question_id="miss", kind="short_answer", subject="", question=query)
    passage_id = named(engines, normalize(args.passage))
    found = miss(engines, trace(engines, question, engines.settings.top_k), passage_id)
    if args.json:
        print(json.dumps(_miss_json(found, engines.settings), ensure_ascii=False))
    else:
        where = source_of(engines.index, row_of(engines.index, passage_id))
        _show(missed_table(found, engines.settings.top_k, where=where))
    return 0


def _parser(command: str, description: str, *, passage: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m rag {command}",
        description=f"{description}\n\nExample: {_EXAMPLE.format(command)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("query")
    parser.add_argument("passage", metavar=passage)
    parser.add_argument("--index", type=Path, metavar="DIR", help="default: indexes/default")
    parser.add_argument("--mode", choices=["lexical", "dense", "hybrid"])
    parser.add_argument("--config", type=Path, metavar="FILE")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser


def _engines(args: argparse.Namespace) -> Engines:
    overrides = [*args.overrides]
    overrides += [f"rag.index={args.index}"] if args.index else []
    overrides += [f"rag.mode={args.mode}"] if args.mode else []
    return Desk().engines(load(args.config, overrides).rag, Filter())


def _why_json(found: Explanation) -> dict[str, object]:
    return {
        "query": found.query,
        "passage_id": found.passage_id,
        "score": sum(part.score for part in found.terms),
        "terms": [asdict(part) for part in found.terms],
        "lengths": [asdict(one) for one in found.lengths],
        "lacking": [asdict(one) for one in found.lacking],
        "lexical_rank": found.lexical.rank,
        "dense_rank": found.dense.rank,
        "cosine": found.dense.score,
        "words": [asdict(one) for one in found.words],
        "fused": asdict(found.fused) if found.fused is not None else None,
    }


def _miss_json(found: Missed, settings: RagSettings) -> dict[str, object]:
    return {
        "query": found.query,
        "passage_id": found.passage_id,
        "mode": settings.mode,
        "top_k": settings.top_k,
        "stages": [
            {"stage": one.stage, "rank": one.stand.rank, "score": one.stand.score, "last": one.last}
            for one in found.places
        ],
        "lacking": [asdict(one) for one in found.lacking],
        "rescues": [asdict(one) for one in found.rescues],
    }


def _columns() -> int:
    return os.get_terminal_size().columns if sys.stdout.isatty() else _WIDTH


def _show(reply: Reply) -> None:
    print(render(reply, _columns(), color=sys.stdout.isatty() and "NO_COLOR" not in os.environ))
