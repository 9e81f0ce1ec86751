"""The openai reader: any server that speaks OpenAI's chat completions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from configs.errors import UserError
from configs.reader import Channel, OpenAiSettings
from rag.endpoint import Endpoint, EndpointError
from rag.reader import Generation, Identity, Prompt
from rag.tokens import EstimatedWording, FileWording, Message, Wording

T = TypeVar("T")

_PATH = "/chat/completions"
_TOP = 20  # alternatives per token: what the API offers at most
_MOST_LABELS = 9  # "10" begins with another label


class _Alternative(BaseModel):
    token: str
    logprob: float


class _Token(BaseModel):
    top_logprobs: list[_Alternative] = []


class _Logprobs(BaseModel):
    content: list[_Token] | None = None


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Usage(BaseModel):
    completion_tokens: int = 0


class _Completion(BaseModel):
    """What is read of a response; a server may send more."""

    choices: list[_Choice]
    usage: _Usage | None = None


class _Delta(BaseModel):
    delta: _Message


class _Piece(BaseModel):
    choices: list[_Delta] = []


class OpenAiReader:
    """Sends the messages of prompts, several at once; the server applies its model's chat template."""

    def __init__(self, settings: OpenAiSettings) -> None:
        self._settings = settings
        self._endpoint = Endpoint(settings)
        if settings.tokenizer is None:
            self._wording: Wording = EstimatedWording(settings.window)
        else:
            self._wording = FileWording(settings.tokenizer, settings.window)

    @property
    def identity(self) -> Identity:
        """Address, model and what is sent with every request. Which weights are served there, nobody says."""
        settings = self._settings
        facts = {"url": settings.url, "model": settings.model, "thinking": settings.thinking, "seed": settings.seed}
        return Identity("openai", facts)

    @property
    def wording(self) -> Wording:
        """The tokenizer of the settings, or an estimate; the text is for counting only."""
        return self._wording

    @cached_property
    def channels(self) -> frozenset[Channel]:
        """Written answers; labels too where the server gives log-probabilities (asked once, with `auto`)."""
        written: frozenset[Channel] = frozenset({"generate", "reason"})
        return written | {"labels"} if self._offers_logprobs() else written

    @property
    def peak_memory(self) -> int | None:
        """None: the model runs elsewhere."""
        return None

    def label_logprobs(self, prompts: Sequence[Prompt]) -> list[tuple[float, ...]]:
        """log P of each label as the first token of the answer.

        A label that is not among the server's 20 likeliest tokens gets the value of the last of them, which it
        cannot exceed; where none of the labels is, all are NaN. Raises UserError for more than nine choices.
        """
        return self._each(prompts, self._labels)

    def text_loglikelihoods(self, prompts: Sequence[Prompt]) -> list[tuple[float, ...]]:
        """Not offered: chat completions do not score given texts."""
        raise UserError(
            f"rag.channel: an endpoint cannot score the texts of choices ({len(prompts)} asked); use labels or generate"
        )

    def generate(self, prompts: Sequence[Prompt]) -> list[Generation]:
        """What the server writes at temperature 0."""
        return self._each(prompts, self._written)

    def stream(self, prompt: Prompt) -> Iterator[str]:
        """The same, piece by piece."""
        body = self._body(prompt.messages, prompt.max_new_tokens) | {"stream": True}
        for event in self._endpoint.stream(_PATH, body):
            for choice in _read(_Piece, event, url=self._settings.url).choices:
                if choice.delta.content:
                    yield choice.delta.content

    def _each(self, prompts: Sequence[Prompt], one: Callable[[Prompt], T]) -> list[T]:
        with ThreadPoolExecutor(self._settings.concurrency) as pool:
            futures = [pool.submit(one, prompt) for prompt in prompts]
            try:
                return [future.result() for future in futures]
            finally:  # after a failure, do not send the rest
                pool.shutdown(wait=False, cancel_futures=True)

    def _written(self, prompt: Prompt) -> Generation:
        body = self._body(prompt.messages, prompt.max_new_tokens)
        completion = self._completion(body)
        choice = completion.choices[0]
        text = choice.message.content or ""
        tokens = completion.usage.completion_tokens if completion.usage else self._wording.count(text)
        return Generation(text, tokens, is_cut=choice.finish_reason == "length")

    def _labels(self, prompt: Prompt) -> tuple[float, ...]:
        if len(prompt.labels) > _MOST_LABELS:
            raise UserError(
                f"item {prompt.question.question_id}: {len(prompt.labels)} choices, and an endpoint scores labels"
                f" of one digit only; use rag.channel=generate"
            )
        found = self._alternatives(prompt.messages)
        if found is None:
            raise UserError(f"{self._settings.url}: gives no log-probabilities; set rag.reader.logprobs=no")
        known = {label: max(values) for label in prompt.labels if (values := _values(found, label))}
        if not known:
            return tuple(float("nan") for _ in prompt.labels)
        bound = min(alternative.logprob for alternative in found)
        return tuple(known.get(label, bound) for label in prompt.labels)

    def _offers_logprobs(self) -> bool:
        if self._settings.logprobs != "auto":
            return self._settings.logprobs == "yes"
        try:
            return self._alternatives((Message("user", "1 + 1 ="),)) is not None
        except EndpointError as error:
            if error.status in (400, 422):  # a server that does not know the parameter
                return False
            raise

    def _alternatives(self, messages: Sequence[Message]) -> list[_Alternative] | None:
        """The likeliest first tokens of the answer; None where the server does not say."""
        body = self._body(messages, 1) | {"logprobs": True, "top_logprobs": _TOP}
        logprobs = self._completion(body).choices[0].logprobs
        content = logprobs.content if logprobs else None
        return content[0].top_logprobs or None if content else None

    def _completion(self, body: dict[str, object]) -> _Completion:
        completion = _read(_Completion, self._endpoint.post(_PATH, body), url=self._settings.url)
        if not completion.choices:
            raise UserError(f"{self._settings.url}: a response without choices; is this a chat-completions endpoint?")
        return completion

    def _body(self, messages: Sequence[Message], max_tokens: int) -> dict[str, object]:
        settings = self._settings
        body: dict[str, object] = {
            "model": settings.model,
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            "max_tokens": max_tokens,
            "temperature": 0,
            "seed": settings.seed,
        }
        if settings.thinking is not None:
            body["chat_template_kwargs"] = {"enable_thinking": settings.thinking}
        return body


def _values(found: Sequence[_Alternative], label: str) -> list[float]:
    return [alternative.logprob for alternative in found if alternative.token.strip() == label]


M = TypeVar("M", bound=BaseModel)


def _read(model: type[M], event: dict[str, object], *, url: str) -> M:
    try:
        return model.model_validate(event)
    except ValidationError as error:
        key = ".".join(map(str, error.errors()[0]["loc"]))
        raise UserError(f"{url}: not a chat completion: {key}: {error.errors()[0]['msg']}") from None
