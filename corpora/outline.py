"""Lines in, a Document with headings and offsets out: how every source with text builds its documents."""

from __future__ import annotations

from corpora.normalize import normalize
from corpora.records import Document, Heading


class Outline:
    """Collects the lines of one document and remembers where its headings stand.

    Lines are normalised and stripped; empty ones vanish. Text is the lines joined by `\\n`.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._headings: list[Heading] = []
        self._length = 0

    def add(self, text: str) -> None:
        """Append text, which may have several lines."""
        for raw in normalize(text).split("\n"):
            line = raw.strip()
            if line:
                self._lines.append(line)
                self._length += len(line) + 1

    def head(self, title: str, level: int) -> None:
        """Append a heading line; an empty title is none."""
        line = " ".join(normalize(title).split())
        if line:
            self._headings.append(Heading(self._length, len(line), level, line))
            self._lines.append(line)
            self._length += len(line) + 1

    def under(self, title: str, level: int) -> None:
        """Put what follows under a heading that does not stand in the text."""
        line = " ".join(normalize(title).split())
        if line:
            self._headings.append(Heading(self._length, 0, level, line))

    def finish(self, doc_id: str, title: str, *, source: str, licence: str = "", encoding: str = "utf-8") -> Document:
        """The document that the lines make."""
        return Document(
            doc_id=normalize(doc_id),
            title=" ".join(normalize(title).split()),
            text="\n".join(self._lines),
            source=source,
            licence=licence,
            headings=tuple(self._headings),
            encoding=encoding,
        )
