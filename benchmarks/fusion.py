"""python -m benchmarks.fusion --index DIR [--beir DIR] [--split test]: lexical, dense and hybrid on the same queries.

nDCG@10 of each mode, its paired difference from lexical search with a 95 % interval, and per query the time on the
clock and of the processor; modes take turns query by query, so that other work on the machine meets all alike.
Without --beir the queries are the items of the bundled exam with their choices, judged by the documents of their gold
quotes (--split train,dev for both).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import psutil
from tqdm import tqdm

from benchmarks.machine import machine
from configs import load
from configs.errors import run_command
from configs.schema import RagSettings, Settings
from corpora import sample
from corpora.exams import load_exam
from corpora.qrels import document_qrels_of
from eval.retrieval import Task, bootstrap, by_document, load_task, scores
from rag.hits import Hit
from rag.hybrid import retriever_for
from rag.index import Index
from rag.query import with_choices
from rag.retrieve import Retriever

_LEXICAL = "lexical"


def main(argv: list[str] | None = None) -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fusion", description=__doc__)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--beir", type=Path, help="without: the bundled exam")
    parser.add_argument("--split", default="test")
    parser.add_argument("--limit", type=int, default=0, help="so many queries, chosen by the seed; 0 = all")
    parser.add_argument("--characters", type=int, nargs=2, metavar=("MIN", "MAX"), help="queries of such lengths alone")
    parser.add_argument("--top-k", type=int, default=100, metavar="N", help="hits asked for")
    parser.add_argument("--second-stage", action="store_true", help="hybrid search with alignment as well")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    args = parser.parse_args(argv)
    settings = load(None, args.overrides)
    task = load_task(args.beir, args.split) if args.beir else exam_task(args.split)
    task = _limited(_of_length(task, args.characters), args.limit, seed=settings.eval.seed)
    index = Index(args.index)
    modes = retrievers(settings.rag, index, second_stage=args.second_stage)
    runs, times = measured(task, modes, top_k=args.top_k)
    print(machine())
    memory = psutil.Process().memory_info().rss / 2**20
    print(f"{len(task.queries):,} queries, {len(index.store):,} passages, {memory:,.0f} MiB of memory")
    _print(task, runs, times, settings)
    return 0


def exam_task(split: str) -> Task:
    """The bundled exam's judged items of some splits, separated by commas, as queries over documents."""
    exam = [question for question in load_exam(sample.EXAM) if question.split in split.split(",")]
    qrels = document_qrels_of(exam)
    queries = {question.question_id: with_choices(question) for question in exam if question.question_id in qrels}
    return Task({name: queries[name] for name in sorted(queries)}, qrels)


def retrievers(rag: RagSettings, index: Index, *, second_stage: bool) -> dict[str, Retriever]:
    """Name -> retriever, lexical search first."""
    found = {
        mode: retriever_for(rag.model_copy(update={"mode": mode}), index) for mode in (_LEXICAL, "dense", "hybrid")
    }
    if second_stage:
        rerank = rag.rerank.model_copy(update={"kind": "alignment"})
        found["hybrid+alignment"] = retriever_for(rag.model_copy(update={"mode": "hybrid", "rerank": rerank}), index)
    return found


Runs = dict[str, dict[str, list[Hit]]]  # mode -> rankings of documents
Times = dict[str, list[tuple[float, float]]]  # mode -> milliseconds of each query: on the clock, of the processor


def measured(task: Task, modes: Mapping[str, Retriever], *, top_k: int) -> tuple[Runs, Times]:
    """Rankings and times of every mode; each is asked once before."""
    runs: Runs = {mode: {} for mode in modes}
    times: Times = {mode: [] for mode in modes}
    for retriever in modes.values():
        retriever.search("준비", top_k)
    for query_id, text in tqdm(task.queries.items(), unit=" queries", disable=None):
        for mode, retriever in modes.items():
            wall, processor = time.perf_counter(), time.process_time()
            hits = retriever.search(text, top_k)
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
            times[mode].append((wall * 1000, processor * 1000))
            runs[mode][query_id] = by_document(hits)
    return runs, times


def _print(task: Task, runs: Runs, times: Times, settings: Settings) -> None:
    base = scores(task, runs[_LEXICAL])["ndcg@10"]
    for mode, run in runs.items():
        found = scores(task, run)
        values = found["ndcg@10"]
        low, high = bootstrap(values - base, resamples=settings.eval.resamples, seed=settings.eval.seed)
        (p50, processor), (p95, _) = np.percentile(times[mode], [50, 95], axis=0)
        delta = f"{(values - base).mean():+.4f} ({low:+.4f} .. {high:+.4f})"
        print(
            f"{mode:16s} ndcg@10 {values.mean():.4f}  {delta}  recall@100 {found['recall@100'].mean():.4f}"
            f"  p50 {p50:.2f} ms  p95 {p95:.2f} ms  processor p50 {processor:.2f} ms"
        )


def _of_length(task: Task, characters: list[int] | None) -> Task:
    if characters is None:
        return task
    least, most = characters
    kept = {name: text for name, text in task.queries.items() if least <= len(text) <= most}
    return Task(kept, {name: task.qrels[name] for name in kept})


def _limited(task: Task, limit: int, *, seed: int) -> Task:
    if not limit or limit >= len(task.queries):
        return task
    names = sorted(task.queries)
    kept = sorted(np.random.default_rng(seed).choice(names, limit, replace=False).tolist())
    return Task({name: task.queries[name] for name in kept}, {name: task.qrels[name] for name in kept})


if __name__ == "__main__":
    sys.exit(run_command(main))
