"""Which passages each arm offers to a question: none, found, judged, random, or the best of the wrong ones."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from configs.errors import UserError
from configs.evaluation import ArmName
from corpora.qrels import qrels_of
from corpora.records import Qrels, Question
from index_build.passages import PassageStore
from rag.hits import Hit
from rag.reader import Evidence

_DRAWS = 8  # random passages looked at for one of the right length
_TRIES = 64  # before a placebo goes without: an index may hold little else than what is judged
_LOG = logging.getLogger(__name__)

JUDGED: frozenset[ArmName] = frozenset({"gold", "distract"})
"""The arms that are asked of items with judgements only."""

_ORDER: tuple[ArmName, ...] = ("closed", "retrieved", "gated", "gold", "random", "distract")
_NEEDS: Mapping[ArmName, tuple[ArmName, ...]] = {"gated": ("closed", "retrieved"), "random": ("retrieved",)}


def arms_for(wanted: Sequence[ArmName] | None, judgements: Judgements) -> tuple[ArmName, ...]:
    """The arms to ask, in their usual order, with those that others are made from.

    None: closed, retrieved and gated, and gold and random where there are judgements.
    Raises UserError when an arm is wanted that needs judgements and there are none.
    """
    if wanted is None:
        wanted = ("closed", "retrieved", "gated", *(("gold", "random") if judgements.passages else ()))
    lacking = sorted(JUDGED.intersection(wanted)) if not judgements.passages else []
    if lacking:
        raise UserError(
            f"--arms {','.join(lacking)}: needs judgements, and none fit: the exam has no gold quotes from documents of"
            " this index; name a file with --qrels, or leave the arm out"
        )
    chosen = {other for arm in wanted for other in (arm, *_NEEDS.get(arm, ()))}
    return tuple(arm for arm in _ORDER if arm in chosen)


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
    wrong = {_document(passage_id) for passage_id in judged}
    return [hit.passage_id for hit in hits if _document(hit.passage_id) not in wrong][:top_k]


def placebo(store: PassageStore, shown: Sequence[Evidence], avoid: Sequence[str], *, seed: str) -> list[str]:
    """One random passage for every shown one, about as long, from documents that are not to be avoided.

    Of eight drawn the one nearest in length is taken. The same seed gives the same passages. Fewer come
    back when the index has too few other documents.
    """
    generator = random.Random(seed)
    barred = {_document(passage_id) for passage_id in (*avoid, *(passage.passage_id for passage in shown))}
    chosen: dict[str, None] = {}
    for passage in shown:
        drawn: dict[str, int] = {}  # id -> how far its length is off
        for _ in range(_TRIES):
            row = generator.randrange(len(store))
            passage_id = store.passage_id(row)
            if passage_id not in chosen and _document(passage_id) not in barred:
                drawn[passage_id] = abs(len(store.passage(row).text) - len(passage.text))
            if len(drawn) == _DRAWS:
                break
        if drawn:
            chosen[min(drawn, key=lambda name: (drawn[name], name))] = None
    return list(chosen)


def _document(passage_id: str) -> str:
    return passage_id.rpartition("#")[0]
