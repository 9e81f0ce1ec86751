"""A reader's wrong answers -> what they are alike in, why they happened, and which of them to write reasoning for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from configs.errors import UserError
from configs.examples import MineSettings
from corpora.records import Question
from finetune.clusters import Clustering, cluster
from finetune.outcomes import Outcome, matched, only_splits, read_run
from index_build.encoder import Vectors

UNKNOWN = "cause not looked for"  # the evaluation names causes in the arms retrieved and gated only
_PARAGRAPH = 300  # characters of an item's own 지문 that count for likeness: more of it would drown the question


@dataclass(frozen=True, slots=True)
class Mistake:
    """One item that a reader got wrong."""

    question: Question
    outcome: Outcome

    @property
    def cause(self) -> str:
        """Why, as the evaluation says."""
        return self.outcome.cause or UNKNOWN


@dataclass(frozen=True, slots=True)
class Mined:
    """What a run says about a reader."""

    asked: int
    mistakes: tuple[Mistake, ...]  # in order of the run
    clustering: Clustering  # rows are those of `mistakes`
    chosen: tuple[int, ...]  # rows to write reasoning for, cluster by cluster

    @property
    def causes(self) -> dict[str, Counter[str]]:
        """Subject -> cause -> mistakes, by subject."""
        found: dict[str, Counter[str]] = {}
        for mistake in self.mistakes:
            found.setdefault(mistake.question.subject, Counter())[mistake.cause] += 1
        return dict(sorted(found.items()))


def mine(
    run: Path, exam: Sequence[Question], encode: Callable[[Sequence[str]], Vectors], settings: MineSettings
) -> Mined:
    """The mistakes of a run's arm, clustered by their texts. encode: texts -> vectors of length 1, in order.

    Raises UserError when the run is of another split than the one to learn from, when its items are not those
    of the exam, or when nothing is wrong.
    """
    asked = read_run(run, settings.arm)
    only_splits((item for item, _ in asked), (settings.split,), run=run, purpose="mistakes may be learnt from")
    questions = {question.question_id: question for question in exam}
    mistakes = [Mistake(matched(item, questions, run=run), outcome) for item, outcome in asked if not outcome.is_right]
    if not mistakes:
        raise UserError(f"{run}: all {len(asked)} answers of arm {settings.arm!r} are right: nothing to mine")
    vectors = encode([text_of(mistake.question) for mistake in mistakes])
    clustering = cluster(vectors, [mistake.question.question_id for mistake in mistakes], settings)
    chosen = [row for rows in clustering.members for row in rows[: settings.per_cluster]]
    return Mined(len(asked), tuple(mistakes), clustering, tuple(chosen))


def text_of(question: Question) -> str:
    """What items are compared by: the start of the 지문, question, <보기> and the right answer."""
    answer = question.choices[question.answer - 1] if question.answer else question.answers[0]
    return "\n".join((question.paragraph[:_PARAGRAPH], question.question, question.box, answer))
