"""How good a model in training is on dev examples: asked and scored as evaluation asks and scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import fsum

from configs.reader import PromptSettings
from corpora.records import Question
from finetune.examples import Example
from finetune.masking import Tokens
from rag.answer import answer
from rag.parse import parse_number, parse_text
from rag.reader import Answer, Prompt, Reader, digest_of


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a look at dev found."""

    n: int
    accuracy: float  # share of right answers, through each example's own channel
    loss: float  # nats per token of the answer, the end of the turn left out
    commonest: float  # share of multiple-choice answers that name the commonest place; 1: it answers without reading


class DevSet:
    """Dev examples as prompts. `tokens`: the same examples, tokenised; in the same order."""

    def __init__(self, examples: Sequence[Example], tokens: Sequence[Tokens], settings: PromptSettings) -> None:
        self._examples = examples
        self._lengths = [len(row.ids) - row.start - 1 for row in tokens]
        self._settings = settings

    def judge(self, reader: Reader) -> Judgement:
        """Ask the reader; it must be in evaluation mode."""
        prompts = [prompt_of(example, reader, self._settings) for example in self._examples]
        answers = answer(prompts, reader)
        right = sum(is_right(found, example) for found, example in zip(answers, self._examples, strict=True))
        total = fsum(self._loglikelihoods(prompts, answers, reader))
        return Judgement(len(prompts), right / len(prompts), -total / sum(self._lengths), commonest(answers))

    def _loglikelihoods(self, prompts: Sequence[Prompt], answers: Sequence[Answer], reader: Reader) -> list[float]:
        """log P(answer | prompt) of every example; where labels were scored it is among the scores already."""
        known = {
            row: answers[row].logprobs[prompt.labels.index(self._examples[row].answer)]
            for row, prompt in enumerate(prompts)
            if prompt.channel == "labels"
        }
        rest = [row for row in range(len(prompts)) if row not in known]
        own = [  # the answer as the only choice
            replace(prompts[row], question=replace(prompts[row].question, choices=(self._examples[row].answer,)))
            for row in rest
        ]
        found = known | {row: scores[0] for row, scores in zip(rest, reader.text_loglikelihoods(own), strict=True)}
        return [found[row] for row in range(len(prompts))]


def commonest(answers: Sequence[Answer]) -> float:
    """The share of the chosen numbers that are the commonest one; 0 where no choice was made."""
    places = Counter(found.number for found in answers if found.number is not None)
    return max(places.values()) / places.total() if places else 0.0


def prompt_of(example: Example, reader: Reader, settings: PromptSettings) -> Prompt:
    """The prompt of an example, as a reader takes it. Passages are part of its text; their ids are not needed."""
    rendered = reader.wording.render(example.messages)
    is_reasoned = example.channel == "reason"
    return Prompt(
        question=Question(
            question_id=example.question_id,
            kind="multiple_choice" if example.choices else "short_answer",
            subject=example.subject,
            question="",
            choices=example.choices,
        ),
        channel=example.channel,
        messages=example.messages,
        text=rendered.text,
        lead=rendered.lead,
        passages=(),
        left_out=(),
        tokens=reader.wording.count(rendered.text),
        max_new_tokens=settings.max_reason_tokens if is_reasoned else settings.max_answer_tokens,
        template=example.template,
        digest=digest_of({"text": rendered.text, "lead": rendered.lead, "channel": example.channel}),
    )


def is_right(found: Answer, example: Example) -> bool:
    """Whether an answer says what the example's does: the same number, or the same letters for a short text."""
    if example.choices:
        return found.number is not None and found.number == parse_number(example.answer, example.choices)
    gold = parse_text(example.answer, is_essay=False)
    return found.text is not None and gold is not None and _letters(found.text) == _letters(gold)


def _letters(text: str) -> str:
    return "".join(text.split()).casefold()
