"""First weights that can already look things up: what hours of training would spend themselves on.

A transformer trained from nothing needs millions of tokens before it forms heads that find a word again (Olsson et
al. 2022). Here such heads are written into the first weights, and training starts from them:

layer 0   where a token stands: which of some dozens of places is near; which part of the prompt this is, which choice
layer 1   every word of the question is looked up in the passages, against a sink, and brings back the places where it
          stands
layer 2   after the question: the places of its words, rare ones first
layer 3   the words of the choices are told these places
layer 4   every word of a choice is looked up in the passages, near those places first, and brings back where it stands
layer 5   the places of each choice's words, rare ones first
layer 6   that a label is to be written: of the choice whose words stand where the question's words stand

A word that stands everywhere brings back a little of every place, and so says nothing; one that stands nowhere goes to
the sink. The second look matters where several passages are shown: a choice's words stand in most of them. Words are
compared by `finetune.reader_vectors`. Rotary positions tell a head distances only; a place is found
by the distance to landmarks, tokens that every prompt begins with: each head knows some of the places, and listens to
the landmark that stands for the place nearest to it. Other heads and all MLPs start with random weights and silent
outputs. A matching head uses only the slow part of the rotary frequencies, which does not see distance; a positional
head only the fast part.

Sources: Trockman and Kolter 2023 (first weights that mimic trained ones); Elhage et al. 2021 (the parts of a head).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from finetune.reader_stream import (
    ANSWER,
    BLANK,
    CLOSES,
    CLOSING,
    CONST,
    LABEL,
    MARK,
    MARKS,
    PASSAGE,
    QUESTION,
    RANK,
    RARITY,
    RELAY,
    SINK,
    SPEAKS,
    Head,
    Plan,
    head_of,
    plan_of,
)  # fmt: skip
from finetune.reader_tokenizer import MOST_CHOICES, START, frame
from finetune.reader_vectors import rarity, token_texts, token_vectors

_SHARPNESS = 64.0  # the attention logit of two equal vectors
_LOOKS_UP, _LOOKS_AGAIN = 24.0, 30.0  # the same where words are looked up
_DECIDES = 1800.0  # the same in the last layer, where a choice is taken
_SPACING = 24.0  # tokens between two places
_NEAR = (0.005, 0.08)  # the rotary frequencies, radians per token, that tell which place is near
_CALLS, _ELSEWHERE = 11.0, 0.87  # the attention logit of a landmark at its place; the sink's share of it
_UNLIKE, _UNLIKE_HERE = 0.71, 0.85  # how strongly the sink calls: words less than about 0.4 (0.5) alike are no match
_NEARBY = 0.55  # how much it counts that a word stands where the question's words stand, beside how alike it is
_PLACED = 1.0  # how strong the place of a token is beside its word, about
_BACK, _SUMMED = 2.0, 1.0  # how strong what is brought back is; the same of sums
_LOUD = 20.0  # the same of what was asked: so loud that nothing else counts where the relay hands it on
_TOLD = 0.7  # how strong it then is
_RARE_ASKED, _RARE_CHOSEN = 0.25, 0.9  # how much more a rare word counts in a sum
_ANSWERS = 4.5  # how loud the answer is beside what else stands at the last place
_SPEAKS = 6.0  # the same of any label, so that nothing else is written
_SAID = 3.0  # how loud that is to the vocabulary, whatever else stands at the last place
_STEADY = 32.0  # how much longer keys are than what is compared, so that all are about as long
_HELD = 4.0  # how strongly whoever is not to hear the question is sent to the sink
_CALL = 3.0  # how strong a landmark's flag is
_REGIONS = {"passages": PASSAGE, "paragraph": PASSAGE, "question": QUESTION, "box": QUESTION}


def wire(model: Any, tokenizer: Tokenizer, *, seed: int) -> None:
    """Write the first weights into a model with random ones. Raises UserError when it is too small."""
    plan = plan_of(model.config, tokenizer)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        model.model.embed_tokens.weight.copy_(_embeddings(tokenizer, plan, model.config.vocab_size, generator))
        for number, layer in enumerate(model.model.layers):
            strength = {1: _LOOKS_UP, 4: _LOOKS_AGAIN, 6: _DECIDES}.get(number, _SHARPNESS)
            sharp = math.sqrt(strength / math.sqrt(plan.head_dim))
            layer.self_attn.q_norm.weight.fill_(sharp)
            layer.self_attn.k_norm.weight.fill_(sharp)
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        _wire_places(model, plan)
        _wire_parts(model, plan)
        _wire_question(model, plan)
        _wire_choices(model, plan)
        _wire_answer(model, plan)
        model.model.norm.weight[plan.flag(SPEAKS)] = _SAID


def _unit(plan: Plan) -> float:
    """What undoes the norm before attention: a typical token is sqrt(2) long before it, sqrt(hidden) after it."""
    return math.sqrt(2 / plan.hidden)


def _wire_places(model: Any, plan: Plan) -> None:
    """Every token listens to the landmarks of the places near it, or to the sink. Places are dealt out to the heads."""
    near = [pair for pair, angle in enumerate(plan.fast) if _NEAR[0] < angle < _NEAR[1]]
    half, share = plan.head_dim // 2, math.sqrt(1 / len(near))
    heard = _CALL / math.hypot(_CALL, 1)
    length = _SHARPNESS * heard / _CALLS  # of a query, so that a landmark calls as loudly as it should
    sink = (_ELSEWHERE * _CALLS - math.log(2)) * length / _SHARPNESS  # there are two such tokens before the passages
    for number in range(plan.heads - 1):
        head = head_of(model, plan, 0, number + 1)
        for mark, stands in enumerate(plan.marks):
            place = plan.begins + _SPACING * (number + (plan.heads - 1) * mark + 0.5)
            for pair in near:
                angle = plan.fast[pair] * (place - stands)
                head.query[pair, plan.flag(CONST)] = share
                head.key[pair, plan.flag(MARK + mark)] = share * math.cos(angle)
                head.key[pair + half, plan.flag(MARK + mark)] = share * math.sin(angle)
        head.ask((0, plan.flag(CONST), sink), (2, plan.flag(CONST), math.sqrt(length**2 - 1 - sink**2)))
        head.offer((0, plan.flag(SINK), 1.0), (1, plan.flag(CONST), 1.0))
        first = plan.place.start + number * len(plan.marks)
        marks = slice(plan.flag(MARK), plan.flag(MARK) + len(plan.marks))
        head.carry(marks, slice(first, first + len(plan.marks)), _PLACED / math.sqrt(plan.hidden))


def _wire_parts(model: Any, plan: Plan) -> None:
    """Every token listens to the last part of the frame before it."""
    header = head_of(model, plan, 0, 0)
    header.ask((0, plan.flag(CONST), 1.0))
    header.offer((0, plan.flag(RANK), 1.0), (1, plan.flag(CONST), 1.0))
    flags = slice(plan.flag(PASSAGE), plan.flag(LABEL) + MOST_CHOICES)
    header.carry(flags, flags, 3 / math.sqrt(plan.hidden))


def _wire_question(model: Any, plan: Plan) -> None:
    """The question's words look for their like in the passages; their mean is told to whoever speaks, and to choices.

    Which place the words of a question stand at may be clear or not; the relay, which says little else, hands on what
    it heard at about the same length.
    """
    head = head_of(model, plan, 1, 0)
    head.compare(plan.words, plan.words)
    head.ask((0, plan.flag(CONST), _UNLIKE), (0, plan.flag(RANK), 8.0), (1, plan.flag(CONST), 0.7))
    head.ask(*((0, plan.flag(LABEL + label), 8.0) for label in range(MOST_CHOICES)))
    _offer_passages(head, plan)
    head.carry(plan.place, plan.found, _BACK * _unit(plan))
    mean = head_of(model, plan, 2, 0)
    mean.ask((0, plan.flag(CONST), 1.0), (2, plan.flag(CONST), -1.0), (3, plan.flag(RELAY), -_held_back(model, plan)))
    mean.ask(*((3, plan.flag(flag), _HELD) for flag in (RANK, PASSAGE, QUESTION, *range(LABEL, LABEL + MOST_CHOICES))))
    mean.offer((0, plan.flag(QUESTION), 1.0), (0, plan.flag(RARITY), _RARE_ASKED))
    mean.offer((1, plan.flag(CONST), 4.0), (2, plan.flag(RANK), 1.0), (3, plan.flag(SINK), 4.0))
    mean.carry(plan.found, plan.asked, _LOUD * _unit(plan))
    relay = head_of(model, plan, 3, 0)
    relay.ask((0, plan.flag(CONST), 1.0))
    relay.offer((0, plan.flag(RELAY), 4.0), (1, plan.flag(CONST), 1.0))
    relay.carry(plan.asked, plan.near, _TOLD * _unit(plan))


def _held_back(model: Any, plan: Plan) -> float:
    """How strongly the relay would be sent to the sink by its own flags, those it hears from itself included."""
    table = model.model.embed_tokens.weight
    relay = table[int(table[:, plan.flag(RELAY)].argmax())]
    heard = relay[plan.flag(LABEL)] * (1 + 3 / relay.norm())
    return _HELD * float(heard + relay[plan.flag(RANK)])


def _wire_choices(model: Any, plan: Plan) -> None:
    """The words of choices are looked up where the question's words stand first; then their mean is taken.

    The constant in the keys keeps them long, so that a word's rarity counts evenly.
    """
    head = head_of(model, plan, 4, 0)
    head.compare(plan.words, plan.words)
    head.compare(plan.near, plan.place, weight=_NEARBY, first=plan.match)
    head.ask((0, plan.flag(CONST), _UNLIKE_HERE), (0, plan.flag(RANK), 8.0), (1, plan.flag(CONST), 0.7))
    _offer_passages(head, plan)
    head.carry(plan.place, plan.found, _BACK * _unit(plan))
    mean = head_of(model, plan, 5, 0)
    for number in range(MOST_CHOICES):
        mean.ask((4 + number, plan.flag(CLOSING + number), 2.0))
        mean.offer((4 + number, plan.flag(LABEL + number), 4.0))
    mean.ask((0, plan.flag(CONST), 1.0), (2, plan.flag(CONST), -1.5))
    mean.offer((0, plan.flag(RARITY), _RARE_CHOSEN))
    mean.offer((1, plan.flag(CONST), 4.0), (2, plan.flag(RANK), 4.0))
    mean.carry(plan.found, plan.found, _SUMMED * _unit(plan))


def _offer_passages(head: Head, plan: Plan) -> None:
    """What is looked up is found in the passages or at the sink, never in question, choices and the frame."""
    head.offer((0, plan.flag(SINK), 2.0), (1, plan.flag(PASSAGE), 1.0), (1, plan.flag(QUESTION), -1.0))
    head.offer((1, plan.flag(BLANK), -3.0), *((1, plan.flag(LABEL + label), -1.0) for label in range(MOST_CHOICES)))


def _wire_answer(model: Any, plan: Plan) -> None:
    """The label of the choice whose words stand nearest to the question's; and that a label is to be written."""
    head = head_of(model, plan, 6, 0)
    head.compare(plan.asked, plan.found, weight=1 / _LOUD)
    head.ask((0, plan.flag(CONST), 1.0))
    head.offer((0, plan.flag(CLOSES), _STEADY), (1, plan.flag(CONST), _STEADY))
    closing = slice(plan.flag(CLOSING), plan.flag(CLOSING) + MOST_CHOICES)
    answers = slice(plan.flag(ANSWER), plan.flag(ANSWER) + MOST_CHOICES)
    head.carry(closing, answers, _ANSWERS * _unit(plan))
    closes, speaks = (slice(plan.flag(flag), plan.flag(flag) + 1) for flag in (CLOSES, SPEAKS))
    head.carry(closes, speaks, _SPEAKS * _unit(plan), first=MOST_CHOICES)


def _embeddings(tokenizer: Tokenizer, plan: Plan, size: int, generator: torch.Generator) -> Tensor:
    """First token vectors: a token's word vector, and flags of what tells the parts of a prompt."""
    texts = token_texts(tokenizer)
    table = torch.zeros(size, plan.hidden)
    table[: len(texts), plan.words] = token_vectors(texts, plan.match, generator)
    table[: len(texts), plan.flag(RARITY)] = rarity(len(texts))
    table[:, plan.flag(CONST)] = 1
    table[[token for token, text in enumerate(texts) if not text], plan.flag(BLANK)] = 1
    _mark(table, tokenizer, plan)
    return table


def _mark(table: Tensor, tokenizer: Tokenizer, plan: Plan) -> None:
    """The flags of the frame of a prompt, of labels and of what opens a turn."""
    for number, text in enumerate(MARKS):
        token = tokenizer.token_to_id(text)
        table[token, plan.words] = 0
        table[token, plan.flag(RARITY)] = 0
        table[token, plan.flag(BLANK)] = 1
        table[token, plan.flag(MARK + number)] = _CALL
    for name, text in frame().items():
        kind, _, label = name.partition(" ")
        if kind == "mark":
            continue
        token = tokenizer.token_to_id(text)
        # the later a part stands in a prompt, the stronger it calls: every token listens to the last one before it
        rank = math.tan(math.asin(0.3 + 0.65 * _turn(kind, label) / (MOST_CHOICES + 4)))
        strength = math.sqrt((rank * rank + 1) / 7)
        table[token, plan.words] = 0
        table[token, plan.flag(RARITY)] = 0
        table[token, plan.flag(BLANK)] = 1
        table[token, plan.flag(RANK)] = rank
        if kind in _REGIONS:
            table[token, plan.flag(_REGIONS[kind])] = strength
        if name == "choice 1":
            table[token, plan.flag(RELAY)] = 1
        if kind == "choice":
            table[token, plan.flag(LABEL + int(label) - 1)] = strength
        ended = int(label) - (kind == "choice") if label else 0
        if ended:
            # as much of the token's length for all, or the last choice, whose token calls loudest, would count half
            others = rank * rank + ((strength + 0.8) ** 2 if kind == "choice" else 0) + 3.3
            table[token, plan.flag(CLOSING + ended - 1)] = 0.53 * math.sqrt(others)
            table[token, plan.flag(CLOSES)] = 1
    for digit in range(1, 10):
        table[tokenizer.token_to_id(str(digit)), [plan.flag(ANSWER + digit - 1), plan.flag(SPEAKS)]] = 1
    start = tokenizer.token_to_id(START)
    table[start, plan.words] = 0
    table[start, plan.flag(BLANK)] = 0
    table[start, plan.flag(SINK)] = 40  # so long that the words it sums up, as all places do, count for nothing


def _turn(kind: str, number: str) -> int:
    order = {"passages": 0, "paragraph": 1, "question": 2, "box": 2, "ask": MOST_CHOICES + 4}
    return 2 + int(number) if kind == "choice" else order[kind]
