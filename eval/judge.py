"""An answer against the item: right or wrong, and how much of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from configs.evaluation import ArmName
from corpora.records import Question
from eval.items import Outcome
from eval.journal import Entry
from eval.metrics import character_f1, exact_match, rouge_l
from rag.answer import probabilities
from rag.reader import Prompt, digest_of

Terms = Callable[[str], Sequence[str]]
"""A text's index terms; ROUGE-L of essays is over them."""


def item_digest(question: Question) -> str:
    """The digest of what an item asks and what is right: runs are compared on items that agree in it."""
    return digest_of(
        {
            "texts": [question.paragraph, question.box, question.question, *question.choices],
            "answer": question.answer,
            "answers": list(question.answers),
        }
    )


def outcome_of(question: Question, arm: ArmName, entry: Entry, *, terms: Terms) -> Outcome:
    """An answer, judged. An unparsed answer is wrong and scores 0."""
    right, score = _scores(question, entry, terms)
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
    )


def too_long(arm: ArmName) -> Outcome:
    """The outcome of a question that no prompt could hold: unparsed and wrong."""
    return Outcome(
        arm=arm, answer=None, is_right=False, score=0.0, confidence=None, shows_gold=None, found_gold=None, is_cut=True
    )


def shows_any(prompt: Prompt, passages: Sequence[str]) -> bool:
    """Whether one of the passages stands in the prompt."""
    return not {passage.passage_id for passage in prompt.passages}.isdisjoint(passages)


def _scores(question: Question, entry: Entry, terms: Terms) -> tuple[bool, float]:
    match question.kind:
        case "multiple_choice":
            right = entry.number is not None and entry.number == question.answer
            return right, float(right)
        case "short_answer":
            text = entry.text or ""
            return bool(text and exact_match(text, question.answers)), character_f1(text, question.answers)
        case "essay":
            given = terms(entry.text or "")
            return False, max((rouge_l(given, terms(model)) for model in question.answers), default=0.0)
