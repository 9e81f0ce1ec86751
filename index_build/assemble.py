"""Analysed documents -> passages and their terms, block by block."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from configs.schema import ChunkSettings
from corpora.records import Document, Passage
from index_build.analysis import AnalysisCache
from index_build.chunk import Span, measure_for, passages_of, split
from index_build.documents import Row, context_of
from index_build.lexical import BLOCK, FieldWriter
from index_build.passages import PassageWriter
from index_build.terms import Analysis, bigrams

_SLICE = 4_096  # passages whose bigrams are taken at once: bounds memory


def indexed_text(document: Document, passage: Passage) -> str:
    """What the bigram field sees of a passage: title, headings and text, parted so that no bigram joins them."""
    return "\0".join([context_of(document), *passage.heading_path, passage.text])


class Assembler:
    """Takes documents in order, writes their passages, and collects the postings of both fields."""

    def __init__(self, chunk: ChunkSettings, cache: AnalysisCache, writer: PassageWriter) -> None:
        self._chunk = chunk
        self._measure = measure_for(chunk)
        self._cache = cache
        self._writer = writer
        self._fields = {"morphemes": FieldWriter(), "bigrams": FieldWriter()}
        self._base = 0  # row of the block's first passage
        self._keys: list[NDArray[np.uint64]] = []
        self._rows: list[NDArray[np.int64]] = []
        self._texts: list[str] = []

    def add(self, rows: Sequence[Row]) -> None:
        """Chunk documents, write their passages and take up their terms."""
        batch = []
        for row in rows:
            analysis = self._cache.get(row.digest).analysis
            spans = split(row.document, analysis.sentences.tolist(), self._chunk, self._measure)
            passages = passages_of(row.document, spans)
            first = self._base + len(self._texts)
            for keys, owners in _terms(row.document, spans, analysis):
                self._keys.append(keys)
                self._rows.append(owners + first)
            self._texts.extend(indexed_text(row.document, passage) for passage in passages)
            batch.append((row.document, passages))
        self._writer.add(batch)
        while len(self._texts) >= BLOCK:
            self._flush(BLOCK)

    def finish(self, folder: Path) -> None:
        """Write the last block and all postings into a folder, and close the passages."""
        if self._texts:
            self._flush(len(self._texts))
        self._writer.close()
        for name, field in self._fields.items():
            field.write(folder, "morphemes" if name == "morphemes" else "bigrams")

    def _flush(self, passages: int) -> None:
        """Close a block of so many passages; what is beyond stays for the next."""
        keys = np.concatenate(self._keys) if self._keys else np.zeros(0, np.uint64)
        rows = np.concatenate(self._rows) - self._base if self._rows else np.zeros(0, np.int64)
        inside = rows < passages
        self._fields["morphemes"].add_block(keys[inside], rows[inside], passages)
        self._fields["bigrams"].add_block(*_bigrams(self._texts[:passages]), passages)
        self._base += passages
        self._keys, self._rows = [keys[~inside]], [rows[~inside] - passages + self._base]
        self._texts = self._texts[passages:]


def _bigrams(texts: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    parts = []
    for begin in range(0, len(texts), _SLICE):
        codes, owners = bigrams(list(texts[begin : begin + _SLICE]))
        parts.append((codes, owners + begin))
    return np.concatenate([codes for codes, _ in parts]), np.concatenate([owners for _, owners in parts])


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
