"""One evaluation from its settings to its record: ask every arm through the journal, then score what came."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from configs.dense import EncoderSettings
from configs.evaluation import ArmName
from configs.schema import Settings
from corpora.exams import load_qrels
from corpora.records import Question
from eval.arms import arms_for
from eval.gate_report import gate_report
from eval.items import Item, write_items
from eval.journal import Journal
from eval.judge import Scales
from eval.positions import positions
from eval.predict import Asker, Costs, Plan
from eval.record import Cost, Digests, RunRecord, peak_memory, this_machine, tokens_added
from eval.summary import ArmScore, Dice, arm_score, arms_of, comparisons, groups
from eval.triage import hit_table, shares
from eval.verdict import verdict, warnings
from index_build.encoder import encoder_for
from index_build.terms import Analyser
from rag.circumstances import circumstances
from rag.gate import Gate, gate_for
from rag.gate_features import Probe
from rag.judgements import Judgements, judgements_from_qrels, judgements_from_quotes
from rag.leakage import leaked_items
from rag.pipeline import Pipeline, open_pipeline
from rag.reader import Identity, digest_of, item_digest

JOURNAL = "journal.jsonl"


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be evaluated."""

    settings: Settings
    exam: str  # its name, for reports
    questions: Sequence[Question]
    pool: Sequence[Question]  # to take few-shot examples from
    out: Path
    with_index: bool  # False: closed book
    qrels: Path | None = None  # None: the quotes of the exam
    permute: bool = False
    look_for_leaks: bool = True


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking, before it is scored."""

    items: Sequence[Item]
    plan: Plan
    costs: Costs
    seconds: float
    digests: Digests


def evaluate(request: Request, pipeline: Pipeline | None = None) -> RunRecord:
    """Ask and score. Files of the run are written by the caller, but for journal and items.

    pipeline: one that is open already; None: the one that the settings describe.
    Raises UserError for what stands in the way; what was answered until then is in the journal.
    """
    asked = ask(request, pipeline)
    write_items(request.out, asked.items)
    return _record(request, asked)


def ask(request: Request, pipeline: Pipeline | None = None, *, gate: Gate | None = None) -> Asked:
    """Every question in every arm, each answer in the journal before the next chunk.

    pipeline: as in `evaluate`; gate: decides in place of the one that the settings name.
    """
    started = time.perf_counter()
    pipeline = pipeline or open_pipeline(request.settings.rag, with_index=request.with_index, pool=request.pool)
    plan, digests = plan_for(request, pipeline, gate)
    with Journal(request.out / JOURNAL) as journal:
        asker = Asker(plan, journal)
        found = asker.items(request.questions)
        items = list(tqdm(found, total=len(request.questions), unit=" questions", desc="ask", disable=None))
    return Asked(items, plan, asker.costs, time.perf_counter() - started, digests)


def plan_for(request: Request, pipeline: Pipeline, gate: Gate | None = None) -> tuple[Plan, Digests]:
    """What is asked and how, and the digests of what that depends on; gate: as in `ask`."""
    settings, library = request.settings, pipeline.library
    here = circumstances(pipeline)
    digests = Digests(
        exam=digest_of({question.question_id: item_digest(question) for question in request.questions}),
        **asdict(here),
    )
    judgements = _judgements(request, pipeline)
    arms: tuple[ArmName, ...] = arms_for(settings.eval.arms, judgements) if library is not None else ("closed",)
    leaks = library is not None and request.look_for_leaks
    plan = Plan(
        pipeline=pipeline,
        arms=arms,
        judgements=judgements,
        gate=(gate or gate_for(settings.rag.gate, here)) if "gated" in arms else None,
        probe=Probe(library.index, settings.rag.lexical) if library is not None and "gated" in arms else None,
        scales=_scales(pipeline),
        chunk=settings.eval.chunk,
        seed=settings.eval.seed,
        permute=request.permute,
        leaked=leaked_items(request.questions, library.index.store, settings.eval.leakage) if leaks and library else {},
    )
    return plan, digests


def _judgements(request: Request, pipeline: Pipeline) -> Judgements:
    if pipeline.library is None:
        return Judgements({}, {})
    store = pipeline.library.index.store
    if request.qrels is not None:
        asked = {question.question_id for question in request.questions}
        found = judgements_from_qrels(load_qrels(request.qrels), store)
        return Judgements({name: ids for name, ids in found.passages.items() if name in asked}, found.unusable)
    return judgements_from_quotes(request.questions, store)


def _scales(pipeline: Pipeline) -> Scales:
    """Morphemes by the index's analyser, or by a plain one closed book, and vectors; loaded with the first essay."""

    @cache
    def analyser() -> Analyser:
        return pipeline.library.index.analyser if pipeline.library is not None else Analyser()

    # not the index's encoder: figures of different indexes stay comparable
    encoder = cache(lambda: encoder_for(EncoderSettings()))
    return Scales(
        terms=lambda text: list(analyser().terms(text)),
        vectors=lambda texts: encoder().encode_passages(texts),
    )


def _record(request: Request, asked: Asked) -> RunRecord:
    items, plan, settings = asked.items, asked.plan, request.settings
    dice = Dice(settings.eval.resamples, settings.eval.seed)
    arms = {arm: arm_score(items, arm) for arm in arms_of(items)}
    compared = comparisons(items, dice)
    seen = plan.gate.seen if plan.gate is not None else frozenset()
    tables = {arm: hit_table(items, arm) for arm in arms if arm != "closed"}
    placed = {arm: positions(items, arm) for arm in arms}
    return RunRecord(
        verdict=verdict(arms, compared),
        warnings=(*warnings(arms, compared), *_gate_warning(items, plan.gate), *_leak_warning(items)),
        exam=request.exam,
        n=len(items),
        judged=sum(item.question_id in plan.judgements.passages for item in items),
        unusable=dict(plan.judgements.unusable),
        reader=_facts(plan.pipeline.reader.identity),
        channel=settings.rag.channel,
        gate=plan.gate.name if plan.gate is not None else "",
        settings=settings.model_dump(mode="json"),
        index=str(settings.rag.index) if request.with_index else "",
        retrieval=f"{settings.rag.mode}, top {settings.rag.top_k}" if request.with_index else "",
        resamples=dice.resamples,
        seed=dice.seed,
        machine=this_machine(),
        digests=asked.digests,
        cost=_cost(asked, arms),
        arms=arms,
        comparisons=tuple(compared),
        groups=tuple(groups(items, dice)),
        hits={arm: table for arm, table in tables.items() if table is not None},
        triage={arm: found for arm in arms if (found := tuple(shares(items, arm)))},
        positions={arm: found for arm, found in placed.items() if found is not None},
        gate_report=gate_report(items, plan.gate.name, seen=seen, dice=dice) if plan.gate is not None else None,
    )


def _gate_warning(items: Sequence[Item], gate: Gate | None) -> list[str]:
    seen = sum(item.question_id in gate.seen for item in items) if gate is not None else 0
    if not seen:
        return []
    return [
        f"The gate was fitted on {seen} of these {len(items)} items: its comparisons flatter it; ask another split"
        " (--split), or read the gate's own table, which leaves those items out."
    ]


def _leak_warning(items: Sequence[Item]) -> list[str]:
    leaked = sum(item.traits.is_leaked is True for item in items)
    if not leaked:
        return []
    return [
        f"{leaked} of {len(items)} items stand in the index: what retrieval gains on them is looking up, not knowing;"
        " see clean items apart under leakage, and python -m eval leakage."
    ]


def _facts(identity: Identity) -> dict[str, object]:
    return {"kind": identity.kind, **identity.facts}


def _cost(asked: Asked, arms: dict[ArmName, ArmScore]) -> Cost:
    costs = asked.costs
    return Cost(
        wall_seconds=asked.seconds,
        search_seconds=costs.search_seconds,
        reader_seconds=costs.reader_seconds,
        asked=costs.asked,
        reused=costs.reused,
        too_long=costs.too_long,
        peak_memory=peak_memory(asked.plan.pipeline.reader.peak_memory),
        tokens_added=tokens_added(arms),
    )


def first(questions: Sequence[Question], limit: int | None) -> list[Question]:
    """The first `limit` questions; all for None."""
    return list(islice(questions, limit))
