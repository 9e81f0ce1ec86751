"""Which passages answer a question, by quotes or by a file; and which look right and are not."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from configs.errors import UserError
from corpora.qrels import qrels_of
from corpora.records import Qrels, Question
from index_build.passages import PassageStore
from rag.hits import Hit

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Judgements:
    """The passages that answer each question; a question that is absent is not judged."""

    passages: Mapping[str, tuple[str, ...]]
    unusable: Mapping[str, str]  # question id -> why its judgements do not fit this index

    def of(self, question: Question) -> tuple[str, ...]:
        """A question's judged passages, best first and in order of the document; () where it is not judged."""
        return self.passages.get(question.question_id, ())


def judgements_from_quotes(questions: Sequence[Question], store: PassageStore) -> Judgements:
    """Judgements from the quotes that the exam itself names."""
    passages: dict[str, tuple[str, ...]] = {}
    unusable: dict[str, str] = {}
    for question in questions:
        if not question.gold:
            continue
        docs = {gold.doc_id for gold in question.gold}
        try:
            qrels = qrels_of([question], {doc: [store.passage(row) for row in store.rows_of(doc)] for doc in docs})
        except UserError as error:
            unusable[question.question_id] = str(error)
            continue
        passages[question.question_id] = _ordered(qrels[question.question_id])
    return _told(Judgements(passages, unusable))


def judgements_from_qrels(qrels: Qrels, store: PassageStore) -> Judgements:
    """Judgements from a file, over passages or over documents; a document stands for all its passages."""
    passages: dict[str, tuple[str, ...]] = {}
    unusable: dict[str, str] = {}
    for question_id, judged in qrels.items():
        found: dict[str, int] = {}
        for name, relevance in judged.items():
            rows = store.rows_of(name) if store.row(name) is None else [store.row(name) or 0]
            found.update({store.passage_id(row): relevance for row in rows if relevance > 0})
        if found:
            passages[question_id] = _ordered(found)
        elif any(relevance > 0 for relevance in judged.values()):
            unusable[question_id] = "none of its judged documents is in the index"
    return _told(Judgements(passages, unusable))


def _told(judgements: Judgements) -> Judgements:
    if judgements.unusable:
        first, reason = next(iter(judgements.unusable.items()))
        _LOG.warning("%d items count as not judged (%s: %s)", len(judgements.unusable), first, reason)
    return judgements


def _ordered(judged: Mapping[str, int]) -> tuple[str, ...]:
    def place(passage_id: str) -> tuple[int, str, int]:
        doc_id, _, number = passage_id.rpartition("#")
        return (-judged[passage_id], doc_id, int(number))

    return tuple(sorted((name for name, relevance in judged.items() if relevance > 0), key=place))


def distractors(hits: Sequence[Hit], judged: Sequence[str], top_k: int) -> list[str]:
    """The best passages of documents that hold nothing judged: what looks right and is not."""
    wrong = {document_of(passage_id) for passage_id in judged}
    return [hit.passage_id for hit in hits if document_of(hit.passage_id) not in wrong][:top_k]


def document_of(passage_id: str) -> str:
    """The id of the document that a passage is a slice of."""
    return passage_id.rpartition("#")[0]
