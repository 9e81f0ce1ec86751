"""Passages and documents on disk: two Arrow files, memory-mapped, in the order of the sources."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from corpora.records import Document, PageStart, Passage

PASSAGES = pa.schema(
    [
        ("document", pa.int32()),  # its number, from 0
        ("start", pa.int32()),
        ("heading_path", pa.list_(pa.string())),
        ("text", pa.string()),
    ]
)
_DOCUMENTS = pa.schema(
    [
        ("doc_id", pa.string()),
        ("title", pa.string()),
        ("source", pa.string()),
        ("licence", pa.string()),
        ("first", pa.int64()),  # row of its first passage
        (
            "pages",
            pa.list_(pa.struct([("start", pa.int32()), ("number", pa.int32()), ("label", pa.string())])),
        ),
    ]
)


class PassageWriter:
    """Writes documents with their passages, in order; rows count from 0 in that order."""

    def __init__(self, folder: Path) -> None:
        self._sinks = [pa.OSFile(str(folder / name), "wb") for name in ("passages.arrow", "documents.arrow")]
        self._passages = pa.ipc.new_file(self._sinks[0], PASSAGES)
        self._documents = pa.ipc.new_file(self._sinks[1], _DOCUMENTS)
        self.documents = 0
        self.passages = 0

    def add(self, documents: pa.RecordBatch, passages: pa.RecordBatch) -> None:
        """Write documents (columns as in documents.arrow but `first`) and their passages (PASSAGES).

        Passages name their documents by number within this batch, in order.
        """
        owners = passages.column("document").to_numpy()
        counts = np.bincount(owners, minlength=len(documents))
        firsts = pa.array(self.passages + np.cumsum(counts) - counts, pa.int64())
        moved = pa.array(owners + np.int32(self.documents))
        self._passages.write_batch(passages.set_column(0, "document", moved))
        columns = [firsts if name == "first" else documents.column(name) for name in _DOCUMENTS.names]
        self._documents.write_batch(pa.record_batch(columns, schema=_DOCUMENTS))
        self.documents += len(documents)
        self.passages += len(passages)

    def close(self) -> None:
        """Finish both files."""
        for writer in (self._passages, self._documents):
            writer.close()
        for sink in self._sinks:
            sink.close()


class PassageStore:
    """The passages and documents of an index, by row or by id."""

    def __init__(self, folder: Path) -> None:
        self._maps = [pa.memory_map(str(folder / name)) for name in ("passages.arrow", "documents.arrow")]
        passages: pa.Table = pa.ipc.open_file(self._maps[0]).read_all()
        self._headings, self._starts, self._texts = (
            passages.column(name) for name in ("heading_path", "start", "text")
        )
        documents: pa.Table = pa.ipc.open_file(self._maps[1]).read_all()
        self._doc_ids, self._titles, self._sources, self._licences = (
            documents.column(name) for name in ("doc_id", "title", "source", "licence")
        )
        self._pages = documents.column("pages")
        self._firsts: NDArray[np.int64] = documents.column("first").to_numpy()
        self._owners: NDArray[np.int32] = passages.column("document").to_numpy()

    def __len__(self) -> int:
        return len(self._owners)

    @property
    def documents(self) -> int:
        """How many documents there are."""
        return len(self._firsts)

    def passage_id(self, row: int) -> str:
        """The id of the passage in a row."""
        owner = int(self._owners[row])
        return f"{self._doc_ids[owner].as_py()}#{row - int(self._firsts[owner])}"

    def passage(self, row: int) -> Passage:
        """The passage in a row."""
        owner = int(self._owners[row])
        doc_id: str = self._doc_ids[owner].as_py()
        return Passage(
            passage_id=f"{doc_id}#{row - int(self._firsts[owner])}",
            doc_id=doc_id,
            heading_path=tuple(self._headings[row].as_py()),
            start=self._starts[row].as_py(),
            text=self._texts[row].as_py(),
        )

    def document(self, row: int) -> Document:
        """The document of the passage in a row, without its text (see `rows_of`) and headings."""
        owner = int(self._owners[row])
        return Document(
            doc_id=self._doc_ids[owner].as_py(),
            title=self._titles[owner].as_py(),
            text="",
            source=self._sources[owner].as_py(),
            licence=self._licences[owner].as_py(),
            pages=tuple(PageStart(**page) for page in self._pages[owner].as_py()),
        )

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {doc_id: number for number, doc_id in enumerate(self._doc_ids.to_pylist())}

    def rows_of(self, doc_id: str) -> range:
        """The rows of a document's passages, in order; empty for an id that is not there."""
        number = self._numbers.get(doc_id)
        if number is None:
            return range(0)
        end = int(self._firsts[number + 1]) if number + 1 < len(self._firsts) else len(self)
        return range(int(self._firsts[number]), end)

    def row(self, passage_id: str) -> int | None:
        """The row of a passage; None for an id that is not there."""
        doc_id, mark, number = passage_id.rpartition("#")
        rows = self.rows_of(doc_id) if mark and number.isdecimal() else range(0)
        return rows[int(number)] if rows and int(number) < len(rows) else None

    def mask(self, *, source: str | None, licence: str | None) -> NDArray[np.bool_]:
        """Which passages come from a source and stand under a licence (None = any); shape [passages]."""
        wanted = np.ones(self.documents, dtype=bool)
        for column, value in ((self._sources, source), (self._licences, licence)):
            if value is not None:
                wanted &= pc.equal(column, value).to_numpy()
        chosen: NDArray[np.bool_] = wanted[self._owners]
        return chosen
