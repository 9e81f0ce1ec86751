"""Words and the visual lines that they make: the nouns between pdfium's (or OCR's) boxes and the layout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, overload

COLUMN_GAP = 1.7  # em: justified Korean stretches spaces up to about 1 em, gutters and cells start near 2
MIXED = 0.08  # Hangul and Latin of one font size often differ by 7 %


class Word(NamedTuple):
    """A word as pdfium cuts it, with its box in points; y grows upwards."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    size: float  # height of its first character's box: the font size, for nearly every font
    spaced: bool  # a space stands behind it in the file, or pdfium saw a gap


_NEW = partial(tuple.__new__, Word)  # Word._make without a Python frame for each

Columns = tuple[list[str], list[float], list[float], list[float], list[float], list[float], list[bool]]


@dataclass(frozen=True, slots=True)
class Span(Sequence[Word]):
    """Words of a page that stand one after the other, each made when it is asked for: most never are."""

    columns: Columns  # of all words of the page, one for each field of a word
    first: int
    after: int

    def __len__(self) -> int:
        return self.after - self.first

    def __iter__(self) -> Iterator[Word]:
        return map(_NEW, zip(*(column[self.first : self.after] for column in self.columns), strict=True))

    @overload
    def __getitem__(self, index: int) -> Word: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Word]: ...
    def __getitem__(self, index: int | slice) -> Word | Sequence[Word]:
        if isinstance(index, slice):
            return tuple(self)[index]
        at = range(self.first, self.after)[index]
        return _NEW([column[at] for column in self.columns])


@dataclass(frozen=True, slots=True)
class Line:
    """Words of one base line, left to right, with no gap as wide as a gutter in between."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    size: float  # of most of its characters
    weight: int  # of its first character's font; 0 unknown
    words: Sequence[Word]
    cells: tuple[tuple[tuple[Line, ...], ...], ...] = ()  # rows of a table; then there are no words

    @property
    def spaced(self) -> bool:
        """Whether the file writes a space at the end of the line."""
        return bool(self.words) and self.words[-1].spaced


@dataclass(frozen=True, slots=True)
class RawPage:
    """What stands on a page before anything is decided about it."""

    number: int  # in the file, from 1
    width: float
    height: float
    lines: tuple[Line, ...]  # from top to bottom, left to right
    chars: int  # characters that are not white space
    unmapped: int  # first characters of lines that pdfium could not map to Unicode
    vertical: int  # characters in words that run downwards
    slanted: tuple[str, ...]  # words set at an angle: watermarks; not among `lines`


def line_of(words: Sequence[Word]) -> Line:
    """The words, in their order, as one line of unknown weight."""
    texts, x0, y0, x1, y1, sizes, _ = zip(*words, strict=True)
    size = usual_size(words) if max(sizes) - min(sizes) > MIXED * sizes[0] else sizes[0]
    return Line(" ".join(texts), min(x0), min(y0), max(x1), max(y1), size, 0, tuple(words))


def usual_size(words: Sequence[Word]) -> float:
    """The size of most characters."""
    counts: Counter[float] = Counter()
    for word in words:
        counts[round(word.size, 1)] += len(word.text)
    return max(counts, key=counts.__getitem__)


def visual_lines(runs: Sequence[Line]) -> list[Line]:
    """The runs from top to bottom, those that share a base line and touch made one.

    Fractions, indices and changes of font cut a line into runs; so do producers that write a
    line in pieces. A gap of a gutter's width keeps runs apart: they may be columns or cells.
    """
    lines: list[Line] = []
    for run in sorted(runs, key=lambda run: (-(run.y0 + run.y1), run.x0)):
        for back in range(len(lines) - 1, max(len(lines) - 9, -1), -1):
            # those far above cannot touch: asked here, for a call costs more than the answer
            if lines[back].y0 <= run.y1 and _touch(lines[back], run):
                lines[back] = merge(lines[back], run)
                break
        else:
            lines.append(run)
    return sorted(lines, key=lambda line: (-(line.y0 + line.y1), line.x0))


def _touch(line: Line, run: Line) -> bool:
    overlap = min(line.y1, run.y1) - max(line.y0, run.y0)
    if overlap < 0.4 * min(line.y1 - line.y0, run.y1 - run.y0):
        return False
    size = max(line.size, run.size)
    gap = run.x0 - line.x1 if run.x0 >= line.x0 else line.x0 - run.x1
    return -1.2 * size < gap < 1.0 * size


def merge(left: Line, right: Line) -> Line:
    """Both lines as one; words in the order of their left edges."""
    words = sorted((*left.words, *right.words), key=lambda word: word.x0)
    heavier = left if len(left.text) >= len(right.text) else right
    first = left if left.x0 <= right.x0 else right
    parts = [words[0].text]
    for before, word in zip(words, words[1:], strict=False):
        raised = word.size < 0.8 * heavier.size or before.size < 0.8 * heavier.size
        tight = raised and word.x0 - before.x1 < 0.12 * heavier.size and not before.spaced
        parts.append(word.text if tight else f" {word.text}")
    return Line(
        "".join(parts),
        *(min(left.x0, right.x0), min(left.y0, right.y0)),
        *(max(left.x1, right.x1), max(left.y1, right.y1)),
        heavier.size,
        first.weight,
        tuple(words),
    )


def rows_of(words: Sequence[Word]) -> list[list[Word]]:
    """Words of a table cell in rows from top to bottom, each from left to right."""
    rows: list[list[Word]] = []
    for word in sorted(words, key=lambda word: (-(word.y0 + word.y1), word.x0)):
        if rows and min(rows[-1][0].y1, word.y1) - max(rows[-1][0].y0, word.y0) > 0.5 * (word.y1 - word.y0):
            rows[-1].append(word)
        else:
            rows.append([word])
    return [sorted(row, key=lambda word: word.x0) for row in rows]
