"""A reader's own mistakes as preferences: chosen is the right answer, rejected what the reader would rather say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from configs.errors import UserError
from configs.evaluation import ArmName
from configs.reader import PromptSettings
from configs.training import DpoSettings
from corpora.files import fingerprint
from corpora.writing import replaced
from finetune.dev import is_right, prompt_of
from finetune.examples import Example
from finetune.outcomes import only_splits, read_run
from rag.answer import answer
from rag.reader import Reader


@dataclass(frozen=True, slots=True)
class Preference:
    """One prompt with the answer to give and the one to leave."""

    example_id: str
    chosen: str
    rejected: str
    margin: float | None  # nats by which the chosen one leads: negative for a mistake; None where it was written


def missed(run: Path, arm: ArmName, split: str) -> tuple[set[str], str]:
    """(the questions that an arm of a run got wrong, the digest of the run's items).

    Raises UserError when there is no such run or arm, or it asked questions of another split.
    """
    found = read_run(run, arm)
    only_splits((item for item, _ in found), (split,), run=run, purpose="a reader learns from its mistakes")
    wrong = {item.question_id for item, outcome in found if not outcome.is_right}
    return wrong, fingerprint(run / "items.jsonl")


def preferences(
    examples: Sequence[Example], reader: Reader, settings: DpoSettings, prompt: PromptSettings
) -> list[Preference]:
    """The examples on which the reader errs, or leads by less than `settings.margin`, in their order.

    Answers that are a choice are scored, all choices of the item; others are written and rejected where wrong.
    Raises UserError when there are none.
    """
    scored = [example for example in examples if candidates(example)]
    written = [example for example in examples if not candidates(example)]
    found = {
        made.example_id: made
        for made in (*_scored(scored, reader, settings, prompt), *_written(written, reader, prompt))
    }
    if not found:
        raise UserError(
            f"the reader makes no mistake on these {len(examples)} examples: nothing to prefer; take harder ones, or"
            " raise finetune.dpo.margin"
        )
    return [found[example.id] for example in examples if example.id in found]


def candidates(example: Example) -> tuple[str, ...]:
    """All answers of which the example's is one: labels or the choices' texts; () where it is written freely."""
    labels = tuple(str(number) for number in range(1, len(example.choices) + 1))
    for answers in (labels, example.choices):
        if example.answer in answers:
            return answers
    return ()


def write_preferences(path: Path, found: Sequence[Preference]) -> None:
    """Write them down as JSON lines."""
    with replaced(path) as stream:
        for preference in found:
            stream.write(json.dumps(asdict(preference), ensure_ascii=False) + "\n")


def _scored(
    examples: Sequence[Example], reader: Reader, settings: DpoSettings, prompt: PromptSettings
) -> list[Preference]:
    prompts = []
    for example in examples:
        made = prompt_of(example, reader, prompt)
        prompts.append(replace(made, question=replace(made.question, choices=candidates(example))))
    found = []
    for example, scores in zip(examples, reader.text_loglikelihoods(prompts), strict=True):
        right = candidates(example).index(example.answer)
        others = [(-score, number) for number, score in enumerate(scores) if number != right]
        worst, number = min(others)
        margin = scores[right] + worst
        if margin < settings.margin:
            found.append(Preference(example.id, example.answer, candidates(example)[number], margin))
    return found


def _written(examples: Sequence[Example], reader: Reader, prompt: PromptSettings) -> list[Preference]:
    answers = answer([prompt_of(example, reader, prompt) for example in examples], reader)
    return [
        Preference(example.id, example.answer, given.raw.strip(), None)
        for example, given in zip(examples, answers, strict=True)
        if given.raw.strip() and not given.is_cut and not is_right(given, example)
    ]
