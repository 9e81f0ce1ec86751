"""Training examples: what a reader sees and what it must write after it, and the file they lie in.

A file is JSON lines; the first is the header, with the digest of the lines after it and the versions of the prompts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import xxhash
from pydantic import BaseModel, ConfigDict, JsonValue, TypeAdapter, ValidationError

from configs.errors import UserError
from configs.reader import Channel
from corpora.writing import replaced
from rag.template import TemplateName, bundled
from rag.tokens import Message

FORMAT: Literal["geungeo-examples@1"] = "geungeo-examples@1"

Mode = Literal["closed", "retrieved", "raft_gold", "raft_no_gold"]
"""What passages a prompt shows: none; the retriever's; wrong ones with a gold one among them; wrong ones alone."""


@dataclass(frozen=True, slots=True)
class Example:
    """One prompt and its answer. The loss is on `answer` and the end of the turn, on nothing else."""

    id: str  # of the example: one question may give several
    messages: tuple[Message, ...]  # the prompt, as `rag.prompt.render` gives them
    answer: str  # to be written after it: a label, a text, or the JSON of channel `reason`
    reasoning: str  # the 풀이 within such a JSON, "" without
    channel: Channel
    question_id: str
    choices: tuple[str, ...]  # in the order that the prompt shows, () without: `sft` and `dpo` score their labels
    split: str
    mode: Mode
    passages: tuple[str, ...]  # ids of those shown, in the order of the prompt
    gold_shown: bool
    template: str  # "base@1"
    source: str
    subject: str

    __pydantic_config__ = ConfigDict(extra="forbid")


class Header(BaseModel):
    """What a file of examples was made from, and with what."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: Literal["geungeo-examples@1"] = FORMAT
    template: tuple[str, ...]  # every version of a prompt that is in the file, sorted
    digest: str  # XXH3-128 of the lines after the header
    sources: dict[str, JsonValue]  # name -> what it was
    settings: dict[str, JsonValue]  # in effect


_LINE = TypeAdapter(Example)
_FORMATS = TypeAdapter(dict[str, JsonValue])


def write_examples(
    path: Path, examples: Sequence[Example], *, sources: Mapping[str, JsonValue], settings: Mapping[str, JsonValue]
) -> Header:
    """Write the whole file, or nothing. Same arguments, same bytes. Raises UserError for no examples."""
    if not examples:
        raise UserError(f"{path}: no examples to write; every row was dropped, or the sources hold no such items")
    lines = [_LINE.dump_json(example) + b"\n" for example in examples]
    header = Header(
        template=tuple(sorted({example.template for example in examples})),
        digest=_digest(lines),
        sources=dict(sources),
        settings=dict(settings),
    )
    with replaced(path) as stream:
        stream.write(header.model_dump_json() + "\n")
        for line in lines:
            stream.write(line.decode())
    return header


def read_examples(path: Path) -> tuple[Header, list[Example]]:
    """Header and examples of a file, in order.

    Raises UserError when it is no such file or an empty one, when a line is broken or was changed since, or when
    a prompt in it was made by another version of its template than today's.
    """
    try:
        first, *lines = path.read_bytes().splitlines(keepends=True) or [b""]
    except (FileNotFoundError, IsADirectoryError):
        raise UserError(f"{path}: no such file; make it with: python -m finetune examples --out {path}") from None
    header = _header(path, first)
    _check_templates(path, header.template)
    if not lines:
        raise UserError(f"{path}: no examples in it; make it again: python -m finetune examples --out {path}")
    if _digest(lines) != header.digest:
        raise UserError(f"{path}: its lines were changed since it was made; make it again: python -m finetune examples")
    try:
        return header, [_LINE.validate_json(line) for line in lines]
    except ValidationError as error:
        fault = error.errors()[0]
        raise UserError(f"{path}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}; make it again") from None


def of_split(examples: Sequence[Example], split: str, *, path: Path) -> list[Example]:
    """The examples of one split. Raises UserError when there are none."""
    found = [example for example in examples if example.split == split]
    if not found:
        there = ", ".join(sorted({example.split or "(none)" for example in examples}))
        raise UserError(f"{path}: no examples of split {split!r}; it holds: {there}")
    return found


def _header(path: Path, line: bytes) -> Header:
    try:
        found = _FORMATS.validate_json(line)
    except ValidationError:
        found = {}
    if found.get("format") != FORMAT:
        raise UserError(
            f"{path}: line 1: expected a header of format {FORMAT!r}, found {str(found.get('format', line[:40]))!r};"
            " make the file with: python -m finetune examples"
        )
    try:
        return Header.model_validate(found)
    except ValidationError as error:
        fault = error.errors()[0]
        raise UserError(f"{path}: line 1: {'.'.join(map(str, fault['loc']))}: {fault['msg']}; make it again") from None


def _check_templates(path: Path, made_by: Sequence[str]) -> None:
    """Refuse prompts that would not be rendered alike today."""
    today = {bundled(name).identity for name in get_args(TemplateName)}
    for identity in made_by:
        if identity not in today:
            raise UserError(
                f"{path}: its prompts are {identity!r}, today's are {', '.join(sorted(today))}; a reader is trained"
                " on the prompts it is asked with: make it again with python -m finetune examples"
            )


def _digest(lines: Sequence[bytes]) -> str:
    digest = xxhash.xxh3_128()
    for line in lines:
        digest.update(line)
    return digest.hexdigest()


def reasoned(reasoning: str, cited: Sequence[str], answer: str) -> str:
    """The JSON that channel `reason` asks for, as one line; what `rag.parse` reads back as `answer`."""
    return json.dumps({"풀이": reasoning, "근거": list(cited), "정답": answer}, ensure_ascii=False)
