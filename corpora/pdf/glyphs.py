"""A PDF page -> visual lines with boxes: the one module that asks pdfium for characters.

pdfium gives characters in the order of the content stream, spaces where the gaps are, and boxes. Read are words (first
and last box: one per character would double the time), then runs of words on one base line, then lines made of runs.
Words stay columns of numbers until lines are made of them: a page has hundreds.
"""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress, pairwise, repeat

import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from numpy.typing import NDArray

from corpora.pdf.lines import COLUMN_GAP, MIXED, Line, RawPage, Span, usual_size, visual_lines

_HYPHEN = "\ufffe"  # what pdfium makes of a hyphen at the end of a line, together with the line's end
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_BLANK = np.array([chr(code).isspace() for code in range(0x3001)] + [False])  # by code, the last one for all above
# the same function without the checks of pypdfium2's binding, which take twice its own time; FS_RECTF is four floats
_ASK = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)(
    ctypes.cast(pdfium_c.FPDFText_GetLooseCharBox, ctypes.c_void_p).value or 0
)

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of a page in the file's order, a column for each of their properties."""

    texts: list[str]
    starts: NDArray[np.int64]  # pdfium's index of the first character
    boxes: Floats  # (n, 4): x0, y0, x1, y1 in points
    sizes: Floats
    spaced: Flags

    def kept(self, wanted: Flags) -> _Words:
        """Those words that are wanted."""
        if wanted.all():
            return self
        texts = list(compress(self.texts, wanted.tolist()))
        return _Words(texts, self.starts[wanted], self.boxes[wanted], self.sizes[wanted], self.spaced[wanted])


def read_page(page: pdfium.PdfPage, number: int) -> RawPage:
    """The lines of one page; no lines when it bears no text."""
    width, height = page.get_size()
    handle = pdfium_c.FPDFText_LoadPage(page.raw)
    if not handle:
        return RawPage(number, width, height, (), 0, 0, 0, ())
    try:
        words = _upright(_words(handle), page)
        high = words.boxes[:, 3] - words.boxes[:, 1]
        tall = np.flatnonzero(high > 1.5 * words.sizes).tolist()
        tall = [n for n in tall if len(words.texts[n]) > 1]
        leaning = [n for n in tall if _leans(pdfium_c.FPDFText_GetCharAngle(handle, int(words.starts[n])))]
        vertical = sum(len(words.texts[n]) for n in tall if n not in leaning and _is_vertical(words.boxes[n]))
        slanted = tuple(words.texts[n] for n in leaning)
        if leaning:
            words = words.kept(~np.isin(np.arange(len(words.texts)), leaning))
        firsts = _run_starts(words)
        starts = words.starts[firsts].tolist()
        weights = [max(int(pdfium_c.FPDFText_GetFontWeight(handle, start)), 0) for start in starts]
        unmapped = sum(pdfium_c.FPDFText_HasUnicodeMapError(handle, start) == 1 for start in starts)
    finally:
        pdfium_c.FPDFText_ClosePage(handle)
    lines = visual_lines(_runs(words, firsts, weights))
    return RawPage(number, width, height, tuple(lines), sum(map(len, words.texts)), unmapped, vertical, slanted)


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


def _words(handle: ctypes.c_void_p) -> _Words:
    """The words in the file's order: what white space parts, and hyphens at line ends."""
    text = _with_hyphens(page_text(handle), handle)
    codes = np.frombuffer(f"\n{text}\n".encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    blank = _BLANK[np.minimum(codes, len(_BLANK) - 1)]
    hyphen = codes == ord(_HYPHEN)
    starts = np.flatnonzero(~blank[1:-1] & (blank | hyphen)[:-2])
    afters = np.flatnonzero(~blank[1:-1] & (blank[2:] | hyphen[1:-1])) + 1
    texts = [text[first:after] for first, after in zip(starts.tolist(), afters.tolist(), strict=True)]
    lasts = afters - 1
    if hyphen.any():
        texts = [word.replace(_HYPHEN, "-") for word in texts]
        lasts -= hyphen[afters] & (lasts > starts)  # it has no box of its own
    if _SURROGATE.search(text):
        texts = [_paired(word) for word in texts]
    first, is_there = _boxes(handle, starts)
    last, has_end = _boxes(handle, lasts)
    last[~has_end] = first[~has_end]
    edges = np.minimum(first, last), np.maximum(first, last)
    boxes = np.stack((edges[0][:, 0], edges[0][:, 3], edges[1][:, 2], edges[1][:, 1]), axis=1)
    behind = codes[afters + 1]
    spaced = (behind == 0x20) | (behind == 0xA0) | (behind == 0x3000)
    return _Words(texts, starts, boxes, first[:, 1] - first[:, 3], spaced).kept(is_there)


def _boxes(handle: ctypes.c_void_p, indices: NDArray[np.int64]) -> tuple[Floats, Flags]:
    """(left, top, right, bottom) of each character, and whether it has a box."""
    boxes = np.zeros((len(indices), 4), dtype=np.float32)
    start = boxes.ctypes.data
    at = ctypes.cast(handle, ctypes.c_void_p).value
    got = list(map(_ASK, repeat(at), indices.tolist(), range(start, start + boxes.nbytes, 16)))
    return boxes.astype(np.float64), np.array(got, dtype=np.bool_)


def _upright(words: _Words, page: pdfium.PdfPage) -> _Words:
    """The words in the page as it is shown: pdfium's boxes do not know of the page's rotation."""
    rotation = page.get_rotation()
    if rotation == 0:
        return words
    width, height = page.get_size()  # as shown
    x0, y0, x1, y1 = words.boxes.T
    match rotation:
        case 90:
            turned = (y0, height - x1, y1, height - x0)
        case 180:
            turned = (width - x1, height - y1, width - x0, height - y0)
        case _:
            turned = (width - y1, x0, width - y0, x1)
    boxes = np.stack(turned, axis=1)
    high = boxes[:, 3] - boxes[:, 1]
    is_single = np.array([len(text) == 1 for text in words.texts], dtype=np.bool_)
    sizes = np.where(is_single, high, np.minimum(words.sizes, high))
    return _Words(words.texts, words.starts, boxes, sizes, words.spaced)


def _is_vertical(box: Floats) -> bool:
    x0, y0, x1, y1 = box.tolist()
    return bool(y1 - y0 > 1.8 * max(x1 - x0, 0.1))


def _leans(angle: float) -> bool:
    """Whether an angle in radians is away from all four sides by more than 8 degrees."""
    return 0.14 < angle % (math.pi / 2) < math.pi / 2 - 0.14


def _run_starts(words: _Words) -> NDArray[np.int64]:
    """The first word of every stretch of words that go on to the right on one base line."""
    if not words.texts:
        return np.empty(0, dtype=np.int64)
    x0, y0, x1, y1 = words.boxes.T
    size = np.maximum(words.sizes[:-1], words.sizes[1:])
    gap = x0[1:] - x1[:-1]
    overlap = np.minimum(y1[:-1], y1[1:]) - np.maximum(y0[:-1], y0[1:])
    lower = np.minimum((y1 - y0)[:-1], (y1 - y0)[1:])
    goes_on = (gap >= -0.5 * size) & (gap <= COLUMN_GAP * size) & (2 * overlap >= lower)
    return np.concatenate([[0], np.flatnonzero(~goes_on) + 1])


def _runs(words: _Words, firsts: NDArray[np.int64], weights: Sequence[int]) -> list[Line]:
    """Each stretch of words as a line; what `line_of` does for one, for all of them at once."""
    if not len(firsts):
        return []
    boxes, sizes = words.boxes, words.sizes
    lower, upper = np.minimum.reduceat(boxes, firsts), np.maximum.reduceat(boxes, firsts)
    spread = np.maximum.reduceat(sizes, firsts) - np.minimum.reduceat(sizes, firsts)
    x0s, y0s, x1s, y1s = (column.tolist() for column in boxes.T)
    columns = (words.texts, x0s, y0s, x1s, y1s, sizes.tolist(), words.spaced.tolist())
    edges = np.concatenate([lower[:, :2], upper[:, 2:], sizes[firsts, None]], axis=1).tolist()
    is_mixed = (spread > MIXED * sizes[firsts]).tolist()
    spans = pairwise([*firsts.tolist(), len(words.texts)])
    runs = []
    for (first, after), box, mixed, weight in zip(spans, edges, is_mixed, weights, strict=True):
        x0, y0, x1, y1, size = box
        mine = Span(columns, first, after)
        size = usual_size(mine) if mixed else size
        runs.append(Line(" ".join(words.texts[first:after]), x0, y0, x1, y1, size, weight, mine))
    return runs
