"""Columns of lines -> paragraphs: what belongs together over lines, columns and pages, and what stands apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from corpora.pdf.layout import Column
from corpora.pdf.lines import Line
from corpora.pdf.notes import CAPTION, add_notes, split_notes
from corpora.pdf.paragraph import Kind, PageFlow, Paragraph, Piece
from corpora.pdf.repair import repair, starts_inside_syllable
from corpora.pdf.structure import Articles, Found, Style, find_headings

_STRONG_MARK = re.compile(
    r"제\d+(?:조|장|절|편|관)(?:의\d+)?[\s(①]|[①-⑳㉠-㉻❶-❿]|[•◦○●■□▪▶▷◆◇※☞◎√]|\[[가-힣]|【|<(?:개정|신설|삭제)|부\s*칙\b|[·∙]\s"
)
_WEAK_MARK = re.compile(
    r"(?:\(?\d{1,3}[.)]|\([가-하]\)|[가나다라마바사아자차카타파하][.)]|[ㄱ-ㅎ][.)]|[Ⅰ-Ⅻⅰ-ⅻ][.)]?|\(?[a-zA-Z][.)]|[-–—*])\s"
)
_TERMINAL = re.compile(r"(?:[.?!。…][\"'”’)\]」』〉》]*|[:;]|[\]>])$")
_SMALL_CAPTION = re.compile(r"(?:그림|표|사진|도표|그래프)\s?\d++(?:[.\-–]\d+)*+\s+\S")
_HANGUL = re.compile(r"[가-힣]")
_WORDS = re.compile(r"[A-Za-z]{3,}")


@dataclass(slots=True)
class _Open:
    """The body paragraph that is being read, and what waits until it is whole."""

    done: list[Paragraph] = field(default_factory=list)
    waiting: list[Paragraph] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    first: Line | None = None
    last: Line | None = None
    column: Column | None = None
    right: float = 0.0  # the edge that the last line may run to

    def close(self) -> None:
        """End the paragraph; what waited for it follows."""
        if self.pieces:
            self.done.append(Paragraph("body", tuple(self.pieces)))
        self.done += self.waiting
        self.pieces, self.waiting, self.last = [], [], None

    def is_full(self, style: Style) -> bool:
        """Whether the last line runs to the edge: the paragraph may go on elsewhere."""
        return self.last is not None and self.last.x1 >= self.right - 1.2 * style.size

    def is_unfinished(self, style: Style) -> bool:
        """Whether the last line runs to the edge without ending a sentence."""
        return self.is_full(style) and not _TERMINAL.search(self.pieces[-1].text)


def paragraphs(
    pages: Sequence[PageFlow], style: Style, *, articles: Articles, title: str, has_outline: bool
) -> list[Paragraph]:
    """All paragraphs in reading order. Notes follow the body of their page, or the paragraph that runs on."""
    state = _Open()
    every = [column for page in pages for column in page.columns]
    widths = sorted(column.right - column.left for column in [c for c in every if len(c.lines) > 5] or every)
    for page in pages:
        notes: list[Paragraph] = []
        for column in page.columns:
            body, foot = split_notes(column, page, style, after_notes=bool(notes))
            notes = add_notes(notes, foot, column, page.number)
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
        if state.is_full(style):
            state.waiting += notes
        else:
            state.close()
            state.done += notes
    state.close()
    return state.done


def _widened(column: Column, widths: Sequence[float]) -> Column:
    """The column with the right edge that its kind has elsewhere: a page with three short lines has none of its own."""
    at_edge = sum(column.right - line.x1 < 0.1 * line.size for line in column.lines)
    if len(column.lines) > 5 or at_edge >= 2 or not widths:
        return column
    like = [width for width in widths if width >= column.right - column.left]
    return replace(column, right=column.left + like[len(like) // 2]) if like else column


def _read_column(state: _Open, column: Column, page: int, headings: Sequence[Found], style: Style) -> None:
    lines = column.lines
    heads = {found.first: found for found in headings}
    pitch = _pitch(lines)
    rights = _rights(column)
    n = 0
    at_top = True  # only figures and the like so far: a full line goes on below them, whatever it ends with
    while n < len(lines):
        line, found = lines[n], heads.get(n)
        if found is not None:
            _read_heading(state, found, column, page)
            state.right = rights[found.after - 1]
            n = found.after
            continue
        kind = _kind(line, style)
        at_top = at_top and kind != "body"
        if kind == "body":
            _read_body(state, line, column, page, pitch=pitch)
            state.right = rights[n]
            n += 1
            continue
        after = _group_end(lines, n, kind, heads, style)
        pieces = tuple(Piece(repair(other.text), page, other.spaced) for other in lines[n:after])
        apart = Paragraph(kind, pieces if kind != "table" else (Piece("", page, False),), cells=line.cells)
        if state.is_full(style) if at_top else state.is_unfinished(style):
            state.waiting.append(apart)
        else:
            state.close()
            state.done.append(apart)
        n = after


def _rights(column: Column) -> list[float]:
    """The right edge for each line: that of the lines of its size, for boxes are set smaller and narrower."""
    by_size: dict[int, list[float]] = {}
    for line in column.lines:
        by_size.setdefault(round(2 * line.size), []).append(line.x1)
    edges = {}
    for size, alike in by_size.items():
        edge = max(alike)
        settled = sum(edge - x1 < 0.25 * size for x1 in alike) >= 3
        edges[size] = edge if settled else column.right
    return [edges[round(2 * line.size)] for line in column.lines]


def _read_heading(state: _Open, found: Found, column: Column, page: int) -> None:
    state.close()
    kind: Kind = "heading" if found.level else "body"
    state.done.append(Paragraph(kind, (Piece(found.title, page, False),), level=found.level))
    if found.rest:
        last = column.lines[found.after - 1]
        state.pieces = [Piece(found.rest, page, last.spaced)]
        state.first, state.last, state.column = last, last, column


def _pitch(lines: Sequence[Line]) -> float:
    """The usual gap between lines; 0 for fewer than two."""
    gaps = [before.y0 - line.y1 for before, line in zip(lines, lines[1:], strict=False) if before.y0 > line.y1]
    return median(gaps) if gaps else 0.0


def _kind(line: Line, style: Style) -> Kind:
    if line.cells:
        return "table"
    if CAPTION.match(line.text) or (line.size < 0.95 * style.size and _SMALL_CAPTION.match(line.text)):
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
        elif (
            kind == "caption" and near and _kind(line, style) == "body" and not _TERMINAL.search(lines[after - 1].text)
        ):
            # a caption of several lines keeps its size and is narrower than the text below it
            if abs(line.size - lines[n].size) > 0.3 or lines[n].size > 0.97 * style.size:
                break
            after += 1
        else:
            break
    return after


def _read_body(state: _Open, line: Line, column: Column, page: int, *, pitch: float) -> None:
    text = repair(line.text)
    piece = Piece(text, page, line.spaced)
    if state.last is not None and (_goes_on(state, line, column, text, pitch) or starts_inside_syllable(text)):
        state.pieces.append(piece)
    else:
        state.close()
        state.pieces, state.first = [piece], line
    state.last, state.column = line, column


def _goes_on(state: _Open, line: Line, column: Column, text: str, pitch: float) -> bool:
    """Whether a line belongs to the paragraph of the line before it."""
    before, home = state.last, state.column
    if before is None or home is None or _STRONG_MARK.match(text) or not 0.78 <= before.size / line.size <= 1.28:
        return False
    if not _is_full(before, state.right, home, line):
        return False
    size = max(before.size, line.size)
    ended = _TERMINAL.search(state.pieces[-1].text) is not None
    shift = (line.x0 - column.left) - (before.x0 - home.left)
    # a figure may stand between two lines of a paragraph: only a sentence that ended there ends it
    apart = home is column and before.y0 - line.y1 > 1.6 * pitch + 0.45 * size
    if apart and (ended or abs(shift) > 0.3 * size) and not state.waiting:
        return False
    # "다. 그런데" after an unfinished line is the end of a word, not the fourth item
    marked = _WEAK_MARK.match(text) is not None and (ended or not _HANGUL.match(text))
    if marked and (ended or abs(shift) > 0.3 * size or _is_item(state, line)):
        return False
    # a line set in further than the plain one before it begins a paragraph; further than a first line, it hangs
    first_line = len(state.pieces) == 1
    return not (0.6 * size < shift < 4 * size and (ended or not first_line))


def _is_item(state: _Open, line: Line) -> bool:
    """Whether the paragraph is an item of a list, and the line begins where it did."""
    first = state.first
    return first is not None and abs(first.x0 - line.x0) < 1 and _WEAK_MARK.match(state.pieces[0].text) is not None


def _is_full(line: Line, right: float, column: Column, following: Line) -> bool:
    """Whether the line ended because the next word, or syllable, did not fit."""
    room = right - line.x1
    if room <= 1.2 * line.size:
        return True
    ragged = sum(column.right - other.x1 > 1.2 * other.size for other in column.lines) > 0.5 * len(column.lines)
    word = following.words[0] if following.words else None
    return (
        ragged
        and word is not None
        and room < word.x1 - word.x0 + 0.25 * line.size
        and room < 0.4 * (column.right - column.left)
    )
