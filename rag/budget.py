"""Which passages a prompt shows: no near duplicates, within a budget of tokens, shortened at sentence ends."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from configs.reader import PromptSettings
from rag.reader import Evidence, LeftOut

_SENTENCE_END = re.compile(r"(?<=[.!?。])\s+|\n+")
_SPACE = re.compile(r"\s+")
_GRAM = 5  # characters


def distinct(evidence: Sequence[Evidence], *, threshold: float, limit: int) -> tuple[list[Evidence], list[LeftOut]]:
    """The first `limit` passages that are no near duplicate of one before them, and the others.

    A passage is a near duplicate when at least `threshold` of its distinct character 5-grams (spaces
    removed) stand in one passage before it.
    """
    shown: list[Evidence] = []
    grams: list[set[str]] = []
    left_out: list[LeftOut] = []
    for passage in evidence:
        if len(shown) == limit:
            left_out.append(LeftOut(passage.passage_id, "max_passages"))
            continue
        own = _grams(passage.text)
        if any(len(own & other) >= threshold * len(own) for other in grams):
            left_out.append(LeftOut(passage.passage_id, "near duplicate"))
        else:
            shown.append(passage)
            grams.append(own)
    return shown, left_out


def within(
    evidence: Sequence[Evidence], budget: int, *, cost: Callable[[Evidence], int], settings: PromptSettings
) -> tuple[list[Evidence], list[LeftOut]]:
    """The passages that fit into a budget of tokens, best first, and those that do not.

    The first that does not fit whole is shortened, if `min_passage_tokens` of it remain; nothing that is
    worse than a passage left out is shown.
    """
    shown: list[Evidence] = []
    for passage in evidence:
        needed = cost(passage)
        if needed <= budget:
            shown.append(passage)
            budget -= needed
            continue
        if budget >= settings.min_passage_tokens:
            shortened = _shortened(passage, budget, cost=cost)
            if shortened is not None and cost(shortened) >= settings.min_passage_tokens:
                shown.append(shortened)
        break
    return shown, [LeftOut(passage.passage_id, "budget") for passage in evidence[len(shown) :]]


def _shortened(passage: Evidence, budget: int, *, cost: Callable[[Evidence], int]) -> Evidence | None:
    """As many whole sentences from the passage's start as fit; words where not one sentence does; else None."""
    for boundary in (_SENTENCE_END, _SPACE):
        ends = [match.start() for match in boundary.finditer(passage.text)]
        fitting = _fitting(passage, ends, budget, cost=cost)
        if fitting is not None:
            return fitting
    return None


def _fitting(
    passage: Evidence, ends: Sequence[int], budget: int, *, cost: Callable[[Evidence], int]
) -> Evidence | None:
    low, high = 0, len(ends)  # so many of the ends: the first `low` fit, those from `high` on do not
    best = None
    while low < high:
        middle = (low + high) // 2
        candidate = replace(passage, text=passage.text[: ends[middle]], is_cut=True)
        if cost(candidate) <= budget:
            best, low = candidate, middle + 1
        else:
            high = middle
    return best if best is not None and best.text.strip() else None


def sentences(text: str) -> list[str]:
    """The sentences of a text, by signs and line ends alone; [] for a blank one."""
    return [part for part in _SENTENCE_END.split(text) if part.strip()]


def _grams(text: str) -> set[str]:
    letters = "".join(text.split())
    return {letters[start : start + _GRAM] for start in range(max(len(letters) - _GRAM, 0) + 1)}
