"""JSON lines: any records, our own documents, BEIR folders and statutes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from configs.errors import UserError
from corpora.files import read_lines
from corpora.outline import Outline
from corpora.records import Document, Skipped


@dataclass(frozen=True, slots=True)
class Record:
    """One JSON object of a file of lines."""

    number: int  # of the line, from 1
    fields: dict[str, object]
    encoding: str


def read_records(path: Path) -> Iterator[Record | Skipped]:
    """The object of every line of a JSON-lines file; Skipped for a line that is none.

    Blank lines pass silently. Text in CP949 or UTF-16 is converted.
    """
    for line in read_lines(path):
        where = f"{path}:{line.number}"
        if line.text is None:
            yield Skipped(where, "neither UTF-8 nor CP949")
            continue
        if not line.text.strip("\ufeff\x00 \t\r\n"):
            continue
        try:
            record = json.loads(line.text)
        except (ValueError, RecursionError) as error:
            yield Skipped(where, f"broken JSON: {error}")
            continue
        if isinstance(record, dict):
            yield Record(line.number, record, line.encoding)
        else:
            yield Skipped(where, f"expected a JSON object, found {type(record).__name__}")


def read_documents(path: Path, *, source: str, licence: str, id_key: str = "id") -> Iterator[Document | Skipped]:
    """Documents of lines {"id", "title"?, "text", "source"?, "licence"?}; `#` headings are not looked for.

    BEIR's corpus.jsonl has the same form with `_id` for its id_key.
    """
    for item in read_records(path):
        if isinstance(item, Skipped):
            yield item
            continue
        number, record = item.number, item.fields
        doc_id, text = record.get(id_key), record.get("text")
        if not isinstance(doc_id, str | int) or isinstance(doc_id, bool) or str(doc_id).strip() == "":
            yield Skipped(f"{path}:{number}", f"no {id_key!r}")
        elif not isinstance(text, str):
            yield Skipped(f"{path}:{number}", "no 'text'")
        else:
            outline = Outline()
            outline.add(text)
            yield outline.finish(
                str(doc_id),
                str(record.get("title") or ""),
                source=str(record.get("source") or source),
                licence=str(record.get("licence") or licence),
                encoding=item.encoding,
            )


def beir_corpus(folder: Path) -> Path:
    """The corpus.jsonl of a BEIR folder (or .gz). Raises UserError when there is none."""
    for name in ("corpus.jsonl", "corpus.jsonl.gz"):
        if (folder / name).is_file():
            return folder / name
    raise UserError(f"{folder}: no corpus.jsonl here; a BEIR folder has corpus.jsonl, queries.jsonl and qrels/")


def read_statutes(path: Path, *, source: str, licence: str) -> Iterator[Document | Skipped]:
    """One document per article (조): id "법령 제1조", title "법령 제1조(제목)", the section as heading path.

    Lines: {"law", "article", "title", "section", "text"} and, where one article has several texts,
    "effective", which then joins the id.
    """
    seen: set[str] = set()
    for item in read_records(path):
        if isinstance(item, Skipped):
            yield item
            continue
        number, record = item.number, item.fields
        law, article, text = (record.get(key) for key in ("law", "article", "text"))
        if not (isinstance(law, str) and isinstance(article, str) and isinstance(text, str)):
            yield Skipped(f"{path}:{number}", "expected texts under 'law', 'article' and 'text'")
            continue
        doc_id = f"{law} {article}"
        if doc_id in seen:
            doc_id = f"{doc_id} ({record.get('effective') or number})"
        seen.add(doc_id)
        heading = str(record.get("title") or "")
        outline = Outline()
        outline.under(str(record.get("section") or ""), level=1)
        outline.add(text)
        name = f"{law} {article}({heading})" if heading else f"{law} {article}"
        yield outline.finish(doc_id, name, source=source, licence=licence, encoding=item.encoding)
