"""A PDF page -> visual lines with boxes: the one module that asks pdfium for characters.

pdfium gives characters in the order of the content stream, spaces where the gaps are, and boxes. Read are words (first
and last box: one per character would double the time), then runs of words on one base line, then lines made of runs.
"""

from __future__ import annotations

import ctypes
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple

import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from numpy.typing import NDArray

_WORD = re.compile(r"[^\s\ufffe]+\ufffe?|\ufffe")
_HYPHEN = "\ufffe"  # what pdfium makes of a hyphen at the end of a line, together with the line's end
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_SPACES = frozenset(" \u00a0\u3000")
# the same function without the checks of pypdfium2's binding, which take twice its own time; FS_RECTF is four floats
_ASK = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)(
    ctypes.cast(pdfium_c.FPDFText_GetLooseCharBox, ctypes.c_void_p).value or 0
)
_COLUMN_GAP = 1.7  # em: justified Korean stretches spaces up to about 1 em, gutters and cells start near 2


class Word(NamedTuple):
    """A word as pdfium cuts it, with its box in points; y grows upwards."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    size: float  # height of its first character's box: the font size, for nearly every font
    spaced: bool  # a space stands behind it in the file, or pdfium saw a gap


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
    words: tuple[Word, ...]
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


def read_page(page: pdfium.PdfPage, number: int) -> RawPage:
    """The lines of one page; no lines when it bears no text."""
    width, height = page.get_size()
    handle = pdfium_c.FPDFText_LoadPage(page.raw)
    if not handle:
        return RawPage(number, width, height, (), 0, 0, 0, ())
    try:
        words, starts = _words(handle)
        words = _upright(words, page)
        tall = [n for n, word in enumerate(words) if word.y1 - word.y0 > 1.5 * word.size and len(word.text) > 1]
        leaning = {n for n in tall if _leans(pdfium_c.FPDFText_GetCharAngle(handle, starts[n]))}
        vertical = sum(len(words[n].text) for n in tall if n not in leaning and _is_vertical(words[n]))
        slanted = tuple(words[n].text for n in sorted(leaning))
        if leaning:
            kept = [n for n in range(len(words)) if n not in leaning]
            words, starts = [words[n] for n in kept], [starts[n] for n in kept]
        runs = _runs(words)
        firsts = [starts[first] for first, _ in runs]
        weights = [max(int(pdfium_c.FPDFText_GetFontWeight(handle, start)), 0) for start in firsts]
        unmapped = sum(pdfium_c.FPDFText_HasUnicodeMapError(handle, start) == 1 for start in firsts)
    finally:
        pdfium_c.FPDFText_ClosePage(handle)
    lines = _visual_lines([line_of(words[a:b], weight) for (a, b), weight in zip(runs, weights, strict=True)])
    chars = sum(len(word.text) for word in words)
    return RawPage(number, width, height, tuple(lines), chars, unmapped, vertical, slanted)


def page_text(handle: ctypes.c_void_p) -> str:
    """The characters of a text page, one per pdfium character, so that offsets are pdfium's."""
    count = pdfium_c.FPDFText_CountChars(handle)
    if count <= 0:
        return ""
    buffer = (ctypes.c_ushort * (count + 1))()
    got = pdfium_c.FPDFText_GetText(handle, 0, count, buffer)
    text = bytes(buffer)[: 2 * max(got - 1, 0)].decode("utf-16-le", "replace")
    if len(text) == count:
        return text
    # halves of pairs beyond the BMP, or characters without Unicode, shift the offsets: ask for each
    codes = (pdfium_c.FPDFText_GetUnicode(handle, index) for index in range(count))
    return "".join(chr(code) if 0 < code < 0x110000 else "\ufffd" for code in codes)


def _with_hyphens(text: str, handle: ctypes.c_void_p) -> str:
    """The text with one mark for hyphens at line ends: pdfium writes U+0002 for some, but so do broken fonts."""
    if "\x02" not in text:
        return text
    places = [match.start() for match in re.finditer("\x02", text)]
    hyphens = {place for place in places if pdfium_c.FPDFText_IsHyphen(handle, place) == 1}
    return "".join(_HYPHEN if n in hyphens else char for n, char in enumerate(text))


def _paired(word: str) -> str:
    """The word with surrogate pairs as one character each."""
    return word.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _words(handle: ctypes.c_void_p) -> tuple[list[Word], list[int]]:
    """The words in the file's order, and the index of each one's first character."""
    text = _with_hyphens(page_text(handle), handle)
    spans = [match.span() for match in _WORD.finditer(text)]
    if not spans:
        return [], []
    texts = [text[first:after] for first, after in spans]
    lasts = [after - 1 for _, after in spans]
    if _HYPHEN in text:
        for n, word in enumerate(texts):
            if word[-1] == _HYPHEN:
                texts[n] = word[:-1] + "-"
                lasts[n] -= len(word) > 1  # it has no box of its own
    if _SURROGATE.search(text):
        texts = [_paired(word) for word in texts]
    starts = [first for first, _ in spans]
    behind = text + "\n"
    spaced = [behind[after] in _SPACES for _, after in spans]
    first, is_there = _boxes(handle, starts)
    last, has_end = _boxes(handle, lasts)
    last[~has_end] = first[~has_end]
    x0, x1 = np.minimum(first[:, 0], last[:, 0]), np.maximum(first[:, 2], last[:, 2])
    y0, y1 = np.minimum(first[:, 3], last[:, 3]), np.maximum(first[:, 1], last[:, 1])
    size = first[:, 1] - first[:, 3]
    words = list(map(Word, texts, x0.tolist(), y0.tolist(), x1.tolist(), y1.tolist(), size.tolist(), spaced))
    if not is_there.all():
        kept = np.flatnonzero(is_there).tolist()
        words, starts = [words[n] for n in kept], [starts[n] for n in kept]
    return words, starts


def _boxes(handle: ctypes.c_void_p, indices: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(left, top, right, bottom) of each character, and whether it has a box."""
    boxes = np.zeros((len(indices), 4), dtype=np.float32)
    start = boxes.ctypes.data
    at = ctypes.cast(handle, ctypes.c_void_p).value
    got = list(map(_ASK, repeat(at), indices, range(start, start + boxes.nbytes, 16)))
    return boxes.astype(np.float64), np.array(got, dtype=np.bool_)


def _upright(words: list[Word], page: pdfium.PdfPage) -> list[Word]:
    """The words in the page as it is shown: pdfium's boxes do not know of the page's rotation."""
    rotation = page.get_rotation()
    if rotation == 0:
        return words
    width, height = page.get_size()  # as shown
    turned = []
    for text, x0, y0, x1, y1, size, spaced in words:
        match rotation:
            case 90:
                box = (y0, height - x1, y1, height - x0)
            case 180:
                box = (width - x1, height - y1, width - x0, height - y0)
            case _:
                box = (width - y1, x0, width - y0, x1)
        turned.append(Word(text, *box, box[3] - box[1] if len(text) == 1 else min(size, box[3] - box[1]), spaced))
    return turned


def _is_vertical(word: Word) -> bool:
    return word.y1 - word.y0 > 1.8 * max(word.x1 - word.x0, 0.1)


def _leans(angle: float) -> bool:
    """Whether an angle in radians is away from all four sides by more than 8 degrees."""
    return 0.14 < angle % (math.pi / 2) < math.pi / 2 - 0.14


def _runs(words: list[Word]) -> list[tuple[int, int]]:
    """(first, after) of every stretch of words that go on to the right on one base line."""
    runs = []
    first = 0
    for n in range(1, len(words)):
        before, word = words[n - 1], words[n]
        size = before.size if before.size > word.size else word.size
        gap = word.x0 - before.x1
        top = before.y1 if before.y1 < word.y1 else word.y1
        bottom = before.y0 if before.y0 > word.y0 else word.y0
        if -0.5 * size <= gap <= _COLUMN_GAP * size and 2 * (top - bottom) >= min(
            before.y1 - before.y0, word.y1 - word.y0
        ):
            continue
        runs.append((first, n))
        first = n
    if words:
        runs.append((first, len(words)))
    return runs


def line_of(words: list[Word], weight: int = 0) -> Line:
    """The words, in their order, as one line."""
    texts, x0, y0, x1, y1, sizes, _ = zip(*words, strict=True)
    # 8 %: Hangul and Latin of one font size often differ by 7
    is_mixed = max(sizes) - min(sizes) > 0.08 * sizes[0]
    size = _usual_size(words) if is_mixed else sizes[0]
    return Line(" ".join(texts), min(x0), min(y0), max(x1), max(y1), size, weight, tuple(words))


def _usual_size(words: list[Word]) -> float:
    """The size of most characters."""
    counts: Counter[float] = Counter()
    for word in words:
        counts[round(word.size, 1)] += len(word.text)
    return counts.most_common(1)[0][0]


def _visual_lines(runs: list[Line]) -> list[Line]:
    """The runs from top to bottom, those that share a base line and touch made one.

    Fractions, indices and changes of font cut a line into runs; so do producers that write a
    line in pieces. A gap of a gutter's width keeps runs apart: they may be columns or cells.
    """
    runs = sorted(runs, key=lambda run: (-(run.y0 + run.y1), run.x0))
    lines: list[Line] = []
    for run in runs:
        for back in range(len(lines) - 1, max(len(lines) - 9, -1), -1):
            # those far above cannot touch: asked here, for a call costs more than the answer
            if lines[back].y0 <= run.y1 and _touch(lines[back], run):
                lines[back] = merge(lines[back], run)
                break
        else:
            lines.append(run)
    return sorted(lines, key=lambda line: (-(line.y0 + line.y1), line.x0))


def rows_of(words: list[Word]) -> list[list[Word]]:
    """Words of a table cell in rows from top to bottom, each from left to right."""
    rows: list[list[Word]] = []
    for word in sorted(words, key=lambda word: (-(word.y0 + word.y1), word.x0)):
        if rows and min(rows[-1][0].y1, word.y1) - max(rows[-1][0].y0, word.y0) > 0.5 * (word.y1 - word.y0):
            rows[-1].append(word)
        else:
            rows.append([word])
    return [sorted(row, key=lambda word: word.x0) for row in rows]


def _touch(line: Line, run: Line) -> bool:
    overlap = min(line.y1, run.y1) - max(line.y0, run.y0)
    if overlap < 0.4 * min(line.y1 - line.y0, run.y1 - run.y0):
        return False
    size = max(line.size, run.size)
    gap = run.x0 - line.x1 if run.x0 >= line.x0 else line.x0 - run.x1
    return -1.2 * size < gap < 1.0 * size


def merge(left: Line, right: Line) -> Line:
    """Both lines as one; words in the order of their left edges."""
    words = sorted(left.words + right.words, key=lambda word: word.x0)
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
