"""Why a passage stands where it stands: terms, dense similarity by words of the query, and shares of a fusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from index_build.lexical import Field
from rag.bm25 import Bm25Field, Contribution
from rag.dense import DenseRetriever
from rag.hits import FusedHit
from rag.hybrid import HybridRetriever, fuse, fusion_for
from rag.index import row_of
from rag.trace import Engines, Stages, Stand

_WORDS = 100  # of a query that are left out in turn


@dataclass(frozen=True, slots=True)
class FieldLength:
    """How long a passage is in one field, in terms; longer ones earn less for each."""

    field: Field
    length: int
    average: float


@dataclass(frozen=True, slots=True)
class Lacking:
    """A term of the query that the passage does not hold."""

    field: Field
    term: str
    df: int  # 0: no passage of the index holds it
    idf: float


@dataclass(frozen=True, slots=True)
class WordEffect:
    """What a word of the query does to the cosine: the cosine less the cosine without the word."""

    word: str
    effect: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that decides where a passage stands for one query. `terms` add up to the lexical score."""

    query: str
    passage_id: str
    lexical: Stand
    terms: tuple[Contribution, ...]  # by falling contribution; () with the rank_bm25 engine
    lengths: tuple[FieldLength, ...]
    lacking: tuple[Lacking, ...]  # by falling idf
    dense: Stand  # score None: the index has no vectors
    words: tuple[WordEffect, ...]  # in the order of the query
    fused: FusedHit | None  # None where the mode fuses nothing, or the passage is no candidate


def explain(engines: Engines, query: str, passage_id: str) -> Explanation:
    """Why a passage scores what it scores for a query. Raises UserError for an unknown id."""
    row = row_of(engines.index, passage_id)
    stages = Stages(engines, query)
    terms = engines.lexical.explain(query, passage_id)
    return Explanation(
        query=query,
        passage_id=passage_id,
        lexical=stages.lexical(row),
        terms=tuple(terms),
        lengths=tuple(
            FieldLength(field.field, int(field.lengths[row]), field.average_length)
            for field in (engines.index.morphemes, engines.index.bigrams)
        ),
        lacking=tuple(lacking(engines, query, terms)),
        dense=stages.dense(row),
        words=tuple(word_effects(engines.dense, query, row)) if engines.dense is not None else (),
        fused=fused_hit(engines, query, passage_id),
    )


def lacking(engines: Engines, query: str, terms: Sequence[Contribution]) -> list[Lacking]:
    """The query's morphemes that are not among a passage's terms; bigrams follow from them and are not named."""
    held = {part.term for part in terms if part.field == "morphemes"}
    index = engines.index
    field = Bm25Field(index.morphemes, engines.settings.lexical, weight=1.0)
    wanted = [term for term in index.morpheme_terms(query) if term.text not in held]
    frequencies = index.morphemes.document_frequencies([term.key for term in wanted])
    found = [Lacking("morphemes", term.text, df, field.idf(df)) for term, df in zip(wanted, frequencies, strict=True)]
    return sorted(found, key=lambda lack: (-lack.idf, lack.term))


def word_effects(dense: DenseRetriever, query: str, row: int) -> list[WordEffect]:
    """cos(query, passage) - cos(query without the word, passage) for the first 100 words between spaces, in order.

    Positive: the word draws the passage near. A query of one word has the whole cosine as its effect.
    """
    words = query.split()
    shorter = [" ".join(words[:place] + words[place + 1 :]) for place in range(len(words[:_WORDS]))]
    vectors = dense.dense.encoder.encode_queries([query, *shorter])
    cosines = np.array([dense.dense.cosines(vector, [row])[0] for vector in vectors], dtype=np.float64)
    effects = cosines[0] - cosines[1:]
    return [WordEffect(word, float(effect)) for word, effect in zip(words, effects, strict=False)]


def fused_hit(engines: Engines, query: str, passage_id: str) -> FusedHit | None:
    """The passage in the fusion of lexical and dense hits, with its shares; None outside hybrid mode."""
    if engines.settings.mode != "hybrid" or engines.dense is None:
        return None
    fusion = fusion_for(engines.settings.fusion, engines.index)
    hybrid = HybridRetriever(engines.index, engines.lexical, engines.dense, fusion)
    depth = max(engines.settings.top_k, fusion.depth)
    fused = fuse(hybrid.candidates(query, depth), len(engines.index.store), fusion)
    return next((found for found in fused if found.hit.passage_id == passage_id), None)
