"""How good a model in training is on dev examples: asked and scored as evaluation asks and scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
        # the answer as the only choice: its log-likelihood after the prompt
        own = [
            replace(prompt, question=replace(prompt.question, choices=(example.answer,)))
            for prompt, example in zip(prompts, self._examples, strict=True)
        ]
        total = sum(row[0] for row in reader.text_loglikelihoods(own))
        return Judgement(len(prompts), right / len(prompts), -total / sum(self._lengths))


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
