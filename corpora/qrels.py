"""Relevance judgements from the quotes of an exam, for documents and for passages however they were cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from configs.errors import UserError
from corpora.records import Passage, Qrels, Question


@dataclass(frozen=True, slots=True)
class _Letters:
    """A document as its passages show it: every character that is not a space, and where it stands."""

    text: str
    positions: tuple[int, ...]  # in the document; ascending, as long as `text`


def document_qrels_of(questions: Sequence[Question]) -> Qrels:
    """question_id -> the documents its quotes are from, each 1; a question without gold is absent."""
    return {question.question_id: {gold.doc_id: 1 for gold in question.gold} for question in questions if question.gold}


def qrels_of(questions: Sequence[Question], passages_by_doc: Mapping[str, Sequence[Passage]]) -> Qrels:
    """question_id -> the passages that hold one of its quotes, each 1; a question without gold is absent.

    A quote that no single passage holds makes every passage that it overlaps relevant. Passages may
    overlap and come in any order; spaces are not compared, for a chunker may drop those at its cuts.
    A quote that stands in a document more than once counts wherever it stands.

    Raises UserError naming item and document when a document has no passages or lacks the quote.
    """
    letters: dict[str, _Letters] = {}
    qrels: dict[str, dict[str, int]] = {}
    for question in questions:
        for gold in question.gold:
            passages = passages_by_doc.get(gold.doc_id, ())
            if not passages:
                raise UserError(f"item {question.question_id}: no passages of document {gold.doc_id!r}")
            if gold.doc_id not in letters:
                letters[gold.doc_id] = _letters_of(passages)
            relevant = [
                passage.passage_id
                for start, end in _occurrences(letters[gold.doc_id], gold.quote)
                for passage in _holders(passages, start, end)
            ]
            if not relevant:
                raise UserError(
                    f"item {question.question_id}: document {gold.doc_id!r} does not hold the quote {gold.quote!r}"
                )
            qrels.setdefault(question.question_id, {}).update(dict.fromkeys(relevant, 1))
    return qrels


def _letters_of(passages: Sequence[Passage]) -> _Letters:
    """The characters of the passages, each once, in the order of the document."""
    at = {
        position: char
        for passage in passages
        for position, char in enumerate(passage.text, start=passage.start)
        if not char.isspace()
    }
    positions = tuple(sorted(at))
    return _Letters("".join(at[position] for position in positions), positions)


def _occurrences(letters: _Letters, quote: str) -> Iterator[tuple[int, int]]:
    """(start, end) in the document of every place where the quote stands; none for a blank quote."""
    wanted = "".join(quote.split())
    found = letters.text.find(wanted) if wanted else -1
    while found >= 0:
        yield letters.positions[found], letters.positions[found + len(wanted) - 1] + 1
        found = letters.text.find(wanted, found + 1)


def _holders(passages: Sequence[Passage], start: int, end: int) -> list[Passage]:
    """The passages that hold document[start:end] whole or, where there are none, those that overlap it."""
    overlapping = [p for p in passages if p.start < end and start < p.start + len(p.text)]
    whole = [p for p in overlapping if p.start <= start and end <= p.start + len(p.text)]
    return whole or overlapping
