"""Questions -> examples, through `rag.prompt` only: closed book, with retrieved passages, or RAFT."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tqdm import tqdm

from configs.errors import UserError
from configs.examples import ExamplesSettings
from configs.schema import RagSettings
from corpora.records import Question
from finetune.examples import Example, Mode, reasoned
from finetune.gold import gives_away, holding, is_answered, placed
from finetune.shuffle import Row
from rag.judgements import Judgements, distractors
from rag.pipeline import Library, evidence_of
from rag.prompt import PromptTooLongError, expected, render
from rag.reader import Evidence, Prompt
from rag.tokens import Wording

Reason = Literal[
    "in another split",
    "stands in the index",
    "not judged",
    "judgements do not fit the index",
    "no wrong passages found",
    "gold passage without quote or answer",
    "gold passage not in the prompt",
    "no reasoning",
    "too long for the reader",
]
"""Why an item gave no example."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What every example is made with."""

    rag: RagSettings
    settings: ExamplesSettings
    wording: Wording
    library: Library | None  # None: nothing but closed book


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows of one source and split, and what is known about their questions."""

    source: str
    mode: Literal["closed", "retrieved", "raft"]
    rows: Sequence[Row]
    judgements: Judgements
    reasoning: dict[str, str] | None  # question id -> 풀이; None: answers alone


@dataclass(slots=True)
class Made:
    """What came of all sources; it grows one by one. Nothing disappears: an item or a copy of one is in either."""

    examples: list[Example] = field(default_factory=list)
    dropped: Counter[tuple[str, Reason]] = field(default_factory=Counter)  # by source and reason
    gold_places: Counter[int] = field(default_factory=Counter)  # where the first gold passage stands, from 1; RAFT


class _DroppedError(Exception):
    """A row that gives no example."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


def make(batch: Batch, bench: Bench, made: Made) -> None:
    """Add the examples of a batch, in order of its rows, and count the rows that give none.

    Raises UserError when passages are wanted without an index, or more than the prompt may show.
    """
    _check(batch, bench)
    with_gold = _with_gold(batch, bench.settings)
    for row in tqdm(batch.rows, desc=batch.source, unit=" examples", disable=None):
        try:
            example = _example(row, batch, bench, with_gold)
        except _DroppedError as dropped:
            made.dropped[batch.source, dropped.reason] += 1
            continue
        made.examples.append(example)
        if example.mode == "raft_gold":
            judged = batch.judgements.of(row.question)
            made.gold_places[next(n for n, name in enumerate(example.passages, start=1) if name in judged)] += 1


def _check(batch: Batch, bench: Bench) -> None:
    if batch.mode != "closed" and bench.library is None:
        raise UserError(f"{batch.source}: mode {batch.mode!r} needs an index; name one with --index DIR")
    wanted, most = bench.settings.raft.passages or 0, bench.rag.prompt.max_passages
    if batch.mode == "raft" and wanted > most:
        raise UserError(
            f"finetune.examples.raft.passages: found {wanted}; a prompt shows at most rag.prompt.max_passages = {most}"
        )


def _with_gold(batch: Batch, settings: ExamplesSettings) -> frozenset[str]:
    """The ids of the rows that show their gold passages: exactly the share p_gold of those judged, by chance."""
    judged = [row.id for row in batch.rows if batch.judgements.of(row.question)]
    order = random.Random(f"{settings.seed} gold").sample(judged, len(judged))
    return frozenset(order[: round(settings.raft.p_gold * len(judged))])


def _example(row: Row, batch: Batch, bench: Bench, with_gold: frozenset[str]) -> Example:
    question = row.question
    reasoning = "" if batch.reasoning is None else batch.reasoning.get(question.question_id, "")
    if batch.reasoning is not None and not reasoning:
        raise _DroppedError("no reasoning")
    judged = batch.judgements.of(question)
    mode, prompt = _prompt(row, batch, bench, with_gold)
    shown = [passage.passage_id for passage in prompt.passages]
    cited = [passage_id for passage_id in shown if passage_id in judged]
    answer = expected(question)
    if prompt.channel in ("texts", "texts_per_character"):
        answer = question.choices[int(answer) - 1]
    return Example(
        id=row.id,
        messages=prompt.messages,
        answer=reasoned(reasoning, cited, answer) if reasoning else answer,
        reasoning=reasoning,
        channel=prompt.channel,
        question_id=question.question_id,
        choices=question.choices,
        split=question.split,
        mode=mode,
        passages=tuple(shown),
        gold_shown=bool(cited),
        template=prompt.template,
        source=batch.source,
        subject=question.subject,
    )


def _prompt(row: Row, batch: Batch, bench: Bench, with_gold: frozenset[str]) -> tuple[Mode, Prompt]:
    def rendered(evidence: Sequence[Evidence]) -> Prompt:
        channel = "reason" if batch.reasoning is not None else bench.rag.channel
        try:
            return render(row.question, evidence, settings=bench.rag.prompt, channel=channel, wording=bench.wording)
        except PromptTooLongError:
            raise _DroppedError("too long for the reader") from None

    if batch.mode == "closed" or bench.library is None:
        return "closed", rendered([])
    if batch.mode == "retrieved":
        hits = bench.library.search(row.question, bench.rag.top_k)
        return "retrieved", rendered(evidence_of(bench.library.index, [hit.passage_id for hit in hits]))
    judged = batch.judgements.of(row.question)
    if not judged:
        unusable = row.question.question_id in batch.judgements.unusable
        raise _DroppedError("judgements do not fit the index" if unusable else "not judged")
    gold = holding(row.question, evidence_of(bench.library.index, judged))
    wrong = _wrong(row.question, judged, bench, bench.library)
    if row.id in with_gold:
        return "raft_gold", _golden(row, gold, wrong, bench, rendered)
    if not wrong:
        raise _DroppedError("no wrong passages found")
    return "raft_no_gold", rendered(placed([], wrong[: _size(bench)], seed=f"{bench.settings.seed} order {row.id}"))


def _golden(
    row: Row,
    gold: Sequence[Evidence],
    wrong: Sequence[Evidence],
    bench: Bench,
    rendered: Callable[[Sequence[Evidence]], Prompt],
) -> Prompt:
    """The prompt with gold passages among wrong ones; of these as many as leave room for the gold ones.

    What fits is found with the gold ones first and mixed afterwards: trying orders until gold is not cut off would
    move it forward.
    """
    trusted, seed = bench.settings.raft.trust_qrels, f"{bench.settings.seed} order {row.id}"
    if not is_answered(row.question, gold, trusted=trusted):
        raise _DroppedError("gold passage without quote or answer")
    wanted = {passage.passage_id for passage in gold}
    first = rendered([*gold, *wrong[: max(_size(bench) - len(gold), 0)]])
    whole = {passage.passage_id for passage in first.passages if not passage.is_cut}
    fitting = [passage for passage in wrong if passage.passage_id in whole]
    for count in range(len(fitting), -1, -1):  # a mixed order may make a near duplicate of a gold passage
        prompt = rendered(placed(gold, fitting[:count], seed=seed))
        shown = [passage for passage in prompt.passages if passage.passage_id in wanted]
        if is_answered(row.question, shown, trusted=trusted):
            return prompt
    raise _DroppedError("gold passage not in the prompt")


def _wrong(question: Question, judged: Sequence[str], bench: Bench, library: Library) -> list[Evidence]:
    """The best hits that do not answer, best first, as our own retriever ranks them."""
    hits = library.search(question, bench.settings.raft.depth)
    found = evidence_of(library.index, distractors(hits, judged, bench.settings.raft.depth))
    return [passage for passage in found if not gives_away(question, passage)]


def _size(bench: Bench) -> int:
    return bench.settings.raft.passages or bench.rag.prompt.max_passages
