"""Ruled tables: rules and lines -> lines that carry cells, in the place of the words they hold."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from corpora.pdf.lines import Line, Word, line_of, rows_of
from corpora.pdf.rules import Rule

_NEAR = 3.0  # points: rules this close are one
_MOST_EDGES = 80  # in one direction; more is a drawing

Grid = tuple[list[float], list[float]]  # xs from left, ys from the top


def with_tables(lines: Sequence[Line], rules: Sequence[Rule]) -> tuple[list[Line], int]:
    """The lines with those inside each ruled table replaced by one that carries its cells; how many."""
    kept = list(lines)
    count = 0
    for group in _connected(rules):
        grid = _grid(group)
        if grid is None:
            continue
        (xs, ys) = grid
        inside = [line for line in kept if not line.cells and _is_inside(line, xs, ys)]
        cells, around = _titled(_cells(inside, group, grid))
        if not _is_table(cells):
            continue
        kept = [line for line in kept if line not in inside] + around
        size = max(inside, key=lambda line: len(line.text)).size
        top = max(line.y1 for row in cells for cell in row for line in cell)
        bottom = min(line.y0 for row in cells for cell in row for line in cell)
        kept.append(Line("", xs[0], bottom, xs[-1], top, size, 0, (), cells))
        count += 1
    return sorted(kept, key=lambda line: (-(line.y1 if line.cells else (line.y0 + line.y1) / 2), line.x0)), count


Cells = tuple[tuple[tuple[Line, ...], ...], ...]


def _titled(rows: Cells) -> tuple[Cells, list[Line]]:
    """The table without first and last rows that are one cell, and the lines of those: titles and notes are text."""
    whole = [len(row) > 1 and bool(row[0]) and all(cell is row[0] for cell in row) for row in rows]
    first, after = 0, len(rows)
    while first < after and whole[first]:
        first += 1
    while after > first and whole[after - 1]:
        after -= 1
    apart = [row[0] for row in (*rows[:first], *rows[after:])]
    # a cell that spans several rows stands in each of them
    distinct = {id(cell): cell for cell in apart}
    return rows[first:after], [line for cell in distinct.values() for line in cell]


def _connected(rules: Sequence[Rule]) -> list[list[Rule]]:
    """Rules that touch, or that are horizontal with the same ends (tables without vertical rules)."""
    groups: list[tuple[list[float], list[Rule]]] = []  # ([x0, y0, x1, y1], rules)
    for rule in sorted(rules, key=lambda rule: -rule.y1):
        box = [rule.x0 - _NEAR, rule.y0 - _NEAR, rule.x1 + _NEAR, rule.y1 + _NEAR]
        members = [rule]
        apart = []
        for other_box, other in groups:
            touches = box[0] <= other_box[2] and other_box[0] <= box[2]
            near = box[1] <= other_box[3] and other_box[1] <= box[3]
            ladder = abs(box[0] - other_box[0]) < 6 and 0 <= other_box[1] - box[3] < 60
            if touches and (near or ladder):
                box = [
                    min(box[0], other_box[0]),
                    min(box[1], other_box[1]),
                    max(box[2], other_box[2]),
                    max(box[3], other_box[3]),
                ]
                members = other + members
            else:
                apart.append((other_box, other))
        groups = [*apart, (box, members)]
    return [members for _, members in groups if len(members) >= 4]


def _grid(rules: Sequence[Rule]) -> Grid | None:
    """The edges of columns and rows, or None for what is no grid."""
    flat = [rule for rule in rules if rule.is_horizontal]
    upright = [rule for rule in rules if not rule.is_horizontal]
    ys = _cluster([rule.y0 for rule in flat])
    ends = [rule.x0 for rule in flat] + [rule.x1 for rule in flat]
    xs = _cluster([rule.x0 for rule in upright] + ([min(ends), max(ends)] if upright and ends else ends))
    if not 3 <= len(ys) <= _MOST_EDGES or not 3 <= len(xs) <= _MOST_EDGES:
        return None
    return xs, ys[::-1]


def _cluster(values: Sequence[float]) -> list[float]:
    """The values in order, those within a few points of each other as one."""
    found: list[float] = []
    for value in sorted(values):
        if not found or value - found[-1] > _NEAR:
            found.append(value)
    return found


def _is_inside(line: Line, xs: Sequence[float], ys: Sequence[float]) -> bool:
    x, y = (line.x0 + line.x1) / 2, (line.y0 + line.y1) / 2
    return xs[0] - _NEAR <= x <= xs[-1] + _NEAR and ys[-1] <= y <= ys[0]


def _cells(lines: Sequence[Line], rules: Sequence[Rule], grid: Grid) -> Cells:
    """Rows of cells; the text of a merged cell stands in each place that it covers."""
    xs, ys = grid
    down = [-y for y in ys]
    owner = _owners(rules, grid)
    words: dict[int, list[Word]] = {}
    for line in lines:
        for word in line.words:
            column = min(max(bisect_right(xs, (word.x0 + word.x1) / 2) - 1, 0), len(xs) - 2)
            row = min(max(bisect_right(down, -(word.y0 + word.y1) / 2) - 1, 0), len(ys) - 2)
            words.setdefault(owner[row][column], []).append(word)
    texts = {cell: tuple(line_of(row) for row in rows_of(found)) for cell, found in words.items()}
    table = [[texts.get(cell, ()) for cell in row] for row in owner]
    filled = [n for n in range(len(xs) - 1) if any(row[n] for row in table)]
    rows = [tuple(row[n] for n in filled) for row in table if any(row)]
    return tuple(rows)


def _owners(rules: Sequence[Rule], grid: Grid) -> list[list[int]]:
    """For each row and column the number of the cell that covers it: no rule between them, one cell."""
    xs, ys = grid
    upright = [rule for rule in rules if not rule.is_horizontal]
    flat = [rule for rule in rules if rule.is_horizontal]
    wide = len(xs) - 1
    parents = list(range(wide * (len(ys) - 1)))
    for row in range(len(ys) - 1):
        middle = (ys[row] + ys[row + 1]) / 2
        for column in range(wide):
            centre = (xs[column] + xs[column + 1]) / 2
            cell = row * wide + column
            if (
                column
                and upright
                and not any(
                    abs(rule.x0 - xs[column]) <= _NEAR and rule.y0 - 1 <= middle <= rule.y1 + 1 for rule in upright
                )
            ):
                _unite(parents, cell, cell - 1)
            if row and not any(
                abs(rule.y0 - ys[row]) <= _NEAR and rule.x0 - 1 <= centre <= rule.x1 + 1 for rule in flat
            ):
                _unite(parents, cell, cell - wide)
    return [[_root(parents, row * wide + column) for column in range(wide)] for row in range(len(ys) - 1)]


def _root(parents: Sequence[int], cell: int) -> int:
    while parents[cell] != cell:
        cell = parents[cell]
    return cell


def _unite(parents: list[int], one: int, other: int) -> None:
    low, high = sorted((_root(parents, one), _root(parents, other)))
    parents[high] = low


def _is_table(rows: Sequence[Sequence[tuple[Line, ...]]]) -> bool:
    """Two rows and two columns at least, and half of the places filled: frames and plots are not."""
    if not rows:
        return False
    places = [cell for row in rows for cell in row]
    distinct = {id(cell) for cell in places if cell}
    return len(rows) >= 2 and len(rows[0]) >= 2 and len(distinct) >= 4 and 2 * sum(map(bool, places)) >= len(places)
