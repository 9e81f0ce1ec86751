"""python -m benchmarks.ensemble --index DIR --beir DIR: our hybrid search against LangChain's EnsembleRetriever.

Both get the same passages, the same content morphemes, the same vectors and the same query encoder, taken from the
index; modes take turns query by query. LangChain: BM25Retriever and FAISS in an EnsembleRetriever (ranks fused) with
the weights of its documentation. Kiwi analyses the query for both. An index of about 100,000 passages is meant.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from langchain_classic.retrievers import EnsembleRetriever
from langchain_community.retrievers import BM25Retriever
from langchain_community.vectorstores import FAISS
from langchain_community.vectorstores.utils import DistanceStrategy
from langchain_core.embeddings import Embeddings

from benchmarks.engines import bags_of
from benchmarks.machine import machine
from configs.errors import run_command
from configs.schema import RagSettings
from corpora.exams import load_queries
from index_build.dense import passage_texts
from rag.dense import DenseIndex
from rag.hybrid import retriever_for
from rag.index import Index

_TOP_K = 100


class IndexTerms:
    """What BM25Retriever calls on every passage and query: passages get the terms that the index holds."""

    def __init__(self, index: Index, texts: list[str]) -> None:
        self._index = index
        self._bags = dict(zip(texts, bags_of(index.morphemes), strict=True))

    def __call__(self, text: str) -> list[str]:
        """Keys of the terms, as texts."""
        known = self._bags.get(text)
        if known is not None:
            return known
        return [f"{term.key:x}" for term in self._index.morpheme_terms(text) for _ in range(term.count)]


class IndexEncoder(Embeddings):
    """The index's encoder, for queries; passages come with their vectors."""

    def __init__(self, dense: DenseIndex) -> None:
        self._dense = dense

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Vectors of texts."""
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """The vector of a query."""
        found: list[float] = self._dense.vector(text).tolist()
        return found


def ensemble(index: Index, dense: DenseIndex) -> EnsembleRetriever:
    """LangChain's hybrid retriever over the passages of an index."""
    texts = list(passage_texts(index.path / index.manifest.folder))
    terms = IndexTerms(index, texts)
    vectors = dense.stored(range(len(texts)))
    started = time.process_time()
    bm25 = BM25Retriever.from_texts(texts, preprocess_func=terms, k=_TOP_K)
    middle = time.process_time()
    store = FAISS.from_embeddings(
        zip(texts, vectors, strict=True),
        IndexEncoder(dense),
        distance_strategy=DistanceStrategy.MAX_INNER_PRODUCT,
    )
    ended = time.process_time()
    print(
        f"LangChain: BM25Retriever made in {middle - started:.1f} s of processor time from ready terms, at every start,"
        f" for it has no saved form; FAISS in {ended - middle:.1f} s from ready vectors"
    )
    return EnsembleRetriever(
        retrievers=[bm25, store.as_retriever(search_kwargs={"k": _TOP_K})], weights=[0.5, 0.5], id_key=None
    )


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ensemble",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--beir", type=Path, required=True, help="where the questions come from")
    parser.add_argument("--queries", type=int, default=30, metavar="N")
    args = parser.parse_args(argv)
    print(machine())
    started = time.process_time()
    index = Index(args.index)
    ours = retriever_for(RagSettings(mode="hybrid"), index)
    ours.search("준비", _TOP_K)
    seconds = time.process_time() - started
    print(
        f"{len(index.store):,} passages; ours opened, Kiwi loaded and first query in {seconds:.1f} s of processor time"
    )
    theirs = ensemble(index, DenseIndex(index))
    theirs.invoke("준비")
    questions = sorted(load_queries(args.beir / "queries.jsonl").values())
    questions = questions[:: max(len(questions) // args.queries, 1)][: args.queries]
    ask: dict[str, Callable[[str], object]] = {
        "ours": lambda text: ours.search(text, _TOP_K),
        "LangChain": theirs.invoke,
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ask}
    for text in questions:
        for name, search in ask.items():
            wall, processor = time.perf_counter(), time.process_time()
            search(text)
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
            times[name].append((wall * 1000, processor * 1000))
    for name, found in times.items():
        (p50, processor), (p95, _) = np.percentile(found, [50, 95], axis=0)
        print(f"{name:10s} p50 {p50:9.2f} ms  p95 {p95:9.2f} ms  processor p50 {processor:9.2f} ms  n {len(found)}")
    wall, processor = np.median(np.array(times["LangChain"]) / np.array(times["ours"]), axis=0)
    print(f"LangChain / ours, medians over the queries: {wall:.0f} on the clock, {processor:.0f} of processor time")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
