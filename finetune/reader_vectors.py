"""First token vectors of the embedded reader: what a token means and how it is written, equal in length.

Two fifths of a vector are what the project's static encoder says of the token's text, narrowed to its principal
directions; the rest is made of random directions of its characters, of their pairs and of the token as a whole, so that
"대동" and "대동법" look alike and numbers do not. How common a token is follows from its place in the tokenizer's list:
merges are learnt in the order of their frequency (Zipf's law stands in for counts).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import torch
from tokenizers import Tokenizer
from torch import Tensor

from index_build.encoder import EMBEDDED_FOLDER, load_static

_FIRST = 300  # tokens before it are bytes and the first merges: all equally common
_MEANING = 0.4  # share of a vector's width
_COMMON_CHARACTER = 8.0  # a character once in e^8 counts one


def token_texts(tokenizer: Tokenizer) -> list[str]:
    """What each token stands for, without spaces around it; "" for parts of a character."""
    texts = [tokenizer.decode([token], skip_special_tokens=False) for token in range(tokenizer.get_vocab_size())]
    return ["" if "\ufffd" in text else text.strip() for text in texts]


def rarity(size: int) -> Tensor:
    """How much each token tells, from 0 (common) to 1; shape [size]."""
    places = torch.arange(size, dtype=torch.float32).clamp_min(_FIRST)
    return (places / _FIRST).log() / max(math.log(max(size / _FIRST, 1.0)), 1e-6)


def token_vectors(texts: Sequence[str], width: int, generator: torch.Generator) -> Tensor:
    """A vector of length 1 for every text, 0 for ""; shape [texts, width]."""
    share = 1 / torch.arange(len(texts), dtype=torch.float32).clamp_min(_FIRST)
    meaning = round(_MEANING * width)
    halves = [_meant(texts, share, meaning), _written(texts, share, width - meaning, generator)]
    vectors = _unit(torch.cat([_unit(half) for half in halves], dim=1))
    vectors[[not text for text in texts]] = 0
    return vectors


def _meant(texts: Sequence[str], share: Tensor, width: int) -> Tensor:
    """The static encoder's vectors, centred, in their first principal directions, half whitened."""
    encoder = load_static(EMBEDDED_FOLDER)
    table = torch.from_numpy(encoder.weights)
    means = [table[parts].mean(0) if parts else torch.zeros(encoder.dimensions) for parts in encoder.tokens(texts)]
    vectors = torch.stack(means)
    weights = share[:, None] * (vectors.norm(dim=1, keepdim=True) > 0)
    weights = weights / weights.sum()
    known = weights[:, 0] > 0
    vectors[known] -= (vectors * weights).sum(0)
    values, directions = torch.linalg.eigh((vectors * weights).T @ vectors)
    values, directions = values.flip(0)[:width], directions.flip(1)[:, :width]
    # the sign of a direction is the library's choice: its largest entry is made positive
    largest = directions.abs().argmax(dim=0)
    directions = directions * directions.gather(0, largest[None]).sign()
    narrowed: Tensor = vectors @ directions * values.clamp_min(1e-8) ** -0.25
    return narrowed


def _written(texts: Sequence[str], share: Tensor, width: int, generator: torch.Generator) -> Tensor:
    """Sums of random directions: of characters (rare ones count more), of pairs of them, of the whole."""
    counts: defaultdict[str, float] = defaultdict(float)
    for text, each in zip(texts, share.tolist(), strict=True):
        for character in text:
            counts[character] += each
    total = sum(counts.values())
    parts = [
        {character: 0.5 * math.log(total / counts[character]) / _COMMON_CHARACTER for character in text}
        | {f"{one}{two}": 1.0 for one, two in pairwise(text)}
        | {f"={text}": 1.0}
        for text in texts
    ]
    number = {name: place for place, name in enumerate(dict.fromkeys(name for names in parts for name in names))}
    directions = torch.randn(len(number), width, generator=generator) / math.sqrt(width)
    sums = [
        torch.tensor(list(names.values())) @ directions[[number[name] for name in names]] if names else None
        for names in parts
    ]
    return torch.stack([torch.zeros(width) if each is None else each for each in sums])


def _unit(vectors: Tensor) -> Tensor:
    scaled: Tensor = vectors / vectors.norm(dim=1, keepdim=True).clamp_min(1e-6)
    return scaled
