"""Hits and their order: the only place that ranks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


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
