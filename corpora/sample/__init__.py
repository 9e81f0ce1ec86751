"""The bundled sample: our own Korean articles, textbook and exam, so that everything runs on a fresh machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from corpora.records import Document, Skipped
from corpora.wiki import outline_of

FOLDER = Path(__file__).resolve().parent
ARTICLES = FOLDER / "articles"
EXAM = FOLDER / "exam"
TEXTBOOK = FOLDER / "textbook" / "textbook.pdf"
LICENCE = "own work"

_LINK = re.compile(r"\[\[(?:[^\]|]*\|)?([^\]|]*)\]\]")


def files() -> list[Path]:
    """The files that the sample's documents are made of, in order."""
    return [*sorted(ARTICLES.glob("*/*.txt")), *([TEXTBOOK] if TEXTBOOK.is_file() else [])]


def read_articles() -> Iterator[Document | Skipped]:
    """The articles, ordered by subject and id: `= 제목 =`, a lead, `== 절 ==` sections, [[links]] as words."""
    for path in sorted(ARTICLES.glob("*/*.txt")):
        first, _, body = path.read_text(encoding="utf-8").partition("\n")
        title = first.strip().strip("=").strip()
        yield outline_of(_LINK.sub(r"\1", body)).finish(path.stem, title, source="sample", licence=LICENCE)
