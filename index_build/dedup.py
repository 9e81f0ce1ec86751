"""Near duplicates: MinHash signatures (rensa) in bands, every candidate checked by its true Jaccard similarity."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash

PERMUTATIONS = 64
_BANDS = 8  # of 8 rows: a pair of similarity .9 meets in a band with probability .989, one of .7 with .37
_SHINGLE = 6
_SEED = 20260101


def shingles(text: str) -> set[str]:
    """The character 6-grams of a text with its spaces removed; the text itself when it is shorter."""
    packed = "".join(text.split())
    return {packed[i : i + _SHINGLE] for i in range(max(len(packed) - _SHINGLE + 1, 1))}


def signature(text: str) -> NDArray[np.uint32]:
    """The MinHash signature of a text's shingles; shape [64]."""
    minhash = RMinHash(num_perm=PERMUTATIONS, seed=_SEED)
    minhash.update(sorted(shingles(text)))
    return np.array(minhash.digest(), dtype=np.uint32)


def near_duplicates(
    signatures: NDArray[np.uint32], text_of: Callable[[int], str], *, threshold: float
) -> dict[int, int]:
    """Row of a near duplicate -> the earlier row that is kept.

    signatures: [n, 64], in the order in which documents are preferred. Each pair that shares a band is
    compared by the Jaccard similarity of its shingles; text_of gives a row's text.
    """
    dropped: dict[int, int] = {}
    for earlier, later in sorted(set(_candidates(signatures))):
        if later in dropped or earlier in dropped:
            continue
        one, other = shingles(text_of(earlier)), shingles(text_of(later))
        if len(one & other) >= threshold * len(one | other):
            dropped[later] = earlier
    return dropped


def _candidates(signatures: NDArray[np.uint32]) -> Iterator[tuple[int, int]]:
    """(earlier, later) rows equal in a band: each with the first of its group and with the one before it."""
    width = PERMUTATIONS // _BANDS
    for band in range(_BANDS):
        part = np.ascontiguousarray(signatures[:, band * width : (band + 1) * width])
        whole = part.view(np.dtype((np.void, part.itemsize * width))).ravel()
        order = np.argsort(whole, kind="stable")
        same = whole[order[1:]] == whole[order[:-1]]
        first = 0
        for place in np.flatnonzero(same):
            if place == 0 or not same[place - 1]:
                first = int(order[place])
            earlier, later = int(order[place]), int(order[place + 1])
            yield earlier, later
            if first != earlier:
                yield first, later
