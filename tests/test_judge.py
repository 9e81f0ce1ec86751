"""Essays: neither right nor wrong, and measured by two scales that are both weak."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from corpora.records import Question
from eval.journal import Entry
from eval.judge import Scales, outcome_of
from index_build.encoder import Vectors

ESSAY = Question("e", "essay", "한국사", "대동법의 의의를 서술하시오.", answers=("공인 이 나타났다", "쌀 로 냈다"))
UNIT = {"공인": (1.0, 0.0), "쌀": (0.0, 1.0), "대동법": (0.6, 0.8)}


def vectors(texts: Sequence[str]) -> Vectors:
    """The vector of a text's first word; zero for another word."""
    return np.array([UNIT.get(text.partition(" ")[0], (0.0, 0.0)) for text in texts], dtype=np.float32)


SCALES = Scales(terms=str.split, vectors=vectors)


def entry(text: str | None, question: Question = ESSAY) -> Entry:
    return Entry(
        key="00", question_id=question.question_id, arm="closed", channel="generate", reader="", prompt="",
        number=None, text=text, logprobs=(), raw=text or "", cited=(), prompt_tokens=1, output_tokens=1, is_cut=False,
        seconds=0.0,
    )  # fmt: skip


def test_an_essay_is_compared_with_the_nearest_model_answer() -> None:
    found = outcome_of(ESSAY, "closed", entry("대동법 은 쌀 로"), scales=SCALES)
    assert not found.is_right
    assert found.score == pytest.approx(2 * 2 / (4 + 3))  # 쌀 로
    assert found.similarity == pytest.approx(0.8)


def test_an_unparsed_essay_is_like_nothing() -> None:
    found = outcome_of(ESSAY, "closed", entry(None), scales=SCALES)
    assert (found.score, found.similarity, found.answer) == (0.0, 0.0, None)


def test_other_answers_have_no_similarity() -> None:
    short = Question("s", "short_answer", "", "?", answers=("쌀",))
    assert outcome_of(short, "closed", entry("쌀", short), scales=SCALES).similarity is None
