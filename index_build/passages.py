"""Passages and documents on disk: two Arrow files, memory-mapped, in the order of the sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from corpora.records import Document, PageStart, Passage

_PASSAGES = pa.schema(
    [
        ("document", pa.int32()),
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
        self._passages = pa.ipc.new_file(self._sinks[0], _PASSAGES)
        self._documents = pa.ipc.new_file(self._sinks[1], _DOCUMENTS)
        self.documents = 0
        self.passages = 0

    def add(self, batch: Sequence[tuple[Document, Sequence[Passage]]]) -> None:
        """Write a batch of documents and their passages."""
        owners: list[int] = []
        firsts: list[int] = []
        for number, (_, passages) in enumerate(batch, start=self.documents):
            firsts.append(self.passages + len(owners))
            owners.extend([number] * len(passages))
        flat = [passage for _, passages in batch for passage in passages]
        self._write(
            self._passages,
            _PASSAGES,
            [owners, [p.start for p in flat], [p.heading_path for p in flat], [p.text for p in flat]],
        )
        documents = [document for document, _ in batch]
        self._write(
            self._documents,
            _DOCUMENTS,
            [
                [d.doc_id for d in documents],
                [d.title for d in documents],
                [d.source for d in documents],
                [d.licence for d in documents],
                firsts,
                [[asdict(page) for page in d.pages] for d in documents],
            ],
        )
        self.documents += len(documents)
        self.passages += len(flat)

    @staticmethod
    def _write(writer: pa.RecordBatchFileWriter, schema: pa.Schema, columns: Sequence[Sequence[object]]) -> None:
        arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
        writer.write_batch(pa.record_batch(arrays, schema=schema))

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
        self._passages: pa.Table = pa.ipc.open_file(self._maps[0]).read_all()
        documents: pa.Table = pa.ipc.open_file(self._maps[1]).read_all()
        self._doc_ids, self._titles, self._sources, self._licences = (
            documents.column(name) for name in ("doc_id", "title", "source", "licence")
        )
        self._pages = documents.column("pages")
        self._firsts: NDArray[np.int64] = documents.column("first").to_numpy()
        self._owners: NDArray[np.int32] = self._passages.column("document").to_numpy()

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
        cells = {name: self._passages.column(name)[row].as_py() for name in ("heading_path", "start", "text")}
        return Passage(
            passage_id=f"{doc_id}#{row - int(self._firsts[owner])}",
            doc_id=doc_id,
            heading_path=tuple(cells["heading_path"]),
            start=cells["start"],
            text=cells["text"],
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
