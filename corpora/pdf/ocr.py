"""Text from pictures of pages, through tesseract when it is installed."""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import pypdfium2 as pdfium

from configs.errors import UserError
from configs.pdf import PdfSettings
from corpora.pdf.lines import COLUMN_GAP, Line, RawPage, Word, line_of

PAGE_SECONDS = 120  # for one page
_MOST_PIXELS = 40_000_000  # an A3 page at 300 dpi has 17 million; posters are rendered coarser
# a process a page, a thread each: with its own four threads tesseract took 69 s for a page that takes 3.4 s
_ENVIRONMENT = {**os.environ, "OMP_THREAD_LIMIT": "1"}


@dataclass(frozen=True, slots=True)
class Recognised:
    """A page as OCR read it, and the mean confidence of its characters, 0 to 100."""

    page: RawPage
    confidence: float


@dataclass(frozen=True, slots=True)
class _Picture:
    """A rendered page as a portable greymap."""

    number: int
    width: float  # of the page, in points
    height: float
    scale: float  # pixels per point
    pixels: bytes


@lru_cache(maxsize=8)
def missing(program: str) -> str:
    """What keeps OCR from working, with what helps; "" when it works."""
    if shutil.which(program) is None:
        return f"{program} is not installed (Debian: apt install tesseract-ocr tesseract-ocr-kor)"
    listed = subprocess.run([program, "--list-langs"], capture_output=True, text=True, check=False, timeout=30)
    if "kor" not in (listed.stdout + listed.stderr).split():
        return f"{program} has no Korean data (Debian: apt install tesseract-ocr-kor)"
    return ""


@lru_cache(maxsize=8)
def identity(settings: PdfSettings) -> str:
    """What decides the text that OCR gives besides the page: the program's version, or why there is none."""
    if settings.ocr == "never":
        return "never"
    if problem := missing(settings.tesseract):
        return problem
    shown = subprocess.run([settings.tesseract, "--version"], capture_output=True, text=True, check=False, timeout=30)
    return (shown.stdout + shown.stderr).partition("\n")[0]


def check(settings: PdfSettings) -> None:
    """Raise UserError when OCR is forced but cannot be done."""
    if settings.ocr == "force" and (problem := missing(settings.tesseract)):
        raise UserError(f"corpora.pdf.ocr=force: {problem}")


def hint(settings: PdfSettings) -> str:
    """What to do about pages that need OCR under these settings."""
    if settings.ocr == "never":
        return "set corpora.pdf.ocr=auto to read them"
    return missing(settings.tesseract) or "OCR could not read them well enough (corpora.pdf.ocr_min_confidence)"


def recognise(pdf: pdfium.PdfDocument, numbers: Sequence[int], settings: PdfSettings) -> tuple[list[Recognised], int]:
    """The pages that OCR could read, and how many it had no time for (corpora.pdf.ocr_seconds).

    A page that fails, or where nothing is read, is in neither.
    """
    end = time.monotonic() + settings.ocr_seconds
    at_once = os.cpu_count() or 1
    found: list[Recognised] = []
    with ThreadPoolExecutor(at_once) as pool:
        for first in range(0, len(numbers), at_once):
            if time.monotonic() > end:
                return found, len(numbers) - first
            # pdfium is not to be called from several threads: pictures first
            pictures = [_picture(pdf, number, settings) for number in numbers[first : first + at_once]]
            read = pool.map(lambda picture: _recognise(picture, settings), pictures)
            found += [page for page in read if page is not None]
    return found, 0


def _picture(pdf: pdfium.PdfDocument, number: int, settings: PdfSettings) -> _Picture:
    page = pdf[number - 1]
    width, height = page.get_size()
    scale = min(settings.ocr_dpi / 72, (_MOST_PIXELS / max(width * height, 1.0)) ** 0.5)
    pixels = page.render(scale=scale, grayscale=True).to_numpy()
    page.close()
    rows, columns = pixels.shape[:2]
    return _Picture(number, width, height, scale, b"P5 %d %d 255\n" % (columns, rows) + pixels.tobytes())


def _recognise(picture: _Picture, settings: PdfSettings) -> Recognised | None:
    with TemporaryDirectory() as folder:
        base = Path(folder) / "page"
        command = [settings.tesseract, "-", str(base), "-l", "kor", "--dpi", str(round(72 * picture.scale))]
        # one block (4): what finds columns by itself (3) takes Hangul for vertical text or pictures and loses a
        # quarter of the syllables of clean pages, up to three; columns are found from the boxes afterwards.
        # Korean data splits nearly every syllable off; only the plain text, asked so, has the spaces seen
        command += ["--psm", "4", "-c", "preserve_interword_spaces=1", "txt", "tsv"]
        try:
            done = subprocess.run(
                command, input=picture.pixels, capture_output=True, check=False, timeout=PAGE_SECONDS, env=_ENVIRONMENT
            )
        except subprocess.TimeoutExpired:
            return None
        if done.returncode != 0:
            return None
        text, table = (base.with_suffix(suffix).read_text("utf-8", "replace") for suffix in (".txt", ".tsv"))
    return _page(picture, text, table)


def _page(picture: _Picture, text: str, table: str) -> Recognised | None:
    """tesseract's words as lines of a page, in points from the lower left; None without any."""
    rows: defaultdict[tuple[str, str, str], list[Word]] = defaultdict(list)
    certain = chars = at = 0.0
    for row in csv.DictReader(io.StringIO(table), delimiter="\t", quoting=csv.QUOTE_NONE):
        word = (row.get("text") or "").strip()
        if row.get("level") != "5" or not word:
            continue
        x, y, wide, high = (float(row[key]) / picture.scale for key in ("left", "top", "width", "height"))
        place = text.find(word, int(at))
        at = place + len(word) if place >= 0 else at
        spaced = place < 0 or text[int(at) : int(at) + 1].isspace()
        bottom = picture.height - y - high
        rows[row["block_num"], row["par_num"], row["line_num"]].append(
            Word(word, x, bottom, x + wide, bottom + high, high, spaced)
        )
        certain += float(row["conf"]) * len(word)
        chars += len(word)
    if not rows:
        return None
    found = _even([line for words in rows.values() for line in _lines(words)])
    lines = sorted(found, key=lambda line: (-(line.y0 + line.y1), line.x0))
    raw = RawPage(picture.number, picture.width, picture.height, tuple(lines), int(chars), 0, 0, ())
    return Recognised(raw, certain / chars)


def _lines(pieces: Sequence[Word]) -> list[Line]:
    """What stands on one row, cut at gaps as wide as a gutter; all at one height, though the scan be askew."""
    size = median(piece.size for piece in pieces)
    middle = median((piece.y0 + piece.y1) / 2 for piece in pieces)
    parts = [[pieces[0]]]
    for before, piece in zip(pieces, pieces[1:], strict=False):
        if piece.x0 - before.x1 > COLUMN_GAP * size:
            parts.append([])
        parts[-1].append(piece)
    return [_line(part, middle) for part in parts]


def _line(pieces: Sequence[Word], middle: float) -> Line:
    """Pieces of one line, those that no space parts made one word; as high as most of them, whatever sticks out."""
    size = median(piece.size for piece in pieces)
    words: list[Word] = []
    for piece in pieces:
        if words and not words[-1].spaced:
            last = words.pop()
            x1, y0, y1 = max(last.x1, piece.x1), min(last.y0, piece.y0), max(last.y1, piece.y1)
            words.append(Word(last.text + piece.text, last.x0, y0, x1, y1, size, piece.spaced))
        else:
            words.append(piece._replace(size=size))
    # the line's end is always a space in tesseract's text: it says nothing
    words[-1] = words[-1]._replace(spaced=False)
    return replace(line_of(words), y0=middle - size / 2, y1=middle + size / 2, size=size)


def _even(lines: Sequence[Line]) -> list[Line]:
    """The lines with one size for all that are nearly as high as most text: boxes of ink are not font sizes."""
    usual = median(line.size for line in lines for _ in line.text)
    return [replace(line, size=usual) if 0.8 * usual < line.size < 1.25 * usual else line for line in lines]
