"""Items -> more items, one way at a time; checked for leakage, and answered by a reader before they are kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, assert_never, get_args

from tqdm import tqdm

from configs.errors import UserError
from configs.examples import AugmentSettings
from configs.schema import Settings
from corpora.exam_formats import parse_exam
from corpora.records import Question
from finetune.augment_rules import ruled
from finetune.augment_words import same_type, with_choices
from finetune.augment_written import Asked, paraphrase_prompt, paraphrased, questions_in, questions_prompt
from finetune.guard import kept_items, origin, refuse_split, twins
from finetune.shuffle import Row, balanced, is_shufflable
from finetune.verify import check_writes, verify
from finetune.written import Written
from rag.gate_features import is_negated
from rag.hybrid import retriever_for
from rag.index import Index
from rag.judgements import distractors, judgements_from_quotes
from rag.pipeline import Library, evidence_of
from rag.reader import Evidence, Reader
from rag.readers import reader_for

Kind = Literal["shuffle", "distractors", "paraphrase", "questions", "rules"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(slots=True)
class Outcome:
    """What came of making questions; it grows step by step. tried = questions + dropped."""

    tried: int = 0
    questions: list[Question] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)  # by reason
    verified: int = 0  # asked of a reader
    gold: int = 0  # of these right with the passages that answer them
    closed: int = 0  # ... and without


@dataclass(frozen=True, slots=True)
class _Bench:
    """What questions are made from, and with what."""

    settings: Settings
    exam: Sequence[Question]
    split: str
    kept: Sequence[Question]  # for measuring
    docs: str | None
    out: Path

    @property
    def wanted(self) -> AugmentSettings:
        return self.settings.finetune.augment

    @property
    def own(self) -> list[Question]:
        """The items to make others from."""
        return [question for question in self.exam if question.split == self.split and question.kind != "essay"]


def augment(kind: Kind, exam: str, split: str, *, docs: str | None, settings: Settings, out: Path) -> Outcome:
    """The questions made in one way from the items of a split, in order.

    docs: a pattern of ids of documents to ask about; None: those with pages, for rules all. What a model writes is kept
    beside `out`. Raises UserError for a split that is kept for measuring or is empty, an index that is not there, and a
    reader that cannot write.
    """
    wanted = settings.finetune.augment
    refuse_split(split, wanted.evaluated_splits, where=f"augment {kind}")
    questions = parse_exam(exam)
    others = sorted({question.split for question in questions} - {split, ""})
    kept = kept_items(wanted.evaluated, [questions], sorted({*wanted.evaluated_splits, *others}))
    bench = _Bench(settings, questions, split, kept, docs, out)
    if not bench.own and kind not in ("questions", "rules"):
        there = ", ".join(sorted({question.split or "(none)" for question in questions}))
        raise UserError(f"augment {kind}: no items of split {split!r}; the exam has: {there}")
    made = Outcome()
    match kind:
        case "shuffle":
            candidates = _shuffled(bench, made)
        case "distractors":
            candidates = _verified(_exchanged(bench, made), bench, made)
        case "paraphrase":
            candidates = _verified(_reworded(bench, made), bench, made)
        case "questions":
            candidates = _verified(_asked(bench, made), bench, made)
        case "rules":
            candidates = _ruled(bench, made)
        case _:
            assert_never(kind)
    leaked = {twin.question_id for twin in twins(candidates, kept, wanted.leakage)}
    made.dropped["resembles an item kept for measuring"] += len(leaked)
    made.questions = [question for question in candidates if question.question_id not in leaked]
    made.dropped += Counter()  # without zeros
    return made


def _shuffled(bench: _Bench, made: Outcome) -> list[Question]:
    rows = []
    for question in bench.own:
        for turn in range(1, bench.wanted.copies + 1):
            made.tried += 1
            if is_shufflable(question):
                new = replace(question, question_id=f"{question.question_id}~s{turn}")
                rows.append(Row(new.question_id, new))
            else:
                made.dropped["speaks of choices by their place, or has none"] += 1
    seen = {(question.question_id, question.choices) for question in bench.own}
    found = []
    for row in balanced(rows, seed=bench.wanted.seed):
        order = (origin(row.id), row.question.choices)
        if order in seen:
            made.dropped["an order that is there already"] += 1
        else:
            seen.add(order)
            found.append(row.question)
    return found


def _exchanged(bench: _Bench, made: Outcome) -> list[Question]:
    library = _library(bench)
    wanted = bench.wanted
    judgements = judgements_from_quotes(bench.own, library.index.store)
    found = []
    for question in tqdm(bench.own, desc="distractors", unit=" items", disable=None):
        made.tried += 1
        judged = judgements.of(question)
        if not judged or is_negated(question):  # what is wrong for "which is not so" would have to be true
            made.dropped["asks for what is not so" if judged else "not judged"] += 1
            continue
        hits = library.search(question, wanted.depth)
        ids = dict.fromkeys((*judged, *distractors(hits, judged, wanted.depth)))
        texts = [passage.text for passage in evidence_of(library.index, list(ids))]
        words = same_type(question, texts, library.index.analyser, count=wanted.choices - 1)
        if len(words) < wanted.choices - 1:
            made.dropped["too few words of the answer's type"] += 1
            continue
        new = replace(question, question_id=f"{question.question_id}~d1")
        found.append(with_choices(new, words, seed=wanted.seed))
    return found


def _reworded(bench: _Bench, made: Outcome) -> list[Question]:
    reader, store = _writer(bench)
    settings = bench.settings.rag.prompt
    items = list(bench.own)
    prompts = [paraphrase_prompt(question, settings=settings, wording=reader.wording) for question in items]
    made.tried += len(items)
    found = []
    for question, text in zip(items, store.generate(prompts, what="paraphrase"), strict=True):
        new, fault = paraphrased(question, text, new_id=f"{question.question_id}~p1")
        if new is None:
            made.dropped[fault] += 1
        else:
            found.append(new)
    return found


def _asked(bench: _Bench, made: Outcome) -> list[Question]:
    reader, store = _writer(bench)
    wanted, settings = bench.wanted, bench.settings.rag.prompt
    index = _library(bench).index
    asked = [_as_asked(index, row) for row in _rows(index, bench)]
    prompts = [
        questions_prompt(
            one, choices=wanted.choices, count=wanted.per_passage, settings=settings, wording=reader.wording
        )
        for one in asked
    ]
    found = []
    for one, text in zip(asked, store.generate(prompts, what="questions"), strict=True):
        new, faults = questions_in(text, one, choices=wanted.choices, split=bench.split)
        found += new
        made.tried += len(new) + len(faults)
        made.dropped.update(faults)
    return found


def _ruled(bench: _Bench, made: Outcome) -> list[Question]:
    wanted, index = bench.wanted, Index(bench.settings.rag.index)
    everything = replace(bench, docs=bench.docs or "*")
    asked = ruled(index, _rows(index, everything), per_passage=wanted.per_passage, split=bench.split, seed=wanted.seed)
    found = [question for questions in asked for question in questions]
    nothing = sum(not questions for questions in asked)
    made.tried += len(found) + nothing
    made.dropped["a passage with nothing to ask"] += nothing
    return found


def _rows(index: Index, bench: _Bench) -> list[int]:
    """The passages to ask about. Raises UserError when there is none."""
    barred = {gold.doc_id for question in bench.kept for gold in question.gold}
    found = []
    for row in range(len(index.store)):
        passage, document = index.store.passage(row), index.store.document(row)
        is_wanted = fnmatchcase(passage.doc_id, bench.docs) if bench.docs is not None else bool(document.pages)
        if is_wanted and passage.doc_id not in barred and len(passage.text) >= bench.wanted.min_chars:
            found.append(row)
    if not found:
        raise UserError(
            f"{bench.settings.rag.index}: no passage to ask about; name documents with --docs GLOB: by default those"
            " with pages, and none that answers an item kept for measuring"
        )
    return found


def _as_asked(index: Index, row: int) -> Asked:
    passage, document = index.store.passage(row), index.store.document(row)
    return Asked(passage, " > ".join((document.title, *passage.heading_path)))


def _verified(questions: Sequence[Question], bench: _Bench, made: Outcome) -> list[Question]:
    """The questions that a reader answers right with the passages that answer them."""
    reader = reader_for(bench.wanted.verifier or bench.settings.rag.reader)
    store = Written(_kept_at(bench, "answers"), reader)
    evidence = _evidence(questions, bench)
    verdicts = verify(questions, evidence, reader=reader, store=store, settings=bench.settings.rag.prompt)
    made.verified += len(verdicts)
    made.gold += sum(verdict.gold for verdict in verdicts)
    made.closed += sum(verdict.closed for verdict in verdicts)
    found = []
    for question, verdict in zip(questions, verdicts, strict=True):
        if not verdict.gold:
            made.dropped["answered wrong with the passages"] += 1
        elif verdict.closed and question.gold and not bench.wanted.keep_known:
            made.dropped["known without the passages"] += 1
        else:
            found.append(question)
    return found


def _evidence(questions: Sequence[Question], bench: _Bench) -> Mapping[str, Sequence[Evidence]]:
    """Question id -> the passages that answer it; absent where the item's own 지문 does."""
    if not any(question.gold for question in questions):
        return {}
    index = _library(bench).index
    judged = judgements_from_quotes(questions, index.store)
    return {name: evidence_of(index, passage_ids) for name, passage_ids in judged.passages.items()}


def _library(bench: _Bench) -> Library:
    index = Index(bench.settings.rag.index)
    return Library(index, retriever_for(bench.settings.rag, index), bench.settings.rag.query)


def _writer(bench: _Bench) -> tuple[Reader, Written]:
    check_writes(bench.settings.rag.reader, purpose="write questions")
    reader = reader_for(bench.settings.rag.reader)
    return reader, Written(_kept_at(bench, "written"), reader)


def _kept_at(bench: _Bench, what: str) -> Path:
    return bench.out.with_name(f"{bench.out.stem}.{what}.jsonl")
