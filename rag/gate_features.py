"""What a gate may look at: everything that is known of a question before it is answered with passages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from math import log1p

import numpy as np
from numpy.typing import NDArray

from configs.schema import LexicalSettings
from corpora.records import Question
from rag.answer import probabilities
from rag.bm25 import Bm25Field
from rag.index import Index

_DEPTH = 10  # hits that agreement is counted over
_NEGATION = re.compile(
    r"지\s*않[은는]|아닌\s*(것|사람|곳)|없는\s*것|못한?\s*것|틀린\s*것|잘못|거리가\s*먼|어긋나|벗어난"
)


@dataclass(frozen=True, slots=True)
class Features:
    """What is known of a question before it is answered with passages."""

    closed_margin: float  # probability of the best choice less that of the second, without passages; 0 unknown
    top_score: float  # BM25 of the best passage per letter of the query
    score_margin: float  # share of the best score by which the second is lower; 0 without hits
    agreement: float  # Jaccard similarity of the top ten of morphemes alone and of both fields
    paragraph: float  # log(1 + characters of the item's own 지문)
    is_negated: float
    has_box: float
    is_choice: float

    def as_row(self) -> tuple[float, ...]:
        """The values in the order of `NAMES`."""
        row: tuple[float, ...] = astuple(self)
        return row


NAMES = tuple(field.name for field in fields(Features))


@dataclass(frozen=True, slots=True)
class Found:
    """What the index says to a question: see Features."""

    top_score: float
    score_margin: float
    agreement: float


NOTHING_FOUND = Found(0.0, 0.0, 0.0)


class Probe:
    """Asks an index how much it has to say to a question, in both lexical fields and in morphemes alone."""

    def __init__(self, index: Index, settings: LexicalSettings) -> None:
        self._index = index
        self._morphemes = Bm25Field(index.morphemes, settings, weight=1.0)
        self._bigrams = Bm25Field(index.bigrams, settings, weight=settings.bigram_weight)

    def ask(self, query: str) -> Found:
        """Scores and agreement of the two rankings; zeros for a query without hits."""
        scores = np.zeros(len(self._index.store))
        self._morphemes.add_scores(self._index.morpheme_terms(query), scores)
        alone = _best_rows(scores)
        self._bigrams.add_scores(self._index.bigram_terms(query), scores)
        both = _best_rows(scores)
        if not both:
            return NOTHING_FOUND
        best = scores[both]
        return Found(
            top_score=float(best[0]) / len("".join(query.split())),
            score_margin=float((best[0] - best[1]) / best[0]) if len(both) > 1 else 1.0,
            agreement=len({*alone} & {*both}) / len({*alone, *both}),
        )


def _best_rows(scores: NDArray[np.float64]) -> list[int]:
    """The rows of the ten highest positive scores, best first, equal ones in order of the index."""
    rows = np.flatnonzero(scores > 0)
    if len(rows) > _DEPTH:
        floor = np.partition(scores[rows], len(rows) - _DEPTH)[len(rows) - _DEPTH]
        rows = rows[scores[rows] >= floor]
    ordered = rows[np.argsort(-scores[rows], kind="stable")]
    return [int(row) for row in ordered[:_DEPTH]]


def features_of(question: Question, found: Found, closed: Sequence[float]) -> Features:
    """The features of a question; closed: log-probabilities of its choices without passages, () where unknown."""
    best = sorted(probabilities(closed), reverse=True)
    return Features(
        closed_margin=best[0] - best[1] if len(best) > 1 else 0.0,
        top_score=found.top_score,
        score_margin=found.score_margin,
        agreement=found.agreement,
        paragraph=log1p(len(question.paragraph)),
        is_negated=float(is_negated(question)),
        has_box=float(bool(question.box)),
        is_choice=float(question.kind == "multiple_choice"),
    )


def is_negated(question: Question) -> bool:
    """Whether a question asks for what is not so: 옳지 않은 것은, 아닌 것은 ..."""
    return _NEGATION.search(question.question) is not None
