"""What reads a prompt and answers: the protocol, and the nouns that pass through it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import xxhash

from configs.reader import Channel
from corpora.records import Question
from rag.tokens import Message, Wording


@dataclass(frozen=True, slots=True)
class Evidence:
    """A passage as a prompt shows it."""

    passage_id: str
    title: str  # of its document, with the headings it stands under
    page: str  # as printed; "" for a document without pages
    text: str
    is_cut: bool = False  # shortened to the budget


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A passage that was offered to a prompt and is not shown, and why."""

    passage_id: str
    reason: Literal["budget", "near duplicate", "max_passages"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question as one reader sees it. Made by `rag.prompt.render` only.

    `text` ends where the answer begins: the answer "3" stands there as `text + lead + "3"`.
    """

    question: Question  # without answer, answers and gold: a reader never sees them
    channel: Channel  # through which it is to be answered; short answers and essays are always written
    messages: tuple[Message, ...]
    text: str
    lead: str  # "" after a chat template, " " in plain text
    passages: tuple[Evidence, ...]  # shown, in the order of the prompt
    left_out: tuple[LeftOut, ...]
    tokens: int  # of `text`
    max_new_tokens: int  # the reader may write
    template: str  # "base@1"
    digest: str  # of everything above that a reader can see

    @property
    def labels(self) -> tuple[str, ...]:
        """What the choices are called, in order: "1", "2" ..."""
        return tuple(str(number) for number in range(1, len(self.question.choices) + 1))


@dataclass(frozen=True, slots=True)
class Generation:
    """What a reader wrote after a prompt."""

    text: str
    tokens: int
    is_cut: bool  # stopped by max_new_tokens


@dataclass(frozen=True, slots=True)
class Identity:
    """What determines a reader's answers: two readers with the same digest answer alike."""

    kind: str
    facts: Mapping[str, str | int | float | bool | None]  # JSON-able

    @property
    def digest(self) -> str:
        """XXH3-128 over kind and facts."""
        return digest_of({"kind": self.kind, **self.facts})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one prompt through one channel.

    `number` and `text` are both None when nothing could be parsed: unparsed, counted, wrong.
    """

    question_id: str
    channel: Channel
    number: int | None  # of the chosen choice, from 1; None for short answers and essays
    text: str | None  # of a short answer or essay; None for multiple choice
    logprobs: tuple[float, ...]  # one per choice, as the channel scores; () where the answer was written
    raw: str  # what the reader wrote; "" where it only scored
    cited: tuple[str, ...]  # ids of shown passages that the written text names
    prompt_digest: str
    prompt_tokens: int
    output_tokens: int
    is_cut: bool = False  # the written text was stopped by its limit

    @property
    def is_parsed(self) -> bool:
        """Whether there is an answer at all."""
        return self.number is not None or self.text is not None


class Reader(Protocol):
    """What answers prompts. All methods keep the order of the prompts; no prompts give []."""

    @property
    def identity(self) -> Identity:
        """Kind and facts that determine the answers."""

    @property
    def wording(self) -> Wording:
        """How this reader's tokens are counted and its messages become text."""

    @property
    def channels(self) -> frozenset[Channel]:
        """The channels it can answer through."""

    @property
    def peak_memory(self) -> int | None:
        """Bytes: the GPU's peak since loading, else the process's; None where the model runs elsewhere."""

    def label_logprobs(self, prompts: Sequence[Prompt]) -> list[tuple[float, ...]]:
        """log P(lead + label | text) per choice; natural logarithm, only over the choices that there are."""

    def text_loglikelihoods(self, prompts: Sequence[Prompt]) -> list[tuple[float, ...]]:
        """log P(lead + text of the choice | text) per choice, not normalised by length."""

    def generate(self, prompts: Sequence[Prompt]) -> list[Generation]:
        """What the reader writes after each prompt, at most `max_new_tokens` of it, without sampling."""

    def stream(self, prompt: Prompt) -> Iterator[str]:
        """The same for one prompt, piece by piece as it is written."""


def blind(question: Question) -> Question:
    """The question without what must not reach a reader: the answer, accepted texts and gold passages."""
    return replace(question, answer=None, answers=(), gold=())


def item_digest(question: Question) -> str:
    """The digest of what an item asks and what is right: runs are compared on items that agree in it."""
    return digest_of(
        {
            "texts": [question.paragraph, question.box, question.question, *question.choices],
            "answer": question.answer,
            "answers": list(question.answers),
        }
    )


def digest_of(facts: Mapping[str, object]) -> str:
    """XXH3-128 of JSON-able facts, whatever the order of their keys."""
    return xxhash.xxh3_128_hexdigest(json.dumps(facts, ensure_ascii=False, sort_keys=True).encode())
