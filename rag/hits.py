"""Hits and their order: the only place that ranks and fuses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from statistics import fmean, pstdev


@dataclass(frozen=True, slots=True)
class Hit:
    """One passage found for one query."""

    passage_id: str
    score: float
    rank: int  # from 1


def rank(scores: Mapping[str, float], top_k: int) -> list[Hit]:
    """The top_k passages by descending score; equal scores in order of their ids. Empty scores give []."""
    ordered = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:top_k]
    return [Hit(passage_id, score, number) for number, (passage_id, score) in enumerate(ordered, start=1)]


@dataclass(frozen=True, slots=True)
class Share:
    """What one ranking gave to a fused hit. Rank and score are None where the ranking does not have the passage."""

    part: str  # "lexical", "dense", or whatever the ranking is called
    rank: int | None
    score: float | None
    share: float


@dataclass(frozen=True, slots=True)
class FusedHit:
    """A hit with the account of how it came about: its score is the sum of its shares."""

    hit: Hit
    shares: tuple[Share, ...]  # in order of the rankings


Rankings = Mapping[str, Sequence[Hit]]  # name of the part -> its hits


def fuse_ranks(rankings: Rankings, top_k: int, *, weights: Mapping[str, float], rrf_k: int = 60) -> list[FusedHit]:
    """Weighted reciprocal rank fusion: score(p) = sum over rankings of weight / (rrf_k + rank of p).

    Only ranks count. A passage missing from a ranking gains nothing from it; one that stands in a ranking
    twice counts where it stands first.

    Source: Cormack, Clarke, Buettcher, SIGIR 2009; 60 is the paper's value.
    """
    shares = {
        part: {hit.passage_id: weights[part] / (rrf_k + hit.rank) for hit in _first(hits).values()}
        for part, hits in rankings.items()
    }
    return _fused(rankings, shares, top_k)


def fuse_scores(
    rankings: Rankings, top_k: int, *, weights: Mapping[str, float], floors: Mapping[str, float]
) -> list[FusedHit]:
    """Convex combination: score(p) = sum of weight * (score - floor) / (best score of the ranking - floor).

    floors: the least score that a ranking can give in theory (0 for BM25, -1 for cosines), so that the
    last hit is not called worthless for being last. A missing passage gets the floor, thus 0; when the
    best score is the floor, all are 0: nothing is divided by zero.

    Source: Bruch, Gai, Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", TOIS 2023 (TM2C2).
    """
    shares: dict[str, dict[str, float]] = {}
    for part, hits in rankings.items():
        first = _first(hits)
        span = max((hit.score for hit in hits), default=floors[part]) - floors[part]
        shares[part] = {
            passage_id: weights[part] * ((hit.score - floors[part]) / span) if span > 0 else 0.0
            for passage_id, hit in first.items()
        }
    return _fused(rankings, shares, top_k)


def lead(hits: Sequence[Hit], *, over: int = 10) -> float:
    """How far the best document stands above the one in place `over`: (best - other) / best, from 0 to 1.

    Hits of one ranking with scores above 0; a document stands where its best passage stands. 1 where fewer
    documents are found, 0 for no hits. A small lead is a flat ranking: it does not tell the first from the rest.
    """
    documents: dict[str, float] = {}
    for hit in sorted(hits, key=lambda hit: hit.rank):
        documents.setdefault(hit.passage_id.rpartition("#")[0], hit.score)
        if len(documents) == over:
            break
    scores = list(documents.values())
    if not scores or scores[0] <= 0:
        return 0.0
    return 1 - (max(scores[over - 1], 0.0) / scores[0] if len(scores) == over else 0.0)


def fuse_distributions(rankings: Rankings, top_k: int, *, weights: Mapping[str, float]) -> list[FusedHit]:
    """Distribution-based fusion: each score becomes (score - (mean - 3 sd)) / 6 sd, cut to 0..1, then weighted.

    Mean and standard deviation are the ranking's own; where all its scores are equal each counts 0.5.
    A missing passage gets 0. Source: Mazzeschi, "Distribution-Based Score Fusion", 2023.
    """
    shares: dict[str, dict[str, float]] = {}
    for part, hits in rankings.items():
        first = _first(hits)
        scores = [hit.score for hit in first.values()]
        mean, spread = (fmean(scores), pstdev(scores)) if scores else (0.0, 0.0)
        shares[part] = {
            passage_id: weights[part] * (min(max((hit.score - mean) / (6 * spread) + 0.5, 0), 1) if spread > 0 else 0.5)
            for passage_id, hit in first.items()
        }
    return _fused(rankings, shares, top_k)


def _first(hits: Sequence[Hit]) -> dict[str, Hit]:
    """Each passage's best hit."""
    found: dict[str, Hit] = {}
    for hit in sorted(hits, key=lambda hit: hit.rank):
        found.setdefault(hit.passage_id, hit)
    return found


def _fused(rankings: Rankings, shares: Mapping[str, Mapping[str, float]], top_k: int) -> list[FusedHit]:
    gains: defaultdict[str, list[float]] = defaultdict(list)
    for part in shares.values():
        for passage_id, share in part.items():
            gains[passage_id].append(share)
    # fsum is exact: with a running sum the order of the rankings would decide ties
    hits = rank({passage_id: fsum(parts) for passage_id, parts in gains.items()}, top_k)
    firsts = {part: _first(found) for part, found in rankings.items()}
    return [FusedHit(hit, tuple(_share(part, hit, firsts[part], shares[part]) for part in rankings)) for hit in hits]


def _share(part: str, hit: Hit, first: Mapping[str, Hit], shares: Mapping[str, float]) -> Share:
    own = first.get(hit.passage_id)
    if own is None:
        return Share(part, None, None, 0.0)
    return Share(part, own.rank, own.score, shares[hit.passage_id])
