"""The one-shot command `search`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from configs import load
from configs.schema import Settings
from rag.dense import DenseRetriever
from rag.hits import Hit
from rag.hybrid import HybridRetriever, retriever_for
from rag.index import Index, page_of, row_of
from rag.retrieve import Filter, LexicalRetriever, Retriever

_SNIPPET = 160  # characters of a passage in the table


def main_search(argv: list[str]) -> int:
    """Search an index and print the hits as a table or as one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m rag search", description="Search an index.")
    parser.add_argument("query")
    _add_common(parser)
    parser.add_argument("--top-k", type=int, metavar="N")
    parser.add_argument("--mode", choices=["lexical", "dense", "hybrid"])
    parser.add_argument("--source", help="only passages of this corpus (wiki, statutes, sample ...)")
    parser.add_argument("--licence", help="only passages under this licence")
    args = parser.parse_args(argv)
    overrides = [*args.overrides]
    overrides += [f"rag.top_k={args.top_k}"] if args.top_k is not None else []
    overrides += [f"rag.mode={args.mode}"] if args.mode else []
    settings = load(args.config, overrides)
    index = Index(args.index or settings.rag.index)
    retriever = retriever_for(settings.rag, index, Filter(args.source, args.licence))
    retriever.search("준비", 1)  # loads Kiwi and the vectors, so that the time below is the search's own
    started = time.perf_counter()
    hits = retriever.search(args.query, settings.rag.top_k)
    seconds = time.perf_counter() - started
    if args.json:
        ranks = _ranks(args.query, settings, retriever, hits)
        print(json.dumps(_as_json(args.query, settings, index, hits, ranks=ranks, seconds=seconds), ensure_ascii=False))
    else:
        _print_hits(index, hits, seconds)
    return 0


def _ranks(query: str, settings: Settings, retriever: Retriever, hits: list[Hit]) -> dict[str, dict[str, int | None]]:
    """Passage id -> part -> its rank there, where one part or a fusion of two made the ranking."""
    if isinstance(retriever, HybridRetriever):
        fused = retriever.search_explained(query, settings.rag.top_k)
        return {one.hit.passage_id: {share.part: share.rank for share in one.shares} for one in fused}
    if isinstance(retriever, LexicalRetriever | DenseRetriever):
        return {hit.passage_id: {settings.rag.mode: hit.rank} for hit in hits}
    return {}  # a reranker keeps no account of the first stage


def _as_json(
    query: str,
    settings: Settings,
    index: Index,
    hits: list[Hit],
    *,
    ranks: dict[str, dict[str, int | None]],
    seconds: float,
) -> dict[str, object]:
    rows = []
    for hit in hits:
        parts = ranks.get(hit.passage_id, {})
        row = row_of(index, hit.passage_id)
        passage, document = index.store.passage(row), index.store.document(row)
        rows.append(
            {
                "rank": hit.rank,
                "passage_id": hit.passage_id,
                "doc_id": passage.doc_id,
                "title": document.title,
                "page": page_of(index, row) or None,
                "score": hit.score,
                "lexical_rank": parts.get("lexical"),
                "dense_rank": parts.get("dense"),
                "text": passage.text,
            }
        )
    return {"query": query, "mode": settings.rag.mode, "hits": rows, "seconds": seconds}


def _print_hits(index: Index, hits: list[Hit], seconds: float) -> None:
    console = Console(width=None if sys.stdout.isatty() else 120)
    if not hits:
        console.print("no passage shares a term with the query")
    table = Table("rank", "score", "passage", "where", "text", show_edge=False, pad_edge=False)
    for hit in hits:
        row = row_of(index, hit.passage_id)
        passage, document = index.store.passage(row), index.store.document(row)
        where = " > ".join([document.title, *passage.heading_path])
        page = page_of(index, row)
        text = " ".join(passage.text.split())
        table.add_row(
            str(hit.rank),
            f"{hit.score:.2f}",
            hit.passage_id,
            f"{where} (p. {page})" if page else where,
            text[:_SNIPPET] + ("…" if len(text) > _SNIPPET else ""),
        )
    if hits:
        console.print(table)
    console.print(f"{len(hits)} hits in {seconds * 1000:.1f} ms from {index.path}", highlight=False)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--index", type=Path, metavar="DIR", help="default: indexes/default")
    parser.add_argument("--config", type=Path, metavar="FILE")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
