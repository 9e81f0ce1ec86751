"""An answer against the item: right or wrong, and how much of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from configs.evaluation import ArmName
from corpora.records import Question
from eval.items import Outcome
from eval.journal import Entry
from eval.metrics import character_f1, exact_match, rouge_l
from index_build.encoder import Vectors
from rag.answer import probabilities
from rag.reader import Prompt


@dataclass(frozen=True, slots=True)
class Scales:
    """What essays are measured by; both measures are weak."""

    terms: Callable[[str], Sequence[str]]  # a text's index terms: ROUGE-L is over them
    vectors: Callable[[Sequence[str]], Vectors]  # of length 1, zero for a text without known words


def outcome_of(question: Question, arm: ArmName, entry: Entry, *, scales: Scales) -> Outcome:
    """An answer, judged. An unparsed answer is wrong and scores 0."""
    right, score = _scores(question, entry, scales)
    given = entry.text if entry.number is None else str(entry.number)
    return Outcome(
        arm=arm,
        answer=given,
        is_right=right,
        score=score,
        confidence=probabilities(entry.logprobs)[entry.number - 1] if entry.number and entry.logprobs else None,
        shows_gold=None,
        found_gold=None,
        prompt_tokens=entry.prompt_tokens,
        output_tokens=entry.output_tokens,
        seconds=entry.seconds,
        is_cut=entry.is_cut,
        similarity=_similarity(question, entry, scales) if question.kind == "essay" else None,
    )


def too_long(arm: ArmName) -> Outcome:
    """The outcome of a question that no prompt could hold: unparsed and wrong."""
    return Outcome(
        arm=arm, answer=None, is_right=False, score=0.0, confidence=None, shows_gold=None, found_gold=None, is_cut=True
    )


def shows_any(prompt: Prompt, passages: Sequence[str]) -> bool:
    """Whether one of the passages stands in the prompt."""
    return not {passage.passage_id for passage in prompt.passages}.isdisjoint(passages)


def _scores(question: Question, entry: Entry, scales: Scales) -> tuple[bool, float]:
    match question.kind:
        case "multiple_choice":
            right = entry.number is not None and entry.number == question.answer
            return right, float(right)
        case "short_answer":
            text = entry.text or ""
            return bool(text and exact_match(text, question.answers)), character_f1(text, question.answers)
        case "essay":
            given = scales.terms(entry.text or "")
            return False, max((rouge_l(given, scales.terms(model)) for model in question.answers), default=0.0)


def _similarity(question: Question, entry: Entry, scales: Scales) -> float:
    """The cosine of the answer to the nearest model answer; 0 for an unparsed one."""
    given, *models = scales.vectors([entry.text or "", *question.answers])
    return max((float(np.dot(given, model)) for model in models), default=0.0)
