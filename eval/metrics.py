"""Scores of answers, and of one arm: accuracy with its interval, exact match, character F1, ROUGE-L, calibration."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import fsum, sqrt
from typing import NamedTuple

_SIGNS = re.compile("['\"《》<>〈〉()‘’]")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
Z95 = 1.959963984540054  # the normal quantile of 0.975


class Interval(NamedTuple):
    """A 95 % interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of similar confidence: how sure the reader was, and how often it was right."""

    confidence: float  # mean
    accuracy: float
    n: int


def wilson(right: int, n: int) -> Interval:
    """Wilson's 95 % score interval of a share; (0, 1) for n = 0.

    (p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n).  Source: E. B. Wilson, JASA 22, 1927.
    """
    if n == 0:
        return Interval(0.0, 1.0)
    share, z2 = right / n, Z95 * Z95
    centre = share + z2 / (2 * n)
    spread = Z95 * sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    low, high = (centre - spread) / (1 + z2 / n), (centre + spread) / (1 + z2 / n)
    return Interval(0.0 if right == 0 else low, 1.0 if right == n else high)


def plain_text(text: str) -> str:
    """A short answer as KorQuAD 1.0's scorer compares it: lower case, without signs, spaces collapsed.

    Source: evaluate-v1.0.py of KorQuAD, `normalize_answer`.
    """
    return " ".join(_SIGNS.sub(" ", text).lower().translate(_PUNCTUATION).split())


def exact_match(answer: str, accepted: Sequence[str]) -> float:
    """1 when the answer equals an accepted text after `plain_text`, else 0."""
    return float(any(plain_text(answer) == plain_text(text) for text in accepted))


def character_f1(answer: str, accepted: Sequence[str]) -> float:
    """KorQuAD's F1: over characters, spaces left out, the best of the accepted texts; 0 for nothing shared."""
    return max((_f1(plain_text(answer), plain_text(text)) for text in accepted), default=0.0)


def _f1(answer: str, accepted: str) -> float:
    given, wanted = Counter("".join(answer.split())), Counter("".join(accepted.split()))
    shared = (given & wanted).total()
    return 2 * shared / (given.total() + wanted.total()) if shared else 0.0


def rouge_l(answer: Sequence[Hashable], model: Sequence[Hashable]) -> float:
    """F1 of the longest common subsequence of two sequences of terms; 0 when either is empty.

    Source: C.-Y. Lin, ROUGE, 2004, with beta = 1. Weak: it rewards the model answer's words, not its sense.
    """
    row = [0] * (len(model) + 1)
    for term in answer:
        above_left = 0
        for column, other in enumerate(model, start=1):
            above = row[column]
            row[column] = above_left + 1 if term == other else max(above, row[column - 1])
            above_left = above
    return 2 * row[-1] / (len(answer) + len(model)) if row[-1] else 0.0


def reliability(confidences: Sequence[float], right: Sequence[bool], *, bins: int = 10) -> list[Bin]:
    """Answers in order of confidence, in at most `bins` parts; equal confidences stay together.

    Every part but the last has at least n / bins answers.
    """
    parts: list[list[tuple[float, bool]]] = []
    for answer in sorted(zip(confidences, right, strict=True)):
        if not parts or (len(parts[-1]) * bins >= len(right) and parts[-1][-1][0] != answer[0]):
            parts.append([])
        parts[-1].append(answer)
    return [
        Bin(fsum(sure for sure, _ in part) / len(part), sum(hit for _, hit in part) / len(part), len(part))
        for part in parts
    ]


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error: mean |confidence - accuracy|, weighted by n; 0 for no bins.

    Source: Naeini, Cooper, Hauskrecht, AAAI 2015; bins of equal mass as in Nixon et al. 2019.
    """
    total = sum(part.n for part in bins)
    return fsum(part.n * abs(part.confidence - part.accuracy) for part in bins) / total if total else 0.0
