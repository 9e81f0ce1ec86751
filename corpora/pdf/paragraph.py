"""The nouns between layout and text: a paragraph, the lines that it is made of, a page to read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from corpora.pdf.layout import Column
from corpora.pdf.lines import Line
from corpora.pdf.structure import Entry

Kind = Literal["body", "heading", "caption", "note", "label", "table"]


@dataclass(frozen=True, slots=True)
class Piece:
    """One line of a paragraph."""

    text: str  # repaired
    page: int
    spaced: bool


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Lines that make one paragraph, heading, caption, note, formula or table."""

    kind: Kind
    pieces: tuple[Piece, ...]
    level: int = 0  # of a heading
    cells: tuple[tuple[tuple[Line, ...], ...], ...] = ()


@dataclass(frozen=True, slots=True)
class PageFlow:
    """The columns of one page in reading order, with what the outline says about it."""

    number: int
    height: float
    columns: tuple[Column, ...]
    entries: tuple[Entry, ...]
