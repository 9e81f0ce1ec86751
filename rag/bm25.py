"""BM25 over the two fields of an index: which passages hold a query's terms, and why each scores what it does.

score(q, p) = sum over fields f of weight(f) * sum over terms t of q of idf(t) * tf * (k1 + 1) / (tf + norm(p))
norm(p)     = k1 * (1 - b + b * length(p) / average length)

A term counts as often as it stands in the query. Source of the formula: Robertson and Zaragoza, "The Probabilistic
Relevance Framework: BM25 and Beyond", 2009. Of idf: lucene = ln(1 + (N - df + .5) / (df + .5)), never negative;
okapi = ln((N - df + .5) / (df + .5)), negative values replaced by .25 * mean idf, as rank_bm25 0.2.2 does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray
from rank_bm25 import BM25Okapi

from configs.schema import LexicalSettings
from index_build.lexical import BLOCK, Field, FieldIndex

_OKAPI_FLOOR = 0.25  # rank_bm25's epsilon


@dataclass(frozen=True, slots=True)
class QueryTerm:
    """One distinct term of a query in one field."""

    text: str  # as a person reads it
    key: int
    count: int  # in the query


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one term adds to one passage's score: weight * count * idf * saturation."""

    field: Field
    term: str
    count: int
    tf: int
    df: int
    idf: float
    length_norm: float  # norm(p) of the formula
    score: float


def query_terms(terms: Iterable[tuple[str, int]]) -> list[QueryTerm]:
    """(text, key) pairs as distinct terms with their counts, in order of first occurrence."""
    counted = Counter(terms)
    return [QueryTerm(text, key, count) for (text, key), count in counted.items()]


class Bm25Field:
    """BM25 of one field with given parameters."""

    def __init__(self, index: FieldIndex, settings: LexicalSettings, *, weight: float) -> None:
        self.index = index
        self._k1 = settings.k1
        self._weight = weight
        relative = index.lengths / max(index.average_length, 1e-9)
        self._norms: NDArray[np.float64] = settings.k1 * (1 - settings.b + settings.b * relative)
        self._floor = self._okapi_floor() if settings.idf == "okapi" else None

    def _okapi_floor(self) -> float:
        frequencies = self.index.vocabulary_frequencies()
        if not len(frequencies):
            return 0.0
        total = self.index.passages
        return _OKAPI_FLOOR * float(np.mean(np.log((total - frequencies + 0.5) / (frequencies + 0.5))))

    def idf(self, frequency: int) -> float:
        """The idf of a term that occurs in so many passages."""
        odds = (self.index.passages - frequency + 0.5) / (frequency + 0.5)
        if self._floor is None:
            return log(1 + odds)
        return log(odds) if odds >= 1 else self._floor

    def add_scores(self, terms: Sequence[QueryTerm], scores: NDArray[np.float64]) -> None:
        """Add the field's score of every passage to scores; shape [passages]."""
        keys = [term.key for term in terms]
        frequencies = self.index.document_frequencies(keys)
        gains = [
            self._weight * term.count * self.idf(frequency) * (self._k1 + 1)
            for term, frequency in zip(terms, frequencies, strict=True)
        ]
        for block in range(self.index.blocks):
            part = slice(block * BLOCK, (block + 1) * BLOCK)
            norms, totals = self._norms[part], scores[part]
            for gain, postings in zip(gains, self.index.postings(block, keys), strict=True):
                if postings is None:
                    continue
                rows = postings.rows.astype(np.intp)
                parts = norms[rows]
                parts += postings.frequencies
                # gain * tf / (tf + norm); nearly all of a term's frequencies are 1, so no shortcut pays
                np.divide(postings.frequencies, parts, out=parts)
                parts *= gain
                totals[rows] += parts

    def explain(self, terms: Sequence[QueryTerm], row: int) -> list[Contribution]:
        """What each term of the query that the passage holds adds to its score."""
        keys = [term.key for term in terms]
        block, local = divmod(row, BLOCK)
        norm = float(self._norms[row])
        found = []
        for term, df, postings in zip(
            terms, self.index.document_frequencies(keys), self.index.postings(block, keys), strict=True
        ):
            place = int(np.searchsorted(postings.rows, local)) if postings is not None else 0
            if postings is None or place == len(postings.rows) or int(postings.rows[place]) != local:
                continue
            tf = int(postings.frequencies[place])
            idf = self.idf(df)
            score = self._weight * term.count * idf * tf * (self._k1 + 1) / (tf + norm)
            found.append(Contribution(self.index.field, term.text, term.count, tf, df, idf, norm, score))
        return found


class RankBm25Field:
    """The same field scored by the rank_bm25 package: the reference, and an engine for small corpora.

    Builds its own tables from the postings; everything is held in memory and each query visits every passage.
    """

    def __init__(self, index: FieldIndex, settings: LexicalSettings, *, weight: float) -> None:
        self.index = index
        self._weight = weight
        bags: list[list[int]] = [[] for _ in range(index.passages)]
        for row, key, frequency in index.occurrences():
            bags[row].extend([key] * frequency)
        self._engine = BM25Okapi(bags, k1=settings.k1, b=settings.b, epsilon=_OKAPI_FLOOR)

    def add_scores(self, terms: Sequence[QueryTerm], scores: NDArray[np.float64]) -> None:
        """Add the field's score of every passage to scores; shape [passages]."""
        scores += self._weight * self._engine.get_scores([term.key for term in terms for _ in range(term.count)])
