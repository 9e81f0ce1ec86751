"""Results of reading PDFs, kept by content: the same bytes under the same settings are read once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from pydantic import ValidationError

from configs.pdf import PdfSettings
from corpora.pdf import ocr
from corpora.pdf.isolate import RESULT, PdfJob, read_isolated
from corpora.pdf.language import WEIGHTS
from corpora.pdf.reader import PDF_VERSION, PdfResult
from corpora.records import Skipped

_WITHOUT_EFFECT = {"workers", "seconds", "memory_mib", "pages_at_once", "ocr_seconds", "password"}


def read_pdf_cached(
    path: Path, *, doc_id: str, source: str, settings: PdfSettings, cache_dir: Path, password: str | None = None
) -> PdfResult:
    """What `read_pdf_isolated` gives, from the cache if it is there."""
    job = PdfJob(path, doc_id, source)
    return next(read_pdfs([job], settings=settings, cache_dir=cache_dir, password=password))


def read_pdfs(
    jobs: Sequence[PdfJob], *, settings: PdfSettings, cache_dir: Path, password: str | None = None
) -> Iterator[PdfResult]:
    """The result of each job, in order: from the cache, or read by several processes and put there.

    A file that could not be opened or went over a limit is not kept: the next run tries again.
    """
    keys = [cache_key(job.path, settings) for job in jobs]
    stored = [_load(cache_dir / f"{key}.json", job) if key else None for key, job in zip(keys, jobs, strict=True)]
    fresh = read_isolated(
        [job for job, found in zip(jobs, stored, strict=True) if found is None], settings=settings, password=password
    )
    for key, found in zip(keys, stored, strict=True):
        result = found if found is not None else next(fresh)
        if found is None and key and result.health.page_count and not result.health.is_unfinished:
            _store(cache_dir / f"{key}.json", result)
        yield result


def cache_key(path: Path, settings: PdfSettings) -> str:
    """SHA-256 over the file, the settings that matter and all versions; "" for a file that cannot be read."""
    digest = hashlib.sha256(settings.model_dump_json(exclude=_WITHOUT_EFFECT).encode())
    digest.update(f"{_versions()}\n{ocr.identity(settings)}".encode())
    try:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError:
        return ""
    return digest.hexdigest()


def pdf_identity(settings: PdfSettings) -> str:
    """What decides what is read from PDFs besides their bytes and the settings that are stored, as a digest.

    Of the password only 16 bits go in: enough to see that it is another one, too few to find it by.
    """
    password = hashlib.sha256((settings.password or "").encode()).hexdigest()[:4]
    return hashlib.sha256(f"{_versions()}\n{ocr.identity(settings)}\n{password}".encode()).hexdigest()[:32]


@lru_cache(maxsize=1)
def _versions() -> str:
    libraries = [f"{name} {version(name)}" for name in ("pypdfium2", "pypdf", "kiwipiepy", "kiwipiepy_model")]
    weights = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    return "\n".join([f"pdf {PDF_VERSION}", *libraries, weights])


def _load(file: Path, job: PdfJob) -> PdfResult | None:
    """A stored result, under the name and place of this job; None when there is none that can be read."""
    try:
        result = RESULT.validate_json(file.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    was, now = result.health.path, str(job.path)
    skipped = tuple(Skipped(item.where.replace(was, now, 1), item.reason) for item in result.skipped)
    document = result.document
    if document is not None:
        document = replace(document, doc_id=job.doc_id, source=job.source)
    return PdfResult(document, skipped, replace(result.health, path=now))


def _store(file: Path, result: PdfResult) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.write_bytes(RESULT.dump_json(result))
    temporary.replace(file)
