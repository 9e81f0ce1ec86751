"""Exam files -> questions, checked item by item; and relevance judgements from BEIR and TREC files."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from configs.errors import UserError
from corpora.files import discover, read_lines
from corpora.jsonl import read_records
from corpora.normalize import normalize
from corpora.records import Gold, Kind, Need, Qrels, Question, Skipped

_Filled = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _GoldLine(BaseModel):
    model_config = ConfigDict(extra="forbid")
    doc_id: _Filled
    quote: _Filled


class _ItemLine(BaseModel):
    """One line of an exam file: the contract's keys, and ours for bundled exams."""

    model_config = ConfigDict(extra="forbid")
    id: _Filled
    kind: Kind | None = None
    subject: str = ""
    split: str = ""
    needs_knowledge: Need | None = None
    hops: int = Field(1, ge=1, le=5)
    paragraph: str = ""
    box: str = ""
    question: _Filled
    choices: tuple[_Filled, ...] = ()
    answer: int | None = Field(None, strict=True)
    answers: tuple[_Filled, ...] = ()
    gold: tuple[_GoldLine, ...] = ()


def load_exam(path: Path) -> list[Question]:
    """The questions of a JSON-lines exam, or of all .jsonl files in a folder, in order.

    Raises UserError with file and line for the first item that is no question: broken JSON, a wrong
    answer number, repeated or fewer than two or more than ten choices, a duplicate id.
    """
    questions: dict[str, Question] = {}
    places: dict[str, str] = {}
    for file in discover(path, (".jsonl",)):
        for item in read_records(file):
            if isinstance(item, Skipped):
                raise UserError(f"{item.where}: {item.reason}")
            number, record = item.number, item.fields
            where = f"{file}:{number}"
            question = _question(record, where=where)
            if question.question_id in questions:
                first = places[question.question_id]
                raise UserError(f"{where}: id {question.question_id!r} stands at {first} already")
            questions[question.question_id] = question
            places[question.question_id] = where
    return list(questions.values())


def _question(record: dict[str, object], *, where: str) -> Question:
    try:
        line = _ItemLine.model_validate(record)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(map(str, fault["loc"]))
        raise UserError(f"{where}: {key}: found {fault['input']!r}; {fault['msg']}") from None
    kind: Kind = line.kind or ("multiple_choice" if line.choices else "short_answer")
    choices = tuple(normalize(choice) for choice in line.choices)
    _check_answer(kind, choices, line, where=where)
    return Question(
        question_id=line.id,
        kind=kind,
        subject=line.subject,
        question=normalize(line.question),
        choices=choices,
        answer=line.answer,
        answers=tuple(normalize(answer) for answer in line.answers),
        paragraph=normalize(line.paragraph),
        box=normalize(line.box),
        split=line.split,
        needs_knowledge=line.needs_knowledge,
        hops=line.hops,
        gold=tuple(Gold(gold.doc_id, normalize(gold.quote)) for gold in line.gold),
    )


def _check_answer(kind: Kind, choices: tuple[str, ...], line: _ItemLine, *, where: str) -> None:
    if kind != "multiple_choice":
        if not line.answers:
            raise UserError(f"{where}: a {kind} item needs 'answers', a list of accepted texts")
        return
    if not 2 <= len(choices) <= 10:
        raise UserError(f"{where}: found {len(choices)} choices; expected 2 to 10")
    if len(set(choices)) < len(choices):
        twice = next(choice for choice in choices if choices.count(choice) > 1)
        raise UserError(f"{where}: choice {twice!r} stands there twice")
    if line.answer is None or not 1 <= line.answer <= len(choices):
        raise UserError(f"{where}: found answer {line.answer!r}; expected a number from 1 to {len(choices)}")


def load_queries(path: Path) -> dict[str, str]:
    """Query id -> text of a BEIR queries.jsonl. Raises UserError at the first broken line."""
    queries: dict[str, str] = {}
    for item in read_records(path):
        if isinstance(item, Skipped):
            raise UserError(f"{item.where}: {item.reason}")
        number, record = item.number, item.fields
        query_id, text = record.get("_id"), record.get("text")
        if not isinstance(query_id, str | int) or not isinstance(text, str):
            raise UserError(f"{path}:{number}: expected '_id' and 'text'")
        if str(query_id) in queries:
            raise UserError(f"{path}:{number}: query id {query_id!r} stands there twice")
        queries[str(query_id)] = normalize(text)
    return queries


def load_qrels(path: Path) -> Qrels:
    """Judgements of a BEIR TSV (query-id, corpus-id, score; with or without its header) or a TREC file.

    Raises UserError naming the line that has neither form, or that contradicts an earlier one.
    """
    qrels: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for line in read_lines(path):
        where = f"{path}:{line.number}"
        fields = (line.text or "").strip("\ufeff\r\n").split("\t")
        fields = fields if len(fields) > 1 else fields[0].split()
        if not any(fields) or (line.number == 1 and fields[0] == "query-id"):
            continue
        match [field.strip() for field in fields]:
            case [query_id, doc_id, score] | [query_id, _, doc_id, score] if score.lstrip("-").isdecimal():
                relevance = int(score)
            case _:
                raise UserError(f"{where}: expected 'query-id<TAB>doc-id<TAB>score' or 'query-id 0 doc-id score'")
        if qrels[query_id].setdefault(doc_id, relevance) != relevance:
            raise UserError(f"{where}: {doc_id!r} is judged twice for {query_id!r}, differently")
    return dict(qrels)
