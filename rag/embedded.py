"""The embedded reader's folder: found by name from anywhere, and read only when every file has the bytes it should."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from configs.errors import UserError
from configs.reader import TransformersSettings
from configs.schema import ROOT
from configs.training import EMBEDDED_READER
from corpora.files import fingerprint
from corpora.writing import write_text

FOLDER = ROOT / "models" / "reader"
NAME = "manifest.json"
_REPAIR = "copy the folder again, or make it: python -m finetune reader --data DIR"


class ReaderManifest(BaseModel):
    """What the files of a reader's folder must be: name -> XXH3-128. Written last."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: int = 1
    files: dict[str, str]


def located(settings: TransformersSettings) -> TransformersSettings:
    """The settings with `embedded` replaced by the folder of the embedded reader.

    Raises UserError when it is not there, or without the manifest that is written last.
    """
    if settings.model != EMBEDDED_READER:
        return settings
    if not (FOLDER / NAME).is_file():
        raise UserError(f"{FOLDER}: no embedded reader here, or half of one (no {NAME}); {_REPAIR}")
    return settings.model_copy(update={"model": str(FOLDER)})


def check_files(folder: Path) -> None:
    """Raise UserError naming the first file that differs from the folder's manifest; a folder without one passes.

    Only readers of our own making carry one.
    """
    path = folder / NAME
    if not path.is_file():
        return
    try:
        manifest = ReaderManifest.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError):
        raise UserError(f"{path}: damaged; {_REPAIR}") from None
    for name, digest in manifest.files.items():
        if not (folder / name).is_file():
            raise UserError(f"{folder / name}: missing; {_REPAIR}")
        if fingerprint(folder / name) != digest:
            raise UserError(f"{folder / name}: damaged (its digest is not the manifest's); {_REPAIR}")


def write_manifest(folder: Path) -> None:
    """The manifest of the files that lie in a folder now, model cards aside."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix != ".md" and path.name != NAME)
    manifest = ReaderManifest(files={path.name: fingerprint(path) for path in files if not path.name.startswith(".")})
    write_text(folder / NAME, json.dumps(manifest.model_dump(), indent=1) + "\n")
