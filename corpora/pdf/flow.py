"""Columns of lines -> paragraphs: what belongs together over lines, columns and pages, and what stands apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Literal

from corpora.pdf.glyphs import Line
from corpora.pdf.layout import Column
from corpora.pdf.repair import repair, starts_inside_syllable
from corpora.pdf.structure import Articles, Entry, Found, Style, find_headings

Kind = Literal["body", "heading", "caption", "note", "label", "table"]

_STRONG_MARK = re.compile(
    r"제\d+(?:조|장|절|편|관)(?:의\d+)?[\s(①]|[①-⑳㉠-㉻❶-❿]|[•◦○●■□▪▶▷◆◇※☞◎√]|\[[가-힣]|【|<(?:개정|신설|삭제)|부\s*칙\b|[·∙]\s"
)
_WEAK_MARK = re.compile(r"(?:\(?\d{1,3}[.)]|\([가-하]\)|[가-하][.)]|[ㄱ-ㅎ][.)]|[Ⅰ-Ⅻⅰ-ⅻ][.)]?|\(?[a-zA-Z][.)]|[-–—*])\s")
_CAPTION = re.compile(r"(?:[\[<〈【(]\s*)?(?:그림|표|사진|도표|그래프|Figure|Fig\.|Table)\s*\d++(?:[.\-–]\d+)*+\s*[:.\]>〉】)]", re.IGNORECASE)
_NOTE = re.compile(r"(?:\d{1,3}\s?\)|\d{1,3}(?=\s?[가-힣A-Za-z「『“‘(])|\*{1,3}\s?\)?|[†‡§]|주\s?\d*\))\s*\S")
_TERMINAL = re.compile(r"(?:[.?!。…][\"'”’)\]」』〉》]*|[:;]|[\])>])$")
_HANGUL = re.compile(r"[가-힣]")
_WORDS = re.compile(r"[A-Za-z]{3,}")


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


@dataclass(slots=True)
class _Open:
    """The body paragraph that is being read, and what waits until it is whole."""

    done: list[Paragraph] = field(default_factory=list)
    waiting: list[Paragraph] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    last: Line | None = None
    column: Column | None = None
    indented: bool = False  # whether the paragraph's first line was

    def close(self) -> None:
        """End the paragraph; what waited for it follows."""
        if self.pieces:
            self.done.append(Paragraph("body", tuple(self.pieces)))
        self.done += self.waiting
        self.pieces, self.waiting, self.last = [], [], None

    def is_unfinished(self, style: Style) -> bool:
        """Whether the last line runs to the edge without ending a sentence."""
        return (
            self.last is not None
            and self.column is not None
            and not _TERMINAL.search(self.pieces[-1].text)
            and self.last.x1 >= self.column.right - 1.2 * style.size
        )


def paragraphs(pages: Sequence[PageFlow], style: Style, *, articles: Articles, title: str, has_outline: bool) -> list[Paragraph]:
    """All paragraphs in reading order. Notes follow the body of their page, or the paragraph that runs on."""
    state = _Open()
    widths = sorted(column.right - column.left for page in pages for column in page.columns if len(column.lines) > 5)
    for page in pages:
        notes: list[Paragraph] = []
        for column in page.columns:
            body, foot = _split_notes(column, page, style, after_notes=bool(notes))
            notes = _add_notes(notes, foot, column, page.number)
            full = _widened(replace(column, lines=tuple(body)), widths)
            headings = find_headings(
                body,
                left=column.left,
                entries=page.entries,
                style=style,
                articles=articles,
                title=title,
                has_outline=has_outline,
            )
            _read_column(state, full, page.number, headings, style)
        if state.is_unfinished(style):
            state.waiting += notes
        else:
            state.close()
            state.done += notes
    state.close()
    return state.done


def _widened(column: Column, widths: Sequence[float]) -> Column:
    """The column with the right edge that its kind has elsewhere: a page with three short lines has none of its own."""
    if len(column.lines) > 5 or not widths:
        return column
    like = [width for width in widths if width >= column.right - column.left]
    return replace(column, right=column.left + like[0]) if like else column


def _split_notes(column: Column, page: PageFlow, style: Style, *, after_notes: bool) -> tuple[list[Line], list[Line]]:
    """(body, footnotes): the small lines at the foot of a column, from the first that bears a mark."""
    lines = list(column.lines)
    first = len(lines)
    while first > 0 and not lines[first - 1].cells and lines[first - 1].size <= 0.92 * style.size:
        first -= 1
    while first < len(lines):
        low = lines[first].y1 < 0.7 * page.height
        if low and (_NOTE.match(lines[first].text) or after_notes) and not _CAPTION.match(lines[first].text):
            return lines[:first], lines[first:]
        first += 1
    return lines, []


def _add_notes(notes: list[Paragraph], lines: Sequence[Line], column: Column, page: int) -> list[Paragraph]:
    """The notes with those of one column added; one that goes on from the column before is made whole."""
    grown = list(notes)
    for n, line in enumerate(lines):
        piece = Piece(repair(line.text), page, line.spaced)
        new = _NOTE.match(line.text) is not None and (n == 0 or line.x0 <= column.left + 2 * line.size)
        if grown and not new:
            grown[-1] = replace(grown[-1], pieces=(*grown[-1].pieces, piece))
        else:
            grown.append(Paragraph("note", (piece,)))
    return grown


def _read_column(state: _Open, column: Column, page: int, headings: Sequence[Found], style: Style) -> None:
    lines = column.lines
    heads = {found.first: found for found in headings}
    pitch = _pitch(lines)
    n = 0
    while n < len(lines):
        line, found = lines[n], heads.get(n)
        if found is not None:
            _read_heading(state, found, column, page)
            n = found.after
            continue
        kind = _kind(line, style)
        if kind == "body":
            _read_body(state, line, column, page, pitch=pitch, style=style)
            n += 1
            continue
        after = _group_end(lines, n, kind, heads, style)
        pieces = tuple(Piece(repair(other.text), page, other.spaced) for other in lines[n:after])
        apart = Paragraph(kind, pieces or (Piece("", page, False),), cells=line.cells)
        if kind == "table":
            apart = replace(apart, pieces=(Piece("", page, False),))
        if state.is_unfinished(style):
            state.waiting.append(apart)
        else:
            state.close()
            state.done.append(apart)
        n = after


def _read_heading(state: _Open, found: Found, column: Column, page: int) -> None:
    state.close()
    state.done.append(Paragraph("heading", (Piece(found.title, page, False),), level=found.level))
    if found.rest:
        last = column.lines[found.after - 1]
        state.pieces = [Piece(found.rest, page, last.spaced)]
        state.last, state.column, state.indented = last, column, True


def _pitch(lines: Sequence[Line]) -> float:
    """The usual gap between lines; 0 for fewer than two."""
    gaps = [before.y0 - line.y1 for before, line in zip(lines, lines[1:], strict=False) if before.y0 > line.y1]
    return median(gaps) if gaps else 0.0


def _kind(line: Line, style: Style) -> Kind:
    if line.cells:
        return "table"
    if _CAPTION.match(line.text):
        return "caption"
    if not _HANGUL.search(line.text) and len(_WORDS.findall(line.text)) < 4:
        return "label"
    if line.size < 0.8 * style.size and len(line.text) < 25:
        return "label"
    return "body"


def _group_end(lines: Sequence[Line], n: int, kind: Kind, heads: dict[int, Found], style: Style) -> int:
    """Where the caption, formula or table that begins with line n ends."""
    after = n + 1
    while kind in ("caption", "label") and after < len(lines) and after not in heads:
        line = lines[after]
        near = lines[after - 1].y0 - line.y1 < 0.8 * style.size
        if kind == "label" and _kind(line, style) == "label" and near:
            if _HANGUL.search(line.text) or _HANGUL.search(lines[n].text):
                break
            after += 1
        elif kind == "caption" and near and _kind(line, style) == "body" and not _TERMINAL.search(lines[after - 1].text):
            # a caption of several lines keeps its size and is narrower than the text below it
            if abs(line.size - lines[n].size) > 0.3 or lines[n].size > 0.97 * style.size:
                break
            after += 1
        else:
            break
    return after


def _read_body(state: _Open, line: Line, column: Column, page: int, *, pitch: float, style: Style) -> None:
    text = repair(line.text)
    piece = Piece(text, page, line.spaced)
    if state.last is not None and (_goes_on(state, line, column, text, pitch) or starts_inside_syllable(text)):
        state.pieces.append(piece)
    else:
        state.close()
        state.pieces = [piece]
        state.indented = line.x0 > column.left + 0.6 * style.size
    state.last, state.column = line, column


def _goes_on(state: _Open, line: Line, column: Column, text: str, pitch: float) -> bool:
    """Whether a line belongs to the paragraph of the line before it."""
    before, home = state.last, state.column
    if before is None or home is None or _STRONG_MARK.match(text):
        return False
    size = max(before.size, line.size)
    if not 0.78 <= before.size / line.size <= 1.28:
        return False
    ended = _TERMINAL.search(state.pieces[-1].text) is not None
    if not _is_full(before, home, line):
        return False
    shift = (line.x0 - column.left) - (before.x0 - home.left)
    # a figure may stand between two lines of a paragraph: only a sentence that ended there ends it
    apart = home is column and before.y0 - line.y1 > 1.6 * pitch + 0.45 * size
    if apart and (ended or abs(shift) > 0.3 * size) and not state.waiting:
        return False
    if _WEAK_MARK.match(text) and (ended or abs(shift) > 0.3 * size):
        return False
    # a line set in further than the plain one before it begins a paragraph; further than a first line, it hangs
    first_line = len(state.pieces) == 1
    return not (0.6 * size < shift < 4 * size and (ended or not first_line))


def _is_full(line: Line, column: Column, following: Line) -> bool:
    """Whether the line ended because the next word, or syllable, did not fit."""
    room = column.right - line.x1
    if room <= 1.2 * line.size:
        return True
    ragged = sum(column.right - other.x1 > 1.2 * other.size for other in column.lines) > 0.5 * len(column.lines)
    word = following.words[0] if following.words else None
    return ragged and word is not None and room < word.x1 - word.x0 + 0.25 * line.size and room < 0.4 * (column.right - column.left)
