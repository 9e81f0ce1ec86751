"""python -m benchmarks.query_speed --index DIR --beir DIR: latency of lexical search, one thread, Kiwi included.

Questions of 20-80 characters from the BEIR folder, and texts of 1,000 characters made by joining them. rank_bm25
scores the same morphemes of the same passages, one query at a time, in the same process.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.machine import machine
from configs.schema import LexicalSettings
from corpora.exams import load_queries
from rag.bm25 import Bm25Field, RankBm25Field
from rag.index import Index
from rag.retrieve import LexicalRetriever


def milliseconds(action: Callable[[str], object], queries: Sequence[str]) -> list[float]:
    """The time of one call per query."""
    times = []
    for query in queries:
        started = time.perf_counter()
        action(query)
        times.append((time.perf_counter() - started) * 1000)
    return times


def show(name: str, times: Sequence[float]) -> None:
    """One row: p50, p95 and the number of calls."""
    p50, p95 = np.percentile(times, [50, 95])
    print(f"{name:44s} p50 {p50:9.2f} ms   p95 {p95:9.2f} ms   n {len(times)}")


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--beir", type=Path, required=True)
    parser.add_argument("--reference", type=int, default=20, help="queries for rank_bm25, which is slow")
    args = parser.parse_args()
    print(machine())
    started = time.perf_counter()
    index = Index(args.index)
    retriever = LexicalRetriever(index, LexicalSettings())
    opened = time.perf_counter()
    retriever.search("준비", 10)
    ready = time.perf_counter()
    print(f"open (all digests checked) {opened - started:.2f} s; Kiwi and first query {ready - opened:.2f} s")
    print(f"{len(index.store):,} passages of {index.store.documents:,} documents")
    texts = list(load_queries(args.beir / "queries.jsonl").values())
    questions = [text for text in texts if 20 <= len(text) <= 80][:1000]
    long = [" ".join(texts[n : n + 60])[:1000] for n in range(0, 3000, 30)]
    show("search, questions of 20-80 characters", milliseconds(lambda q: retriever.search(q, 10), questions))
    show("search, texts of 1,000 characters", milliseconds(lambda q: retriever.search(q, 10), long))
    few = questions[: args.reference]
    terms = {question: index.morpheme_terms(question) for question in few}
    scores = np.zeros(len(index.store))
    ours = Bm25Field(index.morphemes, LexicalSettings(idf="okapi"), weight=1.0)
    reference = RankBm25Field(index.morphemes, LexicalSettings(idf="okapi"), weight=1.0)
    mine = milliseconds(lambda q: ours.add_scores(terms[q], scores), few)
    theirs = milliseconds(lambda q: reference.add_scores(terms[q], scores), few)
    show("all passages scored, morphemes, ours", mine)
    show("all passages scored, morphemes, rank_bm25", theirs)
    print(f"ratio of medians: {np.median(theirs) / np.median(mine):.0f} x")
    return 0


if __name__ == "__main__":
    sys.exit(main())
