"""Files and folders of a run, made under a temporary name and renamed when whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def in_place_of(path: Path) -> Iterator[Path]:
    """A path beside `path` to make a file or a folder at: it takes the place of `path` when the block ends well.

    Else what was there stays as it was, and nothing is left of what was begun.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    _remove(temporary)
    try:
        yield temporary
        if temporary.is_dir():  # a folder replaces an empty one alone
            _remove(path)
        temporary.replace(path)
    finally:
        _remove(temporary)


@contextmanager
def replaced(path: Path) -> Iterator[TextIO]:
    """A stream whose text becomes the file when the block ends well; else the file stays as it was."""
    with in_place_of(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        yield stream


def write_text(path: Path, text: str) -> None:
    """Write a whole text file."""
    with replaced(path) as stream:
        stream.write(text)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
