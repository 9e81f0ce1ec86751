"""One question's search with all that is worth knowing of it: the queries asked, where its hits stand elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from configs.schema import RagSettings
from corpora.records import Question
from rag.dense import DenseIndex, DenseRetriever
from rag.hits import Hit
from rag.hybrid import retriever_for
from rag.index import Index, row_of
from rag.pipeline import Library
from rag.retrieve import Filter, LexicalRetriever, Retriever

DENSE_DEPTH = 1_000  # hits of dense search among which a passage is looked for


@dataclass(frozen=True, slots=True)
class Engines:
    """What a search is made of, each part to be asked alone; the retriever is the one that the settings name."""

    index: Index
    settings: RagSettings
    only: Filter
    lexical: LexicalRetriever
    dense: DenseRetriever | None  # None: the index has no vectors
    retriever: Retriever


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a passage stands in one ranking. Rank None: not there, or beyond the first DENSE_DEPTH of dense search."""

    rank: int | None
    score: float | None


@dataclass(frozen=True, slots=True)
class Searched:
    """One query that was sent to the retriever, and what came back."""

    query: str
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class TracedHit:
    """A hit with the query that ranks it best, and its places in lexical and dense search for that query."""

    hit: Hit
    query: str
    lexical: Stand
    dense: Stand


@dataclass(frozen=True, slots=True)
class Trace:
    """A question's ranking and how it came about."""

    question: Question
    searches: tuple[Searched, ...]  # in the order asked; several where choices are searched apart
    hits: tuple[TracedHit, ...]

    def query_for(self, passage_id: str) -> str:
        """The query that ranks a passage best, the first of several; for a passage that none found, the last one."""
        ranks = [
            (hit.rank, number)
            for number, search in enumerate(self.searches)
            for hit in search.hits
            if hit.passage_id == passage_id
        ]
        return self.searches[min(ranks)[1] if ranks else -1].query


class _Recorder:
    """A retriever that remembers what it was asked."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever
        self.searches: list[Searched] = []

    def search(self, query: str, top_k: int) -> list[Hit]:
        """What the retriever finds."""
        hits = self._retriever.search(query, top_k)
        self.searches.append(Searched(query, tuple(hits)))
        return hits


class Stages:
    """One query in lexical and in dense search apart, each searched when first asked for."""

    def __init__(self, engines: Engines, query: str) -> None:
        self.engines = engines
        self.query = query

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """The lexical score of every passage; shape [passages]."""
        return self.engines.lexical.scores(self.query)

    @cached_property
    def _near(self) -> dict[int, Stand]:
        dense = self.engines.dense
        found = dense.nearest(dense.dense.vector(self.query), DENSE_DEPTH) if dense is not None else {}
        name = self.engines.index.store.passage_id
        ordered = sorted(found.items(), key=lambda item: (-item[1], name(item[0])))
        return {row: Stand(rank, score) for rank, (row, score) in enumerate(ordered, start=1)}

    def lexical(self, row: int) -> Stand:
        """The passage's place among all passages that share a term with the query."""
        return standing(self.scores, row, self.engines.index)

    def dense(self, row: int) -> Stand:
        """The passage's place among the nearest DENSE_DEPTH; its cosine in any case, if there are vectors."""
        if row in self._near:
            return self._near[row]
        dense = self.engines.dense
        if dense is None:
            return Stand(None, None)
        vector = dense.dense.vector(self.query)
        return Stand(None, float(dense.dense.cosines(vector, [row])[0]) if vector.any() else None)


def standing(scores: NDArray[np.float64], row: int, index: Index) -> Stand:
    """The place of a row by descending positive score, ties in order of the ids, as `rag.hits.rank` orders them."""
    score = float(scores[row])
    if score <= 0:
        return Stand(None, 0.0)
    own = index.store.passage_id(row)
    tied = sum(index.store.passage_id(int(other)) < own for other in np.flatnonzero(scores == score))
    return Stand(1 + int(np.count_nonzero(scores > score)) + tied, score)


def engines_for(settings: RagSettings, index: Index, only: Filter, dense: DenseIndex | None) -> Engines:
    """The parts of the settings' retriever over an index; dense: its vectors, opened before; None without any."""
    return Engines(
        index=index,
        settings=settings,
        only=only,
        lexical=LexicalRetriever(index, settings.lexical, only),
        dense=DenseRetriever(index, dense, only) if dense is not None else None,
        retriever=retriever_for(settings, index, only),
    )


def trace(engines: Engines, question: Question, top_k: int) -> Trace:
    """Search for a question as the pipeline does, and look where its hits stand in lexical and dense search."""
    hits, searches = _searched(engines, question, top_k)
    found = Trace(question, searches, ())
    stages = {search.query: Stages(engines, search.query) for search in searches}
    traced = []
    for hit in hits:
        query, row = found.query_for(hit.passage_id), row_of(engines.index, hit.passage_id)
        traced.append(TracedHit(hit, query, stages[query].lexical(row), stages[query].dense(row)))
    return Trace(question, searches, tuple(traced))


def ranking(engines: Engines, question: Question, top_k: int) -> list[Hit]:
    """The hits alone."""
    return _searched(engines, question, top_k)[0]


def _searched(engines: Engines, question: Question, top_k: int) -> tuple[list[Hit], tuple[Searched, ...]]:
    recorder = _Recorder(engines.retriever)
    hits = Library(engines.index, recorder, engines.settings.query).search(question, top_k)
    return hits, tuple(recorder.searches)


def ids_of(hits: Sequence[Hit]) -> list[str]:
    """The passages of a ranking, best first."""
    return [hit.passage_id for hit in hits]
