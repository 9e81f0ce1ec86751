"""Checkpoints that a killed process cannot spoil: one without its mark, written last, does not exist."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path

from corpora.writing import write_text
from index_build.manifest import remove

_MARK = "whole.json"
_NAME = re.compile(r"checkpoint-(\d+)")


def mark(checkpoint: Path) -> None:
    """Declare a checkpoint whole: its files and their sizes, in a file that appears at once."""
    write_text(checkpoint / _MARK, json.dumps(_sizes(checkpoint), indent=1, sort_keys=True) + "\n")


def is_whole(checkpoint: Path) -> bool:
    """Whether the checkpoint has its mark and every file that the mark names, at its size."""
    try:
        marked = json.loads((checkpoint / _MARK).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    return bool(marked == _sizes(checkpoint))


def checkpoints(folder: Path) -> dict[int, Path]:
    """The whole checkpoints of a run, step -> folder, in order of their steps."""
    found = {step: path for step, path in _all(folder).items() if is_whole(path)}
    return dict(sorted(found.items()))


def prune(folder: Path, keep: Collection[int]) -> None:
    """Delete the checkpoints of other steps, and those that are torn."""
    for step, path in _all(folder).items():
        if step not in keep or not is_whole(path):
            (path / _MARK).unlink(missing_ok=True)  # first: half deleted is not whole
            remove(path)


def _all(folder: Path) -> dict[int, Path]:
    matches = {path: _NAME.fullmatch(path.name) for path in folder.glob("checkpoint-*")}
    return {int(match.group(1)): path for path, match in sorted(matches.items()) if match is not None}


def _sizes(checkpoint: Path) -> dict[str, int]:
    files = (path for path in checkpoint.rglob("*") if path.is_file() and path.name != _MARK)
    return {str(path.relative_to(checkpoint)): path.stat().st_size for path in sorted(files)}
