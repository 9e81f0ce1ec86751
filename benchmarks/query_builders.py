"""python -m benchmarks.query_builders --index DIR [--exam FILE] [--splits dev]: what of an item should be searched for?

Every builder of `rag.query` searches for the same items through the path that answers them. A row holds nDCG@10 and
recall@10 over documents, the paired difference in nDCG@10 from the builder of the settings with its 95 % bootstrap
interval, and processor time per item. Judged are the items that name their gold documents (--exam, default: the
bundled exam), or with --beir DIR the questions of its folder, which have neither choices nor 지문.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.machine import machine
from configs import load
from configs.dense import Builder
from configs.errors import run_command
from corpora import sample
from corpora.exams import load_exam
from corpora.qrels import document_qrels_of
from corpora.records import Question
from eval.retrieval import Task, bootstrap, by_document, load_task, scores
from rag.hits import Hit
from rag.hybrid import retriever_for
from rag.index import Index
from rag.pipeline import Library

_PASSAGES = 100


def main(argv: list[str] | None = None) -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.query_builders", description=__doc__)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--exam", type=Path, default=sample.EXAM)
    parser.add_argument("--beir", type=Path)
    parser.add_argument("--splits", default="dev", help="several with commas; of a BEIR folder one")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    args = parser.parse_args(argv)
    settings = load(None, args.overrides)
    splits = args.splits.split(",")
    task, items = of_beir(args.beir, splits[0]) if args.beir else of_exam(args.exam, splits)
    index = Index(args.index)
    library = Library(index, retriever_for(settings.rag, index), settings.rag.query)
    library.search(items[0], 1)  # loads Kiwi
    found = {builder: asked(library, builder, items) for builder in get_args(Builder)}
    values = {builder: scores(task, run) for builder, (run, _) in found.items()}
    print(machine())
    print(f"{len(items):,} items of {args.beir or args.exam.name} ({args.splits}), {len(index.store):,} passages")
    base = values[settings.rag.query.builder]["ndcg@10"]
    for builder, (_, seconds) in found.items():
        gain = _gain(values[builder]["ndcg@10"] - base, settings.eval.resamples, settings.eval.seed)
        shares = "  ".join(f"{name} {values[builder][name].mean():.4f}" for name in ("ndcg@10", "recall@10"))
        print(f"{builder:11s} {shares}  {gain}  {seconds / len(items) * 1000:.1f} ms")
    return 0


def asked(library: Library, builder: str, items: Sequence[Question]) -> tuple[dict[str, list[Hit]], float]:
    """(item id -> documents, processor seconds) of one builder."""
    query = library.query.model_copy(update={"builder": builder})
    searching = replace(library, query=query)
    started = time.process_time()
    run = {
        item.question_id: by_document(searching.search(item, _PASSAGES))
        for item in tqdm(items, unit=" items", desc=builder, disable=None)
    }
    return run, time.process_time() - started


def of_exam(path: Path, splits: Sequence[str]) -> tuple[Task, list[Question]]:
    """The items of some splits of an exam that name their gold documents."""
    items = [item for item in load_exam(path) if item.gold and item.split in splits]
    return Task({item.question_id: item.question for item in items}, document_qrels_of(items)), items


def of_beir(folder: Path, split: str) -> tuple[Task, list[Question]]:
    """The judged questions of a BEIR folder as items of nothing but a question."""
    task = load_task(folder, split)
    return task, [Question(name, "short_answer", "", text) for name, text in task.queries.items()]


def _gain(differences: NDArray[np.float64], resamples: int, seed: int) -> str:
    low, high = bootstrap(differences, resamples=resamples, seed=seed)
    return f"{differences.mean():+.4f} ({low:+.4f} .. {high:+.4f})"


if __name__ == "__main__":
    sys.exit(run_command(main))
