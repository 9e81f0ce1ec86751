"""Sources -> index: the whole build on one page.

documents -> batches on disk -> Kiwi analysis (cached by content) -> near duplicates -> passages and postings of each
batch (cached) -> joined -> data folder -> manifest. What is expensive is remembered; what is cheap is always made
anew; so a build that was killed resumes, an incremental build equals a full one byte for byte, and an unchanged one
does nothing.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from configs.errors import UserError
from configs.schema import ChunkSettings, DedupSettings, Settings
from corpora.files import fingerprint
from corpora.records import Document
from corpora.sources import reading_identity
from index_build.analysis import AnalysisCache, Progress, analyse_all
from index_build.chunk import tokenizer_file
from index_build.dedup import near_duplicates
from index_build.dense import add_vectors
from index_build.documents import Intake, Row, read_batch, read_columns, read_digests, read_lengths, write_batches
from index_build.encoder import identity_of
from index_build.lexical import FIELDS, FieldWriter
from index_build.manifest import Counts, Manifest, Recipe, inputs_of, publish, read_manifest, remove, verify
from index_build.parts import PartCache, Task, make_parts
from index_build.passages import PassageWriter
from index_build.terms import analyser_identity
from index_build.workers import pool_of

DICTIONARY = "user_dictionary.txt"


@dataclass(frozen=True, slots=True)
class Built:
    """What a build left behind, and whether it had to do anything."""

    manifest: Manifest
    unchanged: bool


def build(settings: Settings, progress: Progress) -> Built:
    """Build the index that the settings describe into `index_build.out`.

    Raises UserError for inputs that cannot be read and when another build works on the folder. Whatever
    happens, the index that was there before stays whole until the new one takes its place.
    """
    out = settings.index_build.out
    recipe = Recipe(
        corpora=settings.corpora,
        chunk=settings.index_build.chunk,
        tokenizer=_tokenizer_digest(settings.index_build.chunk),
        analyser=analyser_identity(_dictionary(settings)),
        dense=settings.index_build.dense,
        encoder=identity_of(settings.index_build.dense.encoder) if settings.index_build.dense.enabled else {},
        pdf=reading_identity(settings.corpora.sources, settings.corpora.pdf),
        inputs=inputs_of(settings.corpora),
    )
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: this is a file; an index is a folder, choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    with _locked(out):
        present = _present(out, recipe)
        if present is not None:
            return Built(present, unchanged=True)
        work = out / ".building"
        remove(work)
        try:
            (work / "data").mkdir(parents=True)
            counts = _build_data(settings, recipe, work, progress)
            return Built(publish(out, work / "data", recipe, counts), unchanged=False)
        finally:
            remove(work)


def _dictionary(settings: Settings) -> Path | None:
    path = settings.index_build.user_dictionary
    if path is not None and not path.is_file():
        raise UserError(f"{path}: no such user dictionary (index_build.user_dictionary)")
    return path


def _tokenizer_digest(chunk: ChunkSettings) -> str:
    return fingerprint(tokenizer_file(chunk.tokenizer)) if chunk.tokenizer is not None else ""


def _present(out: Path, recipe: Recipe) -> Manifest | None:
    """The index that is there already, if it is whole and of this recipe."""
    try:
        manifest = read_manifest(out)
        verify(out, manifest)
    except UserError:  # none, damaged or of another version: build
        return None
    # compared as stored: a PDF password is used, but never written down
    return manifest if manifest.recipe.model_dump() == recipe.model_dump() else None


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    with (out / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{out}: another build is at work here; wait for it or choose another --out") from None
        yield


def _build_data(settings: Settings, recipe: Recipe, work: Path, progress: Progress) -> Counts:
    intake = Intake()
    cache = AnalysisCache(settings.index_build.cache, recipe.analyser)
    dictionary = _dictionary(settings)
    writer = PassageWriter(work / "data")
    fields = {name: FieldWriter() for name in FIELDS}
    tally = _Tally()
    with pool_of(settings.index_build.workers) as pool:
        batches = write_batches(settings.corpora, work, intake, cache=settings.index_build.cache)
        paths = analyse_all(pool, batches, cache, user_dictionary=dictionary, progress=progress)
        dropped = _near_duplicates(paths, cache, settings.corpora.dedup)
        tasks = _tasks(paths, dropped, cache, recipe)
        for task, part in zip(tasks, make_parts(pool, tasks, _parts(settings, recipe)), strict=True):
            documents = read_columns(task.batch, task.kept)
            writer.add(documents, part.passages)
            for name in FIELDS:
                fields[name].add(part.fields[name])
            tally.add(documents)
            progress.assembled(len(documents))
    writer.close()
    for name in FIELDS:
        fields[name].write(work / "data", name)
    add_vectors(work / "data", settings.index_build, recipe.encoder)
    if dictionary is not None:
        shutil.copyfile(dictionary, work / "data" / DICTIONARY)
    skipped = dict(intake.skipped)
    if dropped:
        skipped["near duplicate of an earlier document"] = len(dropped)
    return Counts(
        documents=writer.documents,
        passages=writer.passages,
        characters=tally.characters,
        skipped=skipped,
        examples=tuple(intake.examples),
        converted=dict(sorted(intake.converted.items())),
        sources=dict(sorted(tally.sources.items())),
        licences=dict(sorted(tally.licences.items())),
    )


@dataclass(slots=True)
class _Tally:
    """What the indexed documents are."""

    characters: int = 0
    sources: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)

    def add(self, documents: pa.RecordBatch) -> None:
        self.characters += pc.sum(pc.utf8_length(documents.column("text"))).as_py() or 0
        self.sources.update(documents.column("source").to_pylist())
        self.licences.update(licence or "not stated" for licence in documents.column("licence").to_pylist())


def _parts(settings: Settings, recipe: Recipe) -> PartCache:
    made_of = {
        "analyser": recipe.analyser,
        "chunk": recipe.chunk.model_dump(mode="json"),
        "tokenizer": recipe.tokenizer,
    }
    return PartCache(settings.index_build.cache, json.dumps(made_of, sort_keys=True))


def _tasks(paths: list[Path], dropped: Mapping[int, int], cache: AnalysisCache, recipe: Recipe) -> list[Task]:
    """Each batch, without the documents that were dropped."""
    tasks = []
    for path, first in _numbered(paths):
        digests = read_digests(path)
        kept = [number for number in range(len(digests)) if first + number not in dropped]
        files = cache.files_of(digests[number] for number in kept)
        tasks.append(Task(path, tuple(kept), tuple(files), recipe.chunk))
    return tasks


def _numbered(paths: list[Path]) -> Iterator[tuple[Path, int]]:
    """Each batch with the number of its first document."""
    first = 0
    for path in paths:
        yield path, first
        first += len(read_digests(path))


def _near_duplicates(paths: list[Path], cache: AnalysisCache, dedup: DedupSettings) -> dict[int, int]:
    """Number of a document that is a near duplicate -> number of the one kept."""
    if not dedup.near:
        return {}
    numbers: list[int] = []
    places: list[tuple[Path, int]] = []
    signatures = []
    for path, first in _numbered(paths):
        for index, (digest, length) in enumerate(read_lengths(path)):
            if length >= dedup.min_chars:
                numbers.append(first + index)
                places.append((path, index))
                signatures.append(cache.get(digest).signature)
    if not signatures:
        return {}
    opened: dict[Path, list[Row]] = {}

    def text_of(number: int) -> str:
        path, index = places[number]
        if path not in opened:
            if len(opened) >= 8:
                opened.clear()
            opened[path] = read_batch(path)
        document: Document = opened[path][index].document
        return document.text

    found = near_duplicates(np.stack(signatures), text_of, threshold=dedup.threshold)
    return {numbers[later]: numbers[earlier] for later, earlier in found.items()}
