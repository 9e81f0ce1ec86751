"""KIND:PATH -> documents: the one door through which every corpus enters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import assert_never, get_args

from configs.errors import UserError
from configs.pdf import PdfSettings
from configs.schema import IndexBuildSettings, SourceKind, SourceSettings
from corpora import sample, text, wiki
from corpora.files import discover
from corpora.jsonl import beir_corpus, read_documents, read_statutes
from corpora.records import Document, Skipped


def parse_source(argument: str) -> SourceSettings:
    """The source that `KIND:PATH` or `sample` names. Raises UserError for an unknown kind."""
    kind, _, path = argument.partition(":")
    for known in get_args(SourceKind):
        if kind == known:
            return SourceSettings(kind=known, path=Path(path).expanduser() if path else None)
    raise UserError(f"--source {argument}: unknown kind {kind!r}; expected one of {', '.join(get_args(SourceKind))}")


def input_files(source: SourceSettings) -> list[Path]:
    """The files that a source reads, in reading order. Raises UserError when there are none."""
    if source.kind == "sample":
        return sample.files()
    path = _path(source)
    match source.kind:
        case "wiki":
            return wiki.files(path)
        case "text":
            return discover(path, text.SUFFIXES)
        case "statutes" | "jsonl":
            return discover(path, (".jsonl",))
        case "pdf":
            return discover(path, (".pdf",))
        case "beir":
            return [beir_corpus(path)]
        case _:
            assert_never(source.kind)


def reading_identity(sources: Sequence[SourceSettings], pdf: PdfSettings) -> str:
    """What decides the text of PDFs besides their bytes and stored settings, as a digest; "" without PDFs."""
    if all(source.kind != "pdf" for source in sources):
        return ""
    from corpora.pdf import pdf_identity  # pdfium and the language model are loaded for PDFs alone

    return pdf_identity(pdf)


def read(
    source: SourceSettings, *, pdf: PdfSettings | None = None, cache: Path | None = None
) -> Iterator[Document | Skipped]:
    """The documents of a source, streamed in order, and what it had to leave out.

    What was read from PDFs is kept below cache (default: the project's own), by content.
    """
    pdf, cache = pdf or PdfSettings(), cache or IndexBuildSettings().cache
    if source.kind == "sample":
        yield from sample.read_articles()
        yield from _pdfs([sample.TEXTBOOK], ["textbook"], "sample", sample.LICENCE, settings=pdf, cache=cache)
        return
    path, files = _path(source), input_files(source)
    name = path.name.split(".")[0]
    ids = [str(file.relative_to(path)) if path.is_dir() else file.name for file in files]
    if source.kind == "pdf":
        yield from _pdfs(files, ids, name, source.licence, settings=pdf, cache=cache)
        return
    for file, doc_id in zip(files, ids, strict=True):
        match source.kind:
            case "wiki":
                yield from wiki.read(file, source="wiki", licence=source.licence)
            case "text":
                yield text.read(file, doc_id=doc_id, source=name, licence=source.licence)
            case "statutes":
                yield from read_statutes(file, source="statutes", licence=source.licence)
            case "jsonl":
                yield from read_documents(file, source=name, licence=source.licence)
            case "beir":
                yield from read_documents(file, source=name, licence=source.licence, id_key="_id")
            case _:
                assert_never(source.kind)


def _pdfs(
    files: list[Path], ids: list[str], source: str, licence: str, *, settings: PdfSettings, cache: Path
) -> Iterator[Document | Skipped]:
    from corpora.pdf import PdfJob, read_pdfs  # pdfium and the language model are loaded for PDFs alone

    jobs = [PdfJob(file, doc_id, source) for file, doc_id in zip(files, ids, strict=True)]
    for result in read_pdfs(jobs, settings=settings, cache_dir=cache / "pdf", password=settings.password):
        yield from result.skipped
        if result.document is not None:
            yield replace(result.document, licence=licence)


def _path(source: SourceSettings) -> Path:
    if source.path is None:
        raise UserError(f"--source {source.kind}: a path is wanted, as in --source {source.kind}:PATH")
    return source.path
