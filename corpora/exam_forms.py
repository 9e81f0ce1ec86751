"""The published forms of Korean exams, read item by item; see corpora.exam_formats for what they look like."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from configs.errors import UserError
from corpora.exam_items import answered, checked, options_of
from corpora.normalize import normalize
from corpora.records import Document, Gold, Kind, Question, Skipped
from corpora.tabular import Foreign, listed, python_literal, read, read_json, rows

_SPLITS = {"train": "train", "dev": "dev", "val": "dev", "valid": "dev", "validation": "dev", "test": "test"}
_LETTERS = "ABCD"
_ESSAY_TYPES = ("서술형", "교정형", "선택형")  # 선택형 asks for a reason as well


class _Click(Foreign):
    id: str
    paragraph: str | None = None
    question: str
    choices: list[str]
    answer: str


class _Problem(Foreign):
    question: str
    choices: list[str]
    answer: str = ""


class _MalpyeongInput(Foreign):
    category: str = ""
    domain: str = ""
    question_type: str
    question: str


class _MalpyeongOutput(Foreign):
    answer: str


class _Malpyeong(Foreign):
    id: str
    input: _MalpyeongInput
    output: _MalpyeongOutput


class _SquadAnswer(Foreign):
    text: str
    answer_start: int


class _SquadItem(Foreign):
    id: str
    question: str
    answers: list[_SquadAnswer]


class _SquadParagraph(Foreign):
    context: str
    qas: list[_SquadItem]


class _SquadArticle(Foreign):
    title: str
    paragraphs: list[_SquadParagraph]


class _Squad(Foreign):
    data: list[_SquadArticle]


def kmmlu(file: Path) -> Iterator[Question | Skipped]:
    """Questions of a KMMLU CSV; their ids are file and line."""
    stem = file.name.split(".")[0]
    for where, row in rows(file, ("question", "answer", *_LETTERS)):
        question = Question(
            question_id=f"kmmlu-{stem}-{where.rpartition(':')[2]}",
            kind="multiple_choice",
            subject=row.get("Category") or stem.rpartition("-")[0] or stem,
            question=row["question"],
            choices=tuple(row[letter] for letter in _LETTERS),
            split=_split_of(file),
        )
        yield answered(question, row["answer"], where=where)


def click(file: Path) -> Iterator[Question | Skipped]:
    """Questions of a CLIcK file; the subject is the id without its number."""
    for where, record in listed(file):
        item = read(_Click, record, where=where)
        if isinstance(item, Skipped):
            yield item
            continue
        question = Question(
            question_id=item.id,
            kind="multiple_choice",
            subject=item.id.rpartition("_")[0] or file.stem,
            question=item.question,
            choices=tuple(item.choices),
            paragraph=item.paragraph or "",
            split="test",
        )
        yield answered(question, item.answer, where=where)


def csat(file: Path) -> Iterator[Question | Skipped]:
    """Questions of a CSAT-style CSV."""
    for where, row in rows(file, ("id", "paragraph")):
        item = _problem(row, where=where)
        if isinstance(item, Skipped):
            yield item
            continue
        box = row.get("question_plus") or ""
        question = Question(
            question_id=row["id"],
            kind="multiple_choice",
            subject=row.get("subject") or "",
            question=item.question,
            choices=tuple(item.choices),
            paragraph=row["paragraph"],
            box="" if box.strip().lower() in ("nan", "none") else box,
            split=_split_of(file),
        )
        yield answered(question, item.answer, where=where)


def _problem(row: Mapping[str, str], *, where: str) -> _Problem | Skipped:
    """The item in a row's `problems`, or in its columns of the same names."""
    try:
        if "problems" in row:
            return read(_Problem, python_literal(row["problems"]), where=f"{where}: problems")
        choices = python_literal(row.get("choices", ""))
    except ValueError as error:
        return Skipped(f"{where}: {'problems' if 'problems' in row else 'choices'}", str(error))
    record = {"question": row.get("question"), "choices": choices, "answer": row.get("answer", "")}
    return read(_Problem, record, where=where)


def malpyeong(file: Path) -> Iterator[Question | Skipped]:
    """Questions of a 말평 file: 선다형 with choices, 단답형 with answers parted by #, the rest essays."""
    for where, record in listed(file):
        item = read(_Malpyeong, record, where=where)
        if isinstance(item, Skipped):
            yield item
            continue
        text, choices = options_of(item.input.question)
        kind: Kind = "essay" if item.input.question_type in _ESSAY_TYPES else "short_answer"
        question = Question(
            question_id=item.id,
            kind="multiple_choice" if item.input.question_type == "선다형" else kind,
            subject=item.input.domain or item.input.category,
            question=text if item.input.question_type == "선다형" else item.input.question,
            choices=choices if item.input.question_type == "선다형" else (),
            split=_split_of(file),
        )
        yield answered(question, item.output.answer, where=where)


def korquad(file: Path) -> Iterator[Question | Skipped]:
    """Questions of a SQuAD 1.x file, to be answered from an index of its contexts."""
    for article in _squad(file).data:
        for number, paragraph in enumerate(article.paragraphs):
            for item in paragraph.qas:
                where = f"{file}: id {item.id}"
                if not item.answers:
                    yield Skipped(where, "no answer")
                    continue
                quote = _sentence_at(paragraph.context, item.answers[0].answer_start)
                question = Question(
                    question_id=item.id,
                    kind="short_answer",
                    subject=article.title,
                    question=item.question,
                    answers=tuple(dict.fromkeys(answer.text for answer in item.answers)),
                    split=_split_of(file),
                    needs_knowledge="retrieval",
                    gold=(Gold(f"{normalize(article.title)}/{number}", normalize(quote)),),
                )
                yield checked(question, where=where)


def korquad_documents(path: Path) -> Iterator[Document]:
    """The contexts of a SQuAD file as documents; their ids are those that the items' gold names."""
    for article in _squad(path).data:
        for number, paragraph in enumerate(article.paragraphs):
            doc_id = f"{normalize(article.title)}/{number}"
            yield Document(doc_id, normalize(article.title), normalize(paragraph.context), source="korquad")


def _squad(file: Path) -> _Squad:
    found = read(_Squad, read_json(file), where=str(file))
    if isinstance(found, Skipped):
        raise UserError(f"{found.where}: {found.reason}")
    return found


def _sentence_at(context: str, place: int) -> str:
    """The sentence of a context that a character stands in."""
    place = min(max(place, 0), max(len(context) - 1, 0))
    start = max(context.rfind(mark, 0, place) + len(mark) if mark in context[:place] else 0 for mark in (". ", "\n"))
    ends = [end for mark in (". ", "\n") if (end := context.find(mark, place)) >= 0]
    return context[start : min(ends, default=len(context))].strip()


def _split_of(file: Path) -> str:
    """The split that a part of a file's name says, the last if several do; "" when none does."""
    parts = re.split(r"[-_.]", file.name.lower())
    return next((_SPLITS[part] for part in reversed(parts) if part in _SPLITS), "")
