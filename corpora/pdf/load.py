"""The pages of an open PDF -> what is taken from them; a range of pages may be loaded elsewhere and sent here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from pydantic import ConfigDict, TypeAdapter

from configs.pdf import PdfSettings
from corpora.pdf.furniture import rows
from corpora.pdf.glyphs import read_page
from corpora.pdf.lines import Line, RawPage, Span, Word
from corpora.pdf.respace import is_glued, respaced
from corpora.pdf.rules import Rule, read_rules
from corpora.records import Skipped


@dataclass(frozen=True, slots=True)
class LoadedPage:
    """What is taken from a page while it is open."""

    raw: RawPage
    rules: tuple[Rule, ...]
    is_image: bool
    is_respaced: bool = False
    confidence: float | None = None  # of OCR
    is_refused: bool = False  # OCR was not confident enough: the text is the file's own


@dataclass(frozen=True, slots=True)
class Loaded:
    """Pages in order, and those that could not be had."""

    pages: tuple[LoadedPage, ...]
    skipped: tuple[Skipped, ...]


def load(pdf: pdfium.PdfDocument, path: Path, numbers: Iterable[int], settings: PdfSettings) -> Loaded:
    """The pages of these numbers, from 1."""
    pages, skipped = [], []
    for number in numbers:
        try:
            page = pdf[number - 1]
        except pdfium.PdfiumError as error:
            skipped.append(Skipped(f"{path} page {number}", f"damaged: {error}"))
            continue
        pages.append(_load(page, number, settings))
        page.close()
    return Loaded(tuple(pages), tuple(skipped))


def together(parts: Sequence[Loaded]) -> Loaded:
    """Ranges of pages as one."""
    return Loaded(
        tuple(chain.from_iterable(part.pages for part in parts)),
        tuple(chain.from_iterable(part.skipped for part in parts)),
    )


def with_spaces(page: LoadedPage) -> LoadedPage:
    """The page with spaces put between its words, if it has hardly any."""
    return replace(page, raw=respaced(page.raw), is_respaced=True) if is_glued(page.raw) else page


def _load(page: pdfium.PdfPage, number: int, settings: PdfSettings) -> LoadedPage:
    raw = read_page(page, number)
    is_image = raw.chars < 5 and _has_picture(page)
    beside = sum(len(row) > 1 for row in rows(raw.lines)[1:-1]) if settings.tables else 0
    rules = tuple(read_rules(page)) if beside >= 2 else ()
    return with_spaces(LoadedPage(raw, rules, is_image))


def _has_picture(page: pdfium.PdfPage) -> bool:
    return any(True for _ in page.get_objects(filter=[pdfium_c.FPDF_PAGEOBJ_IMAGE], max_depth=4))


@dataclass(frozen=True, slots=True)
class _Packed:
    """A loaded page with its thousands of numbers as the bytes of float64s: JSON takes half as long as reading it."""

    __pydantic_config__ = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants")

    page: LoadedPage  # without lines
    lines: str  # a line of the page each
    line_numbers: bytes  # (lines, 7): the fields of each from x0 to weight, and how many words it has
    words: str  # a word each
    word_numbers: bytes  # (words, 6): the fields of each but its text


@dataclass(frozen=True, slots=True)
class _Parcel:
    __pydantic_config__ = _Packed.__pydantic_config__

    pages: tuple[_Packed, ...]
    skipped: tuple[Skipped, ...]


_PARCEL: TypeAdapter[_Parcel] = TypeAdapter(_Parcel)


def pack(loaded: Loaded) -> bytes:
    """Loaded pages as bytes for another process; `unpack` gives every number and character back."""
    return _PARCEL.dump_json(_Parcel(tuple(map(_pack, loaded.pages)), loaded.skipped))


def unpack(parcel: bytes) -> Loaded:
    """What `pack` packed."""
    packed = _PARCEL.validate_json(parcel)
    return Loaded(tuple(map(_unpack, packed.pages)), packed.skipped)


def _pack(page: LoadedPage) -> _Packed:
    lines = page.raw.lines
    words = list(chain.from_iterable(line.words for line in lines))
    line_numbers = [(line.x0, line.y0, line.x1, line.y1, line.size, line.weight, len(line.words)) for line in lines]
    return _Packed(
        replace(page, raw=replace(page.raw, lines=())),
        "\n".join([line.text for line in lines]),
        np.array(line_numbers, dtype=np.float64).tobytes(),
        "\n".join([word.text for word in words]),
        np.array([word[1:] for word in words], dtype=np.float64).tobytes(),
    )


def _unpack(packed: _Packed) -> LoadedPage:
    *boxes, spaced = np.frombuffer(packed.word_numbers).reshape(-1, len(Word._fields) - 1).T.tolist()
    x0s, y0s, x1s, y1s, sizes = boxes
    columns = (packed.words.split("\n"), x0s, y0s, x1s, y1s, sizes, [flag == 1 for flag in spaced])
    numbers = np.frombuffer(packed.line_numbers).reshape(-1, 7).tolist()
    lines = []
    after = 0
    for text, (x0, y0, x1, y1, size, weight, count) in zip(packed.lines.split("\n"), numbers, strict=False):
        first, after = after, after + int(count)
        lines.append(Line(text, x0, y0, x1, y1, size, int(weight), Span(columns, first, after)))
    return replace(packed.page, raw=replace(packed.page.raw, lines=tuple(lines)))
