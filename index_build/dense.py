"""Passages -> vectors (remembered by content) -> a FAISS index beside the postings.

A passage is encoded as its title, headings and text. Which FAISS index: sq8 (exact search over one byte per
dimension) up to `exact_up_to` passages, beyond that ivf (inverted lists of the same bytes); the figures behind the
rule are in docs/encoder.md. Every vector index is made by one thread from sorted input, so equal input gives equal
bytes; encoders that run on a GPU may differ in the last bit from batch to batch.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, assert_never

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from tqdm import tqdm

from configs.dense import DenseSettings, FaissKind
from configs.errors import UserError
from configs.schema import IndexBuildSettings
from index_build.encoder import USE_EMBEDDED, Encoder, Vectors, encoder_for

# faiss ships stubs that do not know its Python methods; what we use of it is tested instead
faiss: Any = import_module("faiss")
FaissIndex = Any

VECTORS, RECORD = "vectors.faiss", "dense.json"
_CHUNK = 8_192  # passages per cache file
_TRAIN = 100_000  # vectors that the ranges of sq8 are taken from
_SCHEMA_FIELDS = ("digest", "vector")


class DenseManifest(BaseModel):
    """What the vectors of an index were made by, how they are searched, and what that costs in recall."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    encoder: dict[str, str]  # index_build.encoder.identity_of(settings.encoder) at the time
    settings: DenseSettings
    dimensions: int
    passages: int
    empty: int  # passages without any known token: zero vectors, found by no query
    kind: FaissKind
    parameters: dict[str, int]
    recall10: float  # against exact search over the unrounded vectors
    recall_queries: int


class VectorCache:
    """The vectors made so far with one encoder: digest of a passage's text -> its vector in half precision.

    A folder of Feather (Arrow) files, each named by the digest of its own bytes: one that does not match its name
    (cut off, damaged) is deleted, and what it held is encoded again.
    """

    def __init__(self, root: Path, identity: dict[str, str], dimensions: int) -> None:
        name = xxhash.xxh3_64_hexdigest(json.dumps(identity, sort_keys=True).encode())
        self._folder = root / "vectors" / name
        self._folder.mkdir(parents=True, exist_ok=True)
        self._dimensions = dimensions
        self._places: dict[bytes, tuple[int, int]] = {}
        self._segments: list[NDArray[np.float16]] = []
        for path in sorted(self._folder.glob("*.feather")):
            self._take(path)

    def vectors(self, texts: Sequence[str], encoder: Encoder) -> NDArray[np.float16]:
        """The vectors of some passages, those not seen before encoded now; shape [texts, dimensions]."""
        digests = [xxhash.xxh3_128_digest(text.encode("utf-8", "replace")) for text in texts]
        missing = {digest: text for digest, text in zip(digests, texts, strict=True) if digest not in self._places}
        if missing:
            made = encoder.encode_passages(list(missing.values()))
            _check(made, encoder.dimensions, list(missing.values()))
            self._write(list(missing), made.astype(np.float16))
        found = np.empty((len(texts), self._dimensions), dtype=np.float16)
        for row, digest in enumerate(digests):
            segment, place = self._places[digest]
            found[row] = self._segments[segment][place]
        return found

    def _write(self, digests: Sequence[bytes], vectors: NDArray[np.float16]) -> None:
        columns = [
            pa.array(digests, pa.binary(16)),
            pa.FixedSizeBinaryArray.from_buffers(
                pa.binary(vectors.shape[1] * 2), len(vectors), [None, pa.py_buffer(np.ascontiguousarray(vectors))]
            ),
        ]
        batch = pa.record_batch(columns, names=list(_SCHEMA_FIELDS))
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, batch.schema) as writer:
            writer.write_batch(batch)
        contents = sink.getvalue()
        path = self._folder / f"{xxhash.xxh3_128_hexdigest(contents)}.feather"
        temporary = self._folder / f".{path.name}.{os.getpid()}"
        temporary.write_bytes(contents)
        self._take(temporary.replace(path))

    def _take(self, path: Path) -> None:
        mapped = pa.memory_map(str(path)) if path.stat().st_size else None
        if mapped is None or xxhash.xxh3_128_hexdigest(mapped.read_buffer()) != path.stem:
            path.unlink()
            return
        mapped.seek(0)
        batch = pa.ipc.open_file(mapped).get_batch(0)
        vectors = np.frombuffer(batch.column("vector").buffers()[1], dtype=np.float16)
        vectors = vectors[: batch.num_rows * self._dimensions].reshape(batch.num_rows, self._dimensions)
        for row, digest in enumerate(batch.column("digest").to_pylist()):
            self._places.setdefault(digest, (len(self._segments), row))
        self._segments.append(vectors)


def _check(vectors: Vectors, dimensions: int, texts: Sequence[str]) -> None:
    if vectors.shape != (len(texts), dimensions):
        raise UserError(f"the encoder gave vectors of shape {vectors.shape}; expected ({len(texts)}, {dimensions})")
    broken = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(broken):
        raise UserError(
            f"the encoder gave no finite vector for {len(broken)} passages, first {texts[broken[0]][:60]!r};"
            f" try index_build.dense.encoder.precision=fp32, or the bundled encoder: {USE_EMBEDDED}"
        )


def passage_texts(folder: Path) -> Iterator[str]:
    """What is encoded of every passage in a data folder, in order of rows: title, headings, text."""
    with pa.memory_map(str(folder / "documents.arrow")) as source:
        titles = pa.ipc.open_file(source).read_all().column("title").to_pylist()
    with pa.memory_map(str(folder / "passages.arrow")) as source:
        reader = pa.ipc.open_file(source)
        for number in range(reader.num_record_batches):
            batch = reader.get_batch(number)
            columns = (batch.column(name).to_pylist() for name in ("document", "heading_path", "text"))
            for document, path, text in zip(*columns, strict=True):
                yield "\n".join(part for part in (titles[document], *path, text) if part)


def add_vectors(folder: Path, settings: IndexBuildSettings, identity: dict[str, str]) -> None:
    """Encode the passages of a data folder and put their vectors beside them, if the settings want vectors."""
    if not settings.dense.enabled:
        return
    encoder = encoder_for(settings.dense.encoder)
    with tqdm(desc="encode", unit=" passages", file=sys.stderr, disable=None) as bar:
        write_dense(
            folder,
            passage_texts(folder),
            settings=settings.dense,
            encoder=encoder,
            identity=identity,
            cache=settings.cache,
            progress=bar.update,
        )


def write_dense(
    folder: Path,
    passages: Iterable[str],
    *,
    settings: DenseSettings,
    encoder: Encoder,
    identity: dict[str, str],
    cache: Path,
    progress: Callable[[int], object] = lambda _: None,
) -> DenseManifest:
    """Encode passages and write their FAISS index and its record into a data folder.

    progress is called with the number of passages encoded. Raises UserError for vectors that are not
    finite or of the wrong length; what was encoded before stays in the cache.
    """
    remembered = VectorCache(cache, identity, encoder.dimensions)
    parts = []
    texts = iter(passages)
    while chunk := list(islice(texts, _CHUNK)):
        parts.append(remembered.vectors(chunk, encoder))
        progress(len(chunk))
    vectors = np.concatenate([np.zeros((0, encoder.dimensions), np.float16), *parts])
    kind, parameters = chosen_kind(settings, len(vectors))
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    index = build_faiss(vectors, kind, parameters)
    faiss.omp_set_num_threads(threads)
    # not faiss.write_index: its error for a full disk is no OSError
    (folder / VECTORS).write_bytes(faiss.serialize_index(index))
    recall = measured_recall(index, vectors, queries=settings.recall_queries)
    manifest = DenseManifest(
        encoder=identity,
        settings=settings,
        dimensions=encoder.dimensions,
        passages=len(vectors),
        empty=int((~vectors.any(axis=1)).sum()),
        kind=kind,
        parameters=parameters,
        recall10=round(recall, 4),
        recall_queries=min(settings.recall_queries, len(vectors)),
    )
    (folder / RECORD).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return manifest


def chosen_kind(settings: DenseSettings, passages: int) -> tuple[FaissKind, dict[str, int]]:
    """The FAISS index for so many passages, with its parameters. auto: sq8 up to exact_up_to, then ivf.

    ivf has 4 * sqrt(passages) lists, rounded down to a power of two and to 39 passages a list at least.
    """
    kind = settings.kind
    if kind == "auto":
        kind = "sq8" if passages <= settings.exact_up_to else "ivf"
    match kind:
        case "flat" | "fp16" | "sq8":
            return kind, {}
        case "hnsw":
            return kind, {"m": 16, "ef_construction": 80, "ef_search": settings.ef_search}
        case "ivf":
            lists = max(min(4 * passages**0.5, passages / 39), 1)
            lists = 1 << (int(lists).bit_length() - 1)
            return kind, {"lists": lists, "nprobe": min(settings.nprobe, lists)}
        case _:
            assert_never(kind)


def build_faiss(vectors: NDArray[np.float16], kind: FaissKind, parameters: dict[str, int]) -> FaissIndex:
    """A FAISS index of inner products over the vectors; row i of the vectors has id i."""
    dimensions, product = vectors.shape[1], faiss.METRIC_INNER_PRODUCT
    sq8 = faiss.ScalarQuantizer.QT_8bit
    match kind:
        case "flat":
            index = faiss.IndexFlatIP(dimensions)
        case "fp16":
            index = faiss.IndexScalarQuantizer(dimensions, faiss.ScalarQuantizer.QT_fp16, product)
        case "sq8":
            index = faiss.IndexScalarQuantizer(dimensions, sq8, product)
        case "hnsw":
            index = faiss.IndexHNSWSQ(dimensions, sq8, parameters["m"], product)
            index.hnsw.efConstruction = parameters["ef_construction"]
            index.hnsw.efSearch = parameters["ef_search"]
        case "ivf":
            coarse = faiss.IndexFlatIP(dimensions)
            index = faiss.IndexIVFScalarQuantizer(coarse, dimensions, parameters["lists"], sq8, product)
            index.nprobe = parameters["nprobe"]
        case _:
            assert_never(kind)
    if len(vectors):
        sample = vectors[:: max(len(vectors) // _TRAIN, 1)].astype(np.float32)
        index.train(sample)
        for begin in range(0, len(vectors), _CHUNK):  # bounds memory
            index.add(vectors[begin : begin + _CHUNK].astype(np.float32))
    if kind == "ivf":
        index.make_direct_map()  # so that single vectors can be read back for fusion
    return index


def measured_recall(index: FaissIndex, vectors: NDArray[np.float16], *, queries: int) -> float:
    """Recall@10 against exact search, with passages spread over the index as queries, themselves left out.

    1.0 for an index of fewer than two passages.
    """
    if len(vectors) < 2:
        return 1.0
    rows = np.linspace(0, len(vectors) - 1, min(queries, len(vectors))).astype(np.int64)
    wanted = vectors[rows].astype(np.float32)
    depth = min(10, len(vectors) - 1)
    scores = np.concatenate(
        [wanted @ vectors[b : b + _CHUNK].astype(np.float32).T for b in range(0, len(vectors), _CHUNK)], axis=1
    )
    scores[np.arange(len(rows)), rows] = -np.inf
    exact = np.argpartition(-scores, depth - 1, axis=1)[:, :depth]
    _, found = index.search(wanted, depth + 1)
    hits = 0
    for near, got, row in zip(exact.tolist(), found.tolist(), rows.tolist(), strict=True):
        hits += len(set(near) & (set(got) - {row}))
    return hits / (depth * len(rows))


def read_record(folder: Path) -> DenseManifest | None:
    """The record of a data folder's vectors; None where there are none."""
    path = folder / RECORD
    return DenseManifest.model_validate_json(path.read_text(encoding="utf-8")) if path.is_file() else None
