"""Cache files that cannot lie: one Arrow record batch each, named by the digest of their own bytes."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import xxhash


def write_batch(batch: pa.RecordBatch, folder: Path, *, prefix: str = "", suffix: str = ".arrow") -> Path:
    """Write a batch as `folder/{prefix}{XXH3-128 of the file's bytes}{suffix}`, which appears whole or not at all."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    contents = sink.getvalue()
    path = folder / f"{prefix}{xxhash.xxh3_128_hexdigest(contents)}{suffix}"
    temporary = folder / f".{path.name}.{os.getpid()}"
    temporary.write_bytes(contents)
    return temporary.replace(path)


def map_batch(path: Path, *, prefix: str = "") -> pa.RecordBatch | None:
    """The batch of a file, mapped. None, and the file deleted, when its bytes are not what its name says."""
    mapped = pa.memory_map(str(path)) if path.stat().st_size else None
    if mapped is None or prefix + xxhash.xxh3_128_hexdigest(mapped.read_buffer()) != path.stem:
        path.unlink()
        return None
    return open_batch(path)


def open_batch(path: Path) -> pa.RecordBatch:
    """The batch of a file that was just written, mapped, its bytes not checked."""
    return pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)
