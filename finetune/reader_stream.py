"""Where wired weights find things: the parts of the residual stream, the flags at its end, the dimensions of a head.

The stream holds the token's word, where the token stands, where its word stands in the passages, where the question's
words stand, the same evened out, then what no one has written yet, then flags. Source: Elhage et al. 2021 (the parts of
a head).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from configs.errors import UserError
from finetune.reader_tokenizer import END, MOST_CHOICES, START, frame, opening

CONST, RANK, SINK, CLOSES, RARITY, BLANK, PASSAGE, QUESTION, LABEL = range(9)  # ten labels
CLOSING = LABEL + MOST_CHOICES  # the choice that ends before this token
ANSWER = CLOSING + MOST_CHOICES  # the label to be written
MARK = ANSWER + MOST_CHOICES  # which landmark this is
MARKS = [text for name, text in frame().items() if name.startswith("mark ")] + [END]
SPEAKS = MARK + len(MARKS)  # that a label is to be written, whichever it is
RELAY = SPEAKS + 1  # the token after the question, which tells the choices what was asked
_FLAGS = RELAY + 1
_PARTS = 4  # of the stream that name places
LAYERS = 7  # that are wired
_FAR = 2_000  # tokens over which a slow frequency must stay below a turn of one radian


@dataclass(frozen=True, slots=True)
class Plan:
    """Where things stand in the residual stream and within a head."""

    hidden: int
    heads: int
    head_dim: int
    fast: tuple[float, ...]  # angles per token of the rotary pairs that see position
    match: int  # width of a word's vector, by which two words are compared
    marks: tuple[int, ...]  # where the landmarks stand in every prompt
    begins: int  # where its passages begin

    @property
    def places(self) -> int:
        """How many places are told apart."""
        return (self.heads - 1) * len(self.marks)

    @property
    def words(self) -> slice:
        """The token's own vector."""
        return slice(0, self.match)

    @property
    def place(self) -> slice:
        """Where the token stands: how near it is to each place."""
        return self._part(0)

    @property
    def found(self) -> slice:
        """Where this word stands in the passages; after a choice, where its words stand."""
        return self._part(1)

    @property
    def asked(self) -> slice:
        """Where the question's words stand."""
        return self._part(2)

    @property
    def near(self) -> slice:
        """The same, as the choices hear of it: of about the same length for every question."""
        return self._part(3)

    def _part(self, number: int) -> slice:
        return slice(self.match + number * self.places, self.match + (number + 1) * self.places)

    def flag(self, number: int) -> int:
        """The place of a flag in the stream."""
        return self.hidden - _FLAGS + number

    def slow(self) -> list[int]:
        """The dimensions of a head that do not see distance."""
        half, fast = self.head_dim // 2, len(self.fast)
        return [*range(fast, half), *range(half + fast, self.head_dim)]


@dataclass(frozen=True, slots=True)
class Head:
    """One head's share of a layer's matrices, written in place. Rows of q, k, v: the head; columns: the stream."""

    plan: Plan
    query: Tensor
    key: Tensor
    value: Tensor
    output: Tensor

    def clear(self) -> None:
        """Nothing is asked, offered or carried."""
        for matrix in (self.query, self.key, self.value, self.output):
            matrix.zero_()

    def ask(self, *terms: tuple[int, int, float]) -> None:
        """(dimension among the slow ones, column of the stream, weight): a part of the query."""
        for place, column, weight in terms:
            self.query[self.plan.slow()[place], column] = weight

    def offer(self, *terms: tuple[int, int, float]) -> None:
        """The same for the key."""
        for place, column, weight in terms:
            self.key[self.plan.slow()[place], column] = weight

    def compare(self, ours: slice, theirs: slice, *, weight: float = 1.0, first: int = 0) -> None:
        """What stands at some columns of the query with what stands at others of the key; `first`: see `carry`."""
        width = ours.stop - ours.start
        places = self.plan.slow()[4 + first : 4 + first + width]
        self.query[places, ours] = weight * torch.eye(width)
        self.key[places, theirs] = torch.eye(width)

    def carry(self, source: slice, target: slice, weight: float, *, first: int = 0) -> None:
        """What stands at `source` is added to `target` of whoever attends; by the head's dimensions from `first` on."""
        width = source.stop - source.start
        self.value[first : first + width, source] = math.sqrt(weight) * torch.eye(width)
        self.output[target, first : first + width] = math.sqrt(weight) * torch.eye(width)


def plan_of(config: Any, tokenizer: Tokenizer) -> Plan:
    """The plan of a model's shape. Raises UserError when it cannot be wired."""
    pairs = config.head_dim // 2
    angles = [config.rope_parameters["rope_theta"] ** (-pair / pairs) for pair in range(pairs)]
    fast = tuple(angle for angle in angles if angle * _FAR > 1)
    start = f"{START}system\n{opening('system')}{END}\n{START}user\n{opening('passages')}"
    tokens = tokenizer.encode(start).ids
    numbers = tokenizer.get_vocab()
    marks = tuple(tokens.index(numbers[text]) for text in MARKS)
    places = (config.num_attention_heads - 1) * len(marks)
    match = min(config.hidden_size - _FLAGS - _PARTS * places, config.head_dim - 2 * len(fast) - 4 - places)
    if min(match, places) < MOST_CHOICES or config.num_hidden_layers < LAYERS:
        raise UserError(
            f"finetune.reader.model: found hidden {config.hidden_size}, layers {config.num_hidden_layers}, heads "
            f"{config.num_attention_heads}, head_dim {config.head_dim}: too small to be wired"
            f" (at least {LAYERS} layers); make it larger, or --set finetune.reader.model.first_weights=random"
        )
    return Plan(config.hidden_size, config.num_attention_heads, config.head_dim, fast, match, marks, len(tokens))


def head_of(model: Any, plan: Plan, layer: int, number: int) -> Head:
    """A head with nothing written in it yet; what is written into it is written into the model."""
    attention = model.model.layers[layer].self_attn
    rows = slice(number * plan.head_dim, (number + 1) * plan.head_dim)
    projections = (attention.q_proj.weight[rows], attention.k_proj.weight[rows], attention.v_proj.weight[rows])
    head = Head(plan, *projections, attention.o_proj.weight[:, rows])
    head.clear()
    return head
