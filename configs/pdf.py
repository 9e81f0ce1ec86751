"""Settings of PDF extraction."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class PdfSettings(BaseModel):
    """How PDFs are read, and what is kept of damaged ones. Limits are per file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keep_suspect: bool = Field(False, description="take suspect pages into the text; unreadable ones never are")
    owner_restricted: Literal["read", "skip"] = Field(
        "read", description="files whose owner forbids copying text but that open without a password"
    )
    password: str | None = Field(None, repr=False, exclude=True, description="tried on encrypted files; never stored")
    tables: bool = Field(True, description="ruled tables as Markdown rows")
    ocr: Literal["auto", "never", "force"] = Field(
        "auto", description="auto: pages without usable text, if tesseract is there"
    )
    tesseract: str = Field("tesseract", min_length=1, description="the program that recognises text in images")
    ocr_dpi: int = Field(300, ge=72, le=600)
    ocr_min_confidence: float = Field(
        70.0,
        ge=0,
        le=100,
        description="what OCR read with less is not taken; a noisy scan of prose has 90, a diagram 54",
    )
    ocr_seconds: float = Field(1800.0, gt=0, description="for OCR on top of `seconds`; then it stops, and says so")
    max_pages: int = Field(10_000, ge=1, description="further pages are left out, and said to be")
    seconds: float = Field(300.0, gt=0, description="a file that takes longer is left out")
    memory_mib: int = Field(4096, ge=512, le=1_048_576, description="a file that needs more is left out")
    workers: int = Field(0, ge=0, le=256, description="processes that read files; 0 = one per core")
    pages_at_once: int = Field(
        100,
        ge=1,
        description="a file with more than twice as many is loaded by all workers, in ranges of so many pages",
    )
