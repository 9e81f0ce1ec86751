"""Sources -> index: the whole build on one page.

documents -> batches on disk -> Kiwi analysis (cached by content) -> near duplicates -> passages -> postings ->
data folder -> manifest. What is expensive is remembered; what is cheap is always made anew; so a build that was
killed resumes, an incremental build equals a full one byte for byte, and an unchanged one does nothing.
"""

from __future__ import annotations

import fcntl
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from configs.errors import UserError
from configs.schema import ChunkSettings, DedupSettings, Settings
from corpora.files import fingerprint
from corpora.records import Document
from index_build.analysis import AnalysisCache, Progress, analyse_all
from index_build.assemble import Assembler
from index_build.chunk import tokenizer_file
from index_build.dedup import near_duplicates
from index_build.dense import add_vectors
from index_build.documents import Intake, Row, read_batch, read_digests, read_lengths, write_batches
from index_build.encoder import identity_of
from index_build.manifest import Counts, Manifest, Recipe, inputs_of, publish, read_manifest, remove, verify
from index_build.passages import PassageWriter
from index_build.terms import analyser_identity

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
    paths = analyse_all(
        write_batches(settings.corpora, work, intake, cache=settings.index_build.cache),
        cache,
        workers=settings.index_build.workers,
        user_dictionary=dictionary,
        progress=progress,
    )
    dropped = _near_duplicates(paths, cache, settings.corpora.dedup)
    writer = PassageWriter(work / "data")
    assembler = Assembler(settings.index_build.chunk, cache, writer)
    sources: Counter[str] = Counter()
    licences: Counter[str] = Counter()
    characters = 0
    for path, first in _numbered(paths):
        rows = [row for number, row in enumerate(read_batch(path), start=first) if number not in dropped]
        assembler.add(rows)
        sources.update(row.document.source for row in rows)
        licences.update(row.document.licence or "not stated" for row in rows)
        characters += sum(len(row.document.text) for row in rows)
        progress.assembled(len(rows))
    assembler.finish(work / "data")
    add_vectors(work / "data", settings.index_build, recipe.encoder)
    if dictionary is not None:
        shutil.copyfile(dictionary, work / "data" / DICTIONARY)
    skipped = dict(intake.skipped)
    if dropped:
        skipped["near duplicate of an earlier document"] = len(dropped)
    return Counts(
        documents=writer.documents,
        passages=writer.passages,
        characters=characters,
        skipped=skipped,
        examples=tuple(intake.examples),
        converted=dict(sorted(intake.converted.items())),
        sources=dict(sorted(sources.items())),
        licences=dict(sorted(licences.items())),
    )


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
