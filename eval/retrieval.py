"""python -m eval retrieval --beir DIR: how well an index finds what the judgements name, with intervals.

A query's ranking is over documents: a document stands where its best passage stands, so chunking never changes the
judgements. A query without hits scores 0 and counts. Intervals: percentile bootstrap over queries, 95 %.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ir_measures
import numpy as np
from ir_measures import RR, R, nDCG
from numpy.typing import NDArray
from tqdm import tqdm

from configs.errors import UserError
from corpora.exams import load_qrels, load_queries
from corpora.records import Qrels
from rag.hits import Hit, rank
from rag.retrieve import Retriever

DEPTH = 100  # documents per query
_PASSAGES = 400  # asked for per query, so that 100 documents come out where a document has several

Run = Mapping[str, Sequence[Hit]]  # query id -> documents as hits

MEASURES = {"ndcg@10": nDCG @ 10, "mrr@10": RR @ 10, "recall@10": R @ 10, "recall@100": R @ 100}
NAMES = (*MEASURES, "top1")


@dataclass(frozen=True, slots=True)
class Task:
    """Queries with judgements over documents."""

    queries: Mapping[str, str]
    qrels: Qrels


def load_task(folder: Path, split: str) -> Task:
    """The judged queries of one split of a BEIR folder. Raises UserError when a file is missing or none is judged."""
    path = folder / "qrels" / f"{split}.tsv"
    if not path.is_file():
        there = ", ".join(sorted(file.stem for file in path.parent.glob("*.tsv"))) or "none"
        raise UserError(f"{path}: no judgements for split {split!r}; there are: {there}")
    queries_path = next((p for p in (folder / "queries.jsonl", folder / "queries.jsonl.gz") if p.is_file()), None)
    if queries_path is None:
        raise UserError(f"{folder}: no queries.jsonl here")
    qrels = load_qrels(path)
    judged = {query_id: docs for query_id, docs in qrels.items() if any(rel > 0 for rel in docs.values())}
    if not judged:
        raise UserError(f"{path}: no query has a relevant document")
    queries = load_queries(queries_path)
    missing = sorted(set(judged) - set(queries))
    if missing:
        raise UserError(f"{path}: query {missing[0]!r} is judged but not in {queries_path}")
    return Task({query_id: queries[query_id] for query_id in sorted(judged)}, judged)


def run_queries(retriever: Retriever, queries: Mapping[str, str]) -> dict[str, list[Hit]]:
    """The ranking of documents for every query; [] for one without hits."""
    found = tqdm(queries.items(), unit=" queries", desc="search", disable=None)
    return {query_id: by_document(retriever.search(text, _PASSAGES)) for query_id, text in found}


def by_document(hits: Sequence[Hit]) -> list[Hit]:
    """Hits on passages as hits on documents: each where its best passage is, at most 100."""
    best: dict[str, float] = {}
    for hit in hits:
        best.setdefault(hit.passage_id.rpartition("#")[0], hit.score)
    return rank(best, DEPTH)


def scores(task: Task, run: Run) -> dict[str, NDArray[np.float64]]:
    """Measure -> score of every judged query, in order of the task's queries; shape [queries]."""
    qrels = [
        ir_measures.Qrel(query_id, doc_id, relevance)
        for query_id, docs in task.qrels.items()
        for doc_id, relevance in docs.items()
    ]
    # trec_eval orders equal scores by id its own way: give it ranks instead of scores
    scored = [
        ir_measures.ScoredDoc(query_id, hit.passage_id, -float(hit.rank))
        for query_id, hits in run.items()
        for hit in hits
    ]
    table: dict[str, dict[str, float]] = {name: dict.fromkeys(task.queries, 0.0) for name in MEASURES}
    names = {str(measure): name for name, measure in MEASURES.items()}
    for metric in ir_measures.iter_calc(list(MEASURES.values()), qrels, scored):
        table[names[str(metric.measure)]][metric.query_id] = metric.value
    columns = {name: np.array(list(column.values())) for name, column in table.items()}
    firsts = {query_id: hits[0].passage_id for query_id, hits in run.items() if hits}
    right = [task.qrels[query_id].get(firsts.get(query_id, ""), 0) > 0 for query_id in task.queries]
    return {**columns, "top1": np.array(right, dtype=float)}


def bootstrap(values: NDArray[np.float64], *, resamples: int, seed: int) -> tuple[float, float]:
    """The 95 % percentile interval of the mean, by resampling queries."""
    generator = np.random.default_rng(seed)
    means = np.empty(resamples)
    for begin in range(0, resamples, 500):  # bounds memory
        size = (min(500, resamples - begin), len(values))
        means[begin : begin + size[0]] = values[generator.integers(0, len(values), size)].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def write_run(path: Path, run: Run, *, tag: str) -> None:
    """Write a TREC run file: qid Q0 docid rank score tag."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as stream:
        for query_id, hits in run.items():
            for hit in hits:
                stream.write(f"{query_id} Q0 {hit.passage_id} {hit.rank} {hit.score:.6f} {tag}\n")
    temporary.replace(path)
