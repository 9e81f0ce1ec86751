"""Lines of a page -> columns in reading order.

A gutter is a vertical strip that rows of text stand on both sides of. Lines that cross it (titles,
wide boxes) cut the page into bands; within a band the left column comes before the right one, and each
may have gutters of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from corpora.pdf.glyphs import Line, merge

_LEAST_ROWS = 3  # rows with text on both sides that make a gutter
_DEEPEST = 6  # columns within columns; a page of confetti stops here


@dataclass(frozen=True, slots=True)
class Column:
    """Lines that are read one after the other, from top to bottom, and the edges between which they stand."""

    lines: tuple[Line, ...]
    left: float
    right: float


def columns(lines: Sequence[Line], *, depth: int = 0) -> list[Column]:
    """The lines, split into columns in reading order; a page without gutters is one column."""
    if not lines:
        return []
    pairs = _pairs(lines) if depth < _DEEPEST else []
    gutter = _gutter(lines, pairs) if len(pairs) >= _LEAST_ROWS else None
    if gutter is None:
        return [_column(_rows(lines, pairs))]
    found: list[Column] = []
    for band, is_wide in _bands(lines, gutter):
        if is_wide:
            found += columns(band, depth=depth + 1)
            continue
        found += columns([line for line in band if _middle(line) < gutter], depth=depth + 1)
        found += columns([line for line in band if _middle(line) >= gutter], depth=depth + 1)
    return found


def _middle(line: Line) -> float:
    return (line.x0 + line.x1) / 2


def _column(lines: list[Line]) -> Column:
    return Column(tuple(lines), min(line.x0 for line in lines), max(line.x1 for line in lines))


def _share_row(one: Line, other: Line) -> bool:
    overlap = min(one.y1, other.y1) - max(one.y0, other.y0)
    return overlap > 0.5 * min(one.y1 - one.y0, other.y1 - other.y0)


def _pairs(lines: Sequence[Line]) -> list[tuple[Line, Line]]:
    """(left, right) neighbours on one row, with a gap between them."""
    pairs = []
    for n, line in enumerate(lines):
        for other in lines[n + 1 : n + 7]:
            if line.y0 > other.y1:
                break  # lines come from top to bottom: none further down shares the row
            if not _share_row(line, other):
                continue
            left, right = (line, other) if line.x0 <= other.x0 else (other, line)
            if right.x0 > left.x1:
                pairs.append((left, right))
    return pairs


def _gutter(lines: Sequence[Line], pairs: Sequence[tuple[Line, Line]]) -> float | None:
    """The x that most rows are split at, if enough of the lines keep clear of it."""
    best, best_score = None, 0
    for left, right in pairs[:40]:
        x = (left.x1 + right.x0) / 2
        rows = sum(a.x1 <= x <= b.x0 for a, b in pairs)
        crossing = sum(line.x0 < x < line.x1 for line in lines)
        score = rows - crossing
        if rows >= _LEAST_ROWS and score > best_score and _has_two_columns(lines, x):
            best, best_score = x, score
    return best


def _has_two_columns(lines: Sequence[Line], x: float) -> bool:
    """Whether what stands on both sides of x is running text, not labels beside values or axis ticks."""
    left = [line for line in lines if line.x1 <= x]
    right = [line for line in lines if line.x0 >= x]
    if min(len(left), len(right)) < _LEAST_ROWS:
        return False
    total = max(line.x1 for line in lines) - min(line.x0 for line in lines)
    return all(_is_text(side, total) for side in (left, right))


def _is_text(side: Sequence[Line], total: float) -> bool:
    """A third of the lines fill the column, and the column takes up a sixth of the width or more."""
    width = max(line.x1 for line in side) - min(line.x0 for line in side)
    full = sum(line.x1 - line.x0 > 0.6 * width and len(line.text) >= 8 for line in side)
    return width > total / 6 and 3 * full >= len(side)


def _bands(lines: Sequence[Line], gutter: float) -> list[tuple[list[Line], bool]]:
    """Stretches from top to bottom of lines that cross the gutter (True) or do not (False)."""
    bands: list[tuple[list[Line], bool]] = []
    for line in lines:
        is_wide = line.x0 < gutter < line.x1
        if not bands or bands[-1][1] != is_wide:
            bands.append(([], is_wide))
        bands[-1][0].append(line)
    return bands


def _rows(lines: Sequence[Line], pairs: Sequence[tuple[Line, Line]]) -> list[Line]:
    """The lines with those of one row made one: wide gaps inside a column are tabs, not gutters."""
    if not pairs:
        return list(lines)
    rows: list[Line] = []
    for line in lines:
        if rows and _share_row(rows[-1], line) and rows[-1].x1 <= line.x0 + 1:
            rows[-1] = merge(rows[-1], line)
        else:
            rows.append(line)
    return rows
