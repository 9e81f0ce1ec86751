"""python -m benchmarks.fusion --index DIR --beir DIR [--split test]: lexical, dense and hybrid on the same queries.

nDCG@10 of each mode, its paired difference from lexical search with a 95 % interval, and latency per query; modes take
turns query by query, so that other work on the machine meets all alike.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import get_args

import numpy as np
from tqdm import tqdm

from benchmarks.machine import machine
from configs import load
from configs.errors import run_command
from configs.schema import RagSettings
from eval.retrieval import Task, bootstrap, by_document, load_task, scores
from rag.hits import Hit
from rag.hybrid import retriever_for
from rag.index import Index

MODES = get_args(RagSettings.model_fields["mode"].annotation)
_DEPTH = 100


def main(argv: list[str] | None = None) -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fusion", description=__doc__)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--beir", type=Path, required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--limit", type=int, default=0, help="so many queries, chosen by the seed; 0 = all")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    args = parser.parse_args(argv)
    settings = load(None, args.overrides)
    task = _limited(load_task(args.beir, args.split), args.limit, seed=settings.eval.seed)
    index = Index(args.index)
    retrievers = {mode: retriever_for(settings.rag.model_copy(update={"mode": mode}), index) for mode in MODES}
    runs: dict[str, dict[str, list[Hit]]] = {mode: {} for mode in MODES}
    times: dict[str, list[float]] = {mode: [] for mode in MODES}
    for retriever in retrievers.values():
        retriever.search("준비", _DEPTH)
    for query_id, text in tqdm(task.queries.items(), unit=" queries", disable=None):
        for mode, retriever in retrievers.items():
            started = time.perf_counter()
            hits = retriever.search(text, _DEPTH)
            times[mode].append((time.perf_counter() - started) * 1000)
            runs[mode][query_id] = by_document(hits)
    print(machine())
    print(f"{len(task.queries):,} queries, {len(index.store):,} passages")
    base = scores(task, runs[MODES[0]])["ndcg@10"]
    for mode in MODES:
        values = scores(task, runs[mode])["ndcg@10"]
        low, high = bootstrap(values - base, resamples=settings.eval.resamples, seed=settings.eval.seed)
        p50, p95 = np.percentile(times[mode], [50, 95])
        delta = f"{(values - base).mean():+.4f} ({low:+.4f} .. {high:+.4f})"
        print(f"{mode:8s} ndcg@10 {values.mean():.4f}  {delta}  p50 {p50:.2f} ms  p95 {p95:.2f} ms")
    return 0


def _limited(task: Task, limit: int, *, seed: int) -> Task:
    if not limit or limit >= len(task.queries):
        return task
    names = sorted(task.queries)
    kept = sorted(np.random.default_rng(seed).choice(names, limit, replace=False).tolist())
    return Task({name: task.queries[name] for name in kept}, {name: task.qrels[name] for name in kept})


if __name__ == "__main__":
    sys.exit(run_command(main))
