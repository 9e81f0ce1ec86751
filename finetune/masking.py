"""Examples -> token ids of which exactly the answer and the end of the turn carry loss; by construction, then proved.

Prompt and answer are rendered and tokenised by the functions with which evaluation scores an answer (the reader's own
wording, `rag.continuations.plan`), so a model is trained on the very tokens that it will be asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from configs.errors import UserError
from finetune.examples import Example
from rag.continuations import plan
from rag.tokens import Message, Wording

IGNORED = -100  # the label of a token without loss, as torch's cross-entropy has it
_SENTINEL = "가나다라"


class MaskError(UserError):
    """Loss would fall on something else than the answer and the end of the turn."""


class EncodingWording(Wording, Protocol):
    """A wording that also tokenises, as that of a model on this machine."""

    def encode(self, text: str) -> list[int]:
        """Token ids of a rendered text."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """One example as a model reads it: `ids[:start]` is the prompt, the rest the answer and the end of the turn."""

    example_id: str
    ids: tuple[int, ...]
    start: int

    @property
    def labels(self) -> list[int]:
        """The ids, those of the prompt replaced by `IGNORED`."""
        return [IGNORED] * self.start + list(self.ids[self.start :])


@dataclass(frozen=True, slots=True)
class Masked:
    """What became of a file of examples. kept + dropped = the examples."""

    kept: tuple[Tokens, ...]
    dropped: Mapping[str, str]  # example id -> why


@dataclass(frozen=True, slots=True)
class Turn:
    """How a model's conversations are rendered and closed."""

    tokenizer: Any  # transformers' classes carry no types
    wording: EncodingWording
    end: int  # the token that closes the assistant's turn, and at which the reader stops

    def tokens(self, example_id: str, messages: Sequence[Message], answers: Sequence[str]) -> list[Tokens]:
        """The prompt with each of the answers; all begin at the same place.

        Raises MaskError when a label would be no token of the answer, or an answer's token no label.
        """
        rendered = self.wording.render(messages)
        planned = plan(rendered.text, [rendered.lead + answer for answer in answers], self.wording.encode)
        made = []
        for answer, scored in zip(answers, planned.scored, strict=True):
            start = scored.first + 1
            ids = [*planned.rows[scored.row][:start], *scored.targets]
            if ids[-1] != self.end:  # some tokenizers close a sequence themselves
                ids.append(self.end)
            tokens = Tokens(example_id, tuple(ids), start)
            self._prove(tokens, rendered.text, rendered.lead + answer)
            made.append(tokens)
        return made

    def _prove(self, tokens: Tokens, prompt: str, answer: str) -> None:
        """Read the ids back: the prompt's are the reader's own, the labels say the answer and nothing more."""
        labelled = [label for label in tokens.labels if label != IGNORED]
        found = self._text(labelled[:-1])
        own = self.wording.encode(prompt)[: tokens.start]
        if list(tokens.ids[: tokens.start]) != own:
            raise MaskError(f"example {tokens.example_id}: its prompt is not tokenised as the reader reads it")
        # a tokenizer that normalises text gives the answer back in its own spelling
        wanted = {answer.strip(), self._text(self.tokenizer(answer, add_special_tokens=False)["input_ids"])}
        if labelled[-1] != self.end or found not in wanted:
            raise MaskError(
                f"example {tokens.example_id}: loss would fall on {found[:60]!r}, the answer is {answer[:60]!r}: the"
                " tokenizer joins it with the end of the prompt; try finetune.sft.format=plain"
            )

    def _text(self, ids: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return text.strip()


def turn_of(tokenizer: Any, wording: EncodingWording, *, is_chat: bool, stops: Sequence[int]) -> Turn:
    """How the turns of a model end: as its chat template says, or in plain text with the end of the sequence.

    stops: the tokens at which the reader stops writing.
    Raises MaskError when the reader would write on over the end that it is taught.
    """
    if not is_chat:
        if tokenizer.eos_token_id is None:
            raise MaskError("the tokenizer has no end-of-sequence token: a model could not learn to stop")
        return Turn(tokenizer, wording, int(tokenizer.eos_token_id))
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": _SENTINEL}]
    text: str = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=False)
    closing = text.rpartition(_SENTINEL)[2]
    ids: list[int] = tokenizer(closing, add_special_tokens=False)["input_ids"]
    end = next((token for token in ids if token in stops), None)
    if end is None and not closing.strip():  # the template leaves the end to the sequence's own
        end = tokenizer.eos_token_id
    if end is None or end not in stops:
        raise MaskError(
            f"the chat template closes a turn with {closing!r}, the model stops at {_named(tokenizer, stops)}:"
            " it would never stop; put that token into eos_token_id of its generation_config.json"
        )
    return Turn(tokenizer, wording, int(end))


def masked(examples: Sequence[Example], turn: Turn, *, max_length: int) -> Masked:
    """The examples as tokens. One that is longer than `max_length`, or has no answer, is dropped, never cut.

    Raises MaskError when nothing is left, and what `Turn.tokens` raises.
    """
    kept: list[Tokens] = []
    dropped: dict[str, str] = {}
    for example in examples:
        if not example.answer.strip():
            dropped[example.id] = "no answer"
            continue
        tokens = turn.tokens(example.id, example.messages, [example.answer])[0]
        if len(tokens.ids) > max_length:
            dropped[example.id] = "longer than max_length"
        else:
            kept.append(tokens)
    if not kept:
        reasons = ", ".join(sorted(set(dropped.values()))) or "none there"
        raise MaskError(
            f"none of the {len(examples)} examples has an answer to learn from ({reasons}; max_length is {max_length})"
        )
    return Masked(tuple(kept), dropped)


def check_batch(labels: Sequence[Sequence[int]], rows: Sequence[Tokens]) -> None:
    """The labels of a batch as the trainer will use them are those of its examples, and padding has none.

    Raises MaskError otherwise.
    """
    for padded, tokens in zip(labels, rows, strict=True):
        wanted = tokens.labels
        if list(padded) != wanted + [IGNORED] * (len(padded) - len(wanted)):
            raise MaskError(f"example {tokens.example_id}: the trainer changed which tokens carry loss")


def _named(tokenizer: Any, ids: Sequence[int]) -> str:
    return ", ".join(repr(tokenizer.convert_ids_to_tokens(token)) for token in ids) or "no token"
