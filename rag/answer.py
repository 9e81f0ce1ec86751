"""Prompts -> answers, through the channel that each prompt was made for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, fsum, isfinite, isnan
from typing import assert_never

import xxhash

from configs.errors import UserError
from configs.reader import Channel
from corpora.records import Question
from rag.parse import parse_number, parse_text
from rag.reader import Answer, Generation, Prompt, Reader


@dataclass(frozen=True, slots=True)
class _Place:
    """A prompt and where its answer belongs."""

    row: int
    prompt: Prompt


def answer(prompts: Sequence[Prompt], reader: Reader) -> list[Answer]:
    """One answer per prompt, in their order. Raises UserError for a channel that the reader does not offer."""
    by_channel: dict[Channel, list[_Place]] = {}
    for row, prompt in enumerate(prompts):
        by_channel.setdefault(prompt.channel, []).append(_Place(row, prompt))
    answers: dict[int, Answer] = {}
    for channel, places in by_channel.items():
        # every reader writes; what else it offers, an endpoint must be asked
        if channel != "generate" and channel not in reader.channels:
            raise UserError(
                f"rag.channel: reader {reader.identity.kind!r} does not offer {channel!r};"
                f" it offers {', '.join(sorted(reader.channels))}"
            )
        group = [place.prompt for place in places]
        for place, found in zip(places, _through(channel, group, reader), strict=True):
            answers[place.row] = found
    return [answers[row] for row in range(len(prompts))]


def offered(wanted: Channel, reader: Reader) -> Channel:
    """The channel to use: written answers stand in for label log-probabilities that a reader cannot give."""
    return "generate" if wanted == "labels" and "labels" not in reader.channels else wanted


def probabilities(logprobs: Sequence[float]) -> tuple[float, ...]:
    """The log-probabilities of the choices, normalised over the choices; () for ()."""
    if not logprobs:
        return ()
    best = max(logprobs)
    if not isfinite(best):
        return tuple(1 / len(logprobs) for _ in logprobs)
    weights = [exp(value - best) for value in logprobs]
    total = fsum(weights)
    return tuple(weight / total for weight in weights)


def best_number(question: Question, scores: Sequence[float]) -> int | None:
    """The number of the choice with the highest score; None when a score is NaN or none is finite.

    Equal scores are decided by a hash of question and choice: by chance, but the same in every run and
    wherever the choice stands.
    """
    if any(isnan(score) for score in scores) or not any(isfinite(score) for score in scores):
        return None
    best = max(scores)
    tied = [number for number, score in enumerate(scores, start=1) if score == best]
    return min(tied, key=lambda number: xxhash.xxh3_64_intdigest(_key(question, number)))


def _key(question: Question, number: int) -> bytes:
    return f"{question.question_id}\0{question.choices[number - 1]}".encode()


def _through(channel: Channel, prompts: list[Prompt], reader: Reader) -> list[Answer]:
    match channel:
        case "labels":
            return [_scored(*pair) for pair in zip(prompts, reader.label_logprobs(prompts), strict=True)]
        case "texts":
            return [_scored(*pair) for pair in zip(prompts, reader.text_loglikelihoods(prompts), strict=True)]
        case "texts_per_character":
            raw = reader.text_loglikelihoods(prompts)
            return [_scored(prompt, per_character(prompt, row)) for prompt, row in zip(prompts, raw, strict=True)]
        case "generate" | "reason":
            return [written(*pair) for pair in zip(prompts, reader.generate(prompts), strict=True)]
        case _:
            assert_never(channel)


def per_character(prompt: Prompt, loglikelihoods: Sequence[float]) -> tuple[float, ...]:
    """log P(text of the choice) / its characters: the `acc_norm` of EleutherAI's harness."""
    lengths = [len(choice) for choice in prompt.question.choices]
    return tuple(value / length for value, length in zip(loglikelihoods, lengths, strict=True))


def _scored(prompt: Prompt, scores: tuple[float, ...]) -> Answer:
    return Answer(
        question_id=prompt.question.question_id,
        channel=prompt.channel,
        number=best_number(prompt.question, scores),
        text=None,
        logprobs=scores,
        raw="",
        cited=(),
        prompt_digest=prompt.digest,
        prompt_tokens=prompt.tokens,
        output_tokens=0,
    )


def written(prompt: Prompt, generation: Generation) -> Answer:
    """The answer in what a reader wrote; unparsed when there is none or several that differ."""
    raw = generation.text
    is_choice = prompt.question.kind == "multiple_choice"
    return Answer(
        question_id=prompt.question.question_id,
        channel=prompt.channel,
        number=parse_number(raw, prompt.question.choices) if is_choice else None,
        text=None if is_choice else parse_text(raw, is_essay=prompt.question.kind == "essay"),
        logprobs=(),
        raw=raw,
        cited=_cited(prompt, raw),
        prompt_digest=prompt.digest,
        prompt_tokens=prompt.tokens,
        output_tokens=generation.tokens,
        is_cut=generation.is_cut,
    )


def _cited(prompt: Prompt, raw: str) -> tuple[str, ...]:
    """Shown passages whose id stands in the text, and not as the beginning of a longer id."""
    return tuple(
        passage.passage_id
        for passage in prompt.passages
        if any(not raw[end : end + 1].isdigit() for end in _ends(raw, passage.passage_id))
    )


def _ends(text: str, part: str) -> list[int]:
    ends, start = [], text.find(part)
    while start >= 0:
        ends.append(start + len(part))
        start = text.find(part, start + 1)
    return ends
