"""The command `python -m eval retrieval`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from configs import load
from configs.errors import UserError
from configs.schema import Settings, SourceSettings
from eval.retrieval import NAMES, bootstrap, load_task, run_queries, scores, write_run
from index_build.__main__ import Bars
from index_build.build import build
from rag.hybrid import retriever_for
from rag.index import Index


def main_retrieval(argv: list[str]) -> int:
    """Search every judged query of a BEIR folder, score the run, write it, and print the table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m eval retrieval", description="Score an index on a BEIR folder.")
    parser.add_argument("--beir", type=Path, required=True, metavar="DIR")
    parser.add_argument("--split", default="test")
    parser.add_argument("--index", type=Path, metavar="DIR", help="default: one is built beside the run")
    parser.add_argument("--mode", choices=["lexical", "dense", "hybrid"])
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the run goes (default runs/)")
    parser.add_argument("--config", type=Path, metavar="FILE")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(argv)
    settings = load(args.config, [*args.overrides, *([f"rag.mode={args.mode}"] if args.mode else [])])
    task = load_task(args.beir, args.split)
    out = (args.out or settings.eval.out) / f"retrieval-{args.beir.resolve().name}-{args.split}"
    index = Index(args.index or _build_beside(args.beir, out, settings))
    missing = sorted(doc for docs in task.qrels.values() for doc in docs if not index.store.rows_of(doc))
    if missing:
        raise UserError(f"{index.path}: {len(missing)} judged documents are not in it (first: {missing[0]!r})")
    run = run_queries(retriever_for(settings.rag, index), task.queries)
    path = out / f"{settings.rag.mode}.trec"
    write_run(path, run, tag=f"geungeo-{settings.rag.mode}")
    table = scores(task, run)
    intervals = {
        name: bootstrap(table[name], resamples=settings.eval.resamples, seed=settings.eval.seed) for name in NAMES
    }
    means = {name: float(np.mean(table[name])) for name in NAMES}
    if args.json:
        print(json.dumps({"n": len(task.queries), **means, "ci95": intervals, "run": str(path)}))
    else:
        _print(means, intervals, n=len(task.queries), path=path)
    return 0


def _build_beside(beir: Path, out: Path, settings: Settings) -> Path:
    """Build (or find unchanged) an index of the BEIR corpus in the run's folder."""
    corpora = settings.corpora.model_copy(update={"sources": (SourceSettings(kind="beir", path=beir),)})
    index_build = settings.index_build.model_copy(update={"out": out / "index"})
    bars = Bars()
    try:
        build(settings.model_copy(update={"corpora": corpora, "index_build": index_build}), bars)
    finally:
        bars.close()
    return out / "index"


def _print(means: dict[str, float], intervals: dict[str, tuple[float, float]], *, n: int, path: Path) -> None:
    table = Table("measure", "mean", "95 % interval", title=f"{n:,} queries", show_edge=False)
    for name, mean in means.items():
        table.add_row(name, f"{mean:.4f}", "{:.4f} .. {:.4f}".format(*intervals[name]))
    console = Console(width=None if sys.stdout.isatty() else 100)
    console.print(table)
    console.print(f"run: {path}", highlight=False)
