"""Pages of a PDF as PNG pictures, with the lines of a passage marked."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pypdfium2 as pdfium
from numpy.typing import NDArray

from configs.errors import UserError
from corpora.pdf.glyphs import read_page
from corpora.pdf.lines import Line
from corpora.records import PageStart, Passage, pages_of

_DPI = 110
_MARK = np.array([255, 236, 120], dtype=np.uint16)  # what white becomes
_GRAM = 4  # characters compared
_SHARE = 0.7  # of a line's runs of characters that stand in the passage: repairs change some
_PAD = 2.0  # points around a line


def marked_pages(
    path: Path, passage: Passage, pages: tuple[PageStart, ...], *, password: str | None = None
) -> dict[int, bytes]:
    """Number in the file -> PNG of each page that a passage lies on, its lines on yellow.

    Raises UserError when the file cannot be opened or has fewer pages than the document was read with.
    """
    try:
        pdf = pdfium.PdfDocument(path, password=password)
    except (pdfium.PdfiumError, FileNotFoundError) as error:
        raise UserError(f"{path}: cannot be opened ({error}); was it moved since the index was built?") from None
    try:
        pictures = {}
        for page in pages_of(pages, passage.start, len(passage.text)):
            if page.number > len(pdf):
                raise UserError(f"{path}: has {len(pdf)} pages, the index knows page {page.number}; build it again")
            pictures[page.number] = _picture(pdf[page.number - 1], page.number, passage.text)
        return pictures
    finally:
        pdf.close()


def _picture(page: pdfium.PdfPage, number: int, text: str) -> bytes:
    """One page as PNG."""
    raw = read_page(page, number)
    scale = _DPI / 72
    pixels: NDArray[np.uint8] = (
        page.render(scale=scale, rev_byteorder=True, draw_annots=False).to_numpy()[:, :, :3].copy()
    )
    for line in marked_lines(raw.lines, text):
        top, bottom = (round((raw.height - y) * scale) for y in (line.y1 + _PAD, line.y0 - _PAD))
        left, right = round((line.x0 - _PAD) * scale), round((line.x1 + _PAD) * scale)
        area = pixels[max(top, 0) : bottom, max(left, 0) : right]
        area[:] = (area.astype(np.uint16) * _MARK // 255).astype(np.uint8)
    return png(pixels)


def marked_lines(lines: tuple[Line, ...], text: str) -> list[Line]:
    """The lines of a page whose letters stand in a passage, spaces apart; short ones must stand there whole."""
    letters = "".join(text.split())
    grams = {letters[at : at + _GRAM] for at in range(len(letters) - _GRAM + 1)}
    return [line for line in lines if _stands(_letters(line), letters, grams)]


def _letters(line: Line) -> str:
    return "".join(line.text.split())


def _stands(line: str, letters: str, grams: set[str]) -> bool:
    if line in letters:
        return len(line) >= _GRAM
    own = [line[at : at + _GRAM] for at in range(len(line) - _GRAM + 1)]
    return len(own) > _GRAM and sum(gram in grams for gram in own) >= _SHARE * len(own)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Pixels as a PNG file; shape [rows, columns, 3], red, green, blue.

    Source: W3C, Portable Network Graphics, 2nd edition, section 11: header, one compressed run of rows, end.
    """
    height, width, _ = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, width * 3)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
