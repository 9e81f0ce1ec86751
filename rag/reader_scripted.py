"""The scripted reader: its answers are written down beforehand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import log

from configs.reader import Channel, ScriptedSettings
from rag.parse import parse_number
from rag.reader import Generation, Identity, Prompt, digest_of
from rag.tokens import EstimatedWording, Wording

_WINDOW = 1 << 20
_SURE = 0.9  # the share of probability that the scripted answer gets


class ScriptedReader:
    """Answers every question with the text that the settings give for its id, through every channel."""

    def __init__(self, settings: ScriptedSettings) -> None:
        self._settings = settings
        self._wording = EstimatedWording(_WINDOW)
        self._identity = Identity("scripted", {"script": digest_of(settings.model_dump(mode="json"))})

    @property
    def identity(self) -> Identity:
        """The digest of the script."""
        return self._identity

    @property
    def wording(self) -> Wording:
        """Plain text in a window of a million estimated tokens."""
        return self._wording

    @property
    def channels(self) -> frozenset[Channel]:
        """All of them."""
        return frozenset({"labels", "texts", "texts_per_character", "generate", "reason"})

    @property
    def peak_memory(self) -> int | None:
        """None: there is no model."""
        return None

    def label_logprobs(self, prompts: Sequence[Prompt]) -> list[tuple[float, ...]]:
        """.9 for the scripted choice and equal shares of the rest; NaN, and so unparsed, for a text that is none."""
        return [self._scores(prompt) for prompt in prompts]

    def text_loglikelihoods(self, prompts: Sequence[Prompt]) -> list[tuple[float, ...]]:
        """The same."""
        return self.label_logprobs(prompts)

    def generate(self, prompts: Sequence[Prompt]) -> list[Generation]:
        """The scripted texts."""
        texts = [self._text(prompt) for prompt in prompts]
        return [Generation(text, self._wording.count(text), is_cut=False) for text in texts]

    def stream(self, prompt: Prompt) -> Iterator[str]:
        """The scripted text, character by character."""
        yield from self._text(prompt)

    def _text(self, prompt: Prompt) -> str:
        return self._settings.answers.get(prompt.question.question_id, self._settings.otherwise)

    def _scores(self, prompt: Prompt) -> tuple[float, ...]:
        choices = prompt.question.choices
        number = parse_number(self._text(prompt), choices)
        if number is None:
            return tuple(float("nan") for _ in choices)
        rest = (1 - _SURE) / (len(choices) - 1)
        return tuple(log(_SURE if other == number else rest) for other in range(1, len(choices) + 1))
