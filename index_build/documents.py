"""Sources -> batches of documents on disk: the first step of a build, and the form that workers read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from configs.errors import UserError
from configs.schema import CorporaSettings
from corpora.records import Document, Heading, PageStart, Skipped
from corpora.sources import read

_BATCH_DOCUMENTS = 1_000
_BATCH_CHARACTERS = 500_000
_SHOWN = 20  # of the records skipped, in the manifest

_HEADING = pa.struct([("start", pa.int32()), ("length", pa.int32()), ("level", pa.int32()), ("title", pa.string())])
_PAGE = pa.struct([("start", pa.int32()), ("number", pa.int32()), ("label", pa.string())])
_SCHEMA = pa.schema(
    [
        ("digest", pa.binary(16)),
        ("doc_id", pa.string()),
        ("title", pa.string()),
        ("source", pa.string()),
        ("licence", pa.string()),
        ("text", pa.large_string()),
        ("headings", pa.list_(_HEADING)),
        ("pages", pa.list_(_PAGE)),
        ("dedup", pa.bool_()),
    ]
)


@dataclass(slots=True)
class Intake:
    """What came in: counts that add up to the records read."""

    documents: int = 0
    skipped: Counter[str] = field(default_factory=Counter)  # by reason
    converted: Counter[str] = field(default_factory=Counter)  # by encoding, other than UTF-8
    examples: list[str] = field(default_factory=list)  # "where: reason" of the first ones


@dataclass(frozen=True, slots=True)
class Row:
    """One document of a batch file, with the digest of what its analysis depends on."""

    digest: bytes
    document: Document
    dedup: bool  # whether it may be dropped as a copy


def context_of(document: Document) -> str:
    """What is indexed with every passage of a document besides its text: the title, and headings not in it."""
    return "\n".join([document.title, *(h.title for h in document.headings if h.length == 0)])


def digest_of(document: Document) -> bytes:
    """16 bytes that tell whether two documents have the same analysis and are exact copies."""
    return xxhash.xxh3_128_digest(f"{context_of(document)}\0{document.text}".encode())


def write_batches(corpora: CorporaSettings, folder: Path, intake: Intake, *, cache: Path) -> Iterator[Path]:
    """Read all sources into Arrow files of at most 1,000 documents, and name each as it is complete.

    Documents without text and exact copies of earlier ones are counted in intake.skipped. Raises
    UserError when an id comes twice, when nothing is left, and, if corpora.strict, for the first
    record that cannot be read.
    """
    places: dict[str, str] = {}
    digests: set[bytes] = set()
    batch: list[Row] = []
    characters = number = 0
    for source in corpora.sources:
        name = f"{source.kind}:{source.path}" if source.path else source.kind
        # qrels and citations name these documents one by one, so a copy is not one too many
        named = source.kind in ("beir", "statutes")
        for item in read(source, pdf=corpora.pdf, cache=cache):
            row = _accept(item, name, places, corpora, intake)
            if row is None:
                continue
            if not named and corpora.dedup.exact and row.digest in digests:
                _skip(intake, Skipped(row.document.doc_id, "exact copy of an earlier document"))
                continue
            digests.add(row.digest)
            intake.documents += 1
            if row.document.encoding != "utf-8":
                intake.converted[row.document.encoding] += 1
            batch.append(Row(row.digest, row.document, corpora.dedup.near and not named))
            characters += len(row.document.text)
            if len(batch) >= _BATCH_DOCUMENTS or characters >= _BATCH_CHARACTERS:
                yield _write(folder / f"batch-{number:06d}.arrow", batch)
                batch, characters, number = [], 0, number + 1
    if batch:
        yield _write(folder / f"batch-{number:06d}.arrow", batch)
    if not intake.documents:
        reasons = ", ".join(f"{count} x {reason}" for reason, count in intake.skipped.most_common(3))
        raise UserError(f"the sources have no document with text ({reasons or 'nothing was read'})")


def _accept(
    item: Document | Skipped, name: str, places: dict[str, str], corpora: CorporaSettings, intake: Intake
) -> Row | None:
    if isinstance(item, Skipped):
        if corpora.strict and item.reason not in ("redirect", "disambiguation", "other namespace"):
            raise UserError(f"{item.where}: {item.reason} (found with --strict)")
        _skip(intake, item)
        return None
    if item.doc_id in places:
        raise UserError(f"document id {item.doc_id!r} comes twice: from {places[item.doc_id]} and from {name}")
    places[item.doc_id] = name
    if not item.text.strip():
        _skip(intake, Skipped(item.doc_id, "no text"))
        return None
    return Row(digest_of(item), item, dedup=False)


def _skip(intake: Intake, skipped: Skipped) -> None:
    # "broken JSON: ... column 7" is one reason, however each line broke
    intake.skipped[skipped.reason.partition(":")[0]] += 1
    if len(intake.examples) < _SHOWN:
        intake.examples.append(f"{skipped.where}: {skipped.reason}")


def _write(path: Path, rows: list[Row]) -> Path:
    documents = [row.document for row in rows]
    columns = [
        [row.digest for row in rows],
        [d.doc_id for d in documents],
        [d.title for d in documents],
        [d.source for d in documents],
        [d.licence for d in documents],
        [d.text for d in documents],
        [[(h.start, h.length, h.level, h.title) for h in d.headings] for d in documents],
        [[(p.start, p.number, p.label) for p in d.pages] for d in documents],
        [row.dedup for row in rows],
    ]  # fmt: skip
    batch = pa.record_batch([pa.array(c, f.type) for c, f in zip(columns, _SCHEMA, strict=True)], schema=_SCHEMA)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, _SCHEMA) as writer:
        writer.write_batch(batch)
    return path


def read_batch(path: Path) -> list[Row]:
    """The documents of a batch file, in order."""
    with pa.memory_map(str(path)) as source:
        columns = pa.ipc.open_file(source).read_all().to_pydict()
    return [
        Row(
            digest,
            Document(
                doc_id, title, text, corpus, licence,
                tuple(Heading(**heading) for heading in headings),
                tuple(PageStart(**page) for page in pages),
            ),
            dedup,
        )
        for digest, doc_id, title, corpus, licence, text, headings, pages, dedup in zip(*columns.values(), strict=True)
    ]  # fmt: skip


def read_columns(path: Path, kept: Sequence[int]) -> pa.RecordBatch:
    """Some documents of a batch file as they lie there, by number."""
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).get_batch(0).take(pa.array(kept, pa.int64()))


def read_digests(path: Path) -> list[bytes]:
    """The digests of a batch file's documents, in order."""
    with pa.memory_map(str(path)) as source:
        return list(pa.ipc.open_file(source).get_batch(0).column("digest").to_pylist())


def read_lengths(path: Path) -> list[tuple[bytes, int]]:
    """(digest, characters of text) of a batch file's documents, in order; 0 for one that is never dropped."""
    with pa.memory_map(str(path)) as source:
        batch = pa.ipc.open_file(source).get_batch(0)
        lengths = pc.utf8_length(batch.column("text")).to_pylist()
        droppable = batch.column("dedup").to_pylist()
        digests = batch.column("digest").to_pylist()
    return [(d, n if may else 0) for d, n, may in zip(digests, lengths, droppable, strict=True)]
