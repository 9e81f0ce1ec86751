"""Text from pictures of pages, through tesseract when it is installed."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache

import pypdfium2 as pdfium

from configs.errors import UserError
from configs.pdf import PdfSettings
from corpora.pdf.glyphs import RawPage, Word, line_of

_SECONDS = 120  # for one page


@dataclass(frozen=True, slots=True)
class Recognised:
    """A page as OCR read it, and the mean confidence of its words, 0 to 100."""

    page: RawPage
    confidence: float


@lru_cache(maxsize=8)
def missing(program: str) -> str:
    """What keeps OCR from working, with what helps; "" when it works."""
    if shutil.which(program) is None:
        return f"{program} is not installed (Debian: apt install tesseract-ocr tesseract-ocr-kor)"
    listed = subprocess.run([program, "--list-langs"], capture_output=True, text=True, check=False, timeout=30)
    if "kor" not in (listed.stdout + listed.stderr).split():
        return f"{program} has no Korean data (Debian: apt install tesseract-ocr-kor)"
    return ""


def check(settings: PdfSettings) -> None:
    """Raise UserError when OCR is forced but cannot be done."""
    if settings.ocr == "force" and (problem := missing(settings.tesseract)):
        raise UserError(f"corpora.pdf.ocr=force: {problem}")


def hint(settings: PdfSettings) -> str:
    """What to do about pages that need OCR under these settings."""
    if settings.ocr == "off":
        return "set corpora.pdf.ocr=auto to read them"
    return missing(settings.tesseract) or "OCR could not read them"


def recognise(page: pdfium.PdfPage, number: int, settings: PdfSettings) -> Recognised | None:
    """The page read by OCR; None when OCR is off or missing, fails, or is less confident than wanted."""
    if settings.ocr == "off" or missing(settings.tesseract):
        return None
    scale = settings.ocr_dpi / 72
    picture = page.render(scale=scale, grayscale=True).to_pil()
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    command = [settings.tesseract, "-", "-", "-l", "kor", "--dpi", str(settings.ocr_dpi), "tsv"]
    try:
        done = subprocess.run(command, input=stream.getvalue(), capture_output=True, check=False, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode != 0:
        return None
    read = _read_tsv(done.stdout.decode("utf-8", "replace"), page, number, scale)
    return read if read is not None and read.confidence >= settings.ocr_min_confidence else None


def _read_tsv(text: str, page: pdfium.PdfPage, number: int, scale: float) -> Recognised | None:
    """tesseract's words as lines of a page, in points from the lower left."""
    width, height = page.get_size()
    rows: defaultdict[tuple[str, str, str], list[Word]] = defaultdict(list)
    confidences: list[float] = []
    for row in csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE):
        word = (row.get("text") or "").strip()
        if row.get("level") != "5" or not word:
            continue
        x, y, wide, high = (float(row[key]) / scale for key in ("left", "top", "width", "height"))
        box = Word(word, x, height - y - high, x + wide, height - y, high, spaced=False)
        rows[row["block_num"], row["par_num"], row["line_num"]].append(box)
        confidences.append(float(row["conf"]))
    if not confidences:
        return None
    lines = sorted((line_of(words) for words in rows.values()), key=lambda line: (-(line.y0 + line.y1), line.x0))
    chars = sum(len(word.text) for words in rows.values() for word in words)
    raw = RawPage(number, width, height, tuple(lines), chars, 0, 0, ())
    return Recognised(raw, sum(confidences) / len(confidences))
