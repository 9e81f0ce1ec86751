"""How a reader's text is counted, and how messages become the text it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_letters
from typing import Literal, Protocol

from index_build.chunk import tokenizer_file

_NARROW = f"{ascii_letters} ".encode()


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """Messages as one text that ends where the answer begins, and what stands between it and the answer."""

    text: str
    lead: str  # "" or " "


class Wording(Protocol):
    """One reader's tokenizer and conversation format."""

    @property
    def window(self) -> int:
        """Tokens of prompt and answer together that the reader can hold."""

    def count(self, text: str) -> int:
        """Tokens of a text, without those that open or close a sequence."""

    def render(self, messages: Sequence[Message]) -> Rendered:
        """The text that the reader sees, ending where the assistant's next turn begins."""


def plain(messages: Sequence[Message]) -> Rendered:
    """Messages for a model without a chat template: paragraphs, each answer on the line of its question."""
    text = ""
    for message in messages:
        gap = " " if message.role == "assistant" else "\n\n" if text else ""
        text += gap + message.content
    return Rendered(text, " ")


class EstimatedWording:
    """Plain text, counted without a tokenizer; more than the tokenizers of today's Korean models find.

    Three Latin letters or spaces count 1, every other character 1 (those models take about four letters of
    English, and 1 to 1.6 syllables of Korean, for a token).
    """

    def __init__(self, window: int) -> None:
        self._window = window

    @property
    def window(self) -> int:
        """As given."""
        return self._window

    def count(self, text: str) -> int:
        """The estimate."""
        encoded = text.encode("utf-8", "surrogatepass")
        narrow = len(encoded) - len(encoded.translate(None, delete=_NARROW))
        return len(text) - narrow + -(-narrow // 3)

    def render(self, messages: Sequence[Message]) -> Rendered:
        """Plain text."""
        return plain(messages)


class FileWording:
    """Plain text, counted by a tokenizer.json."""

    def __init__(self, path: Path, window: int) -> None:
        from tokenizers import Tokenizer  # a dependency of transformers; only this class needs it

        self._tokenizer = Tokenizer.from_file(str(tokenizer_file(path)))
        self._window = window

    @property
    def window(self) -> int:
        """As given."""
        return self._window

    def count(self, text: str) -> int:
        """Tokens, without special ones."""
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def render(self, messages: Sequence[Message]) -> Rendered:
        """Plain text."""
        return plain(messages)
