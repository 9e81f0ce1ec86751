"""python -m benchmarks.engines --index DIR --beir DIR: which BM25 engine should serve, on the same terms.

Every engine gets the content morphemes of the same passages, as the index holds them, and the same questions,
analysed beforehand. Ours is also timed with both fields, which the others would have to hold twice.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import bm25s
import numpy as np
import tantivy

from benchmarks.machine import machine
from benchmarks.query_speed import milliseconds
from configs.schema import LexicalSettings
from corpora.exams import load_queries
from index_build.lexical import FieldIndex
from rag.bm25 import Bm25Field
from rag.index import Index
from rag.retrieve import LexicalRetriever

_TOP_K = 100


def bags_of(field: FieldIndex) -> list[list[str]]:
    """The terms of every passage, as texts of their keys, repeated as they occur."""
    bags: list[list[str]] = [[] for _ in range(field.passages)]
    for row, key, frequency in field.occurrences():
        bags[row].extend([f"{key:x}"] * frequency)
    return bags


def size(folder: Path, pattern: str = "**/*") -> float:
    """Megabytes of the files below a folder."""
    return sum(path.stat().st_size for path in folder.glob(pattern) if path.is_file()) / 1e6


def report(name: str, seconds: float | None, megabytes: float, times: Sequence[float]) -> None:
    """One row of the table."""
    p50, p95 = np.percentile(times, [50, 95])
    built = f"{seconds:8.1f}" if seconds is not None else "       -"
    print(f"{name:34s} index {built} s  disk {megabytes:7.1f} MB  p50 {p50:7.2f} ms  p95 {p95:7.2f} ms")


def bench_bm25s(bags: list[list[str]], queries: Sequence[list[str]], backend: str, folder: Path) -> None:
    """bm25s with the numpy or the numba backend, memory-mapped."""
    started = time.perf_counter()
    engine = bm25s.BM25(k1=0.8, b=0.75, method="lucene", backend=backend)
    engine.index(bags, show_progress=False)
    seconds = time.perf_counter() - started
    engine.save(str(folder))
    loaded = bm25s.BM25.load(str(folder), mmap=True)
    if backend == "numba":
        loaded.activate_numba_scorer()

    def search(number: str) -> object:
        return loaded.retrieve([queries[int(number)]], k=_TOP_K, show_progress=False, n_threads=1)

    search("0")
    report(f"bm25s {backend}", seconds, size(folder), milliseconds(search, list(map(str, range(len(queries))))))


def bench_tantivy(bags: list[list[str]], queries: Sequence[list[str]], folder: Path) -> None:
    """tantivy with the keys as words between spaces, one indexing thread."""
    builder = tantivy.SchemaBuilder()
    builder.add_integer_field("row", stored=True)
    builder.add_text_field("terms", tokenizer_name="whitespace", index_option="freq")
    started = time.perf_counter()
    index = tantivy.Index(builder.build(), path=str(folder))
    writer = index.writer(num_threads=1)
    for row, bag in enumerate(bags):
        writer.add_document(tantivy.Document(row=row, terms=" ".join(bag)))
    writer.commit()
    writer.wait_merging_threads()
    seconds = time.perf_counter() - started
    index.reload()
    searcher = index.searcher()

    def search(number: str) -> object:
        words = " ".join(queries[int(number)]) or "0"
        return searcher.search(index.parse_query(words, ["terms"]), _TOP_K)

    report("tantivy", seconds, size(folder), milliseconds(search, list(map(str, range(len(queries))))))


def main() -> int:
    """Measure every engine and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--beir", type=Path, required=True)
    args = parser.parse_args()
    print(machine())
    index = Index(args.index)
    texts = [t for t in load_queries(args.beir / "queries.jsonl").values() if 20 <= len(t) <= 80][:500]
    terms = {text: index.morpheme_terms(text) for text in texts}
    queries = [[f"{term.key:x}" for term in found for _ in range(term.count)] for found in terms.values()]
    folder = args.index / index.manifest.folder
    scores = np.zeros(len(index.store))
    engine = Bm25Field(index.morphemes, LexicalSettings(), weight=1.0)

    def ours(text: str) -> object:
        scores[:] = 0
        engine.add_scores(terms[text], scores)
        return np.argpartition(-scores, _TOP_K)[:_TOP_K]

    report("ours, morphemes", None, size(folder, "morphemes.*"), milliseconds(ours, texts))
    both = LexicalRetriever(index, LexicalSettings())
    retrieve: Callable[[str], object] = lambda text: both.search(text, _TOP_K)  # noqa: E731
    retrieve(texts[0])
    report("ours, both fields, Kiwi included", None, size(folder, "*.npy"), milliseconds(retrieve, texts))
    bags = bags_of(index.morphemes)
    for backend in ("numpy", "numba"):
        with tempfile.TemporaryDirectory() as name:
            bench_bm25s(bags, queries, backend, Path(name))
    name = tempfile.mkdtemp()
    bench_tantivy(bags, queries, Path(name))
    shutil.rmtree(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
