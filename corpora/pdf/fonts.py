"""The fonts of a PDF that carry no map to Unicode."""

from __future__ import annotations

import logging
from pathlib import Path

from pypdf import PdfReader
from pypdf.errors import DependencyError, PyPdfError
from pypdf.generic import ArrayObject, DictionaryObject, PdfObject, StreamObject

# it warns about every oddity of a damaged file, and damaged files are what it is asked about here
logging.getLogger("pypdf").setLevel(logging.CRITICAL)
_STANDARD = {"/WinAnsiEncoding", "/MacRomanEncoding", "/StandardEncoding"}
_MOST_PAGES = 200


def unmapped_fonts(path: Path, password: str | None) -> tuple[str, ...]:
    """Names of composite or custom-encoded fonts without ToUnicode, in order; () when pypdf cannot tell.

    Only the first 200 pages are looked at.
    """
    names: set[str] = set()
    try:
        reader = PdfReader(path, password=password)
        for page in reader.pages[:_MOST_PAGES]:
            names |= _unmapped(page.get("/Resources"))
    # pypdf raises these, too, for files that pdfium reads; AES wants a library that need not be installed
    except (
        PyPdfError,
        DependencyError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        RecursionError,
        OSError,
    ):
        return tuple(sorted(names))
    return tuple(sorted(names))


def _unmapped(resources: object) -> set[str]:
    resources = resources.get_object() if hasattr(resources, "get_object") else resources
    if not isinstance(resources, DictionaryObject):
        return set()
    fonts = resources.get("/Font")
    fonts = fonts.get_object() if fonts is not None else None
    if not isinstance(fonts, DictionaryObject):
        return set()
    return {_name(font) for font in (value.get_object() for value in fonts.values()) if _lacks_map(font)}


def _lacks_map(font: object) -> bool:
    if not isinstance(font, DictionaryObject) or isinstance(_value(font.get("/ToUnicode")), StreamObject):
        return False
    encoding = font.get("/Encoding")
    if font.get("/Subtype") == "/Type0":
        return str(encoding).startswith("/Identity")
    is_custom = isinstance(encoding, (DictionaryObject, ArrayObject))
    return not is_custom and encoding is not None and str(encoding) not in _STANDARD


def _value(found: PdfObject | None) -> PdfObject | None:
    return found.get_object() if found is not None else None


def _name(font: object) -> str:
    name = str(font.get("/BaseFont", "?")) if isinstance(font, DictionaryObject) else "?"
    return name.removeprefix("/").split("+")[-1]
