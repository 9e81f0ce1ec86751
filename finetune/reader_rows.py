"""Blocks -> rows of tokens in which questions share their passages.

A row is one prompt's passages once, then every question on them, each followed by its answer. A question sees the
passages and itself only, so its log-probabilities are those of a prompt of its own: about a quarter of the tokens.
The text is `rag.prompt.render`'s; it is cut where a token of the frame begins, so the ids are those of the whole.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from configs.reader import PromptSettings
from configs.reader_training import ReaderTrainingSettings
from corpora.records import Question
from finetune.reader_blocks import Block
from finetune.reader_tokenizer import END, START
from rag.prompt import expected, render
from rag.reader import Evidence
from rag.tokens import Message, Rendered

_SETTINGS = PromptSettings(max_passages=100, max_passage_tokens=1_000_000)
STAGES = ("sentences", "passage", "passages")


class ChatWording:
    """The chat format and token count of the tokenizer under training; what `CHAT_TEMPLATE` gives."""

    def __init__(self, tokenizer: Tokenizer, window: int) -> None:
        self._tokenizer = tokenizer
        self._window = window

    @property
    def window(self) -> int:
        """As given."""
        return self._window

    def count(self, text: str) -> int:
        """Tokens."""
        return len(self._tokenizer.encode(text).ids)

    def render(self, messages: Sequence[Message]) -> Rendered:
        """ChatML up to where the assistant begins."""
        turns = [f"{START}{message.role}\n{message.content}{END}\n" for message in messages]
        return Rendered("".join(turns) + f"{START}assistant\n", "")


@dataclass(frozen=True, slots=True)
class Target:
    """A token to predict: after which place of the row, which token, and among which."""

    place: int
    token: int
    rivals: tuple[int, ...]  # the labels that the question has; () for a written answer

    @property
    def is_label(self) -> bool:
        """Whether it is a choice's number."""
        return bool(self.rivals)


@dataclass(frozen=True, slots=True)
class Row:
    """Tokens with their positions, the question each belongs to (0: what all share), and what is to be predicted."""

    ids: NDArray[np.int64]
    positions: NDArray[np.int64]
    owners: NDArray[np.int64]
    targets: tuple[Target, ...]
    shared: int  # tokens of the passages and what stands before them
    stage: int

    def __len__(self) -> int:
        return len(self.ids)


class Composer:
    """Makes rows of blocks; the same random state makes the same rows."""

    def __init__(self, tokenizer: Tokenizer, settings: ReaderTrainingSettings) -> None:
        self._tokenizer = tokenizer
        self._settings = settings
        self._wording = ChatWording(tokenizer, settings.model.window)
        self._end: int = tokenizer.encode(END).ids[0]

    def row(self, block: Block, stage: int, rng: random.Random) -> Row | None:
        """A block's row, as a stage of the lessons shows it; None when not one question fits."""
        writes = self._settings.text_weight > 0
        questions = [shuffled(question, rng) for question in block.questions if question.choices or writes]
        if not questions:
            return None
        rng.shuffle(questions)
        evidence = self._shown(block, questions, stage, rng)
        return self.compose(questions, evidence, stage=stage)

    def compose(self, questions: Sequence[Question], evidence: Sequence[Evidence], *, stage: int) -> Row | None:
        """The row of questions on the same passages; those that do not fit any more are left out."""
        bodies = [self._body(question) for question in questions]
        shared = self._encode(self._shared(questions[0], evidence))
        ids, positions, owners = list(shared), list(range(len(shared))), [0] * len(shared)
        targets: list[Target] = []
        for owner, (question, body) in enumerate(zip(questions, bodies, strict=True), start=1):
            part, answer = self._encode(body), [*self._encode(expected(question)), self._end]
            if len(ids) + len(part) + len(answer) > self._settings.longest:
                continue
            first = len(ids) + len(part) - 1
            rivals = tuple(self._encode(str(number))[0] for number, _ in enumerate(question.choices, start=1))
            targets += [Target(first + at, token, rivals if at == 0 else ()) for at, token in enumerate(answer)]
            added = part + answer[:-1]
            positions += range(len(shared), len(shared) + len(added))
            owners += [owner] * len(added)
            ids += added
        if not targets:
            return None
        tokens, places, whose = (np.array(values, dtype=np.int64) for values in (ids, positions, owners))
        return Row(tokens, places, whose, tuple(targets), len(shared), stage)

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text).ids
        return ids

    def _body(self, question: Question) -> str:
        """What a prompt says after its passages."""
        text = self._text(question, ())
        return text[text.index(f"{START}user\n") + len(f"{START}user\n") :]

    def _shared(self, question: Question, evidence: Sequence[Evidence]) -> str:
        """What a prompt says up to the end of its passages."""
        return self._text(question, evidence).removesuffix(self._body(question))

    def _text(self, question: Question, evidence: Sequence[Evidence]) -> str:
        return render(question, evidence, settings=_SETTINGS, channel="labels", wording=self._wording).text

    def _shown(self, block: Block, questions: Sequence[Question], stage: int, rng: random.Random) -> list[Evidence]:
        if block.gold is None or rng.random() < self._settings.closed_book:
            return []
        if stage == 0:
            quotes = list(dict.fromkeys(gold.quote for question in questions for gold in question.gold))
            rng.shuffle(quotes)
            return [replace(block.gold, text=" ".join(quotes))]
        count = 1 if stage == 1 else rng.choice(self._settings.passages)
        if rng.random() < self._settings.without_gold:
            return list(block.others[:count])
        beside = rng.sample(block.others, min(count - 1, len(block.others)))
        beside.insert(rng.randint(0, len(beside)), block.gold)
        return beside


def shuffled(question: Question, rng: random.Random) -> Question:
    """The question with its choices in another order; those that name statements of a <보기> keep theirs."""
    if len(question.choices) < 3 or question.box or question.answer is None:
        return question
    order = rng.sample(range(len(question.choices)), len(question.choices))
    choices = tuple(question.choices[place] for place in order)
    return replace(question, choices=choices, answer=order.index(question.answer - 1) + 1)
