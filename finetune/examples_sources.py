"""Settings of sources -> batches of rows: chosen by split, checked for leakage, repeated by weight, shuffled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from configs.errors import UserError
from configs.examples import ExampleSourceSettings, ExamplesSettings
from corpora.exam_formats import parse_exam
from corpora.exams import load_qrels
from corpora.files import fingerprint
from corpora.records import Question
from finetune.examples_make import Batch, Bench, Made, Reason, make
from finetune.guard import kept_items, refuse, refuse_split, twins
from finetune.reasoning import reasoning_for
from finetune.sampling import copies, weakness_of
from finetune.shuffle import Row, balanced, names_places
from rag.judgements import Judgements, judgements_from_qrels, judgements_from_quotes
from rag.leakage import leaked_items
from rag.pipeline import Library
from rag.reader import digest_of, item_digest


@dataclass(frozen=True, slots=True)
class Source:
    """One source of the settings, read."""

    name: str
    settings: ExampleSourceSettings
    exam: Sequence[Question]

    def of_split(self, split: str) -> list[Question]:
        """Its items of a split, of the kinds that are used."""
        kinds = self.settings.kinds
        return [question for question in self.exam if question.split == split and question.kind in kinds]

    @property
    def facts(self) -> dict[str, JsonValue]:
        """What it is, for the header of a file."""
        digest = digest_of({question.question_id: item_digest(question) for question in self.exam})
        shown = self.settings.model_dump(mode="json", exclude={"qrels", "reasoning"})
        files = {name: path for name in ("qrels", "reasoning") if (path := getattr(self.settings, name)) is not None}
        return {**shown, "exam_digest": digest, **{name: fingerprint(path) for name, path in files.items()}}


def read_sources(settings: ExamplesSettings) -> list[Source]:
    """Every source with its exam. Raises UserError for a split that is kept for measuring, or that is empty."""
    found: list[Source] = []
    for source in settings.sources:
        stem = Path(source.exam.partition(":")[2]).stem or source.exam
        name = f"{stem}/{source.mode}{'/reason' if source.reasoning else ''}"
        taken = sum(other.name.split("~")[0] == name for other in found)
        where = f"source {name}"
        refuse_split(source.split, settings.evaluated_splits, where=where)
        refuse_split(source.dev_split, settings.evaluated_splits, where=where)
        exam = parse_exam(source.exam)
        read = Source(f"{name}~{taken + 1}" if taken else name, source, exam)
        if not read.of_split(source.split):
            used = [question for question in exam if question.kind in source.kinds]
            there = ", ".join(sorted({question.split or "(none)" for question in used})) or "no items"
            raise UserError(f"{where}: no items of split {source.split!r}; the exam has: {there}")
        found.append(read)
    return found


def make_all(sources: Sequence[Source], bench: Bench) -> Made:
    """The examples of all sources: those to learn from first, then those to choose checkpoints by.

    A source whose two splits are one gives nothing to learn from. Raises UserError when an item stands in another
    split and the settings do not say to drop such.
    """
    settings, made = bench.settings, Made()
    dev_splits = sorted({source.settings.dev_split for source in sources} - {""})
    allowed = [*sorted({source.settings.split for source in sources}), *dev_splits]
    weakness = weakness_of(settings.weak, settings.weak_arm, allowed=allowed) if settings.weak is not None else None
    exams = [source.exam for source in sources]
    for source in sources:
        if source.settings.split == source.settings.dev_split:
            continue
        kept = kept_items(settings.evaluated, exams, [*settings.evaluated_splits, *dev_splits])
        found = _clean(source, source.of_split(source.settings.split), kept, bench, made)
        counts = copies(found, weight=source.settings.weight, weakness=weakness, seed=settings.seed)
        make(_batch(source, found, counts, bench, shuffle=settings.shuffle), bench, made)
    for source in sources:
        if source.settings.dev_split:
            kept = kept_items(settings.evaluated, exams, settings.evaluated_splits)
            found = _clean(source, source.of_split(source.settings.dev_split), kept, bench, made)
            make(_batch(source, found, [1] * len(found), bench, shuffle=False), bench, made)  # asked as they are
    return made


def _clean(
    source: Source, questions: Sequence[Question], kept: Sequence[Question], bench: Bench, made: Made
) -> list[Question]:
    """The questions that stand neither among the kept items nor, where passages are shown, in the index."""
    settings = bench.settings
    leaked = twins(questions, kept, settings.leakage)
    if settings.leaked == "refuse":
        refuse(leaked, where=f"source {source.name}", cure="leave such out with --set finetune.examples.leaked=drop")
    reasons: dict[str, Reason] = {twin.question_id: "in another split" for twin in leaked}
    if bench.library is not None and source.settings.mode != "closed":
        stands = leaked_items(questions, bench.library.index.store, settings.leakage)
        reasons = {**{name: "stands in the index" for name, there in stands.items() if there}, **reasons}
    made.dropped.update(Counter((source.name, reason) for reason in reasons.values()))
    return [question for question in questions if question.question_id not in reasons]


def _batch(
    source: Source, questions: Sequence[Question], counts: Sequence[int], bench: Bench, *, shuffle: bool
) -> Batch:
    written = source.settings.reasoning
    reasoning = reasoning_for(written, source.exam) if written is not None else None
    rows = _rows(source.name, questions, counts, reasoning or {})
    return Batch(
        source=source.name,
        mode=source.settings.mode,
        rows=balanced(rows, seed=bench.settings.seed) if shuffle else rows,
        judgements=_judgements(source, questions, bench.library),
        reasoning=reasoning,
    )


def _rows(name: str, questions: Sequence[Question], counts: Sequence[int], reasoning: Mapping[str, str]) -> list[Row]:
    return [
        Row(
            id=f"{name}:{question.question_id}{f'~{turn}' if turn > 1 else ''}",
            question=question,
            is_fixed=names_places(reasoning.get(question.question_id, "")),
        )
        for question, count in zip(questions, counts, strict=True)
        for turn in range(1, count + 1)
    ]


def _judgements(source: Source, questions: Sequence[Question], library: Library | None) -> Judgements:
    if library is None:
        return Judgements({}, {})
    store = library.index.store
    if source.settings.qrels is not None:
        return judgements_from_qrels(load_qrels(source.settings.qrels), store)
    return judgements_from_quotes(questions, store)
