"""Lines of a page -> columns in reading order.

A gutter is a vertical strip that rows of text stand on both sides of. Lines that cross it (titles,
wide boxes) cut the page into bands; within a band the left column comes before the right one, and each
may have gutters of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from corpora.pdf.lines import Line, merge

_LEAST_ROWS = 3  # rows with text on both sides that make a gutter
_LONG_COLUMN = 8  # lines
_DEEPEST = 6  # columns within columns; a page of confetti stops here


@dataclass(frozen=True, slots=True)
class Column:
    """Lines that are read one after the other, from top to bottom, and the edges between which they stand."""

    lines: tuple[Line, ...]
    left: float
    right: float


Gutter = tuple[float, float]  # where the left column ends and the right one begins


def columns(lines: Sequence[Line], *, known: Sequence[Gutter] = (), depth: int = 0) -> list[Column]:
    """The lines, split into columns in reading order; a page without gutters is one column.

    A gutter that is `known` from other pages needs two rows only: the foot of a page where two columns begin.
    """
    if not lines:
        return []
    pairs = _pairs(lines) if depth < _DEEPEST else []
    gutter = _gutter(lines, pairs) if len(pairs) >= _LEAST_ROWS else None
    if gutter is None and known:
        gutter = _known_gutter(pairs, known)
    if gutter is None:
        return [_column(_rows(lines, pairs))]
    found: list[Column] = []
    for band, is_wide in _bands(lines, gutter):
        if is_wide:
            found.append(_column(_rows(band, pairs)))
            continue
        found += columns([line for line in band if _middle(line) < gutter], depth=depth + 1)
        found += columns([line for line in band if _middle(line) >= gutter], depth=depth + 1)
    return found


def gutters(laid: Sequence[Sequence[Column]]) -> list[Gutter]:
    """Where long columns stand side by side on two pages or more, to the point."""
    found: Counter[tuple[int, int]] = Counter()
    for page in laid:
        pairs = zip(page, page[1:], strict=False)
        beside = [(left, right) for left, right in pairs if min(len(left.lines), len(right.lines)) >= _LONG_COLUMN]
        found.update({(round(left.right), round(right.left)) for left, right in beside if left.right < right.left})
    return [gutter for gutter, count in found.items() if count >= 2]


def _known_gutter(pairs: Sequence[tuple[Line, Line]], known: Sequence[Gutter]) -> float | None:
    for end, start in known:
        rows = [
            right
            for left, right in pairs
            if min(len(left.text), len(right.text)) >= 8 and abs(right.x0 - start) < 3 and left.x1 < end + 4
        ]
        if len(rows) >= 2:
            return (end + start) / 2
    return None


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
    """The x that most rows are split at, if there is running text on both sides; other lines may cross it."""
    best, best_rows = None, _LEAST_ROWS - 1
    for left, right in pairs[:40]:
        x = (left.x1 + right.x0) / 2
        rows = sum(a.x1 <= x <= b.x0 for a, b in pairs)
        if rows > best_rows and _has_two_columns(lines, x):
            best, best_rows = x, rows
    return best


def _has_two_columns(lines: Sequence[Line], x: float) -> bool:
    """Whether what stands on both sides of x is running text, not labels beside values or axis ticks."""
    long = [line for line in lines if len(line.text) >= 8]
    left = [line for line in long if line.x1 <= x]
    right = [line for line in long if line.x0 >= x]
    if min(len(left), len(right)) < _LEAST_ROWS:
        return False
    total = max(line.x1 for line in lines) - min(line.x0 for line in lines)
    return all(_is_text(side, total) for side in (left, right))


def _is_text(side: Sequence[Line], total: float) -> bool:
    """Three lines, and a third of them, fill the column, which takes up a sixth of the width or more."""
    width = max(line.x1 for line in side) - min(line.x0 for line in side)
    full = sum(line.x1 - line.x0 > 0.6 * width for line in side)
    return width > total / 6 and full >= _LEAST_ROWS and 3 * full >= len(side)


def _bands(lines: Sequence[Line], gutter: float) -> list[tuple[list[Line], bool]]:
    """Stretches from top to bottom that run across the gutter (True) or stand on both sides of it (False).

    Short lines keep clear of the gutter wherever they are: the last of a paragraph, a heading. They belong
    to the wide stretch that they touch when nothing stands beside them.
    """
    bands: list[tuple[list[Line], bool]] = []
    for line in lines:
        is_wide = line.x0 < gutter < line.x1
        if not bands or bands[-1][1] != is_wide:
            bands.append(([], is_wide))
        bands[-1][0].append(line)
    parts: list[tuple[list[Line], bool]] = []
    for n, (band, is_wide) in enumerate(bands):
        if is_wide:
            parts.append((band, True))
            continue
        below = bands[n + 1][0][0] if n + 1 < len(bands) else None
        head, core, tail = _core(band, gutter, wide_before=n > 0, below=below)
        parts += [(head, True), (core, False), (tail, True)]
    merged: list[tuple[list[Line], bool]] = []
    for band, is_wide in parts:
        if merged and merged[-1][1] == is_wide:
            merged[-1][0].extend(band)
        elif band:
            merged.append((list(band), is_wide))
    return merged


def _core(
    band: list[Line], gutter: float, *, wide_before: bool, below: Line | None
) -> tuple[list[Line], list[Line], list[Line]]:
    """(lines above, lines in two columns, lines below) of a stretch that keeps clear of the gutter."""
    sides = [[line for line in band if (_middle(line) < gutter) == is_left] for is_left in (True, False)]
    if not all(sides):
        return ([], band, []) if not wide_before and below is None else (band, [], [])
    top = min(max(line.y1 for line in side) for side in sides)
    bottom = max(min(line.y0 for line in side) for side in sides)
    head = [line for line in band if wide_before and line.y0 >= top - 0.2 * line.size]
    tail = [line for line in band if below is not None and line.y1 < bottom - 0.6 * line.size]
    if tail and below is not None:
        tail = _below_widest_gap([line for line in band if line not in tail], tail, below)
    return head, [line for line in band if line not in head and line not in tail], tail


def _below_widest_gap(core: Sequence[Line], tail: Sequence[Line], below: Line) -> list[Line]:
    """The lines that stand nearer to the wide ones below: one column is often a line longer than the other."""
    alike = [line for line in core if line.x0 < tail[0].x1 and tail[0].x0 < line.x1]
    column = [*alike[-1:], *tail, below]
    gaps = [before.y0 - line.y1 for before, line in zip(column, column[1:], strict=False)]
    widest = next(n for n, gap in enumerate(gaps) if gap > max(gaps) - 1)
    return list(tail[widest + 1 - len(alike[-1:]) :])


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
