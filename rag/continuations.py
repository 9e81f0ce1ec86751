"""Continuations of a prompt as token sequences: what a model must read so that every one of them is scored once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile

Encode = Callable[[str], list[int]]


@dataclass(frozen=True, slots=True)
class Scored:
    """One continuation: its log-probability is the sum over `targets` of log P(target | row[: position + 1])."""

    row: int  # of `Plan.rows`
    first: int  # position in the row after which the first target stands
    targets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Token sequences to read, and the continuations that they score, in order."""

    rows: tuple[tuple[int, ...], ...]
    scored: tuple[Scored, ...]


def plan(text: str, continuations: Sequence[str], encode: Encode) -> Plan:
    """How to score the continuations of a text.

    Text and continuation are tokenised together, as a model that writes on would see them. The scored part
    begins where the sequences first leave the text's own tokens: for all continuations at the same place,
    which is the earliest, so that a token that swallows the seam in one of them does not tilt the scores.
    Labels of one token cost one row in all; a sequence that another begins with costs none.
    """
    own = encode(text)
    sequences = [encode(text + continuation) for continuation in continuations]
    seam = min((_shared(own, sequence) for sequence in sequences), default=0)
    needed = sorted({tuple(sequence[:-1]) for sequence in sequences}, key=lambda row: (-len(row), row))
    rows: list[tuple[int, ...]] = []
    for candidate in needed:
        if not any(row[: len(candidate)] == candidate for row in rows):
            rows.append(candidate)
    scored = []
    for sequence in sequences:
        read = tuple(sequence[:-1])
        row = next(number for number, row in enumerate(rows) if row[: len(read)] == read)
        # a sequence is never empty after its seam: it would be the text itself
        start = max(min(seam, len(sequence) - 1), 1)
        scored.append(Scored(row, start - 1, tuple(sequence[start:])))
    return Plan(tuple(rows), tuple(scored))


def _shared(left: Sequence[int], right: Sequence[int]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False)))
