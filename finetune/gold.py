"""What a prompt for training shows of the passages that answer, and whether they really do."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

from corpora.records import Question
from rag.reader import Evidence


def holding(question: Question, judged: Sequence[Evidence]) -> list[Evidence]:
    """Of the judged passages those needed: for each quote the first that holds it, without quotes for the answer.

    All of them when a quote stands in no single one, for it runs over a cut; [] for none.
    """
    chosen: dict[str, Evidence] = {}
    for part in _wanted(question):
        holder = next((passage for passage in judged if any(text in _letters(passage.text) for text in part)), None)
        if holder is None:
            return list(judged)
        chosen[holder.passage_id] = holder
    return list(chosen.values()) or list(judged)


def is_answered(question: Question, shown: Sequence[Evidence], *, trusted: bool = False) -> bool:
    """Whether the shown passages hold every quote of the question, or, of one without quotes, an accepted answer.

    Spaces are not compared. Neighbouring passages of a document count as one text: a quote may run over a cut.
    trusted: of a question without quotes, a judged passage that is shown whole is enough.
    """
    if trusted and not question.gold:
        return any(not passage.is_cut for passage in shown)
    texts = _joined(shown)
    return all(any(text in other for text in part for other in texts) for part in _wanted(question))


def gives_away(question: Question, passage: Evidence) -> bool:
    """Whether a passage that is not judged holds a quote: a copy of the gold one is no wrong passage."""
    own = _letters(passage.text)
    return any(_letters(gold.quote) in own for gold in question.gold)


def placed(gold: Sequence[Evidence], wrong: Sequence[Evidence], *, seed: str) -> list[Evidence]:
    """Both in one order by chance; the same seed gives the same order."""
    mixed = [*gold, *wrong]
    return random.Random(seed).sample(mixed, len(mixed))


def _wanted(question: Question) -> list[list[str]]:
    """Groups of texts of which one each must stand there: every quote, else any accepted answer."""
    if question.gold:
        return [[_letters(gold.quote)] for gold in question.gold]
    answers = [question.choices[question.answer - 1]] if question.answer else list(question.answers)
    return [[_letters(answer) for answer in answers]]


def _joined(shown: Sequence[Evidence]) -> list[str]:
    """The letters of the passages, neighbours in a document run together."""
    ordered = sorted(shown, key=lambda passage: _place(passage.passage_id))
    texts: list[str] = [_letters(passage.text) for passage in ordered[:1]]
    for before, passage in pairwise(ordered):
        (doc, number), (other, following) = _place(before.passage_id), _place(passage.passage_id)
        if doc == other and following == number + 1 and not before.is_cut:
            texts[-1] += _letters(passage.text)
        else:
            texts.append(_letters(passage.text))
    return texts


def _place(passage_id: str) -> tuple[str, int]:
    doc, _, number = passage_id.rpartition("#")
    return doc, int(number)


def _letters(text: str) -> str:
    return "".join(text.split())
