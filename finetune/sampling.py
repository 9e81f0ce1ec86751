"""How often each item is used: by the weight of its source, and by how weak a reader is in its subject."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from math import floor, fsum
from pathlib import Path

from configs.evaluation import ArmName
from corpora.records import Question
from finetune.outcomes import only_splits, read_run


def weakness_of(run: Path, arm: ArmName, *, allowed: Sequence[str]) -> dict[str, float]:
    """Subject -> share of wrong answers in a run, (wrong + 1) / (n + 2), so that few items say little.

    Raises UserError when the run asked items of a split that is not allowed.
    """
    asked = read_run(run, arm)
    only_splits((item for item, _ in asked), allowed, run=run, purpose="subjects may be chosen")
    totals = Counter(item.traits.subject for item, _ in asked)
    wrong = Counter(item.traits.subject for item, outcome in asked if not outcome.is_right)
    return {subject: (wrong[subject] + 1) / (n + 2) for subject, n in sorted(totals.items())}


def copies(
    questions: Sequence[Question], *, weight: float, weakness: Mapping[str, float] | None, seed: int
) -> list[int]:
    """How often to use each question; sum = weight * questions, rounded down.

    Expected for a question: weight * weakness of its subject / mean weakness of all questions; a subject that
    the run did not ask counts as average. Drawn systematically over a shuffled order, so that the counts of a
    subject are its expectation, rounded. Source of the draw: W. G. Madow, Annals of Math. Statistics 20, 1949.
    """
    shares = [_share(question, weakness) for question in questions]
    mean = fsum(shares) / len(shares) if shares else 1.0
    order = random.Random(f"{seed} copies").sample(range(len(questions)), len(questions))
    order.sort(key=lambda row: questions[row].subject)  # within a subject by chance
    found, before, total = [0] * len(questions), 0, 0.0
    for row in order:
        total += weight * shares[row] / mean
        after = floor(total + 1e-9)
        found[row], before = after - before, after
    return found


def _share(question: Question, weakness: Mapping[str, float] | None) -> float:
    if not weakness:
        return 1.0
    average = fsum(weakness.values()) / len(weakness)
    return weakness.get(question.subject, average)
