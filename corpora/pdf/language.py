"""A small model of written Korean: where spaces stand, and how usual a run of syllables is.

The weights (`language.npz`) are made by `python -m corpora.pdf.fit_language`. They replace Kiwi here:
a morphological analyser takes two seconds to load, more than a textbook takes to extract.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WEIGHTS = Path(__file__).with_name("language.npz")
SIDE = 4  # characters looked at on each side of a boundary
HANGUL_FIRST, HANGUL_LAST = 0xAC00, 0xD7A3
_SPACE = 32
_BETWEEN = np.uint64(0x1FFFFF)  # no code point: what parts the left side from the right one

Codes = NDArray[np.uint32]
Features = NDArray[np.int64]

# (characters to the left, characters to the right, whether they end at the word's edge)
_SHAPES = (
    (1, 0, False),
    (0, 1, False),
    (1, 1, False),
    (2, 0, False),
    (0, 2, False),
    (2, 1, False),
    (1, 2, False),
    (2, 2, False),
    (3, 0, False),
    (0, 3, False),
    (3, 1, False),
    (1, 3, False),
    (3, 2, False),
    (2, 3, False),
    (4, 0, True),
    (0, 4, True),
    (4, 1, True),
    (1, 4, True),
    (4, 4, True),
    (3, 3, True),
)


@dataclass(frozen=True, slots=True)
class Language:
    """The weights: log-odds of a space by hashed context, log10 probabilities of syllables and pairs."""

    space: NDArray[np.float32]  # 2**n
    bias: float
    syllables: NDArray[np.float32]  # by syllable, from 가
    pairs: NDArray[np.float32]  # 2**n, hashed: log10 P(second | first)


@lru_cache(maxsize=1)
def language() -> Language:
    """The weights that come with the project."""
    with np.load(WEIGHTS, allow_pickle=False) as stored:
        return Language(
            space=stored["space"].astype(np.float32) * float(stored["space_scale"]),
            bias=float(stored["bias"]),
            syllables=stored["syllables"].astype(np.float32) / 16,
            pairs=stored["pairs"].astype(np.float32) / 16,
        )


def classes(text: str) -> Codes:
    """Code points, with digits as one, Latin letters as one, hanja as one, quotes straight."""
    codes = np.frombuffer(text.encode("utf-32-le", "replace"), dtype=np.uint32).copy()
    codes[(codes >= 0x30) & (codes <= 0x39)] = 0x30
    latin = ((codes | 0x20) >= 0x61) & ((codes | 0x20) <= 0x7A)
    codes[latin | ((codes >= 0xC0) & (codes < 0x250))] = 0x41
    codes[((codes >= 0x4E00) & (codes <= 0x9FFF)) | ((codes >= 0xF900) & (codes <= 0xFAFF))] = 0x6F22
    codes[(codes == 0x2018) | (codes == 0x2019)] = 0x27
    codes[(codes == 0x201C) | (codes == 0x201D)] = 0x22
    codes[codes == 0x318D] = 0xB7
    return codes


def features(left_codes: Codes, right_codes: Codes, size: int) -> Features:
    """Hashed features of boundaries, (n, len(shapes)), for contexts of (n, SIDE) codes.

    `left_codes[:, 0]` is the character before the boundary, `right_codes[:, 0]` the one after; 0 pads.
    `size` is a power of two.
    """
    left, right = left_codes.astype(np.uint64), right_codes.astype(np.uint64)
    inner_left, inner_right = _inside_word(left), _inside_word(right)
    rows = np.empty((len(left), len(_SHAPES)), dtype=np.int64)
    mask = np.uint64(size - 1)
    for number, (before, after, whole) in enumerate(_SHAPES):
        key = np.full(len(left), number + 1, dtype=np.uint64)
        for column in (inner_left if whole else left).T[:before]:
            key = _mix(key, column)
        key = _mix(key, _BETWEEN)
        for column in (inner_right if whole else right).T[:after]:
            key = _mix(key, column)
        rows[:, number] = (key ^ (key >> np.uint64(29))) & mask
    return rows


def _mix(key: NDArray[np.uint64], column: NDArray[np.uint64] | np.uint64) -> NDArray[np.uint64]:
    mixed: NDArray[np.uint64] = (key ^ column) * np.uint64(0x9E3779B97F4A7C15)
    return mixed ^ (mixed >> np.uint64(31))


def _inside_word(side: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The contexts with everything from the first space on blanked."""
    outside = np.cumsum(side == _SPACE, axis=1) > 0
    blanked: NDArray[np.uint64] = np.where(outside, np.uint64(0), side)
    return blanked


def count_hangul(text: str) -> int:
    """How many Hangul syllables a text has."""
    codes = np.frombuffer(text.encode("utf-32-le", "replace"), dtype=np.uint32)
    return int(np.count_nonzero(_is_hangul(codes)))


def space_logits(pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
    """Log-odds that a space stands between the two texts of each pair. Empty for no pairs."""
    model = language()
    if not pairs:
        return np.empty(0, dtype=np.float32)
    # one string with fixed cells, so that one conversion serves all
    joined = classes(
        "".join([before[-SIDE:].rjust(SIDE, "\0") + after[:SIDE].ljust(SIDE, "\0") for before, after in pairs])
    )
    cells = joined.reshape(len(pairs), 2 * SIDE)
    return _logits(cells[:, :SIDE][:, ::-1], cells[:, SIDE:], model)


def boundary_logits(text: str) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.bool_]]:
    """(offset of the second character, log-odds of a space, whether one stands) between Hangul syllables."""
    codes = classes(text)
    visible = np.flatnonzero(codes != _SPACE)
    if len(visible) < 2:
        return np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.bool_)
    first, second = visible[:-1], visible[1:]
    wanted = _is_hangul(codes[first]) & _is_hangul(codes[second]) & (second - first <= 2)
    first, second = first[wanted], second[wanted]
    left, right = contexts(codes, first, second)
    return second, _logits(left, right, language()), second - first == 2


def contexts(codes: Codes, first: NDArray[np.int64], second: NDArray[np.int64]) -> tuple[Codes, Codes]:
    """SIDE codes to the left from each `first` and to the right from each `second`; 0 outside the text."""
    padded = np.concatenate([np.zeros(SIDE, np.uint32), codes, np.zeros(SIDE, np.uint32)])
    steps = np.arange(SIDE)
    return padded[first[:, None] + SIDE - steps], padded[second[:, None] + SIDE + steps]


def _logits(left: Codes, right: Codes, model: Language) -> NDArray[np.float32]:
    rows = features(left, right, len(model.space))
    logits: NDArray[np.float32] = model.space[rows].sum(axis=1, dtype=np.float32) + np.float32(model.bias)
    return logits


def _is_hangul(codes: Codes) -> NDArray[np.bool_]:
    return (codes >= HANGUL_FIRST) & (codes <= HANGUL_LAST)


def pair_rows(first: Codes, second: Codes, size: int) -> Features:
    """Where the log-probabilities of syllable pairs lie in a table of `size`, a power of two."""
    key = _mix(first.astype(np.uint64), _BETWEEN)
    return (_mix(key, second.astype(np.uint64)) & np.uint64(size - 1)).astype(np.int64)


def usualness(texts: Sequence[str]) -> list[tuple[float, int]]:
    """For each text (mean log10 probability of its Hangul syllables, each after the one before; syllables).

    About -2.2 for Korean prose, below -3.2 for the syllables that a broken font gives. (0.0, 0) without Hangul.
    """
    if not texts:
        return []
    model = language()
    codes = classes("\n".join(texts))
    number = np.cumsum(codes == 10)
    visible = (codes != _SPACE) & (codes != 10)
    codes, number = codes[visible], number[visible]
    hangul = _is_hangul(codes)
    alone = model.syllables[(codes[hangul] - HANGUL_FIRST).astype(np.int64)]
    both = hangul[1:] & hangul[:-1] & (number[1:] == number[:-1])
    first, second = codes[:-1][both], codes[1:][both]
    follows = model.pairs[pair_rows(first, second, len(model.pairs))]
    count = len(texts)
    syllables = np.bincount(number[hangul], minlength=count)
    # a pair never seen says little by itself (hashing, names); the syllable alone keeps its say
    total = np.bincount(number[hangul], weights=alone, minlength=count)
    total += np.bincount(number[1:][both], weights=follows, minlength=count)
    parts = syllables + np.bincount(number[1:][both], minlength=count)
    means = total / np.maximum(parts, 1)
    return [(float(mean), int(some)) for mean, some in zip(means, syllables, strict=True)]
