"""What a reader wrote for us, kept on disk the moment it is there, so that nothing is asked twice."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from tqdm import tqdm

from configs.errors import UserError
from rag.reader import Generation, Prompt, Reader, digest_of

_CHUNK = 16  # prompts between two looks at the disk


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    key: str  # of reader, messages and length
    text: str
    tokens: int
    is_cut: bool


class Written:
    """Asks a reader to write, through an append-only file of JSON lines.

    A process killed at any instant loses at most the chunk that it was asking; a torn last line is asked again.
    Raises UserError for a reader that cannot write on request.
    """

    def __init__(self, path: Path, reader: Reader) -> None:
        self._path, self._reader = path, reader
        self._identity = reader.identity.digest
        self._known = {line.key: line for line in self._read()}

    def generate(self, prompts: Sequence[Prompt], *, what: str) -> list[Generation]:
        """What the reader wrote after each prompt, in order."""
        keys = [self._key(prompt) for prompt in prompts]
        new = {key: prompt for key, prompt in zip(keys, prompts, strict=True) if key not in self._known}
        with tqdm(total=len(prompts), initial=len(prompts) - len(new), desc=what, unit=" texts", disable=None) as bar:
            waiting = list(new.items())
            for begin in range(0, len(waiting), _CHUNK):
                chunk = waiting[begin : begin + _CHUNK]
                found = self._reader.generate([prompt for _, prompt in chunk])
                self._keep([key for key, _ in chunk], found)
                bar.update(len(chunk))
        lines = [self._known[key] for key in keys]
        return [Generation(line.text, line.tokens, line.is_cut) for line in lines]

    def _key(self, prompt: Prompt) -> str:
        messages = [[message.role, message.content] for message in prompt.messages]
        # a scripted reader answers by the question, every other by what it reads
        name = prompt.question.question_id if self._reader.identity.kind == "scripted" else ""
        return digest_of(
            {"reader": self._identity, "messages": messages, "most": prompt.max_new_tokens, "question": name}
        )

    def _keep(self, keys: Sequence[str], found: Sequence[Generation]) -> None:
        lines = [
            _Line(key=key, text=text.text, tokens=text.tokens, is_cut=text.is_cut)
            for key, text in zip(keys, found, strict=True)
        ]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a+b") as stream:
            if stream.tell():
                stream.seek(-1, os.SEEK_END)
                if stream.read(1) != b"\n":  # torn by a kill
                    stream.write(b"\n")
            stream.write(b"".join(line.model_dump_json().encode() + b"\n" for line in lines))
        self._known.update((line.key, line) for line in lines)

    def _read(self) -> Iterator[_Line]:
        if not self._path.is_file():
            return
        lines = self._path.read_bytes().splitlines()
        for number, line in enumerate(lines, start=1):
            try:
                yield _Line.model_validate_json(line)
            except ValidationError:
                if number < len(lines) and line.strip().endswith(b"}"):
                    raise UserError(f"{self._path}:{number}: no line of ours; move the file away") from None


def json_object(text: str) -> dict[str, object]:
    """The first JSON object in what a reader wrote; {} for none."""
    decoder, start = json.JSONDecoder(), text.find("{")
    while start >= 0:
        try:
            found, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            start = text.find("{", start + 1)
            continue
        return found if isinstance(found, dict) else {}
    return {}
