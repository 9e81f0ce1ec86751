"""First weights that can already look things up: what hours of training would spend themselves on.

A transformer trained from nothing needs millions of tokens before it forms heads that find a word again (Olsson et
al. 2022). Here such heads are written into the first weights, and training starts from them:

layer 0   the words of the last clause, summed; which part of the prompt this is, and which choice
layer 1   the words of the question, summed; at the end of each choice, its words, summed
layer 2   support: how well choice and question together match the surroundings of places in the passages
layer 3   the label of the best supported choice

Words are compared by the vectors of the project's static encoder, so that related words match, too. Everything is
trained on; nothing is frozen. Other heads and all MLPs start with random weights and silent outputs. A matching head
uses only the slow part of the rotary frequencies, which does not see distance; a positional head only the fast part.

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
from index_build.encoder import EMBEDDED_FOLDER, load_static

_SHARPNESS = 48.0  # the attention logit of two equal vectors
_BY_LAYER = {2: 40.0, 3: 600.0}  # the same where support is weighed, and where the best supported choice is taken
_THRESHOLDS = (0.7, 0.85, 1.0, 1.15)  # of the support heads: how much a match must outweigh
_FAR = 2_000  # tokens over which a slow frequency must stay below a turn of one radian
_FLAGS = 40
_CONST, _RANK, _SINK, _CLOSES, _SUPPORT, _SPACE, _PASSAGE, _QUESTION, _LABEL = range(9)  # ten labels
_CLOSING = _LABEL + MOST_CHOICES  # the choice that ends before this token
_ANSWER = _CLOSING + MOST_CHOICES  # the label to be written
_REGIONS = {"passages": _PASSAGE, "paragraph": _PASSAGE, "question": _QUESTION, "box": _QUESTION}


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where things stand in the residual stream and within a head."""

    hidden: int
    head_dim: int
    fast: tuple[float, ...]  # angles per token of the rotary pairs that see position
    match: int  # width of what two places are compared by

    @property
    def content(self) -> int:
        return self.hidden - _FLAGS - 3 * self.match

    def part(self, number: int) -> slice:
        """0 the clause so far, 1 the question, 2 the choice that ended."""
        begin = self.content + number * self.match
        return slice(begin, begin + self.match)

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

    def ask_words(self, words: Tensor, columns: slice, weight: float) -> None:
        """Words at some columns, seen through a matrix [match, columns], as a part of the query."""
        self.query[self.plan.slow()[4 : 4 + self.plan.match], columns] = weight * words

    def offer_words(self, words: Tensor, columns: slice, weight: float) -> None:
        """The same for the key."""
        self.key[self.plan.slow()[4 : 4 + self.plan.match], columns] = weight * words

    def carry(self, words: Tensor, source: slice, target: slice, weight: float) -> None:
        """What stands at `source`, seen through a matrix, is added to `target` of whoever attends."""
        share = math.sqrt(weight)
        rows = words.shape[0]
        self.value[:rows, source] = share * words
        self.output[target, :rows] = share * torch.eye(rows)


def wire(model: Any, tokenizer: Tokenizer, *, seed: int) -> None:
    """Write the first weights into a model with random ones. Raises ValueError when it is too narrow."""
    plan = _plan(model.config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        model.model.embed_tokens.weight.copy_(_embeddings(tokenizer, plan, model.config.vocab_size, generator))
        for number, layer in enumerate(model.model.layers):
            sharp = math.sqrt(_BY_LAYER.get(number, _SHARPNESS) / math.sqrt(plan.head_dim))
            layer.self_attn.q_norm.weight.fill_(sharp)
            layer.self_attn.k_norm.weight.fill_(sharp)
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        _wire_surroundings(model, plan)
        _wire_sums(model, plan)
        _wire_support(model, plan)
        _wire_answer(model, plan)


def _plan(config: Any) -> _Plan:
    pairs = config.head_dim // 2
    angles = [config.rope_parameters["rope_theta"] ** (-pair / pairs) for pair in range(pairs)]
    fast = tuple(angle for angle in angles if angle * _FAR > 1)
    plan = _Plan(config.hidden_size, config.head_dim, fast, config.head_dim - 2 * len(fast) - 4)
    if plan.content < plan.match or plan.match < MOST_CHOICES or config.num_attention_heads < 2:
        raise ValueError(f"hidden size {config.hidden_size} with heads of {config.head_dim} is too narrow to be wired")
    return plan


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
    clause = _head(model, plan, 0, 0)
    near = min(range(len(plan.fast)), key=lambda pair: abs(plan.fast[pair] - 0.115))
    clause.look_back(6, dict.fromkeys(range(near, min(near + 3, len(plan.fast))), 1 / 3), spread=5.2)
    clause.carry(_words(plan), slice(0, plan.content), plan.part(0), 10 * _unit(plan))
    header = _head(model, plan, 0, 1)
    header.ask((0, plan.flag(_CONST), 1.0))
    header.offer((0, plan.flag(_RANK), 1.0), (1, plan.flag(_CONST), 1.0))
    flags = slice(plan.flag(_PASSAGE), plan.flag(_LABEL) + MOST_CHOICES)
    header.carry(torch.eye(flags.stop - flags.start), flags, flags, 3 / math.sqrt(plan.hidden))


def _wire_sums(model: Any, plan: _Plan) -> None:
    content = slice(0, plan.content)
    question = _head(model, plan, 1, 0)
    question.ask((0, plan.flag(_CONST), 1.0))
    question.offer((0, plan.flag(_QUESTION), 8.0), (1, plan.flag(_CONST), 1.0))
    question.carry(_words(plan), content, plan.part(1), 2 * _unit(plan))
    choice = _head(model, plan, 1, 1)
    for number in range(MOST_CHOICES):
        choice.ask((4 + number, plan.flag(_CLOSING + number), 4.0))
        choice.offer((4 + number, plan.flag(_LABEL + number), 4.0))
    choice.ask((0, plan.flag(_CONST), 0.5))
    choice.offer((0, plan.flag(_SINK), 1.0), (1, plan.flag(_CONST), 0.5))
    choice.carry(_words(plan), content, plan.part(2), 2 * _unit(plan))


def _wire_support(model: Any, plan: _Plan) -> None:
    """Heads alike but for the sink's weight: their attention on passages together is the support, in steps."""
    same = torch.eye(plan.match)
    for number, threshold in enumerate(_THRESHOLDS[: model.config.num_attention_heads]):
        head = _head(model, plan, 2, number)
        head.ask_words(same, plan.part(1), 1.4)
        head.ask_words(same, plan.part(2), 1.0)
        head.ask((0, plan.flag(_CONST), threshold), (1, plan.flag(_CONST), 0.6))
        head.offer_words(same, plan.part(0), 1.0)
        head.offer((0, plan.flag(_SINK), 2.0), (1, plan.flag(_PASSAGE), 1.0), (1, plan.flag(_QUESTION), -1.0))
        head.offer(*((1, plan.flag(_LABEL + label), -1.0) for label in range(MOST_CHOICES)))
        head.value[0, plan.flag(_PASSAGE)] = math.sqrt(_unit(plan))
        head.output[plan.flag(_SUPPORT), 0] = math.sqrt(_unit(plan))


def _wire_answer(model: Any, plan: _Plan) -> None:
    """The label of the best supported choice, so faintly that training starts from doubt."""
    head = _head(model, plan, 3, 0)
    head.ask((0, plan.flag(_CONST), 1.0), (1, plan.flag(_CONST), 1.0))
    head.offer((0, plan.flag(_SUPPORT), 8.0), (1, plan.flag(_CLOSES), 4.0), (2, plan.flag(_CONST), 16.0))
    closing = slice(plan.flag(_CLOSING), plan.flag(_CLOSING) + MOST_CHOICES)
    answers = slice(plan.flag(_ANSWER), plan.flag(_ANSWER) + MOST_CHOICES)
    head.carry(torch.eye(MOST_CHOICES), closing, answers, 1.2 * _unit(plan))


def _words(plan: _Plan) -> Tensor:
    """The first numbers of a word's vector: the encoder's lengths are nested, the first of them say most."""
    return torch.eye(plan.match, plan.content)


def _embeddings(tokenizer: Tokenizer, plan: _Plan, size: int, generator: torch.Generator) -> Tensor:
    """First token vectors: what the static encoder says of a token's text, and flags of what tells prompts' parts."""
    table = 0.02 * torch.randn(size, plan.hidden, generator=generator)
    table[:, plan.content :] = 0
    table[:, plan.flag(_CONST)] = 1
    encoder = load_static(EMBEDDED_FOLDER, dimensions=min(plan.content, 256))
    texts = [tokenizer.decode([token], skip_special_tokens=False) for token in range(tokenizer.get_vocab_size())]
    ids = encoder.tokens([text.strip() if "\ufffd" not in text else "" for text in texts])
    vectors = torch.zeros(len(texts), encoder.dimensions)
    weights = torch.from_numpy(encoder.weights)
    for token, parts in enumerate(ids):
        if parts:
            vectors[token] = weights[parts].mean(0)
    known = vectors.norm(dim=1) > 0
    vectors[known] -= vectors[known].mean(0)
    vectors /= vectors[known].norm(dim=1).median()
    table[: len(texts), : encoder.dimensions] += vectors
    for token, text in enumerate(texts):
        table[token, plan.flag(_SPACE)] = 0.3 * text.startswith(" ")
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
        table[token, : plan.content] = 0
        table[token, plan.flag(_RANK)] = rank
        if kind in _REGIONS:
            table[token, plan.flag(_REGIONS[kind])] = strength
        if kind == "choice":
            table[token, plan.flag(_LABEL + int(number) - 1)] = strength
        ended = int(number) - (kind == "choice") if number else 0
        if ended:
            table[token, plan.flag(_CLOSING + ended - 1)] = strength
            table[token, plan.flag(_CLOSES)] = 1
    for digit in range(1, 10):
        table[tokenizer.token_to_id(str(digit)), plan.flag(_ANSWER + digit - 1)] = 1
    start = tokenizer.token_to_id(START)
    table[start, : plan.content] = 0
    table[start, plan.flag(_SINK)] = 2


def _place(kind: str, number: str) -> int:
    order = {"passages": 0, "paragraph": 1, "question": 2, "box": 2, "ask": MOST_CHOICES + 4}
    return 2 + int(number) if kind == "choice" else order[kind]
