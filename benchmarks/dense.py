"""python -m benchmarks.dense --index DIR: encoding speed, and size, recall and latency of every FAISS kind.

The index is searched as it lies there; the kinds are built anew in memory from its passages, encoded on the spot.
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import islice
from pathlib import Path
from typing import get_args

import numpy as np

from benchmarks.machine import machine
from configs.dense import DenseSettings, EncoderSettings, FaissKind
from configs.errors import run_command
from index_build.dense import build_faiss, chosen_kind, faiss, measured_recall, passage_texts
from index_build.encoder import encoder_for
from rag.index import Index


def main(argv: list[str] | None = None) -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dense", description=__doc__)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--passages", type=int, default=100_000, metavar="N")
    parser.add_argument("--queries", type=int, default=200, metavar="N")
    args = parser.parse_args(argv)
    print(machine())
    index = Index(args.index)
    texts = list(islice(passage_texts(index.path / index.manifest.folder), args.passages))
    encoder = encoder_for(EncoderSettings())
    encoder.encode_passages(texts[:100])
    wall, cpu = time.perf_counter(), time.process_time()
    vectors = encoder.encode_passages(texts).astype(np.float16)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"encoded {len(texts):,} passages: {len(texts) / wall:,.0f}/s, {len(texts) / cpu:,.0f} per processor second")
    queries = vectors[:: max(len(vectors) // args.queries, 1)].astype(np.float32)
    faiss.omp_set_num_threads(1)
    for kind in get_args(FaissKind):
        _, parameters = chosen_kind(DenseSettings(kind=kind), len(vectors), dimensions=vectors.shape[1])
        started = time.perf_counter()
        built = build_faiss(vectors, kind, parameters)
        seconds = time.perf_counter() - started
        times = []
        for query in queries:
            started = time.perf_counter()
            built.search(query[None], 100)
            times.append((time.perf_counter() - started) * 1000)
        recall = measured_recall(built, vectors, queries=args.queries)
        size = len(faiss.serialize_index(built)) / 2**20
        print(
            f"{kind:5s} built {seconds:6.1f} s  {size:7.1f} MiB  recall@10 {recall:.4f}  p50 {np.median(times):.2f} ms"
        )
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
