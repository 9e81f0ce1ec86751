"""Questions -> items: every arm asked through the journal, a few questions at a time, nothing asked twice."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from configs.evaluation import ArmName
from corpora.records import Question
from eval.arms import placebo
from eval.items import Item, Outcome, Rotations, traits_of
from eval.journal import Entry, Journal, answer_key, entry_of
from eval.judge import Scales, outcome_of, shows_any, too_long
from eval.triage import with_causes
from rag.answer import answer
from rag.gate import Case, Decision, Gate
from rag.gate_features import NOTHING_FOUND, Found, Probe, features_of
from rag.judgements import Judgements, distractors
from rag.pipeline import Pipeline
from rag.prompt import PromptTooLongError
from rag.query import with_choices
from rag.reader import Prompt, item_digest

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked, and how."""

    pipeline: Pipeline
    arms: tuple[ArmName, ...]
    judgements: Judgements
    gate: Gate | None  # None without a gated arm
    probe: Probe | None  # None without an index
    scales: Scales
    chunk: int  # questions asked at once
    seed: int  # of the placebo
    permute: bool  # every cyclic order of the choices
    leaked: Mapping[str, bool]


@dataclass(slots=True)
class Costs:
    """What a run has spent so far; it grows while the run goes on."""

    asked: int = 0  # prompts the reader answered in this run
    reused: int = 0  # answers that the journal held
    too_long: int = 0  # prompts that no window could hold
    search_seconds: float = 0.0
    reader_seconds: float = 0.0


@dataclass(slots=True)
class _Draft:
    """A question on its way: what each arm shows, and what the gate says."""

    question: Question
    offered: dict[ArmName, Sequence[str]] = field(default_factory=dict)
    prompts: dict[ArmName, Prompt] = field(default_factory=dict)
    entries: dict[ArmName, Entry] = field(default_factory=dict)
    rotated: dict[tuple[ArmName, int], Prompt] = field(default_factory=dict)
    rotated_entries: dict[tuple[ArmName, int], Entry] = field(default_factory=dict)
    decision: Decision | None = None


class Asker:
    """Asks questions in all arms of a plan."""

    def __init__(self, plan: Plan, journal: Journal) -> None:
        self._plan = plan
        self._journal = journal
        self._reader = plan.pipeline.reader
        settings = plan.pipeline.settings
        self._deep = replace(plan.pipeline, settings=settings.model_copy(update={"top_k": 3 * settings.top_k}))
        self._reader_digest = plan.pipeline.reader.identity.digest
        self.costs = Costs()

    def items(self, questions: Sequence[Question]) -> Iterator[Item]:
        """The items in order of the questions; each chunk is in the journal before its first item comes out."""
        for begin in range(0, len(questions), self._plan.chunk):
            drafts = [self._drafted(question) for question in questions[begin : begin + self._plan.chunk]]
            wanted = [
                *((draft, arm, 0, prompt) for draft in drafts for arm, prompt in draft.prompts.items()),
                *((draft, arm, turn, prompt) for draft in drafts for (arm, turn), prompt in draft.rotated.items()),
            ]
            entries = self._answered([(arm, prompt) for _, arm, _, prompt in wanted])
            for (draft, arm, turn, _), entry in zip(wanted, entries, strict=True):
                if turn:
                    draft.rotated_entries[arm, turn] = entry
                else:
                    draft.entries[arm] = entry
            for draft in drafts:
                self._gated(draft)
                yield with_causes(self._item(draft))

    def _drafted(self, question: Question) -> _Draft:
        """The question with the passages and prompts of every arm but the gated one, which takes another's."""
        draft = _Draft(question)
        draft.offered = self._offers(question)
        for arm, passage_ids in draft.offered.items():
            try:
                draft.prompts[arm] = self._plan.pipeline.prompt(question, passage_ids)
            except PromptTooLongError as error:
                self.costs.too_long += 1
                _LOG.warning("%s; it counts as unparsed", error)
        if "random" in self._plan.arms and self._plan.pipeline.library is not None:
            self._add_placebo(draft)
        if self._plan.permute and question.kind == "multiple_choice":
            for arm, prompt in draft.prompts.items():
                shown = [passage.passage_id for passage in prompt.passages]
                for turn in range(1, len(question.choices)):
                    draft.rotated[arm, turn] = self._plan.pipeline.prompt(rotated(question, turn), shown)
        return draft

    def _offers(self, question: Question) -> dict[ArmName, Sequence[str]]:
        plan, offers = self._plan, dict[ArmName, Sequence[str]]()
        if "closed" in plan.arms:
            offers["closed"] = ()
        if plan.pipeline.library is None:
            return offers
        if "retrieved" in plan.arms:
            started = time.perf_counter()
            offers["retrieved"] = [hit.passage_id for hit in plan.pipeline.search(question)]
            self.costs.search_seconds += time.perf_counter() - started
        judged = plan.judgements.of(question)
        if judged and "gold" in plan.arms:
            offers["gold"] = judged
        if judged and "distract" in plan.arms:
            offers["distract"] = distractors(self._deep.search(question), judged, plan.pipeline.settings.top_k)
        return offers

    def _add_placebo(self, draft: _Draft) -> None:
        """Random passages as long as those that the retrieved prompt shows."""
        library, question = self._plan.pipeline.library, draft.question
        if library is None or "retrieved" not in draft.prompts:
            return
        avoid = (*self._plan.judgements.of(question), *draft.offered["retrieved"])
        shown = draft.prompts["retrieved"].passages
        found = placebo(library.index.store, shown, avoid, seed=f"{self._plan.seed} {question.question_id}")
        draft.offered["random"] = found
        draft.prompts["random"] = self._plan.pipeline.prompt(question, found)

    def _answered(self, wanted: Sequence[tuple[ArmName, Prompt]]) -> list[Entry]:
        """The answers, from the journal where it has them; the others are asked, equal prompts once."""
        keys = [answer_key(prompt, self._reader_digest) for _, prompt in wanted]
        new = {key: (arm, prompt) for key, (arm, prompt) in zip(keys, wanted, strict=True) if key not in self._journal}
        if new:
            started = time.perf_counter()
            answers = answer([prompt for _, prompt in new.values()], self._reader)
            seconds = time.perf_counter() - started
            self.costs.reader_seconds += seconds
            self.costs.asked += len(new)
            for (key, (arm, _)), given in zip(new.items(), answers, strict=True):
                self._journal.append(
                    entry_of(given, key=key, arm=arm, reader_digest=self._reader_digest, seconds=seconds / len(new))
                )
        self.costs.reused += len(wanted) - len(new)
        return [self._entry(key, arm) for key, (arm, _) in zip(keys, wanted, strict=True)]

    def _entry(self, key: str, arm: ArmName) -> Entry:
        """The answer with this key; the arm's own line is added where another arm asked the same prompt."""
        entry = self._journal.find(key)
        if entry is None:
            raise LookupError(f"journal lost {key}")
        if not self._journal.has(key, arm):
            self._journal.append(entry.model_copy(update={"arm": arm}))
        return entry

    def _gated(self, draft: _Draft) -> None:
        """Decide, and take the answer of the closed or the retrieved arm."""
        plan = self._plan
        if plan.gate is None:
            return
        found = self._found(draft.question)
        closed = draft.entries["closed"].logprobs if "closed" in draft.entries else ()
        case = Case(draft.question, features_of(draft.question, found, closed))
        draft.decision = plan.gate.decide(case)
        source: ArmName = "retrieved" if draft.decision.inject else "closed"
        if source in draft.entries:
            draft.prompts["gated"] = draft.prompts[source]
            draft.entries["gated"] = self._entry(draft.entries[source].key, "gated")
        for (arm, turn), entry in list(draft.rotated_entries.items()):
            if arm == source:
                draft.rotated_entries["gated", turn] = entry

    def _found(self, question: Question) -> Found:
        """What the index has to say to a question, where the gate wants to know."""
        if self._plan.gate is None or self._plan.probe is None or not self._plan.gate.asks_index:
            return NOTHING_FOUND
        started = time.perf_counter()
        found = self._plan.probe.ask(with_choices(question))
        self.costs.search_seconds += time.perf_counter() - started
        return found

    def _item(self, draft: _Draft) -> Item:
        question = draft.question
        asked = [arm for arm in self._plan.arms if arm in draft.offered or arm in draft.entries or arm == "gated"]
        outcomes = [self._outcome(draft, arm) for arm in asked]
        turned = [self._rotations(draft, arm) for arm in asked] if draft.rotated else []
        return Item(
            question_id=question.question_id,
            digest=item_digest(question),
            answer=question.answer,
            traits=traits_of(question, is_leaked=self._plan.leaked.get(question.question_id)),
            outcomes=tuple(outcomes),
            rotations=tuple(rotations for rotations in turned if rotations is not None),
        )

    def _outcome(self, draft: _Draft, arm: ArmName) -> Outcome:
        if arm not in draft.entries:
            return too_long(arm)
        outcome = outcome_of(draft.question, arm, draft.entries[arm], scales=self._plan.scales)
        judged = self._plan.judgements.of(draft.question)
        if judged:
            offered = draft.offered.get(arm, [passage.passage_id for passage in draft.prompts[arm].passages])
            outcome = replace(
                outcome,
                shows_gold=shows_any(draft.prompts[arm], judged),
                found_gold=not set(offered).isdisjoint(judged),
            )
        if arm == "gated" and draft.decision is not None:
            outcome = replace(outcome, injected=draft.decision.inject, gate=draft.decision.value)
        return outcome

    def _rotations(self, draft: _Draft, arm: ArmName) -> Rotations | None:
        if arm not in draft.entries:
            return None
        size = len(draft.question.choices)
        positions = [draft.entries[arm].number]
        positions += [draft.rotated_entries[arm, turn].number for turn in range(1, size)]
        choices = [unrotated(place, turn, size) for turn, place in enumerate(positions)]
        return Rotations(arm, tuple(positions), tuple(choices))


def rotated(question: Question, turn: int) -> Question:
    """The question with its choices moved `turn` places up, the first ones to the end."""
    return replace(question, choices=(*question.choices[turn:], *question.choices[:turn]))


def unrotated(position: int | None, turn: int, size: int) -> int | None:
    """The number in the item's own order of the choice at `position` after `turn`; None for None."""
    return None if position is None else (position - 1 + turn) % size + 1
