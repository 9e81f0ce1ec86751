"""What an index was made from, and the proof that its files are whole. Written last, read first."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import xxhash
from pydantic import BaseModel, ConfigDict, ValidationError

from configs.dense import DenseSettings
from configs.errors import UserError
from configs.schema import ChunkSettings, CorporaSettings, SourceSettings
from corpora.files import fingerprint
from corpora.sources import input_files

FORMAT = 1
NAME = "manifest.json"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Input(_Strict):
    """The files of one source, by name, with the digests of their bytes."""

    source: SourceSettings
    files: dict[str, str]


class Counts(_Strict):
    """Documents read = documents + all that was skipped."""

    documents: int
    passages: int
    characters: int
    skipped: dict[str, int]
    examples: tuple[str, ...]
    converted: dict[str, int]  # documents that were not in UTF-8, by encoding
    sources: dict[str, int]
    licences: dict[str, int]


class Stored(_Strict):
    """One data file: its size in bytes and its XXH3-128."""

    size: int
    digest: str


class Recipe(_Strict):
    """Everything that determines the bytes of an index."""

    format: int = FORMAT
    corpora: CorporaSettings
    chunk: ChunkSettings
    tokenizer: str  # digest of chunk.tokenizer's file, "" without one
    analyser: dict[str, str]
    dense: DenseSettings = DenseSettings(enabled=False)
    encoder: dict[str, str] = {}
    pdf: str = ""  # what reads PDFs: versions, OCR, whether the password is the same; "" without PDFs
    inputs: tuple[Input, ...]


class Manifest(_Strict):
    """The record of an index; `folder` is where its data lie, beside the manifest."""

    recipe: Recipe
    counts: Counts
    folder: str
    files: dict[str, Stored]


def inputs_of(corpora: CorporaSettings) -> tuple[Input, ...]:
    """The inputs as they lie on disk now. Raises UserError when a source has none."""
    found = []
    for source in corpora.sources:
        files = input_files(source)
        base = source.path if source.path is not None and source.path.is_dir() else None
        names = [str(file.relative_to(base)) if base else file.name for file in files]
        found.append(Input(source=source, files=dict(zip(names, map(fingerprint, files), strict=True))))
    return tuple(found)


def read_manifest(index: Path) -> Manifest:
    """The manifest of an index folder. Raises UserError when there is none or it is none of ours."""
    path = index / NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{index}: no index here; build one: python -m index_build --out {index}") from None
    except (ValueError, UnicodeDecodeError):
        raise UserError(f"{path}: damaged; rebuild: {repair(index)}") from None
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        key = ".".join(map(str, error.errors()[0]["loc"]))
        raise UserError(f"{path}: made by another version ({key}); rebuild: {repair(index)}") from None


def verify(index: Path, manifest: Manifest) -> Path:
    """The data folder of an index, every file of which has the bytes that the manifest names.

    Raises UserError naming the first file that is missing or differs.
    """
    folder = index / manifest.folder
    for name, stored in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise UserError(f"{path}: missing; rebuild: {repair(index)}")
        if path.stat().st_size != stored.size or fingerprint(path) != stored.digest:
            raise UserError(f"{path}: damaged (its digest is not the manifest's); rebuild: {repair(index)}")
    return folder


def check_analyser(index: Path, manifest: Manifest, present: Mapping[str, str]) -> None:
    """Refuse an index whose terms were made by another analyser than the one that would read the query."""
    for key, found in present.items():
        built = manifest.recipe.analyser.get(key, "")
        if built != found:
            raise UserError(f"{index}: built with {key} {built}, here is {found}; rebuild: {repair(index)}")


def publish(index: Path, building: Path, recipe: Recipe, counts: Counts) -> Manifest:
    """Make a finished data folder the index's: move it in, replace the manifest, delete what was before.

    The manifest is replaced in one step, so that at every instant the folder holds one whole index.
    """
    files = {
        path.name: Stored(size=path.stat().st_size, digest=fingerprint(path)) for path in sorted(building.iterdir())
    }
    joined = "".join(f"{name}:{stored.digest}" for name, stored in files.items())
    folder = index / f"data-{xxhash.xxh3_64_hexdigest(joined.encode())}"
    manifest = Manifest(recipe=recipe, counts=counts, folder=folder.name, files=files)
    if folder.exists():  # the same bytes, or a torn copy of them: ours are whole
        folder = _swap(folder, building)
    else:
        building.rename(folder)
    text = json.dumps(manifest.model_dump(mode="json"), ensure_ascii=False, indent=1)
    temporary = index / f".{NAME}.{os.getpid()}"
    with temporary.open("w", encoding="utf-8") as stream:
        stream.write(text + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(index / NAME)
    for old in index.glob("data-*"):
        if old != folder:
            remove(old)
    return manifest


def _swap(folder: Path, building: Path) -> Path:
    """Replace the files of a folder one by one by those of the same content; each is whole at all times."""
    for path in sorted(building.iterdir()):
        path.replace(folder / path.name)
    building.rmdir()
    return folder


def remove(folder: Path) -> None:
    """Delete a folder of files and folders, if it is there."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            remove(path)
        else:
            path.unlink()
    folder.rmdir()


def repair(index: Path) -> str:
    """The command that makes an index anew."""
    return f"python -m index_build --out {index}"
