"""The leakage check of everything that is learnt from: by id, by text, and by the index that is searched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from configs.errors import UserError
from configs.evaluation import LeakageSettings
from corpora.exam_formats import parse_exam
from corpora.records import Passage, Question
from rag.leakage import leaks


@dataclass(frozen=True, slots=True)
class Twin:
    """An item to learn from that stands among the items that are kept for measuring."""

    question_id: str
    other_id: str
    share: float  # of its text that the other holds; 1 for the same id or the same text


class _Kept:
    """Items as passages of one text each, so that others can be looked for in them."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self._questions = questions

    def __len__(self) -> int:
        return len(self._questions)

    def passage_id(self, row: int) -> str:
        return self._questions[row].question_id

    def passage(self, row: int) -> Passage:
        question = self._questions[row]
        return Passage(question.question_id, question.question_id, (), 0, _text(question))


def kept_items(arguments: Sequence[str], exams: Iterable[Sequence[Question]], splits: Sequence[str]) -> list[Question]:
    """Every item that nothing may be learnt from: those of whole exams, and those of splits of other exams."""
    kept = [question for argument in arguments for question in parse_exam(argument)]
    kept += [question for exam in exams for question in exam if question.split in splits]
    return list(dict.fromkeys(kept))


def twins(questions: Sequence[Question], kept: Sequence[Question], settings: LeakageSettings) -> list[Twin]:
    """The questions that are kept items too: by id, by all their text, or by most runs of their letters.

    Compared is everything that an item shows: 지문, question, <보기> and choices. Items too short for one run
    are found by id and whole text alone. An item made from another (`id~p1`) goes by that one's id; ids that
    are mere numbers say nothing, for every file counts from 1.
    """
    if not kept:
        return []
    ids = {origin(question.question_id) for question in kept if not question.question_id.isdigit()}
    texts = {_letters(question): question.question_id for question in reversed(kept)}
    shown = [replace(question, box=_text(question), question="", answer=None, answers=()) for question in questions]
    found = []
    for question, leak in zip(questions, leaks(shown, _Kept(kept), settings), strict=True):
        if origin(question.question_id) in ids:
            found.append(Twin(question.question_id, origin(question.question_id), 1.0))
        elif _letters(question) in texts:
            found.append(Twin(question.question_id, texts[_letters(question)], 1.0))
        elif leak.is_leaked(settings.threshold):
            found.append(Twin(question.question_id, leak.passage_id, leak.question))
    return found


def refuse(found: Sequence[Twin], *, where: str, cure: str) -> None:
    """Raise UserError naming the first twin, when there is one."""
    if found:
        first = found[0]
        raise UserError(
            f"{where}: item {first.question_id!r} ({len(found)} in all) stands among the items kept for measuring, as"
            f" {first.other_id!r} ({first.share:.0%} of its text): a reader that learns it would be tested on what it"
            f" has seen; {cure}"
        )


def refuse_split(split: str, evaluated: Sequence[str], *, where: str) -> None:
    """Raise UserError for a split that is kept for measuring."""
    if split in evaluated:
        raise UserError(
            f"{where}: split {split!r} is kept for measuring ({', '.join(evaluated)}); learn from another, such as"
            " --split train"
        )


def origin(question_id: str) -> str:
    """The id of the item that an item was made from; its own for one that was not."""
    return question_id.partition("~")[0]


def _text(question: Question) -> str:
    return "\n".join((question.paragraph, question.question, question.box, *sorted(question.choices)))


def _letters(question: Question) -> str:
    return "".join(_text(question).split())
