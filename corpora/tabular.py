"""Records of other people's files: CSV rows, JSON lists, Python literals; checked, never run."""

from __future__ import annotations

import ast
import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from configs.errors import UserError
from corpora.files import decode, open_binary
from corpora.jsonl import read_records
from corpora.records import Skipped

_LONGEST_LITERAL = 100_000  # characters
_DEEPEST_LITERAL = 8  # brackets; Python's own parser gives up, or dies, at some hundreds


class Foreign(BaseModel):
    """A record of somebody else's form: what is read of it; keys that are not named are passed over."""

    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True)


F = TypeVar("F", bound=Foreign)


def read(model: type[F], record: object, *, where: str) -> F | Skipped:
    """The record as its model; Skipped with key and value for one that is not of that form."""
    try:
        return model.model_validate(record)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(map(str, fault["loc"]))
        shown = repr(fault["input"])[:80]
        return Skipped(where, f"{key}: found {shown}; {fault['msg']}" if key else f"found {shown}; {fault['msg']}")


def rows(file: Path, wanted: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """(place, row) of a CSV file with a header. Raises UserError when columns are missing or it is no CSV."""
    reader = csv.DictReader(io.StringIO(text_of(file), newline=""), strict=True)
    try:
        missing = [name for name in wanted if name not in (reader.fieldnames or ())]
        if missing:
            raise UserError(
                f"{file}: no column {missing[0]!r}; found {', '.join(reader.fieldnames or ()) or 'nothing'}"
            )
        for row in reader:
            where = f"{file}:{reader.line_num}"
            if None in row or None in row.values():
                raise UserError(f"{where}: found another number of columns than the header has; a quote may be missing")
            yield where, row
    except csv.Error as error:
        raise UserError(f"{file}:{reader.line_num}: no CSV: {error}") from None


def listed(file: Path) -> Iterator[tuple[str, object]]:
    """(place, record) of a JSON list, or of JSON lines."""
    if file.name.partition(".")[2].startswith("jsonl"):
        for item in read_records(file):
            if isinstance(item, Skipped):
                raise UserError(f"{item.where}: {item.reason}")
            yield f"{file}:{item.number}", item.fields
        return
    found = read_json(file)
    if not isinstance(found, list):
        raise UserError(f"{file}: expected a JSON list, found {type(found).__name__}")
    for number, record in enumerate(found, start=1):
        yield f"{file}: item {number}", record


def read_json(file: Path) -> object:
    """The value of a JSON file. Raises UserError when it is broken."""
    try:
        found: object = json.loads(text_of(file))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file}: broken JSON: {error}") from None
    return found


def text_of(file: Path) -> str:
    """A whole file, unpacked and decoded. Raises UserError when no encoding fits."""
    with open_binary(file) as stream:
        decoded = decode(stream.read())
    if decoded is None:
        raise UserError(f"{file}: neither UTF-8 nor CP949 nor UTF-16")
    return decoded[0]


def python_literal(text: str) -> object:
    """The value of a Python literal (texts, numbers, lists, dicts); nothing in it is ever run.

    Raises ValueError for anything else, and for more than 100,000 characters or eight levels of brackets.
    """
    if len(text) > _LONGEST_LITERAL:
        raise ValueError(f"{len(text)} characters are too many")
    depth = deepest = 0
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        deepest = max(deepest, depth)
    if deepest > _DEEPEST_LITERAL:
        raise ValueError(f"{deepest} levels of brackets are too many")
    try:
        found: object = ast.literal_eval(text.strip())
    except (SyntaxError, MemoryError, RecursionError, TypeError) as error:
        raise ValueError(f"no Python literal ({type(error).__name__})") from None
    return found
