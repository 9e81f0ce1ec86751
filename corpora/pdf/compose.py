"""Paragraphs -> the text of a Document, with the offsets of its headings and pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from corpora.pdf.joins import Seam, decide, lexicon
from corpora.pdf.lines import Line
from corpora.pdf.paragraph import Paragraph, Piece
from corpora.pdf.repair import repair, starts_inside_syllable
from corpora.records import Heading, PageStart


@dataclass(frozen=True, slots=True)
class Composed:
    """The text and what stands where in it."""

    text: str
    headings: tuple[Heading, ...]
    pages: tuple[PageStart, ...]
    joined: int  # lines that were joined to the one before


def compose(paragraphs: Sequence[Paragraph], labels: Mapping[int, str]) -> Composed:
    """Each paragraph a line of the text; its lines joined with a space or without, as Korean wants it."""
    rows = [
        [_whole(paragraph.pieces)] if paragraph.kind != "table" else _table_rows(paragraph) for paragraph in paragraphs
    ]
    seams = [
        Seam(before.text, after.text, before.spaced)
        for lines in rows
        for pieces in lines
        for before, after in zip(pieces, pieces[1:], strict=False)
    ]
    words = lexicon(piece.text for lines in rows for pieces in lines for piece in pieces)
    glue = iter(decide(seams, words))
    parts: list[str] = []
    headings: list[Heading] = []
    pages: list[PageStart] = []
    length = 0
    for paragraph, lines in zip(paragraphs, rows, strict=True):
        for pieces in lines:
            start = length
            for n, piece in enumerate(pieces):
                between = next(glue) if n else ""
                if between == "\b":
                    parts[-1] = parts[-1][:-1]
                    length -= 1
                    between = ""
                if not pages or pages[-1].number != piece.page:
                    pages.append(PageStart(length + len(between), piece.page, labels.get(piece.page, "")))
                parts.append(between + piece.text)
                length += len(parts[-1])
            if paragraph.kind == "heading":
                title = " ".join(pieces[0].text.split())
                headings.append(Heading(start, length - start, paragraph.level, title))
            parts.append("\n")
            length += 1
    text = "".join(parts[:-1])
    return Composed(text, tuple(headings), tuple(pages), len(seams))


def _whole(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces, empty ones dropped, with syllables that were cut at a line's end made whole."""
    whole: list[Piece] = []
    for piece in pieces:
        text = piece.text.strip()
        if whole and starts_inside_syllable(text):
            head = text.split(" ", 1)
            whole[-1] = Piece(repair(whole[-1].text + head[0]), whole[-1].page, len(head) > 1 or piece.spaced)
            text = head[1] if len(head) > 1 else ""
        if text:
            whole.append(Piece(text, piece.page, piece.spaced))
    return whole or [Piece("", pieces[0].page, False)]


def _table_rows(paragraph: Paragraph) -> list[list[Piece]]:
    """The table as Markdown: the first row, a rule, the other rows."""
    page = paragraph.pieces[0].page
    rows = [[_cell(cell) for cell in row] for row in paragraph.cells]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.insert(1, "|" + " --- |" * len(rows[0]))
    return [[Piece(line, page, False)] for line in lines]


def _cell(lines: Sequence[Line]) -> str:
    """The lines of one cell as one text; a bar inside it is escaped."""
    texts = [repair(line.text).strip() for line in lines]
    seams = [Seam(before, after, line.spaced) for before, after, line in zip(texts, texts[1:], lines, strict=False)]
    glue = decide(seams, {})
    joined = texts[0] if texts else ""
    for between, text in zip(glue, texts[1:], strict=True):
        joined = (joined[:-1] if between == "\b" else joined + between) + text
    return joined.replace("|", "\\|")
