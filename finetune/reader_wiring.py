"""First weights that can already look things up: what hours of training would spend themselves on.

A transformer trained from nothing needs millions of tokens before it forms heads that find a word again (Olsson et
al. 2022). Here such heads are written into the first weights, and training starts from them:

layer 0   the surroundings of a place: the words before it, summed; which part of the prompt this is, which choice
layer 1   every word is looked up in the passages, against a sink, and brings back the surroundings of where it stands
layer 2   what the words of the question brought back, and those of each choice, rare words first
layer 3   the label of the choice whose words stand where the question's words stand

A word that stands everywhere brings back a little of every place, and so says nothing; one that stands nowhere goes to
the sink. Words are compared by `finetune.reader_vectors`. Other heads and all MLPs start with random weights and silent
outputs. A matching head uses only the slow part of the rotary frequencies, which does not see distance; a positional
head only the fast part.

Sources: Trockman and Kolter 2023 (first weights that mimic trained ones); Elhage et al. 2021 (the parts of a head).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from finetune.reader_tokenizer import MOST_CHOICES, START, frame
from finetune.reader_vectors import rarity, token_texts, token_vectors

_SHARPNESS = 64.0  # the attention logit of two equal vectors
_DECIDES = 100.0  # the same in the last layer, where a choice is taken
_BACK, _SPREAD = 12, 9.5  # tokens back to the middle of a word's surroundings; how far they reach around it
_UNLIKE = 0.74  # how strongly the sink calls a word: one less than about 0.35 alike is nobody's match
_FAR = 2_000  # tokens over which a slow frequency must stay below a turn of one radian
_FLAGS = 40
_CONST, _RANK, _SINK, _CLOSES, _RARITY, _BLANK, _PASSAGE, _QUESTION, _LABEL = range(9)  # ten labels
_CLOSING = _LABEL + MOST_CHOICES  # the choice that ends before this token
_ANSWER = _CLOSING + MOST_CHOICES  # the label to be written
_REGIONS = {"passages": _PASSAGE, "paragraph": _PASSAGE, "question": _QUESTION, "box": _QUESTION}


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where things stand in the residual stream and within a head."""

    hidden: int
    head_dim: int
    fast: tuple[float, ...]  # angles per token of the rotary pairs that see position
    match: int  # width of a word's vector, by which two places are compared

    @property
    def words(self) -> slice:
        """The token's own vector."""
        return self._part(0)

    @property
    def surroundings(self) -> slice:
        """The words before this place, summed."""
        return self._part(1)

    @property
    def found(self) -> slice:
        """The surroundings of where this word stands in the passages; after a choice, of where its words stand."""
        return self._part(2)

    @property
    def asked(self) -> slice:
        """The surroundings of where the question's words stand."""
        return self._part(3)

    def _part(self, number: int) -> slice:
        return slice(number * self.match, (number + 1) * self.match)

    def flag(self, number: int) -> int:
        return self.hidden - _FLAGS + number

    def slow(self) -> list[int]:
        """The dimensions of a head that do not see distance."""
        half, fast = self.head_dim // 2, len(self.fast)
        return [*range(fast, half), *range(half + fast, self.head_dim)]


@dataclass(frozen=True, slots=True)
class _Head:
    """One head's share of a layer's matrices, written in place. Rows of q, k, v: the head; columns: the stream."""

    plan: _Plan
    query: Tensor
    key: Tensor
    value: Tensor
    output: Tensor

    def clear(self) -> None:
        for matrix in (self.query, self.key, self.value, self.output):
            matrix.zero_()

    def look_back(self, lag: float, shares: dict[int, float], *, spread: float = 0.0) -> None:
        """Attend to the place `lag` tokens before; `spread` widens it. shares: fast pair -> weight."""
        const, half = self.plan.flag(_CONST), self.plan.head_dim // 2
        for pair, share in shares.items():
            angle = self.plan.fast[pair] * lag
            self.key[pair, const] = math.sqrt(share)
            self.query[pair, const] = math.sqrt(share) * math.cos(angle)
            self.query[pair + half, const] = -math.sqrt(share) * math.sin(angle)
        self.query[self.plan.slow()[0], const] = spread  # spent on nothing

    def ask(self, *terms: tuple[int, int, float]) -> None:
        """(dimension among the slow ones, column of the stream, weight): a part of the query."""
        for place, column, weight in terms:
            self.query[self.plan.slow()[place], column] = weight

    def offer(self, *terms: tuple[int, int, float]) -> None:
        """The same for the key."""
        for place, column, weight in terms:
            self.key[self.plan.slow()[place], column] = weight

    def compare(self, ours: slice, theirs: slice) -> None:
        """Words at some columns of the query with words at some columns of the key."""
        places = self.plan.slow()[4 : 4 + self.plan.match]
        self.query[places, ours] = torch.eye(self.plan.match)
        self.key[places, theirs] = torch.eye(self.plan.match)

    def carry(self, source: slice, target: slice, weight: float) -> None:
        """What stands at `source` is added to `target` of whoever attends."""
        width = source.stop - source.start
        self.value[:width, source] = math.sqrt(weight) * torch.eye(width)
        self.output[target, :width] = math.sqrt(weight) * torch.eye(width)


def wire(model: Any, tokenizer: Tokenizer, *, seed: int) -> None:
    """Write the first weights into a model with random ones. Raises ValueError when it is too narrow."""
    plan = _plan(model.config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        model.model.embed_tokens.weight.copy_(_embeddings(tokenizer, plan, model.config.vocab_size, generator))
        for number, layer in enumerate(model.model.layers):
            sharp = math.sqrt((_DECIDES if number == 3 else _SHARPNESS) / math.sqrt(plan.head_dim))
            layer.self_attn.q_norm.weight.fill_(sharp)
            layer.self_attn.k_norm.weight.fill_(sharp)
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        _wire_surroundings(model, plan)
        _wire_lookup(model, plan)
        _wire_sums(model, plan)
        _wire_answer(model, plan)


def _plan(config: Any) -> _Plan:
    pairs = config.head_dim // 2
    angles = [config.rope_parameters["rope_theta"] ** (-pair / pairs) for pair in range(pairs)]
    fast = tuple(angle for angle in angles if angle * _FAR > 1)
    match = min((config.hidden_size - _FLAGS) // 4, config.head_dim - 2 * len(fast) - 4)
    if match < MOST_CHOICES or config.num_attention_heads < 2:
        raise ValueError(f"hidden size {config.hidden_size} with heads of {config.head_dim} is too narrow to be wired")
    return _Plan(config.hidden_size, config.head_dim, fast, match)


def _head(model: Any, plan: _Plan, layer: int, number: int) -> _Head:
    attention = model.model.layers[layer].self_attn
    rows = slice(number * plan.head_dim, (number + 1) * plan.head_dim)
    projections = (attention.q_proj.weight[rows], attention.k_proj.weight[rows], attention.v_proj.weight[rows])
    head = _Head(plan, *projections, attention.o_proj.weight[:, rows])
    head.clear()
    return head


def _unit(plan: _Plan) -> float:
    """What undoes the norm before attention: a typical token is sqrt(2) long before it, sqrt(hidden) after it."""
    return math.sqrt(2 / plan.hidden)


def _wire_surroundings(model: Any, plan: _Plan) -> None:
    """Words about twelve tokens back and around; so strong that they outweigh what else stands at a place."""
    near = min(range(len(plan.fast)), key=lambda pair: abs(plan.fast[pair] - 0.115))
    before = _head(model, plan, 0, 0)
    before.look_back(_BACK, dict.fromkeys(range(near, min(near + 3, len(plan.fast))), 1 / 3), spread=_SPREAD)
    before.carry(plan.words, plan.surroundings, 20 * _unit(plan))
    header = _head(model, plan, 0, 1)
    header.ask((0, plan.flag(_CONST), 1.0))
    header.offer((0, plan.flag(_RANK), 1.0), (1, plan.flag(_CONST), 1.0))
    flags = slice(plan.flag(_PASSAGE), plan.flag(_LABEL) + MOST_CHOICES)
    header.carry(flags, flags, 3 / math.sqrt(plan.hidden))


def _wire_lookup(model: Any, plan: _Plan) -> None:
    """Every word looks for its like in the passages; the parts of the prompt, which have a rank, only for the sink."""
    head = _head(model, plan, 1, 0)
    head.compare(plan.words, plan.words)
    head.ask((0, plan.flag(_CONST), _UNLIKE), (0, plan.flag(_RANK), 8.0), (1, plan.flag(_CONST), 0.7))
    head.offer((0, plan.flag(_SINK), 2.0), (1, plan.flag(_PASSAGE), 1.0), (1, plan.flag(_QUESTION), -1.0))
    head.offer((1, plan.flag(_BLANK), -3.0), *((1, plan.flag(_LABEL + label), -1.0) for label in range(MOST_CHOICES)))
    head.carry(plan.surroundings, plan.found, 5 * _unit(plan))


def _wire_sums(model: Any, plan: _Plan) -> None:
    """Means of what words found; the constant in the keys keeps them long, so that a word's rarity counts evenly."""
    question = _head(model, plan, 2, 0)
    question.ask((0, plan.flag(_CONST), 1.0), (2, plan.flag(_CONST), -1.0))
    question.offer((0, plan.flag(_QUESTION), 1.0), (0, plan.flag(_RARITY), 0.25))
    question.offer((1, plan.flag(_CONST), 4.0), (2, plan.flag(_RANK), 1.0))
    question.carry(plan.found, plan.asked, 5 * _unit(plan))
    choice = _head(model, plan, 2, 1)
    for number in range(MOST_CHOICES):
        choice.ask((4 + number, plan.flag(_CLOSING + number), 2.0))
        choice.offer((4 + number, plan.flag(_LABEL + number), 4.0))
    choice.ask((0, plan.flag(_CONST), 1.0), (2, plan.flag(_CONST), -1.5))
    choice.offer((0, plan.flag(_RARITY), 0.4))
    choice.offer((1, plan.flag(_CONST), 4.0), (2, plan.flag(_RANK), 4.0))
    choice.carry(plan.found, plan.found, 5 * _unit(plan))


def _wire_answer(model: Any, plan: _Plan) -> None:
    """The label of the choice that agrees best, so faintly that training starts from doubt."""
    head = _head(model, plan, 3, 0)
    head.compare(plan.asked, plan.found)
    head.ask((0, plan.flag(_CONST), 4.0))
    head.offer((0, plan.flag(_CLOSES), 4.0), (1, plan.flag(_CONST), 16.0))
    closing = slice(plan.flag(_CLOSING), plan.flag(_CLOSING) + MOST_CHOICES)
    answers = slice(plan.flag(_ANSWER), plan.flag(_ANSWER) + MOST_CHOICES)
    head.carry(closing, answers, 6 * _unit(plan))


def _embeddings(tokenizer: Tokenizer, plan: _Plan, size: int, generator: torch.Generator) -> Tensor:
    """First token vectors: a token's word vector, and flags of what tells the parts of a prompt."""
    texts = token_texts(tokenizer)
    table = torch.zeros(size, plan.hidden)
    table[: len(texts), plan.words] = token_vectors(texts, plan.match, generator)
    table[: len(texts), plan.flag(_RARITY)] = rarity(len(texts))
    table[:, plan.flag(_CONST)] = 1
    table[[token for token, text in enumerate(texts) if not text], plan.flag(_BLANK)] = 1
    _mark(table, tokenizer, plan)
    return table


def _mark(table: Tensor, tokenizer: Tokenizer, plan: _Plan) -> None:
    """The flags of the frame of a prompt, of labels and of what opens a turn."""
    for name, text in frame().items():
        token = tokenizer.token_to_id(text)
        kind, _, number = name.partition(" ")
        # the later a part stands in a prompt, the stronger it calls: every token listens to the last one before it
        rank = math.tan(math.asin(0.3 + 0.65 * _place(kind, number) / (MOST_CHOICES + 4)))
        strength = math.sqrt((rank * rank + 1) / 7)
        table[token, plan.words] = 0
        table[token, plan.flag(_RARITY)] = 0
        table[token, plan.flag(_BLANK)] = 1
        table[token, plan.flag(_RANK)] = rank
        if kind in _REGIONS:
            table[token, plan.flag(_REGIONS[kind])] = strength
        if kind == "choice":
            table[token, plan.flag(_LABEL + int(number) - 1)] = strength
        ended = int(number) - (kind == "choice") if number else 0
        if ended:
            table[token, plan.flag(_CLOSING + ended - 1)] = 1
            table[token, plan.flag(_CLOSES)] = 1
    for digit in range(1, 10):
        table[tokenizer.token_to_id(str(digit)), plan.flag(_ANSWER + digit - 1)] = 1
    start = tokenizer.token_to_id(START)
    table[start, plan.words] = 0
    table[start, plan.flag(_BLANK)] = 0
    table[start, plan.flag(_SINK)] = 40  # so long that the words it sums up, as all places do, count for nothing


def _place(kind: str, number: str) -> int:
    order = {"passages": 0, "paragraph": 1, "question": 2, "box": 2, "ask": MOST_CHOICES + 4}
    return 2 + int(number) if kind == "choice" else order[kind]
