"""A PDF -> a Document with headings and pages, what was left out, and a health report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from configs.pdf import PdfSettings
from corpora.pdf import ocr
from corpora.pdf.compose import compose
from corpora.pdf.diagnosis import FileHealth, PageHealth, Seen, diagnose, file_verdict
from corpora.pdf.flow import paragraphs
from corpora.pdf.fonts import unmapped_fonts
from corpora.pdf.furniture import CleanPage, clean
from corpora.pdf.layout import Column, Gutter, columns, gutters
from corpora.pdf.lines import Line
from corpora.pdf.load import Loaded, LoadedPage, load, with_spaces
from corpora.pdf.paragraph import PageFlow
from corpora.pdf.structure import Articles, is_statute, read_outline, style_of, title_of
from corpora.pdf.tables import with_tables
from corpora.records import Document, Skipped

PDF_VERSION = 3
"""Raised whenever the text that comes out may change: it is part of the cache's key."""

_COPY = 1 << 4  # the permission to extract text
_KEY = "give it with --password or the setting corpora.pdf.password"


@dataclass(frozen=True, slots=True)
class PdfResult:
    """What came out of one file. `document` is None when nothing readable did; `skipped` says why."""

    document: Document | None
    skipped: tuple[Skipped, ...]
    health: FileHealth


@dataclass(frozen=True, slots=True)
class _Laid:
    """A page in reading order."""

    clean: CleanPage
    lines: tuple[Line, ...]  # with tables
    columns: tuple[Column, ...]
    tables: int


def read_pdf(
    path: Path,
    *,
    doc_id: str,
    source: str,
    settings: PdfSettings,
    password: str | None = None,
    before_ocr: Callable[[], None] = lambda: None,
    loaded: Loaded | None = None,
) -> PdfResult:
    """The document in one PDF. Whatever the file holds, it does not raise: the reasons are in `skipped`.

    Suspect pages are left out of the text unless the settings keep them; unreadable and contents pages
    always are. `before_ocr` is called when pages go to OCR, which takes seconds for each. `loaded` is what
    `load_pages` gave for all pages, by other processes. Raises UserError when OCR is forced and cannot be done.
    """
    ocr.check(settings)
    password = password if password is not None else settings.password
    problem = _unfit(path)
    if problem:
        return failed(path, problem)
    try:
        pdf = _opened(path, password)
    except pdfium.PdfiumError as error:
        return failed(path, _why(error, has_password=password is not None))
    try:
        return _read(
            pdf,
            path,
            doc_id=doc_id,
            source=source,
            settings=settings,
            password=password,
            before_ocr=before_ocr,
            loaded=loaded,
        )
    except pdfium.PdfiumError as error:
        return failed(path, f"damaged: {error}")
    finally:
        pdf.close()


def load_pages(path: Path, numbers: range, *, settings: PdfSettings, password: str | None) -> Loaded:
    """The pages of these numbers, from 1, for `read_pdf` in another process; none when the file does not open."""
    try:
        with _opened(path, password if password is not None else settings.password) as pdf:
            return load(pdf, path, numbers, settings)
    except (pdfium.PdfiumError, FileNotFoundError):
        return Loaded((), ())


def count_pages(path: Path, *, settings: PdfSettings, password: str | None) -> int:
    """How many pages `read_pdf` would read; 0 when the file does not open."""
    try:
        with _opened(path, password if password is not None else settings.password) as pdf:
            return min(len(pdf), settings.max_pages)
    except (pdfium.PdfiumError, FileNotFoundError):
        return 0


def _opened(path: Path, password: str | None) -> pdfium.PdfDocument:
    """The file, opened with the password or, where it wants another, with none: its owner's may be all it has."""
    try:
        return pdfium.PdfDocument(path, password=password)
    except pdfium.PdfiumError as error:
        if password is None or "assword" not in str(error):
            raise
    return pdfium.PdfDocument(path)


def failed(path: Path, reason: str, *, is_encrypted: bool = False) -> PdfResult:
    """The result for a file that gives nothing."""
    health = FileHealth(str(path), "unreadable", reason, (), 0, is_encrypted or "encrypted" in reason, False, ())
    return PdfResult(None, (Skipped(str(path), reason),), health)


def _unfit(path: Path) -> str:
    """Why a path cannot be a PDF, or ""."""
    try:
        with path.open("rb") as stream:
            head = stream.read(1024)
    except OSError as error:
        return f"cannot be opened: {error.strerror}"
    if not head:
        return "an empty file (0 bytes)"
    if b"%PDF-" not in head:
        return f"not a PDF: it begins with {head[:8]!r}, not %PDF-"
    return ""


def _why(error: pdfium.PdfiumError, *, has_password: bool) -> str:
    """pdfium's reason for not opening a file, with what helps."""
    if "assword" in str(error):
        if has_password:
            return f"encrypted, and the password given does not open it; {_KEY}"
        return f"encrypted: a password is wanted; {_KEY}"
    return f"damaged or truncated: {error}"


def _read(
    pdf: pdfium.PdfDocument,
    path: Path,
    *,
    doc_id: str,
    source: str,
    settings: PdfSettings,
    password: str | None,
    before_ocr: Callable[[], None],
    loaded: Loaded | None,
) -> PdfResult:
    is_encrypted = pdfium_c.FPDF_GetSecurityHandlerRevision(pdf.raw) >= 0
    is_restricted = is_encrypted and not pdfium_c.FPDF_GetDocPermissions(pdf.raw) & _COPY
    if is_restricted and settings.owner_restricted == "skip":
        return failed(
            path, "its owner forbids copying text; corpora.pdf.owner_restricted=read reads it", is_encrypted=True
        )
    count = len(pdf)
    found = loaded or load(pdf, path, range(1, min(count, settings.max_pages) + 1), settings)
    pages = {page.raw.number: page for page in found.pages}
    skipped = [*found.skipped, *_beyond(path, count, settings)]
    laid, health = _judged(pages)
    late = 0
    wanted = _for_ocr(health, settings)
    if wanted:
        before_ocr()
        recognised, late = ocr.recognise(pdf, wanted, settings)
        pages |= {read.page.number: _recognised(read, pages[read.page.number], settings) for read in recognised}
        laid, health = _judged(pages)
    kept, left_out = _sort_out(laid, health, path, settings)
    skipped += left_out
    document, joined = _document(pdf, path, kept, doc_id=doc_id, source=source)
    hint = f"OCR had no time for {late} (corpora.pdf.ocr_seconds)" if late else ocr.hint(settings)
    verdict, advice = file_verdict(health, is_restricted=is_restricted, ocr_hint=hint)
    is_damaged = any(page.verdict in ("suspect", "unreadable") and not page.is_image for page in health)
    report = FileHealth(
        str(path),
        verdict,
        advice,
        tuple(health),
        count,
        is_encrypted,
        is_restricted,
        unmapped_fonts(path, password) if is_damaged else (),
        joined,
        is_unfinished=late > 0,
    )
    if document is None and not left_out:
        skipped.append(Skipped(str(path), advice or "no text in it"))
    return PdfResult(document, tuple(skipped), report)


def _beyond(path: Path, pages: int, settings: PdfSettings) -> list[Skipped]:
    """The pages that the settings leave unread."""
    if pages <= settings.max_pages:
        return []
    return [Skipped(f"{path} pages {settings.max_pages + 1}-{pages}", "beyond corpora.pdf.max_pages")]


def _recognised(read: ocr.Recognised, page: LoadedPage, settings: PdfSettings) -> LoadedPage:
    """The page with what OCR read in it instead of its text, if OCR is as confident as wanted."""
    if read.confidence < settings.ocr_min_confidence:
        return replace(page, confidence=read.confidence, is_refused=True)
    return with_spaces(LoadedPage(read.page, (), page.is_image, confidence=read.confidence))


def _for_ocr(health: Sequence[PageHealth], settings: PdfSettings) -> list[int]:
    """The pages that OCR shall read: all when it is forced, else pictures and damaged text, none without OCR."""
    if settings.ocr == "never" or ocr.missing(settings.tesseract):
        return []
    return [page.page for page in health if settings.ocr == "force" or page.needs_ocr]


def _judged(loaded: Mapping[int, LoadedPage]) -> tuple[list[_Laid], list[PageHealth]]:
    """The pages in reading order, their furniture off, and the health of each."""
    laid = [_lay(page, loaded[page.page.number]) for page in clean([page.raw for page in loaded.values()])]
    known = gutters([page.columns for page in laid])
    if known:
        laid = [_with_gutters(page, known) for page in laid]
    return laid, diagnose([page.clean for page in laid], {page.clean.page.number: _seen(page, loaded) for page in laid})


def _lay(page: CleanPage, loaded: LoadedPage) -> _Laid:
    lines, tables = (page.page.lines, 0) if not loaded.rules else with_tables(page.page.lines, loaded.rules)
    return _Laid(page, tuple(lines), tuple(columns(lines)), tables)


def _with_gutters(page: _Laid, known: Sequence[Gutter]) -> _Laid:
    """A page of one column, looked at again with the gutters that other pages have."""
    if len(page.columns) != 1:
        return page
    return replace(page, columns=tuple(columns(page.lines, known=known)))


def _seen(page: _Laid, loaded: Mapping[int, LoadedPage]) -> Seen:
    known = loaded[page.clean.page.number]
    return Seen(len(page.columns), page.tables, known.is_image, known.confidence, known.is_refused, known.is_respaced)


def _sort_out(
    laid: Sequence[_Laid], health: Sequence[PageHealth], path: Path, settings: PdfSettings
) -> tuple[list[_Laid], list[Skipped]]:
    """(pages for the text, what stays out): contents pages go without a word, they repeat the headings."""
    kept, skipped = [], []
    for page, state in zip(laid, health, strict=True):
        if state.verdict == "unreadable" or (state.verdict == "suspect" and not settings.keep_suspect):
            skipped.append(Skipped(f"{path} page {state.page}", f"{state.verdict} page: {state.why}"))
        elif not state.is_contents:
            kept.append(page)
    return kept, skipped


def _document(
    pdf: pdfium.PdfDocument, path: Path, laid: Sequence[_Laid], *, doc_id: str, source: str
) -> tuple[Document | None, int]:
    """The document that the pages make (None without text), and how many lines were joined."""
    lines = [line for page in laid for line in page.clean.page.lines]
    if not lines:
        return None, 0
    style = style_of(lines)
    outline = read_outline(pdf)
    title = title_of(pdf.get_metadata_value("Title"), lines, style=style, fallback=path.stem)
    flows = [
        PageFlow(
            page.clean.page.number, page.clean.page.height, page.columns, tuple(outline.get(page.clean.page.number, ()))
        )
        for page in laid
    ]
    found = paragraphs(flows, style, articles=Articles(is_statute(lines)), has_outline=bool(outline), title=title)
    composed = compose(found, {page.clean.page.number: page.clean.label for page in laid})
    document = Document(doc_id, title, composed.text, source, headings=composed.headings, pages=composed.pages)
    return (document if composed.text.strip() else None), composed.joined
