"""A second look at the first hits: soft alignment of token vectors, or any cross-encoder by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, assert_never

import numpy as np

from configs.dense import RerankSettings
from configs.errors import UserError
from index_build.encoder import EMBEDDED_FOLDER, StaticEncoder, Vectors, load_static, normalised
from rag.hits import Hit, rank
from rag.index import Index
from rag.retrieve import Retriever


class Reranker(Protocol):
    """What gives hits new scores."""

    def scores(self, query: str, texts: Sequence[str], before: Sequence[float]) -> list[float]:
        """The new score of each text; before: the scores it had, best first."""


class Reranked:
    """A retriever whose first `depth` hits are scored again; what comes after them keeps its order below them."""

    def __init__(self, retriever: Retriever, reranker: Reranker, index: Index, settings: RerankSettings) -> None:
        self._retriever = retriever
        self._reranker = reranker
        self._store = index.store
        self._settings = settings

    def search(self, query: str, top_k: int) -> list[Hit]:
        """The best top_k passages. With a floor, first hits that score lower are dropped, and so is all beyond."""
        hits = self._retriever.search(query, max(top_k, self._settings.depth))
        first, rest = hits[: self._settings.depth], hits[self._settings.depth :]
        if not first:
            return []
        scores = self._reranker.scores(query, [self._text(hit) for hit in first], [hit.score for hit in first])
        found = {hit.passage_id: score for hit, score in zip(first, scores, strict=True)}
        floor = self._settings.floor
        if floor is not None:
            return rank({passage_id: score for passage_id, score in found.items() if score >= floor}, top_k)
        below = min(scores)
        found |= {hit.passage_id: below - number for number, hit in enumerate(rest, start=1)}
        return rank(found, top_k)

    def _text(self, hit: Hit) -> str:
        row = self._store.row(hit.passage_id)
        if row is None:
            raise UserError(f"no passage {hit.passage_id!r} in the index that reranks")
        passage = self._store.passage(row)
        return "\n".join([self._store.document(row).title, *passage.heading_path, passage.text])


class AlignmentReranker:
    """Soft alignment: how well each token of the query is matched by its nearest token of the passage.

    alignment(q, p) = sum over distinct tokens t of q of |v_t| * max over tokens s of p of cos(v_t, v_s) / sum |v_t|;
    the length of a trained token vector is its weight in a mean, as idf is. New score:
    (1 - weight) * score / best score + weight * alignment. Source of the form: Khattab and Zaharia, ColBERT, 2020.
    """

    def __init__(self, encoder: StaticEncoder, *, weight: float) -> None:
        self._encoder = encoder
        self._unit = normalised(encoder.weights)
        self._weight = weight

    def scores(self, query: str, texts: Sequence[str], before: Sequence[float]) -> list[float]:
        """The new score of each text; before: the scores it had, best first."""
        best = max(*before, 1e-9)
        aligned = self.alignments(query, texts)
        return [(1 - self._weight) * old / best + self._weight * new for old, new in zip(before, aligned, strict=True)]

    def alignments(self, query: str, texts: Sequence[str]) -> list[float]:
        """The alignment of each text with a query, from -1 to 1; 0 when either has no known token."""
        [ids] = self._encoder.tokens([query])
        wanted = np.unique(np.array(ids, dtype=np.int64))
        weights = np.linalg.norm(self._encoder.weights[wanted], axis=1)
        if not weights.sum():
            return [0.0] * len(texts)
        tokens = [np.unique(np.array(row, dtype=np.int64)) for row in self._encoder.tokens(texts)]
        vocabulary = np.unique(np.concatenate(tokens))
        cosines: Vectors = self._unit[wanted] @ self._unit[vocabulary].T
        return [
            float(weights @ cosines[:, np.searchsorted(vocabulary, row)].max(axis=1) / weights.sum())
            if len(row)
            else 0.0
            for row in tokens
        ]


def reranked(retriever: Retriever, settings: RerankSettings, index: Index) -> Retriever:
    """The retriever with the second stage that the settings name, or as it is.

    Raises UserError for a cross-encoder that is not named or cannot be loaded.
    """
    match settings.kind:
        case "none":
            return retriever
        case "alignment":
            return Reranked(
                retriever, AlignmentReranker(load_static(EMBEDDED_FOLDER), weight=settings.weight), index, settings
            )
        case "cross-encoder":
            if not settings.model:
                raise UserError(
                    "rag.rerank.model: name a cross-encoder, for example a folder or BAAI/bge-reranker-v2-m3"
                )
            from rag.cross_encoder import load_reranker  # torch: only for who wants it

            return Reranked(retriever, load_reranker(settings), index, settings)
        case _:
            assert_never(settings.kind)
