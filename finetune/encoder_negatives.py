"""Hard negatives for the embedded encoder: for every pair the passage that BM25 would wrongly put first.

score(q, p) = sum over the distinct tokens t of q of idf(t) * tf * (k1 + 1) / (tf + norm(p)), over the encoder's tokens
norm(p)     = k1 * (1 - b + b * length(p) / average length); idf(t) = ln(1 + (N - df + .5) / (df + .5))

Source of the idea: Karpukhin et al., "Dense Passage Retrieval", EMNLP 2020.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from tqdm import tqdm

from finetune.encoder_train import Encoded, Ragged

_K1, _B = 0.8, 0.75
_COMMON = 0.02  # tokens in a larger share of the passages are left out: they cost most and tell least
_BLOCK = 512  # anchors at a time


def with_hard_negatives(pairs: Encoded, size: int, *, source: str = "") -> Encoded:
    """The pairs, those without a negative now with the positive of another group that BM25 ranks first.

    size: tokens of the vocabulary. A pair whose anchor shares no rare token with a foreign positive stays
    without; ties go to the earlier row.
    """
    wanted = np.flatnonzero(np.diff(pairs.negatives.offsets) == 0)
    if not len(wanted):
        return pairs
    weights = _weights(pairs.positives, size).T.tocsr()
    anchors = _counts(pairs.anchors.take(wanted), size)
    anchors.data[:] = 1
    chosen = np.full(len(pairs), -1, dtype=np.int64)
    for begin in tqdm(range(0, len(wanted), _BLOCK), desc=f"negatives {source}", unit=" blocks", disable=None):
        rows = wanted[begin : begin + _BLOCK]
        scores = (anchors[begin : begin + len(rows)] @ weights).tocoo()
        foreign = pairs.groups[rows[scores.row]] != pairs.groups[scores.col]
        row, column, score = scores.row[foreign], scores.col[foreign], scores.data[foreign]
        order = np.lexsort((column, -score, row))
        first = order[np.unique(row[order], return_index=True)[1]]
        chosen[rows[row[first]]] = column[first]
    return _with(pairs, chosen)


def _with(pairs: Encoded, chosen: NDArray[np.int64]) -> Encoded:
    """The pairs with the positives of some rows as negatives; -1 = the pair keeps what it has."""
    both = _joined(pairs.positives, pairs.negatives)
    taken = np.where(chosen >= 0, chosen, len(pairs) + np.arange(len(pairs)))
    groups = np.where(chosen >= 0, pairs.groups[np.maximum(chosen, 0)], pairs.negative_groups)
    return replace(pairs, negatives=both.take(taken), negative_groups=groups)


def _joined(one: Ragged, other: Ragged) -> Ragged:
    offsets = np.concatenate([one.offsets, one.offsets[-1] + other.offsets[1:]])
    return Ragged(np.concatenate([one.ids, other.ids]), offsets)


def _counts(texts: Ragged, size: int) -> csr_array:
    shape = (len(texts.offsets) - 1, size)
    # copied: sum_duplicates works in place
    counts = csr_array((np.ones(len(texts.ids), np.float32), texts.ids, texts.offsets), shape=shape, copy=True)
    counts.sum_duplicates()
    return counts


def _weights(passages: Ragged, size: int) -> csr_array:
    """What each token of each passage adds to a score; shape [passages, tokens]."""
    counts = _counts(passages, size)
    total, lengths = counts.shape[0], np.diff(passages.offsets)
    frequencies = np.bincount(counts.indices, minlength=size)
    idf = np.log1p((total - frequencies + 0.5) / (frequencies + 0.5)).astype(np.float32)
    # in a handful of passages nothing is common
    idf[frequencies > max(_COMMON * total, 100)] = 0
    norms = _K1 * (1 - _B + _B * lengths / max(lengths.mean(), 1e-9))
    tf = counts.data
    counts.data = idf[counts.indices] * tf * (_K1 + 1) / (tf + np.repeat(norms, np.diff(counts.indptr)))
    counts.eliminate_zeros()
    return counts
