"""A batch of documents -> its part of the index: passages, and the postings of both fields; remembered by content.

Parts are made in worker processes and only joined in the build's own: joining is what is done anew every time, so a
few documents more cost a few parts and one joining.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from configs.schema import ChunkSettings
from corpora.files import fingerprint
from corpora.records import Document
from index_build.analysis import Analyses
from index_build.chunk import Span, measure_for, split
from index_build.documents import Row, context_of, read_batch
from index_build.lexical import FIELDS, Field, FieldPart, counted
from index_build.passages import PASSAGES
from index_build.stored import map_batch, open_batch, write_batch
from index_build.terms import Analysis, bigrams

# any change to how passages are cut, or to what a part holds, must raise this: parts made before are then not used
_VERSION = 1

_ARRAYS = {
    "keys": pa.uint64(),
    "counts": pa.uint32(),
    "rows": pa.uint32(),
    "frequencies": pa.uint8(),
    "lengths": pa.int32(),
}
_SCHEMA = pa.schema(
    [
        ("passages", pa.list_(pa.struct(list(PASSAGES)))),
        *((f"{field}.{name}", pa.list_(kind)) for field in FIELDS for name, kind in _ARRAYS.items()),
    ]
)


@dataclass(frozen=True, slots=True)
class Task:
    """One batch and what its part depends on besides."""

    batch: Path
    kept: tuple[int, ...]  # numbers within the batch of the documents that are indexed
    analyses: tuple[Path, ...]  # files that hold their analyses
    chunk: ChunkSettings


@dataclass(frozen=True, slots=True)
class Part:
    """What a batch's kept documents give to an index."""

    passages: pa.RecordBatch  # PASSAGES; documents and passages are numbered from 0 within the part
    fields: Mapping[Field, FieldPart]


class PartCache:
    """The parts made so far: a folder of files, each named by what it was made of and the digest of its own bytes."""

    def __init__(self, root: Path, recipe: str) -> None:
        """recipe: what determines a part besides its documents: analyser, chunking, tokenizer."""
        self.folder = root / "parts"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._recipe = recipe
        self._files = {path.stem.partition("-")[0]: path for path in sorted(self.folder.glob("*.arrow"))}

    def key(self, task: Task) -> str:
        """The digest of everything that determines the part."""
        facts = f"{_VERSION}\0{self._recipe}\0{fingerprint(task.batch)}\0{','.join(map(str, task.kept))}"
        return xxhash.xxh3_128_hexdigest(facts.encode())

    def get(self, key: str) -> Part | None:
        """A part made before; None where there is none. A file that is not whole is deleted."""
        path = self._files.get(key)
        batch = map_batch(path, prefix=f"{key}-") if path is not None else None
        return _read(batch) if batch is not None else None


def make_parts(pool: Executor, tasks: Sequence[Task], cache: PartCache) -> Iterator[Part]:
    """The parts of some batches, in order, those not remembered made in the pool."""
    made: list[Part | Future[Path]] = []
    for task in tasks:
        key = cache.key(task)
        made.append(cache.get(key) or pool.submit(_make, task, key, cache.folder))
    for part in made:
        yield part if isinstance(part, Part) else _read(open_batch(part.result()))


def _read(batch: pa.RecordBatch) -> Part:
    arrays = {name: batch.column(name).values.to_numpy() for name in _SCHEMA.names[1:]}
    return Part(
        pa.RecordBatch.from_struct_array(batch.column("passages").values),
        {field: FieldPart(**{name: arrays[f"{field}.{name}"] for name in _ARRAYS}) for field in FIELDS},
    )


_analyses = cache(Analyses)  # one per worker, so that each file is opened once


def _make(task: Task, key: str, folder: Path) -> Path:
    """In a worker: make a part and write it as one file."""
    analyses = _analyses()
    for path in task.analyses:
        analyses.add(path)
    rows = read_batch(task.batch)
    passages, fields = assemble([rows[number] for number in task.kept], analyses, task.chunk)
    values = [passages.to_struct_array()]
    values += [pa.array(getattr(fields[field], name), kind) for field in FIELDS for name, kind in _ARRAYS.items()]
    columns = [pa.ListArray.from_arrays(pa.array([0, len(array)], pa.int32()), array) for array in values]
    return write_batch(pa.record_batch(columns, schema=_SCHEMA), folder, prefix=f"{key}-")


def assemble(
    rows: Sequence[Row], analyses: Analyses, chunk: ChunkSettings
) -> tuple[pa.RecordBatch, dict[Field, FieldPart]]:
    """The passages of some documents, and the postings of both fields."""
    measure = measure_for(chunk)
    passages: list[tuple[int, int, list[str], str]] = []  # the columns of PASSAGES
    texts: list[str] = []  # what the bigram field sees, parted so that no bigram joins title, headings and text
    keys: list[NDArray[np.uint64]] = [np.zeros(0, np.uint64)]
    owners: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    for number, row in enumerate(rows):
        document, analysis = row.document, analyses.get(row.digest).analysis
        spans = split(document, analysis.sentences.tolist(), chunk, measure)
        for found, places in _terms(document, spans, analysis):
            keys.append(found)
            owners.append(places + len(passages))
        context = context_of(document)
        for span in spans:
            path = [document.headings[index].title for index in span.headings]
            text = document.text[span.start : span.end]
            passages.append((number, span.start, path, text))
            texts.append("\0".join([context, *path, text]))
    columns = zip(*passages, strict=True) if passages else [[] for _ in PASSAGES]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, PASSAGES, strict=True)]
    return pa.record_batch(arrays, schema=PASSAGES), {
        "morphemes": counted(np.concatenate(keys), np.concatenate(owners), len(passages)),
        "bigrams": counted(*bigrams(texts), len(passages)),
    }


def _terms(
    document: Document, spans: Sequence[Span], analysis: Analysis
) -> list[tuple[NDArray[np.uint64], NDArray[np.int64]]]:
    """(term keys, number of the span) of a document: of the text, of the context, of headings in the text."""
    if not spans:
        return []
    begins = np.array([span.start for span in spans], dtype=np.int64)
    ends = np.array([span.end for span in spans], dtype=np.int64)
    owners = np.searchsorted(begins, analysis.starts, side="right") - 1
    inside = (owners >= 0) & (analysis.starts < ends[owners])
    found = [
        (analysis.keys[inside], owners[inside]),
        (np.tile(analysis.context, len(spans)), np.repeat(np.arange(len(spans)), len(analysis.context))),
    ]
    for number, span in enumerate(spans):
        for index in span.headings:
            heading = document.headings[index]
            first, last = np.searchsorted(analysis.starts, [heading.start, heading.start + heading.length])
            keys = analysis.keys[first:last]
            found.append((keys, np.full(len(keys), number, dtype=np.int64)))
    return found
