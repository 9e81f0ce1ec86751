"""Passages -> vectors (remembered by content) -> a FAISS index beside the postings.

A passage is encoded as its title, headings and text. Which FAISS index: sq8 (exact search over one byte per
number) while a scan is short, up to `exact_up_to` numbers, beyond that ivf (inverted lists of the same bytes); the
figures behind the rule are in docs/encoder.md. Every vector index is made by one thread from sorted input, so equal
input gives equal bytes; encoders that run on a GPU may differ in the last bit from batch to batch.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, assert_never

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from tqdm import tqdm

from configs.dense import DenseSettings, FaissKind
from configs.errors import UserError
from configs.schema import IndexBuildSettings
from index_build.encoder import Encoder, encoder_for
from index_build.manifest import repair
from index_build.vectors import VectorCache

# faiss ships stubs that do not know its Python methods; what we use of it is tested instead
faiss: Any = import_module("faiss")
FaissIndex = Any

VECTORS, RECORD = "vectors.faiss", "dense.json"
_CHUNK = 8_192  # passages per cache file
_TRAIN = 100_000  # vectors that the range of sq8 is learned from, at least
# k-means: 64 vectors a list and 5 rounds find the lists of 200,000 vectors in 0.6 s at recall@10 .9605; with 1,024
# lists and all vectors, 10 rounds, it is .9625 after 11.3 s
_TRAIN_A_LIST = 64
_ROUNDS = 5
_LEAST_RECALL = 0.8  # below it the build says so
_EXACT = "--set index_build.dense.kind=fp16"
_LOG = logging.getLogger(__name__)


class DenseManifest(BaseModel):
    """What the vectors of an index were made by, how they are searched, and what that costs in recall."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    encoder: dict[str, str]  # index_build.encoder.identity_of(settings.encoder) at the time
    settings: DenseSettings
    dimensions: int
    passages: int
    empty: int  # passages without any known token: zero vectors, found by no query
    split: int  # passages beyond the encoder's limit: encoded in parts, the parts' vectors averaged
    kind: FaissKind
    parameters: dict[str, int]
    recall10: float  # against exact search over the unrounded vectors
    recall_queries: int


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
    made: list[NDArray[np.float16]] = []
    split = 0
    texts = iter(passages)
    while chunk := list(islice(texts, _CHUNK)):
        found, parts = remembered.vectors(chunk, encoder)
        made.append(found)
        split += int((parts > 1).sum())
        progress(len(chunk))
    vectors = np.concatenate([np.zeros((0, encoder.dimensions), np.float16), *made])
    kind, parameters = chosen_kind(settings, len(vectors), dimensions=encoder.dimensions)
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    index = build_faiss(vectors, kind, parameters)
    faiss.omp_set_num_threads(threads)
    # not faiss.write_index: its error for a full disk is no OSError
    (folder / VECTORS).write_bytes(faiss.serialize_index(index))
    recall = measured_recall(index, vectors, queries=settings.recall_queries)
    if recall < _LEAST_RECALL:
        _LOG.warning("%s finds %.0f %% of the ten nearest passages; fp16 finds all: %s", kind, 100 * recall, _EXACT)
    manifest = DenseManifest(
        encoder=identity,
        settings=settings,
        dimensions=encoder.dimensions,
        passages=len(vectors),
        empty=int((~vectors.any(axis=1)).sum()),
        split=split,
        kind=kind,
        parameters=parameters,
        recall10=round(recall, 4),
        recall_queries=min(settings.recall_queries, len(vectors)),
    )
    (folder / RECORD).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return manifest


def chosen_kind(settings: DenseSettings, passages: int, *, dimensions: int) -> tuple[FaissKind, dict[str, int]]:
    """The FAISS index for so many vectors, with its parameters. auto: sq8 up to exact_up_to numbers, then ivf.

    ivf has 2 * sqrt(passages) lists, rounded down to a power of two and to 39 passages a list at least.
    """
    kind = settings.kind
    if kind == "auto":
        kind = "sq8" if passages * dimensions <= settings.exact_up_to else "ivf"
    match kind:
        case "flat" | "fp16" | "sq8":
            return kind, {}
        case "hnsw":
            return kind, {"m": 16, "ef_construction": 80, "ef_search": settings.ef_search}
        case "ivf":
            lists = max(min(2 * passages**0.5, passages / 39), 1)
            lists = 1 << (int(lists).bit_length() - 1)
            return kind, {"lists": lists, "nprobe": min(settings.nprobe, lists)}
        case _:
            assert_never(kind)


def build_faiss(vectors: NDArray[np.float16], kind: FaissKind, parameters: dict[str, int]) -> FaissIndex:
    """A FAISS index of inner products over the vectors; row i of the vectors has id i."""
    dimensions, product = vectors.shape[1], faiss.METRIC_INNER_PRODUCT
    # one range for all dimensions: 3.9 ms of processor time a query among 205,614 passages, recall@10 .986;
    # a range for each: 6.2 ms and .996
    sq8 = faiss.ScalarQuantizer.QT_8bit_uniform
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
            index.cp.niter = _ROUNDS
        case _:
            assert_never(kind)
    if len(vectors):
        wanted = _TRAIN_A_LIST * parameters["lists"] if kind == "ivf" else _TRAIN
        rows = np.linspace(0, len(vectors) - 1, min(wanted, len(vectors))).astype(np.int64)
        index.train(vectors[rows].astype(np.float32))
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
    """The record of a data folder's vectors; None where there are none. Raises UserError for another version's."""
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        return DenseManifest.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError:
        raise UserError(f"{path}: made by another version, or damaged; rebuild: {repair(folder.parent)}") from None
