"""python -m eval retrieval --tune --beir DIR --index DIR [--split dev]: choose how lexical and dense are fused.

Every candidate is retrieved once and fused in every way. Chosen is the highest nDCG@10 among those whose paired
interval against lexical search alone does not reach below -0.002; where none is left, lexical search (weight 0).
The choice is stored with the index and used by `--mode hybrid` from then on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from configs import load
from configs.dense import FusionSettings
from configs.schema import Settings
from eval.retrieval import Task, bootstrap, by_document, load_task, scores
from rag.dense import DenseIndex, DenseRetriever
from rag.hits import Rankings
from rag.hybrid import HybridRetriever, fuse, store_tuned
from rag.index import Index
from rag.retrieve import LexicalRetriever

_SAFE = -0.002
_DEPTH = 400  # passages per part, so that 100 documents come out
_WEIGHTS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6)
_MEASURE = "ndcg@10"


@dataclass(frozen=True, slots=True)
class Trial:
    """One way to fuse, and what it is worth on the judged queries."""

    fusion: FusionSettings
    mean: float
    delta: float  # against lexical search alone, same queries
    low: float  # 95 % interval of delta
    high: float


def main_tune(argv: list[str]) -> int:
    """Try every fusion on judged queries, print the table or JSON, and store the best with the index."""
    parser = argparse.ArgumentParser(prog="python -m eval retrieval --tune", description="Choose the fusion.")
    parser.add_argument("--beir", type=Path, required=True, metavar="DIR")
    parser.add_argument("--index", type=Path, required=True, metavar="DIR")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--config", type=Path, metavar="FILE")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(argv)
    settings = load(args.config, args.overrides)
    task = load_task(args.beir, args.split)
    index = Index(args.index)
    found = trials(task, candidates(task, index, settings), settings)
    best = chosen(found)
    where = f"{args.beir.resolve().name}, {args.split}, {len(task.queries)} queries"
    figures = {_MEASURE: best.mean, "delta": best.delta, "low": best.low, "high": best.high}
    path = store_tuned(index, best.fusion, chosen_on=where, figures=figures)
    if args.json:
        rows = [_row(trial) for trial in found]
        print(json.dumps({"n": len(task.queries), "trials": rows, "chosen": _row(best), "stored": str(path)}))
    else:
        _print(found, best, where=where, path=path)
    return 0


def candidates(task: Task, index: Index, settings: Settings) -> dict[str, Rankings]:
    """The lexical and dense rankings of every query."""
    lexical = LexicalRetriever(index, settings.rag.lexical)
    hybrid = HybridRetriever(index, lexical, DenseRetriever(index, DenseIndex(index)), settings.rag.fusion)
    queries = tqdm(task.queries.items(), unit=" queries", desc="search", disable=None)
    return {query_id: hybrid.candidates(text, _DEPTH) for query_id, text in queries}


def ways(base: FusionSettings) -> list[FusionSettings]:
    """The fusions that are tried; the first is lexical search alone."""
    tried = [base.model_copy(update={"method": "convex", "dense_weight": weight}) for weight in _WEIGHTS]
    for sure, weight in product((0.4, 0.5, 0.6, 0.7, 0.8), (0.4, 0.6, 0.8)):
        tried.append(base.model_copy(update={"method": "gated", "dense_weight": weight, "sure": sure}))
    for method, weights in (("rrf", (0.1, 0.2, 0.3, 0.5)), ("distribution", (0.1, 0.2, 0.3, 0.5))):
        for rrf_k in (10, 60) if method == "rrf" else (base.rrf_k,):
            for weight in weights:
                tried.append(base.model_copy(update={"method": method, "dense_weight": weight, "rrf_k": rrf_k}))
    return tried


def trials(task: Task, found: Mapping[str, Rankings], settings: Settings) -> list[Trial]:
    """Every way's figures, the first being lexical search alone, which the others are compared with."""
    results: list[Trial] = []
    base = None
    for fusion in tqdm(ways(settings.rag.fusion), unit=" ways", desc="fuse", disable=None):
        run = {
            query_id: by_document([fused.hit for fused in fuse(rankings, _DEPTH, fusion)])
            for query_id, rankings in found.items()
        }
        values = scores(task, run)[_MEASURE]
        base = values if base is None else base
        low, high = bootstrap(values - base, resamples=settings.eval.resamples, seed=settings.eval.seed)
        results.append(Trial(fusion, float(values.mean()), float((values - base).mean()), low, high))
    return results


def chosen(found: Sequence[Trial]) -> Trial:
    """The best trial that is not worse than the first within the margin; equal ones: the earlier."""
    safe = [trial for trial in found if trial.low >= _SAFE]
    return max(safe, key=lambda trial: trial.mean, default=found[0])


def _row(trial: Trial) -> dict[str, object]:
    fusion = trial.fusion
    name = {"method": fusion.method, "dense_weight": fusion.dense_weight, "rrf_k": fusion.rrf_k, "sure": fusion.sure}
    return {**name, _MEASURE: trial.mean, "delta": trial.delta, "ci95": [trial.low, trial.high]}


def _print(found: Sequence[Trial], best: Trial, *, where: str, path: Path) -> None:
    table = Table(
        "method",
        "dense weight",
        "rrf k",
        "sure",
        _MEASURE,
        "against lexical",
        "95 % interval",
        title=where,
        show_edge=False,
    )
    for trial in found:
        fusion = trial.fusion
        table.add_row(
            ("* " if trial is best else "") + fusion.method,
            f"{fusion.dense_weight:.2f}",
            str(fusion.rrf_k) if fusion.method == "rrf" else "",
            f"{fusion.sure:.1f}" if fusion.method == "gated" else "",
            f"{trial.mean:.4f}",
            f"{trial.delta:+.4f}",
            f"{trial.low:+.4f} .. {trial.high:+.4f}",
        )
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    console.print(f"* chosen, stored in {path}", highlight=False)
