"""A data folder, or the bundled sample -> the index of the text that a reader learns to read from.

No text of the sample that a test item needs is in it: articles that a test item names are left out, and
documents of other sources that share a run of characters with the sentences that answer test items.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from configs.errors import UserError
from configs.reader_training import ReaderCorpusSettings
from configs.schema import CorporaSettings, IndexBuildSettings, Settings, SourceKind, SourceSettings
from corpora import sample
from corpora.exams import load_exam, load_qrels
from corpora.files import discover
from corpora.jsonl import read_records
from corpora.records import Document, Question, Skipped
from corpora.text import SUFFIXES
from corpora.text import read as read_text
from index_build.analysis import Progress
from index_build.build import build
from index_build.manifest import remove

_CORPORA = Path(__file__).resolve().parents[1] / "corpora"
SAMPLE_EXAM = _CORPORA / "sample" / "exam"
LESSONS = _CORPORA / "lessons"
Fields = dict[str, object]
_RUN = 24  # characters without spaces: two unrelated texts do not share as many


def sample_questions(split: str) -> list[Question]:
    """The questions of one split of the bundled exam. The test split is only ever asked for to avoid it."""
    return [question for question in load_exam(SAMPLE_EXAM) if question.split == split]


def lesson_questions(split: str) -> list[Question]:
    """The questions of one split of the bundled reading lessons."""
    return [question for question in load_exam(LESSONS / "questions.jsonl") if question.split == split]


def build_corpus(folder: Path | None, work: Path, settings: ReaderCorpusSettings, progress: Progress) -> Path:
    """The index of the training text, built under `work`; unchanged when it is there already.

    folder: None for the bundled sample alone. Raises UserError naming the first file that the folder lacks.
    """
    texts = work / "texts"
    if not texts.is_dir():
        part = work / "texts.part"
        remove(part)
        part.mkdir(parents=True)
        for name, records in _collected(folder, settings).items():
            with (part / f"{name}.jsonl").open("w", encoding="utf-8") as stream:
                stream.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        part.replace(texts)
    kinds: dict[str, SourceKind] = {"wiki": "wiki", "statutes": "statutes"}
    sources = tuple(SourceSettings(kind=kinds.get(file.stem, "jsonl"), path=file) for file in sorted(texts.iterdir()))
    dense = IndexBuildSettings().dense.model_copy(update={"enabled": False})
    made = Settings(
        corpora=CorporaSettings(sources=sources),
        index_build=IndexBuildSettings(out=work / "index", cache=work / "cache", workers=settings.workers, dense=dense),
    )
    build(made, progress)
    return work / "index"


def _collected(folder: Path | None, settings: ReaderCorpusSettings) -> dict[str, list[Fields]]:
    """Source -> its records, in the source's own form, without those that the sample's test items were written from."""
    found: dict[str, list[Fields]] = {"sample": list(_sample())}
    if folder is None:
        return found
    taboo = runs([gold.quote for question in sample_questions("test") for gold in question.gold])
    found["wiki"] = _wiki(folder / "wiki", settings)
    found["statutes"] = _statutes(folder / "statutes" / "articles.jsonl.gz", settings)
    found["textbook"] = _textbook(folder / "textbook-md", settings)
    found["boolq"] = _boolq(folder / "boolq-ko")
    found["lessons"] = list(_lessons())
    return {
        name: [record for record in records if not overlapping(str(record["text"]), taboo)]
        for name, records in found.items()
    }


def _sample() -> Iterator[Fields]:
    """The bundled articles that neither dev nor test items need."""
    taboo = {gold.doc_id for split in ("dev", "test") for question in sample_questions(split) for gold in question.gold}
    for item in sample.read_articles():
        if isinstance(item, Document) and item.doc_id not in taboo:
            yield {"id": item.doc_id, "title": item.title, "text": item.text}


def _lessons() -> Iterator[Fields]:
    """The passages of the bundled reading lessons that their dev split does not ask about."""
    taboo = {gold.doc_id for question in lesson_questions("dev") for gold in question.gold}
    for item in read_records(LESSONS / "documents.jsonl"):
        if not isinstance(item, Skipped) and item.fields["id"] not in taboo:
            yield item.fields


def runs(texts: list[str]) -> frozenset[str]:
    """All runs of 24 characters in the texts, spaces removed."""
    found: set[str] = set()
    for text in texts:
        letters = "".join(text.split())
        found.update(letters[start : start + _RUN] for start in range(len(letters) - _RUN + 1))
    return frozenset(found)


def overlapping(text: str, taboo: frozenset[str]) -> bool:
    """Whether a text holds one of the runs."""
    letters = "".join(text.split())
    return any(letters[start : start + _RUN] in taboo for start in range(len(letters) - _RUN + 1))


def _wiki(folder: Path, settings: ReaderCorpusSettings) -> list[Fields]:
    """Articles of a useful length, spread evenly over the dump, up to the wanted number of characters."""
    found = [
        item.fields
        for file in discover(folder, (".jsonl",))
        for item in read_records(file)
        if not isinstance(item, Skipped) and len(str(item.fields["text"])) >= settings.shortest
    ]
    return _spread(found, settings.wiki_characters)


def _statutes(path: Path, settings: ReaderCorpusSettings) -> list[Fields]:
    records = [item.fields for item in read_records(there(path)) if not isinstance(item, Skipped)]
    return _spread([record for record in records if len(str(record["text"])) >= 200], settings.statutes_characters)


def _textbook(folder: Path, settings: ReaderCorpusSettings) -> list[Fields]:
    """Chapters in Markdown or plain text."""
    found = [
        item
        for file in discover(folder, SUFFIXES)
        if not isinstance(item := read_text(file, doc_id=str(file.relative_to(folder)), source="", licence=""), Skipped)
    ]
    records: list[Fields] = [{"id": item.doc_id, "title": item.title, "text": item.text} for item in found]
    return _spread(records, settings.textbook_characters)


def _boolq(folder: Path) -> list[Fields]:
    """The passages of the train split."""
    wanted = {doc_id for judged in load_qrels(there(folder / "qrels" / "train.tsv")).values() for doc_id in judged}
    return [
        {"id": f"boolq-{item.fields['_id']}", "title": "", "text": item.fields["text"]}
        for item in read_records(there(folder / "corpus.jsonl"))
        if not isinstance(item, Skipped) and item.fields["_id"] in wanted
    ]


def _spread(records: list[Fields], characters: int) -> list[Fields]:
    """Every so manieth record, so that they have about so many characters together."""
    total = sum(len(str(record["text"])) for record in records)
    return records[:: max(total // characters, 1)] if characters else []


def there(path: Path) -> Path:
    """The path. Raises UserError when there is no such file."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; what the training data folder holds: docs/reader.md")
    return path
