"""What each passage did to an answer: asked closed, with all passages, and with each one left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from corpora.records import Question
from rag.answer import answer, probabilities
from rag.pipeline import Pipeline
from rag.reader import Answer, Prompt


@dataclass(frozen=True, slots=True)
class Without:
    """One passage left out of the prompt: the answer then, and what the passage's presence does to one choice."""

    passage_id: str
    answer: Answer
    effect: float | None  # probability of the choice with the passage less that without; None without probabilities


@dataclass(frozen=True, slots=True)
class Effects:
    """One question answered in every way that tells what its passages did."""

    prompt: Prompt  # with all passages
    closed: Answer
    answered: Answer
    choice: int | None  # whose probability is followed: the right one where it is known, else the chosen one
    without: tuple[Without, ...]  # in the order of the prompt


def effects(pipeline: Pipeline, question: Question, passage_ids: Sequence[str]) -> Effects:
    """Ask a question closed, with passages, and leaving out each passage that its prompt shows.

    Nothing takes the place of a passage that is left out. Raises UserError as the reader and the renderer do.
    """
    prompt = pipeline.prompt(question, passage_ids)
    shown = [passage.passage_id for passage in prompt.passages]
    if pipeline.settings.prompt.passages_order == "best_last":
        shown.reverse()
    lesser = [pipeline.prompt(question, [other for other in shown if other != left]) for left in shown]
    closed, answered, *others = answer([pipeline.prompt(question, ()), prompt, *lesser], pipeline.reader)
    choice = question.answer or answered.number
    before = _share(answered, choice)
    without = [
        Without(left, other, _difference(before, _share(other, choice)))
        for left, other in zip(shown, others, strict=True)
    ]
    return Effects(prompt, closed, answered, choice, tuple(without))


def _share(given: Answer, choice: int | None) -> float | None:
    shares = probabilities(given.logprobs)
    return shares[choice - 1] if shares and choice is not None else None


def _difference(before: float | None, after: float | None) -> float | None:
    return before - after if before is not None and after is not None else None
