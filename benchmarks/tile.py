"""python -m benchmarks.tile --index DIR --out DIR [--blocks 16]: a larger index for measuring speed and memory.

The whole blocks of 65,536 passages of an index, over and over under new document ids: 16 blocks are 1,048,576
passages. Postings, texts and vectors are those of real passages, and nothing is analysed or encoded again. The scores
of copies tie, which those of a real corpus of that size do not: good for latency and memory, not for quality.

Example: python -m benchmarks.tile --index indexes/wiki --out indexes/million
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from configs.errors import UserError, run_command
from index_build.dense import RECORD, VECTORS, build_faiss, chosen_kind, faiss, measured_recall
from index_build.lexical import BLOCK, Field
from index_build.manifest import publish, remove
from index_build.passages import PassageWriter
from rag.dense import DenseIndex
from rag.index import Index

_PER_TERM, _PER_POSTING = ("keys", "starts"), ("rows", "frequencies")


def tile_field(source: Path, out: Path, field: Field, order: list[int]) -> None:
    """Write the arrays of one field with the source's blocks in some order."""
    blocks = np.load(source / f"{field}.blocks.npy", allow_pickle=False)
    for column, names in enumerate((_PER_TERM, _PER_POSTING)):
        for name in names:
            array = np.load(source / f"{field}.{name}.npy", mmap_mode="r", allow_pickle=False)
            parts = [array[blocks[block, column] : blocks[block + 1, column]] for block in order]
            np.save(out / f"{field}.{name}.npy", np.concatenate(parts))
    lengths = np.load(source / f"{field}.lengths.npy", allow_pickle=False)
    np.save(out / f"{field}.lengths.npy", np.concatenate([lengths[b * BLOCK : (b + 1) * BLOCK] for b in order]))
    sizes = np.diff(blocks, axis=0)[order]
    np.save(out / f"{field}.blocks.npy", np.concatenate([np.zeros((1, 2), np.int64), np.cumsum(sizes, axis=0)]))


def tile_passages(source: Path, out: Path, order: list[int]) -> PassageWriter:
    """Write the passages of the source's blocks in some order; the document ids of the n-th block begin with n."""
    with pa.memory_map(str(source / "passages.arrow")) as one, pa.memory_map(str(source / "documents.arrow")) as other:
        passages, documents = (pa.ipc.open_file(file).read_all() for file in (one, other))
        writer = PassageWriter(out)
        for number, block in enumerate(order):
            rows = passages.slice(block * BLOCK, BLOCK).combine_chunks()
            owners = rows.column("document").to_numpy()
            own = documents.slice(int(owners[0]), int(owners[-1] - owners[0]) + 1).combine_chunks()
            names = pa.array([f"{number}-{doc_id}" for doc_id in own.column("doc_id").to_pylist()])
            own = own.set_column(own.column_names.index("doc_id"), "doc_id", names)
            rows = rows.set_column(0, rows.schema.field("document"), pa.array(owners - owners[0], pa.int32()))
            writer.add(own.to_batches()[0], rows.to_batches()[0])
        writer.close()
    return writer


def tile_vectors(dense: DenseIndex, out: Path, order: list[int]) -> None:
    """Write a FAISS index over the vectors of the source's blocks in some order, and its record."""
    parts: dict[int, NDArray[np.float16]] = {
        block: dense.stored(range(block * BLOCK, (block + 1) * BLOCK)).astype(np.float16) for block in set(order)
    }
    vectors = np.concatenate([parts[block] for block in order])
    kind, parameters = chosen_kind(dense.record.settings, len(vectors), dimensions=dense.record.dimensions)
    faiss.omp_set_num_threads(1)
    index = build_faiss(vectors, kind, parameters)
    (out / VECTORS).write_bytes(faiss.serialize_index(index))
    found = {
        "passages": len(vectors), "empty": int((~vectors.any(axis=1)).sum()), "kind": kind, "parameters": parameters,
        "recall10": round(measured_recall(index, vectors, queries=100), 4), "recall_queries": 100,
    }  # fmt: skip
    record = dense.record.model_copy(update=found)
    (out / RECORD).write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")


def main(argv: list[str] | None = None) -> int:
    """Write the index."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tile", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--blocks", type=int, default=16, metavar="N")
    args = parser.parse_args(argv)
    index = Index(args.index)
    whole = len(index.store) // BLOCK
    if not whole:
        raise UserError(f"{args.index}: {len(index.store):,} passages; tiles are blocks of {BLOCK:,}")
    order = [number % whole for number in range(args.blocks)]
    source, work = args.index / index.manifest.folder, args.out / ".building"
    remove(work)
    (work / "data").mkdir(parents=True)
    for field in get_args(Field):
        tile_field(source, work / "data", field, order)
    writer = tile_passages(source, work / "data", order)
    tile_vectors(DenseIndex(index), work / "data", order)
    counts = index.manifest.counts.model_copy(update={"documents": writer.documents, "passages": writer.passages})
    publish(args.out, work / "data", index.manifest.recipe, counts)
    remove(work)
    print(f"{writer.passages:,} passages in {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
