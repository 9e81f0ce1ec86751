"""Written reasoning: a file of items with the 풀이 that leads to their answer, by hand or from an endpoint.

JSON lines {"id", "digest", "answer", "reasoning", ...}; "reasoning" is "" until somebody has written it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from configs.errors import UserError
from corpora.files import read_lines
from corpora.normalize import normalize
from corpora.records import Question
from corpora.writing import replaced
from rag.prompt import expected
from rag.reader import item_digest


class Reasoned(BaseModel):
    """One item to write reasoning for, or with it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str
    digest: str  # of the item, as evaluations know it
    subject: str = ""
    cluster: int = 0
    cause: str = ""  # why the reader was wrong
    given: str | None = None  # what it answered
    text: str = ""  # the item as it is asked, for whoever writes
    passages: tuple[str, ...] = ()  # ids of the passages that answer it
    answer: str
    reasoning: str = ""


_LINE = TypeAdapter(Reasoned)


def item_of(question: Question) -> Reasoned:
    """A question as a line that waits for its reasoning."""
    return Reasoned(
        id=question.question_id, digest=item_digest(question), subject=question.subject, answer=expected(question)
    )


def write_reasoning(path: Path, lines: Iterable[Reasoned]) -> None:
    """Write the whole file, or nothing."""
    with replaced(path) as stream:
        for line in lines:
            stream.write(line.model_dump_json() + "\n")


def read_reasoning(path: Path) -> list[Reasoned]:
    """The lines of a file. Raises UserError naming the line that is none, or an id that is there twice."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; python -m finetune mine writes one")
    found: dict[str, Reasoned] = {}
    for line in read_lines(path):
        where = f"{path}:{line.number}"
        if not (line.text or "").strip():
            continue
        try:
            item = _LINE.validate_json(line.text or "")
        except ValidationError as error:
            fault = error.errors()[0]
            raise UserError(f"{where}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None
        if item.id in found:
            raise UserError(f"{where}: id {item.id!r} stands there twice")
        found[item.id] = item.model_copy(update={"reasoning": normalize(item.reasoning).strip()})
    return list(found.values())


def reasoning_for(path: Path, questions: Iterable[Question]) -> dict[str, str]:
    """Question id -> its reasoning; items that nobody has written for are absent.

    Raises UserError when a line was written for another version of its item or leads to another answer.
    """
    by_id = {question.question_id: question for question in questions}
    found: dict[str, str] = {}
    for line in read_reasoning(path):
        question = by_id.get(line.id)
        if question is None or not line.reasoning:
            continue
        if line.digest != item_digest(question):
            raise UserError(f"{path}: item {line.id!r} was changed since its reasoning was written; write it again")
        if line.answer != expected(question):
            raise UserError(f"{path}: item {line.id!r}: its answer is {expected(question)!r}, found {line.answer!r}")
        found[line.id] = line.reasoning
    return found
