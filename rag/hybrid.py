"""The retriever that the settings name: lexical, dense, or both fused, with or without a second look."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import assert_never

from pydantic import BaseModel, ConfigDict, ValidationError

from configs.dense import FusionSettings
from configs.errors import UserError
from configs.schema import RagSettings
from rag.dense import DenseIndex, DenseRetriever
from rag.hits import FusedHit, Hit, Rankings, fuse_distributions, fuse_ranks, fuse_scores, lead, rank
from rag.index import Index
from rag.rerank import reranked
from rag.retrieve import Filter, LexicalRetriever, Retriever, best_rows

TUNED = "fusion.json"
_FLOORS = {"lexical": 0.0, "dense": -1.0}
_LEAST_SAY = 0.02  # of dense search in a gated fusion: so that what it alone found has an order
_LOG = logging.getLogger(__name__)


class Tuned(BaseModel):
    """Fusion settings chosen on judged queries of an index, kept beside its manifest."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    folder: str  # the data they were chosen on
    fusion: FusionSettings
    chosen_on: str
    figures: dict[str, float]


class HybridRetriever:
    """Lexical and dense search over one index, fused. Either part alone may find a passage.

    Convex and distribution-based fusion see both scores of every candidate, whichever part found it.
    """

    def __init__(self, index: Index, lexical: LexicalRetriever, dense: DenseRetriever, fusion: FusionSettings) -> None:
        self._store = index.store
        self._lexical = lexical
        self._dense = dense
        self._fusion = fusion

    def search(self, query: str, top_k: int) -> list[Hit]:
        """The best top_k passages."""
        return [fused.hit for fused in self.search_explained(query, top_k)]

    def search_explained(self, query: str, top_k: int) -> list[FusedHit]:
        """The best top_k passages, each with the rank, score and share that lexical and dense search gave it."""
        return fuse(self.candidates(query, max(top_k, self._fusion.depth)), top_k, self._fusion)

    def candidates(self, query: str, depth: int) -> Rankings:
        """The first hits of each part, and beyond them, ranked lower, what only the other part found."""
        # one after the other: beside it, in a thread, dense search waits for the interpreter (11 ms a query, not 3)
        scores = self._lexical.scores(query)
        vector = self._dense.dense.vector(query)
        rows = sorted({*best_rows(scores, depth), *self._dense.nearest(vector, depth)})
        if not rows:
            return {"lexical": [], "dense": []}
        names = [self._store.passage_id(row) for row in rows]
        lexical = {name: score for name, score in zip(names, scores[rows].tolist(), strict=True) if score > 0}
        cosines = self._dense.dense.cosines(vector, rows).tolist() if vector.any() else []
        dense = dict(zip(names, cosines, strict=False))
        return {"lexical": rank(lexical, len(rows)), "dense": rank(dense, len(rows))}


def fuse(rankings: Rankings, top_k: int, fusion: FusionSettings) -> list[FusedHit]:
    """Lexical and dense rankings as one, by the method of the settings; by ranks, each is cut at the depth."""
    weight = fusion.dense_weight * (_say(rankings["lexical"], fusion.sure) if fusion.method == "gated" else 1)
    weights = {"lexical": 1 - weight, "dense": weight}
    match fusion.method:
        case "convex" | "gated":
            return fuse_scores(rankings, top_k, weights=weights, floors=_FLOORS)
        case "distribution":
            return fuse_distributions(rankings, top_k, weights=weights)
        case "rrf":
            cut = {part: hits[: max(fusion.depth, top_k)] for part, hits in rankings.items()}
            return fuse_ranks(cut, top_k, weights=weights, rrf_k=fusion.rrf_k)
        case _:
            assert_never(fusion.method)


def _say(lexical: Sequence[Hit], sure: float) -> float:
    """The share of its weight that dense search gets: 1 beside a flat lexical ranking, least beside a sure one."""
    return max(1 - lead(lexical) / sure, _LEAST_SAY)


def retriever_for(settings: RagSettings, index: Index, only: Filter | None = None) -> Retriever:
    """The retriever that the settings name, over an index.

    Raises UserError when the mode needs vectors that the index does not have.
    """
    return reranked(_first_stage(settings, index, only), settings.rerank, index)


def _first_stage(settings: RagSettings, index: Index, only: Filter | None) -> Retriever:
    match settings.mode:
        case "lexical":
            return LexicalRetriever(index, settings.lexical, only)
        case "dense":
            return DenseRetriever(index, DenseIndex(index), only)
        case "hybrid":
            lexical = LexicalRetriever(index, settings.lexical, only)
            dense = DenseRetriever(index, DenseIndex(index), only)
            return HybridRetriever(index, lexical, dense, fusion_for(settings.fusion, index))
        case _:
            assert_never(settings.mode)


def fusion_for(settings: FusionSettings, index: Index) -> FusionSettings:
    """The fusion in effect: what was tuned on this very index, if the settings allow it, else the settings."""
    path = index.path / TUNED
    if not settings.use_tuned or not path.is_file():
        return settings
    try:
        tuned = Tuned.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError:
        raise UserError(f"{path}: damaged; delete it or tune again: {_command(index.path)}") from None
    if tuned.folder != index.manifest.folder:
        _LOG.warning("%s was tuned on an earlier build and is not used; tune again: %s", path, _command(index.path))
        return settings
    return tuned.fusion


def store_tuned(index: Index, fusion: FusionSettings, *, chosen_on: str, figures: dict[str, float]) -> Path:
    """Keep fusion settings with the index that they were chosen on."""
    tuned = Tuned(folder=index.manifest.folder, fusion=fusion, chosen_on=chosen_on, figures=figures)
    path = index.path / TUNED
    temporary = path.with_name(f".{TUNED}.{os.getpid()}")
    text = json.dumps(tuned.model_dump(mode="json"), ensure_ascii=False, indent=1)
    temporary.write_text(text + "\n", encoding="utf-8")
    return temporary.replace(path)


def _command(index: Path) -> str:
    return f"python -m eval retrieval --tune --beir DIR --index {index}"
