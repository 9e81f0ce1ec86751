"""The journal: every answer, on disk the moment it is there, found again by what determined it."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

from pydantic import BaseModel, ConfigDict, ValidationError

from configs.errors import UserError
from configs.evaluation import ArmName
from configs.reader import Channel
from rag.reader import Answer, Prompt, digest_of

_FORMAT = 1  # raised when the same prompt and reader could get another answer from newer code
_LOG = logging.getLogger(__name__)


class Entry(BaseModel):
    """One answer as a line of the journal: one per item, arm and channel; `key` is what determined it."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")
    key: str
    question_id: str
    arm: ArmName
    channel: Channel
    reader: str  # digest
    prompt: str  # digest
    number: int | None
    text: str | None
    logprobs: tuple[float, ...]
    raw: str
    cited: tuple[str, ...]
    prompt_tokens: int
    output_tokens: int
    is_cut: bool
    seconds: float  # of the reader, its share of the batch


def answer_key(prompt: Prompt, reader_digest: str) -> str:
    """The digest of everything that determines an answer. The arm does not: equal prompts are asked once."""
    return digest_of(
        {
            "format": _FORMAT,
            "question": prompt.question.question_id,  # a scripted reader answers by it
            "choices": list(prompt.question.choices),
            "prompt": prompt.digest,
            "channel": prompt.channel,
            "reader": reader_digest,
        }
    )


def entry_of(answer: Answer, *, key: str, arm: ArmName, reader_digest: str, seconds: float) -> Entry:
    """An answer as the journal keeps it."""
    return Entry(
        key=key,
        question_id=answer.question_id,
        arm=arm,
        channel=answer.channel,
        reader=reader_digest,
        prompt=answer.prompt_digest,
        number=answer.number,
        text=answer.text,
        logprobs=answer.logprobs,
        raw=answer.raw,
        cited=answer.cited,
        prompt_tokens=answer.prompt_tokens,
        output_tokens=answer.output_tokens,
        is_cut=answer.is_cut,
        seconds=seconds,
    )


class Journal:
    """Append-only JSON lines; memory holds only where each answer lies.

    Every line is one `write` of the whole line, so a process killed at any instant leaves at most one torn
    line, the last; opening the journal cuts it off. A line that is damaged otherwise counts as not there,
    is named in the log, and its answer is got again. Raises UserError when another process has it open.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file: IO[bytes] = path.open("a+b", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise UserError(
                f"{path}: another process is writing this journal; wait for it, or name another folder with --out"
            ) from None
        self._reads: IO[bytes] = path.open("rb")
        self._places: dict[bytes, int] = {}  # key -> where its first line begins
        self._lines: set[bytes] = set()  # key and arm of every line
        self._end = 0
        for start, end, entry in self._scan():
            self._end = end
            if entry is not None:
                self._remember(entry, start)
        os.ftruncate(self._file.fileno(), self._end)

    def __len__(self) -> int:
        return len(self._lines)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __contains__(self, key: str) -> bool:
        return bytes.fromhex(key) in self._places

    def find(self, key: str) -> Entry | None:
        """The answer with this key, of whichever arm; None when there is none yet."""
        place = self._places.get(bytes.fromhex(key))
        if place is None:
            return None
        self._reads.seek(place)
        return Entry.model_validate_json(self._reads.readline())

    def has(self, key: str, arm: ArmName) -> bool:
        """Whether this arm has its line."""
        return _line_id(key, arm) in self._lines

    def append(self, entry: Entry) -> None:
        """Add a line; it is with the operating system when this returns."""
        line = entry.model_dump_json().encode() + b"\n"
        written = self._file.write(line)
        while written < len(line):  # a full disk writes a part first and fails then
            written += self._file.write(line[written:])
        self._remember(entry, self._end)
        self._end += len(line)

    def close(self) -> None:
        """Bring everything to the disk and give the journal free."""
        os.fsync(self._file.fileno())
        self._reads.close()
        self._file.close()

    def _remember(self, entry: Entry, start: int) -> None:
        self._places.setdefault(bytes.fromhex(entry.key), start)
        self._lines.add(_line_id(entry.key, entry.arm))

    def _scan(self) -> Iterator[tuple[int, int, Entry | None]]:
        """(start, end, entry) of every whole line; entry None for one that is damaged."""
        end = 0
        for number, line in enumerate(self._reads, start=1):
            start, end = end, end + len(line)
            if not line.endswith(b"\n"):
                return
            try:
                entry = Entry.model_validate_json(line)
                bytes.fromhex(entry.key)
            except (ValidationError, ValueError):
                _LOG.warning("%s:%d: not an answer; it will be got again", self.path, number)
                entry = None
            yield start, end, entry


def _line_id(key: str, arm: ArmName) -> bytes:
    return bytes.fromhex(key) + arm.encode()
