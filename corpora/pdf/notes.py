"""Footnotes: found at the foot of a column by size and mark, made whole over columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from corpora.pdf.layout import Column
from corpora.pdf.lines import Line
from corpora.pdf.paragraph import PageFlow, Paragraph, Piece
from corpora.pdf.repair import repair
from corpora.pdf.structure import Style

CAPTION = re.compile(
    r"(?:[\[<〈【(]\s*)?(?:그림|표|사진|도표|그래프|Figure|Fig\.|Table)\s*\d++(?:[.\-–]\d+)*+\s*[:.\]>〉】)]",
    re.IGNORECASE,
)
_NOTE = re.compile(r"(?:\d{1,3}\s?\)|\d{1,3}(?=\s?[가-힣A-Za-z「『“‘(])|\*{1,3}\s?\)?|[†‡§]|주\s?\d*\))\s*\S")


def split_notes(column: Column, page: PageFlow, style: Style, *, after_notes: bool) -> tuple[list[Line], list[Line]]:
    """(body, footnotes): the small lines at the foot of a column, from the first that bears a mark."""
    lines = list(column.lines)
    first = len(lines)
    while first > 0 and not lines[first - 1].cells and lines[first - 1].size <= 0.92 * style.size:
        first -= 1
    while first < len(lines):
        low = lines[first].y1 < 0.7 * page.height
        if low and (_is_note(lines[first]) or after_notes) and not CAPTION.match(lines[first].text):
            return lines[:first], lines[first:]
        first += 1
    return lines, []


def _is_note(line: Line) -> bool:
    """Whether a line begins with the mark of a footnote: 1), *, or a raised number, glued to what follows or not."""
    raised = bool(line.words) and line.words[0].size < 0.8 * line.size and line.text[0].isdecimal()
    return raised or _NOTE.match(line.text) is not None


def add_notes(notes: list[Paragraph], lines: Sequence[Line], column: Column, page: int) -> list[Paragraph]:
    """The notes with those of one column added; one that goes on from the column before is made whole."""
    grown = list(notes)
    for n, line in enumerate(lines):
        piece = Piece(repair(line.text), page, line.spaced)
        new = _is_note(line) and (n == 0 or line.x0 <= column.left + 2 * line.size)
        if grown and not new:
            grown[-1] = replace(grown[-1], pieces=(*grown[-1].pieces, piece))
        else:
            grown.append(Paragraph("note", (piece,)))
    return grown
