"""Kiwi over all documents, in spawned processes, remembered by content so that nothing is analysed twice."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from index_build.dedup import PERMUTATIONS, SIGNATURES_VERSION, signatures
from index_build.documents import context_of, read_batch, read_digests
from index_build.stored import map_batch, write_batch
from index_build.terms import Analyser, Analysis

_SCHEMA = pa.schema(
    [
        ("digest", pa.binary(16)),
        ("sentences", pa.list_(pa.int32())),
        ("starts", pa.list_(pa.int32())),
        ("keys", pa.list_(pa.uint64())),
        ("context", pa.list_(pa.uint64())),
        ("signature", pa.list_(pa.uint32(), PERMUTATIONS)),
    ]
)


@dataclass(frozen=True, slots=True)
class Analysed:
    """What the cache holds of one document."""

    analysis: Analysis
    signature: NDArray[np.uint32]  # MinHash over character 6-grams


class Progress(Protocol):
    """Where long work says how far it is."""

    def expect(self, documents: int) -> None:
        """So many more documents have to be analysed."""

    def advance(self, documents: int) -> None:
        """So many have been."""

    def assembled(self, documents: int) -> None:
        """So many documents have become passages."""


class Analyses:
    """Analyses on disk, mapped: digest of a document -> its terms."""

    def __init__(self) -> None:
        self._places: dict[bytes, tuple[int, int]] = {}
        self._segments: list[_Segment] = []
        self._files: dict[Path, None] = {}  # one per segment, in order

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._places

    def add(self, path: Path) -> None:
        """Take in a file of analyses, once; delete it when its bytes are not what its name says."""
        if path in self._files:
            return
        batch = map_batch(path)
        if batch is None:
            return
        number = len(self._segments)
        self._segments.append(_segment(batch))
        self._files[path] = None
        for row, digest in enumerate(batch.column("digest").to_pylist()):
            self._places.setdefault(digest, (number, row))

    def files_of(self, digests: Iterable[bytes]) -> list[Path]:
        """The files that together hold these analyses."""
        files = list(self._files)
        return [files[number] for number in sorted({self._places[digest][0] for digest in digests})]

    def get(self, digest: bytes) -> Analysed:
        """The analysis of the document with this digest. Raises KeyError when there is none."""
        number, row = self._places[digest]
        segment = self._segments[number]
        sentences, starts, keys, context = (
            values[offsets[row] : offsets[row + 1]] for offsets, values in segment.lists
        )
        # typed by _SCHEMA: two columns of int32, two of uint64
        return Analysed(Analysis(sentences, starts, keys, context), segment.signatures[row])  # type: ignore[arg-type]


class AnalysisCache(Analyses):
    """The analyses made so far with one analyser: a folder of files, each named by the digest of its own bytes."""

    def __init__(self, root: Path, identity: dict[str, str]) -> None:
        super().__init__()
        facts = identity | {"signatures": str(SIGNATURES_VERSION)}
        name = xxhash.xxh3_64_hexdigest(json.dumps(facts, sort_keys=True).encode())
        self.folder = root / "analysis" / name
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(self.folder.glob("*.arrow")):
            self.add(path)


@dataclass(frozen=True, slots=True)
class _Segment:
    """One cache file, mapped: offsets and values of its lists, and the signatures."""

    lists: tuple[tuple[NDArray[np.int32], NDArray[np.generic]], ...]  # sentences, starts, keys, context
    signatures: NDArray[np.uint32]  # [documents, PERMUTATIONS]


def _segment(batch: pa.RecordBatch) -> _Segment:
    columns = [batch.column(name) for name in ("sentences", "starts", "keys", "context")]
    return _Segment(
        tuple((column.offsets.to_numpy(), column.values.to_numpy()) for column in columns),
        batch.column("signature").values.to_numpy().reshape(-1, PERMUTATIONS),
    )


def analyse_all(
    pool: Executor,
    batches: Iterator[Path],
    cache: AnalysisCache,
    *,
    user_dictionary: Path | None,
    progress: Progress,
) -> list[Path]:
    """Analyse what the cache lacks of each batch, and give the batches back, in order.

    Batches are worked on as they come, so that reading and analysis overlap.
    """
    paths: list[Path] = []
    pending: dict[Future[Path], int] = {}
    pool.submit(_warm, user_dictionary)
    for path in batches:
        paths.append(path)
        missing = [number for number, digest in enumerate(read_digests(path)) if digest not in cache]
        progress.expect(len(missing))
        if missing:
            pending[pool.submit(_analyse, path, missing, cache.folder, user_dictionary)] = len(missing)
        _collect([future for future in pending if future.done()], pending, cache, progress)
    while pending:
        done, _ = wait(pending, return_when=FIRST_COMPLETED)
        _collect(done, pending, cache, progress)
    return paths


def _collect(
    done: Iterable[Future[Path]], pending: dict[Future[Path], int], cache: AnalysisCache, progress: Progress
) -> None:
    for future in done:
        cache.add(future.result())
        progress.advance(pending.pop(future))


_analyser = functools.cache(Analyser)  # one Kiwi per process, made where it lives


def _warm(user_dictionary: Path | None) -> None:
    """In a worker: load Kiwi, which takes seconds, while the first documents are read."""
    _analyser(user_dictionary)


def _analyse(batch: Path, rows: Sequence[int], folder: Path, user_dictionary: Path | None) -> Path:
    """In a worker: analyse some documents of a batch and write them as one cache file."""
    analyser = _analyser(user_dictionary)
    documents = read_batch(batch)
    digests, texts, analyses = [], [], []
    for number in rows:
        document = documents[number].document
        digests.append(documents[number].digest)
        texts.append(document.text)
        analyses.append(analyser.analyse(document.text, context_of(document)))
    lists = [
        _lists([getattr(a, name) for a in analyses], _SCHEMA.field(name).type.value_type)
        for name in ("sentences", "starts", "keys", "context")
    ]
    flat = pa.FixedSizeListArray.from_arrays(pa.array(signatures(texts).ravel()), PERMUTATIONS)
    columns = [pa.array(digests, pa.binary(16)), *lists, flat]
    return write_batch(pa.record_batch(columns, schema=_SCHEMA), folder)


def _lists(arrays: list[NDArray[np.generic]], kind: pa.DataType) -> pa.ListArray:
    offsets = np.zeros(len(arrays) + 1, dtype=np.int32)
    np.cumsum([len(array) for array in arrays], out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.concatenate(arrays), kind))
