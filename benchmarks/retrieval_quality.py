"""python -m benchmarks.retrieval_quality --beir DIR --wiki DIR --split dev: our lexical search against its peers.

The BEIR folder's passages with all articles of the wiki as distractors, clean and with 20 % of the spaces of every
document removed. Peers see the same passages, title and headings in front, as our chunker cut them:

  whitespace BM25              words between spaces, idf as Lucene, k1 and b as ours
  all-morpheme Kiwi BM25       every morpheme, particles and endings too, rank_bm25's formula (AutoRAG's ko_kiwi)
  LangChain BM25Retriever      its defaults: str.split and rank_bm25's formula, k1 1.5, b .75

The peers' formulas run on our postings, for rank_bm25 needs a second a query here; that the scores are rank_bm25's is
what tests/test_lexical.py shows, and --check compares LangChain's own top 10 on a few queries. Paired bootstrap over
queries, 95 %.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from kiwipiepy import Kiwi
from numpy.typing import NDArray

from benchmarks.damage import write_damaged
from benchmarks.machine import machine
from configs.schema import CorporaSettings, IndexBuildSettings, LexicalSettings, Settings, SourceSettings
from corpora.records import Document
from corpora.sources import read
from eval.retrieval import NAMES, Task, bootstrap, load_task, run_queries, scores
from index_build.__main__ import Bars
from index_build.build import build
from index_build.lexical import BLOCK, FieldIndex, FieldWriter, counted
from index_build.terms import key_of
from rag.bm25 import Bm25Field, query_terms
from rag.hits import Hit, rank
from rag.index import Index
from rag.retrieve import LexicalRetriever, Retriever

Tokenizer = Callable[[str], list[str]]
Table = dict[str, dict[str, NDArray[np.float64]]]
_kiwi: Kiwi | None = None


def all_morphemes(text: str) -> list[str]:
    """The forms of all morphemes of a text."""
    global _kiwi  # noqa: PLW0603 - one Kiwi per process
    _kiwi = _kiwi or Kiwi(num_workers=1)
    return [token.form for token in _kiwi.tokenize(text)]


def tokenized(tokenizer: Tokenizer, texts: Sequence[str]) -> list[NDArray[np.uint64]]:
    """The term keys of some texts."""
    return [np.array([key_of(word) for word in tokenizer(text)], dtype=np.uint64) for text in texts]


class Peer:
    """BM25 over one tokenisation of the passages of an index."""

    def __init__(self, index: Index, tokenizer: Tokenizer, settings: LexicalSettings, folder: Path) -> None:
        self._index = index
        self._tokenizer = tokenizer
        texts = [passage_text(index, row) for row in range(len(index.store))]
        slices = [texts[begin : begin + 2000] for begin in range(0, len(texts), 2000)]
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
            bags = [bag for part in pool.map(partial(tokenized, tokenizer), slices) for bag in part]
        writer = FieldWriter()
        for begin in range(0, len(bags), BLOCK):
            block = bags[begin : begin + BLOCK]
            rows = np.repeat(np.arange(len(block), dtype=np.int64), [len(bag) for bag in block])
            writer.add(counted(np.concatenate(block), rows, len(block)))
        writer.write(folder, "morphemes")
        self._field = Bm25Field(FieldIndex(folder, "morphemes"), settings, weight=1.0)

    def search(self, query: str, top_k: int) -> list[Hit]:
        """The best top_k passages."""
        totals = np.zeros(len(self._index.store))
        words = self._tokenizer(query)
        self._field.add_scores(query_terms((word, key_of(word)) for word in words), totals)
        rows = np.argsort(-totals, kind="stable")[:top_k]
        return rank({self._index.store.passage_id(int(r)): float(totals[r]) for r in rows if totals[r] > 0}, top_k)


def passage_text(index: Index, row: int) -> str:
    """What a peer sees of a passage: title, headings, text."""
    passage = index.store.passage(row)
    return "\n".join([index.store.document(row).title, *passage.heading_path, passage.text]).strip()


def systems(index: Index, folder: Path) -> dict[str, Retriever]:
    """All that are compared, by name, ours first."""
    rank_bm25 = LexicalSettings(k1=1.5, b=0.75, idf="okapi")
    return {
        "ours (morphemes + bigrams)": LexicalRetriever(index, LexicalSettings()),
        "ours, morphemes alone": LexicalRetriever(index, LexicalSettings(bigram_weight=0)),
        "whitespace BM25": Peer(index, str.split, LexicalSettings(), _made(folder / "w")),
        "all-morpheme Kiwi BM25": Peer(index, all_morphemes, rank_bm25, _made(folder / "k")),
        "LangChain BM25Retriever": Peer(index, str.split, rank_bm25, _made(folder / "l")),
    }


def measure(retrievers: dict[str, Retriever], task: Task) -> Table:
    """System -> measure -> score of every query."""
    return {name: scores(task, run_queries(retriever, task.queries)) for name, retriever in retrievers.items()}


def check(index: Index, queries: Sequence[str], folder: Path) -> None:
    """Compare the top 10 of LangChain's own BM25Retriever with our stand-in for it."""
    from langchain_community.retrievers import BM25Retriever

    ids = [index.store.passage_id(row) for row in range(len(index.store))]
    texts = [passage_text(index, row) for row in range(len(index.store))]
    theirs = BM25Retriever.from_texts(texts, ids=ids)
    theirs.k = 10
    ours = Peer(index, str.split, LexicalSettings(k1=1.5, b=0.75, idf="okapi"), _made(folder))
    same = 0
    for query in queries:
        found = {document.id for document in theirs.invoke(query)}
        hits = ours.search(query, 50)
        if len(hits) < 10:  # LangChain fills its ten with passages that score 0
            same += {hit.passage_id for hit in hits} <= found
        else:
            same += found <= {hit.passage_id for hit in hits if hit.score >= hits[9].score}
    print(f"LangChain's own top 10 are ours, ties aside, for {same} of {len(queries)} queries")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def built(sources: Sequence[SourceSettings], folder: Path) -> Index:
    """An index of some sources in a folder, with the project's own cache of analyses."""
    settings = Settings(corpora=CorporaSettings(sources=tuple(sources)), index_build=IndexBuildSettings(out=folder))
    bars = Bars()
    build(settings, bars)
    bars.close()
    return Index(folder)


def show(title: str, results: Table) -> None:
    """Means of every measure, and our difference to every system in nDCG@10 with its interval."""
    names = list(results)
    print(f"\n{title} (n = {len(results[names[0]]['top1'])})")
    print(f"{'':28s}" + "".join(f"{name:>12s}" for name in NAMES) + "   ours - it, ndcg@10 [95 %]")
    for name, table in results.items():
        line = f"{name:28s}" + "".join(f"{table[measure].mean():12.4f}" for measure in NAMES)
        difference = results[names[0]]["ndcg@10"] - table["ndcg@10"]
        low, high = bootstrap(difference, resamples=10_000, seed=20260101)
        print(line + (f"   {difference.mean():+.4f} [{low:+.4f}, {high:+.4f}]" if name != names[0] else ""))


def main() -> int:
    """Measure clean and damaged text and print both tables and the loss."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beir", type=Path, required=True)
    parser.add_argument("--wiki", type=Path, required=True)
    parser.add_argument("--split", nargs="+", default=["dev"])
    parser.add_argument("--check", type=int, default=0, metavar="N", help="ask LangChain itself N queries")
    args = parser.parse_args()
    print(machine())
    tasks = {split: load_task(args.beir, split) for split in args.split}
    sources = [SourceSettings(kind="beir", path=args.beir), SourceSettings(kind="wiki", path=args.wiki)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        retrievers = systems(built(sources, folder / "clean"), folder / "peers-clean")
        clean = {split: measure(retrievers, task) for split, task in tasks.items()}
        if args.check:
            queries = list(next(iter(tasks.values())).queries.values())[: args.check]
            check(Index(folder / "clean"), queries, folder / "check")
        documents = (item for source in sources for item in read(source) if isinstance(item, Document))
        write_damaged(documents, _made(folder / "corpus") / "corpus.jsonl")
        damaged_source = SourceSettings(kind="beir", path=folder / "corpus")
        retrievers = systems(built([damaged_source], folder / "damaged"), folder / "peers-damaged")
        damaged = {split: measure(retrievers, task) for split, task in tasks.items()}
    for split in tasks:
        show(f"clean text, {split}", clean[split])
        show(f"20 % of the spaces removed, {split}", damaged[split])
        print(f"\nloss of ndcg@10 by the damage, {split}")
        for system, table in clean[split].items():
            loss = table["ndcg@10"] - damaged[split][system]["ndcg@10"]
            low, high = bootstrap(loss, resamples=10_000, seed=20260101)
            print(f"{system:28s} {loss.mean():+.4f} [{low:+.4f}, {high:+.4f}]")
    return 0


if __name__ == "__main__":
    sys.exit(main())
