"""Text as PDFs spoil it: a share of its spaces lost."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path

from corpora.records import Document

SHARE = 0.2
SEED = 20260101


def without_spaces(text: str, generator: random.Random, share: float = SHARE) -> str:
    """The text with each space removed with the given probability; line ends stay."""
    return "".join(char for char in text if char != " " or generator.random() >= share)


def write_damaged(documents: Iterable[Document], path: Path) -> Path:
    """A BEIR-like corpus.jsonl of the documents, spaces damaged, ids and titles kept; headings become lines."""
    generator = random.Random(SEED)
    with path.open("w", encoding="utf-8") as stream:
        for document in documents:
            text = without_spaces(document.text, generator)
            record = {"_id": document.doc_id, "title": document.title, "text": text}
            stream.write(json.dumps(record, ensure_ascii=False) + "\n")
    return path
