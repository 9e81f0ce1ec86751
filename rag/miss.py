"""Where a passage that should have been found stands in every stage, and which terms would have brought it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from configs.errors import UserError
from index_build.lexical import Field
from rag.bm25 import Bm25Field
from rag.explain import Lacking, fused_hit, lacking
from rag.hits import Hit
from rag.index import row_of
from rag.reader import Prompt
from rag.trace import Engines, Stages, Stand, Trace, ids_of, ranking, standing

DEPTH = 100  # of the whole search: a passage beyond is not looked for
_TRIED = 12  # terms of the passage that are tried as additions to the query
_NEAREST = 50  # hits among which a quoted text is looked for


@dataclass(frozen=True, slots=True)
class Place:
    """Where the passage stands in one stage. `last` is the score of the last hit that the stage hands on."""

    stage: str
    stand: Stand
    last: float | None


@dataclass(frozen=True, slots=True)
class Rescue:
    """A term that the passage holds and the query does not, and the lexical rank that it would have brought."""

    term: str
    df: int
    rank: int


@dataclass(frozen=True, slots=True)
class Missed:
    """What became of a passage for one question."""

    passage_id: str
    query: str  # of several, the one that ranks the passage best
    places: tuple[Place, ...]
    lacking: tuple[Lacking, ...]  # terms of the query that the passage does not hold
    rescues: tuple[Rescue, ...]  # best rank first
    is_filtered: bool  # the filter in effect leaves it out


def miss(engines: Engines, trace: Trace, passage_id: str) -> Missed:
    """Follow a passage through every stage of a question's search. Raises UserError for an unknown id."""
    index, top_k = engines.index, engines.settings.top_k
    row = row_of(index, passage_id)
    query = trace.query_for(passage_id)
    stages = Stages(engines, query)
    last = _last(stages.scores, top_k)
    places = [
        Place(f"{name} alone", standing(scores, row, index), _last(scores, top_k))
        for name, scores in _fields(engines, query)
    ]
    places.append(Place("lexical", stages.lexical(row), last))
    if engines.dense is not None:
        nearest = engines.dense.search(query, top_k)
        places.append(Place("dense", stages.dense(row), nearest[-1].score if nearest else None))
    fused = fused_hit(engines, query, passage_id)
    if fused is not None:
        places.append(Place("fused", Stand(fused.hit.rank, fused.hit.score), None))
    final = ranking(engines, trace.question, max(top_k, DEPTH))
    places.append(Place("whole search", _stand(final, passage_id), final[:top_k][-1].score if final else None))
    only = engines.only
    return Missed(
        passage_id=passage_id,
        query=query,
        places=tuple(places),
        lacking=tuple(lacking(engines, query, engines.lexical.explain(query, passage_id))),
        rescues=tuple(_rescues(engines, stages, row)),
        is_filtered=not bool(index.store.mask(source=only.source, licence=only.licence)[row]),
    )


def _fields(engines: Engines, query: str) -> list[tuple[Field, NDArray[np.float64]]]:
    """Each field's scores for a query, unweighted."""
    index, found = engines.index, list[tuple[Field, NDArray[np.float64]]]()
    for field, terms in ((index.morphemes, index.morpheme_terms(query)), (index.bigrams, index.bigram_terms(query))):
        scores = np.zeros(len(index.store))
        Bm25Field(field, engines.settings.lexical, weight=1.0).add_scores(terms, scores)
        found.append((field.field, scores))
    return found


def _last(scores: NDArray[np.float64], top_k: int) -> float | None:
    """The score of the last of the first top_k; None where fewer score at all."""
    if np.count_nonzero(scores > 0) < top_k:
        return None
    return float(np.partition(scores, len(scores) - top_k)[len(scores) - top_k])


def _stand(hits: Sequence[Hit], passage_id: str) -> Stand:
    return next((Stand(hit.rank, hit.score) for hit in hits if hit.passage_id == passage_id), Stand(None, None))


def _rescues(engines: Engines, stages: Stages, row: int) -> list[Rescue]:
    """Terms of the passage, those of highest gain, each tried alone as an addition to the query."""
    index = engines.index
    passage, document = index.store.passage(row), index.store.document(row)
    text = "\n".join((document.title, *passage.heading_path, passage.text))
    asked = {term.text for term in index.morpheme_terms(stages.query)}
    own = " ".join(dict.fromkeys(term.text for term in index.morpheme_terms(text) if term.text not in asked))
    gains = [part for part in engines.lexical.explain(own, passage.passage_id) if part.field == "morphemes"]
    found = []
    for gain in [part for part in gains if part.term not in asked][:_TRIED]:
        # BM25 adds up over terms: the scores of a longer query are the sum of those of its parts
        rank = standing(stages.scores + engines.lexical.scores(gain.term), row, index).rank
        if rank is not None:
            found.append(Rescue(gain.term, gain.df, rank))
    return sorted(found, key=lambda rescue: (rescue.rank, rescue.term))


def fate(prompt: Prompt, offered: Sequence[Hit], passage_id: str) -> str:
    """What a question's prompt did with a passage, in words."""
    if any(passage.passage_id == passage_id for passage in prompt.passages):
        cut = next(passage.is_cut for passage in prompt.passages if passage.passage_id == passage_id)
        return "shown, shortened to the budget" if cut else "shown whole"
    reasons = {left.passage_id: left.reason for left in prompt.left_out}
    if passage_id in reasons:
        return f"offered, and left out: {reasons[passage_id]}"
    return "not offered" if passage_id not in ids_of(offered) else "offered, and not shown"


def named(engines: Engines, wanted: str) -> str:
    """The passage that an id or a piece of its text names; spaces of the text do not count.

    Raises UserError when no passage of those that match the text best holds it.
    """
    index = engines.index
    if index.store.row(wanted) is not None:
        return wanted
    rows = index.store.rows_of(wanted)
    if len(rows) == 1:
        return index.store.passage_id(rows[0])
    if rows:
        raise UserError(f"{wanted!r} has {len(rows)} passages; name one: {wanted}#0 ... {wanted}#{len(rows) - 1}")
    letters = "".join(wanted.split())
    for hit in engines.lexical.search(wanted, _NEAREST) if letters else []:
        if letters in "".join(index.store.passage(row_of(index, hit.passage_id)).text.split()):
            return hit.passage_id
    raise UserError(f"no passage has the id or holds the text {wanted[:60]!r}; ids look like DOCUMENT#0")
