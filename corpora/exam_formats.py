"""KIND:PATH -> questions: the published forms of Korean exams beside our own.

kmmlu      CSV: question, answer (1-4), A, B, C, D, Category; one file per subject, the split in its name
click      JSON: a list of {id, paragraph, question, choices, answer (a choice's text)}
csat       CSV: id, paragraph, problems (a Python dict of question, choices, answer), question_plus; or with
           question, choices and answer as columns
malpyeong  JSON: a list of {id, input: {category, domain, question_type, topic_keyword, question}, output: {answer}}
korquad    SQuAD 1.x JSON: short answers; an item's gold document is its context (see korquad_documents)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from configs.errors import UserError
from corpora import sample
from corpora.exam_forms import click, csat, kmmlu, korquad, malpyeong
from corpora.exams import load_exam
from corpora.files import discover
from corpora.records import Question, Skipped

_FORMS: dict[str, tuple[Callable[[Path], Iterator[Question | Skipped]], tuple[str, ...]]] = {
    "kmmlu": (kmmlu, (".csv",)),
    "click": (click, (".json", ".jsonl")),
    "csat": (csat, (".csv",)),
    "malpyeong": (malpyeong, (".json", ".jsonl")),
    "korquad": (korquad, (".json",)),
}
KINDS = ("sample", "jsonl", *_FORMS)


def parse_exam(argument: str) -> list[Question]:
    """The questions that `KIND:PATH` or `sample` names, in order.

    Raises UserError for an unknown kind, and at the first item that is no question, saying how many are not.
    """
    kept, skipped = read_exam(argument)
    if skipped:
        more = f" ({len(skipped)} items of {len(skipped) + len(kept)} cannot be used)" if len(skipped) > 1 else ""
        raise UserError(f"{skipped[0].where}: {skipped[0].reason}{more}")
    return kept


def read_exam(argument: str) -> tuple[list[Question], list[Skipped]]:
    """(questions, items that are none) of `KIND:PATH`. Raises UserError where not even items can be told apart."""
    kind, _, name = argument.partition(":")
    if kind not in KINDS or (kind != "sample" and not name):
        raise UserError(f"--exam {argument}: expected sample, or KIND:PATH with a kind of {', '.join(KINDS[1:])}")
    if kind in ("sample", "jsonl"):
        return load_exam(Path(name).expanduser() if name else sample.EXAM), []
    form, suffixes = _FORMS[kind]
    found = [item for file in discover(Path(name).expanduser(), suffixes) for item in form(file)]
    questions = [item for item in found if isinstance(item, Question)]
    return _unique(questions), [item for item in found if isinstance(item, Skipped)]


def _unique(questions: list[Question]) -> list[Question]:
    """The questions with ids of their own: published files repeat some, and the second becomes `id~2`."""
    seen: dict[str, int] = {}
    unique = []
    for question in questions:
        number = seen[question.question_id] = seen.get(question.question_id, 0) + 1
        new_id = question.question_id if number == 1 else f"{question.question_id}~{number}"
        unique.append(replace(question, question_id=new_id))
    return unique
