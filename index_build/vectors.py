"""Texts -> vectors, remembered by content: what was encoded once with an encoder is never encoded again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from configs.errors import UserError
from index_build.encoder import USE_EMBEDDED, Encoder, Vectors
from index_build.stored import map_batch, write_batch

_FIELDS = ("digest", "vector", "parts")
_FORMAT = "2"  # of the files; another one is another folder


class VectorCache:
    """The vectors made so far with one encoder: digest of a passage's text -> its vector in half precision, its parts.

    A folder of Feather (Arrow) files, each named by the digest of its own bytes: one that does not match its name
    (cut off, damaged) is deleted, and what it held is encoded again.
    """

    def __init__(self, root: Path, identity: dict[str, str], dimensions: int) -> None:
        name = xxhash.xxh3_64_hexdigest(json.dumps(identity | {"format": _FORMAT}, sort_keys=True).encode())
        self._folder = root / "vectors" / name
        self._folder.mkdir(parents=True, exist_ok=True)
        self._dimensions = dimensions
        self._places: dict[bytes, tuple[int, int]] = {}
        self._segments: list[tuple[NDArray[np.float16], NDArray[np.int32]]] = []
        for path in sorted(self._folder.glob("*.feather")):
            self._take(path)

    def vectors(self, texts: Sequence[str], encoder: Encoder) -> tuple[NDArray[np.float16], NDArray[np.int32]]:
        """The vectors of some passages, shape [texts, dimensions], and the number of parts each was encoded in.

        Those not seen before are encoded now. Raises UserError for vectors of the wrong shape or not finite.
        """
        digests = [xxhash.xxh3_128_digest(text.encode("utf-8", "replace")) for text in texts]
        missing = {digest: text for digest, text in zip(digests, texts, strict=True) if digest not in self._places}
        if missing:
            made = encoder.encode_passages(list(missing.values()))
            _check(made, encoder.dimensions, list(missing.values()))
            self._write(list(missing), made.astype(np.float16), encoder.parts(list(missing.values())))
        found = np.empty((len(texts), self._dimensions), dtype=np.float16)
        parts = np.empty(len(texts), dtype=np.int32)
        for row, digest in enumerate(digests):
            segment, place = self._places[digest]
            vectors, counts = self._segments[segment]
            found[row], parts[row] = vectors[place], counts[place]
        return found, parts

    def _write(self, digests: Sequence[bytes], vectors: NDArray[np.float16], parts: Sequence[int]) -> None:
        columns = [
            pa.array(digests, pa.binary(16)),
            pa.FixedSizeBinaryArray.from_buffers(
                pa.binary(vectors.shape[1] * 2), len(vectors), [None, pa.py_buffer(np.ascontiguousarray(vectors))]
            ),
            pa.array(parts, pa.int32()),
        ]
        batch = pa.record_batch(columns, names=list(_FIELDS))
        self._take(write_batch(batch, self._folder, suffix=".feather"))

    def _take(self, path: Path) -> None:
        batch = map_batch(path)
        if batch is None:
            return
        vectors = np.frombuffer(batch.column("vector").buffers()[1], dtype=np.float16)
        vectors = vectors[: batch.num_rows * self._dimensions].reshape(batch.num_rows, self._dimensions)
        for row, digest in enumerate(batch.column("digest").to_pylist()):
            self._places.setdefault(digest, (len(self._segments), row))
        self._segments.append((vectors, batch.column("parts").to_numpy()))


def _check(vectors: Vectors, dimensions: int, texts: Sequence[str]) -> None:
    if vectors.shape != (len(texts), dimensions):
        raise UserError(f"the encoder gave vectors of shape {vectors.shape}; expected ({len(texts)}, {dimensions})")
    broken = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(broken):
        raise UserError(
            f"the encoder gave no finite vector for {len(broken)} passages, first {texts[broken[0]][:60]!r};"
            f" try index_build.dense.encoder.precision=fp32, or the bundled encoder: {USE_EMBEDDED}"
        )
