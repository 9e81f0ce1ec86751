"""Worked examples for a question: fixed, random or similar; never from the split under test."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
from rank_bm25 import BM25Okapi

from configs.errors import UserError
from configs.reader import FewShotSettings
from corpora.records import Question
from index_build.terms import bigrams


class Shots:
    """A pool of answered questions to choose examples from.

    Raises UserError when the pool has no questions of `settings.split` although examples are wanted.
    """

    def __init__(self, pool: Sequence[Question], settings: FewShotSettings) -> None:
        self._settings = settings
        wanted = [question for question in pool if question.split == settings.split] if settings.count else []
        if settings.count and not wanted:
            raise UserError(f"rag.prompt.shots: no questions of split {settings.split!r} to take examples from")
        self._pool = wanted
        is_ranked = settings.choose == "similar" and wanted
        self._engine = BM25Okapi([_terms(question) for question in wanted]) if is_ranked else None

    def choose(self, question: Question) -> list[Question]:
        """The examples for a question, the most similar last; of its own kind, and never itself.

        Raises UserError for a question of the split that the examples come from.
        """
        if not self._settings.count:
            return []
        if question.split == self._settings.split:
            raise UserError(
                f"item {question.question_id}: its split {question.split!r} is where rag.prompt.shots take their"
                " examples; ask questions of another split, or set rag.prompt.shots.split"
            )
        own = _letters(question)
        rows = [
            row
            for row, other in enumerate(self._pool)
            if other.kind == question.kind and other.question_id != question.question_id and _letters(other) != own
        ]
        return [self._pool[row] for row in self._chosen(question, rows)]

    def _chosen(self, question: Question, rows: list[int]) -> list[int]:
        count = min(self._settings.count, len(rows))
        if self._settings.choose == "random":
            return random.Random(f"{self._settings.seed} {question.question_id}").sample(rows, count)
        if self._engine is None:
            return rows[:count]
        scores = np.asarray(self._engine.get_scores(_terms(question)))
        best = sorted(rows, key=lambda row: (-scores[row], self._pool[row].question_id))[:count]
        return best[::-1]


def _terms(question: Question) -> list[int]:
    codes, _ = bigrams([" ".join((question.question, question.box, *question.choices))])
    return [int(code) for code in codes]


def _letters(question: Question) -> str:
    return "".join((question.paragraph + question.question + question.box).split())
