"""Near duplicates: MinHash signatures (rensa) in bands, every candidate checked by its true Jaccard similarity."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash

# any change to what a signature is must raise this: analyses made before hold others
SIGNATURES_VERSION = 2

PERMUTATIONS = 64
_BANDS = 8  # of 8 rows: a pair of similarity .9 meets in a band with probability .989, one of .7 with .37
_SHINGLE = 6
_SEED = 20260101


def shingles(text: str) -> set[str]:
    """The character 6-grams of a text with its spaces removed; the text itself when it is shorter."""
    packed = "".join(text.split())
    return {packed[i : i + _SHINGLE] for i in range(max(len(packed) - _SHINGLE + 1, 1))}


def signatures(texts: Sequence[str]) -> NDArray[np.uint32]:
    """The MinHash signatures of some texts' shingles; shape [texts, 64].

    Shingles are hashed all at once, as polynomials of their code points, mixed as by SplitMix64 (Steele et al. 2014).
    """
    packed = ["".join(text.split()).ljust(_SHINGLE, "\0") for text in texts]
    points = np.frombuffer("".join(packed).encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    lengths = np.array([len(text) for text in packed], dtype=np.int64)
    hashes = np.zeros(len(points), dtype=np.uint64)
    for place in range(_SHINGLE):
        hashes *= np.uint64(0x9E3779B97F4A7C15)
        hashes[: len(points) - place] += points[place:]
    hashes ^= hashes >> np.uint64(30)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> np.uint64(27)
    inside = np.ones(len(points), dtype=bool)
    inside[(np.cumsum(lengths)[:, None] - np.arange(1, _SHINGLE)).ravel()] = False  # no shingle runs into the next text
    starts = np.zeros(len(packed) + 1, dtype=np.uint64)
    np.cumsum(lengths - _SHINGLE + 1, out=starts[1:])
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(hashes[inside], starts, PERMUTATIONS, _SEED)
    return np.array(matrix.to_rows(), dtype=np.uint32).reshape(-1, PERMUTATIONS)


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
