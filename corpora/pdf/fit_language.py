"""python -m corpora.pdf.fit_language --wiki FOLDER --statutes FILE: makes language.npz from plain Korean text.

Spaces: logistic regression over hashed character contexts (AdaGrad, one pass), on every place where a
Korean line may break. Usualness: counts of syllables and of pairs of syllables. What is kept is weights
and log-probabilities in eight bits, no text. 대한민국헌법, 형법 and 형사소송법 are left out: they are evaluated on.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import numba  # only this script needs it: pip install -r benchmarks/requirements.txt
import numpy as np
from numpy.typing import NDArray

from corpora.normalize import normalize
from corpora.pdf.language import (
    HANGUL_FIRST,
    HANGUL_LAST,
    WEIGHTS,
    Codes,
    classes,
    contexts,
    features,
    pair_rows,
)

_HELD_OUT = {"대한민국헌법", "형법", "형사소송법"}
_SPACE_SIZE, _PAIR_SIZE = 1 << 20, 1 << 17
_BATCH = 1_000_000  # boundaries


def texts(wiki: Path, statutes: Path) -> Iterator[str]:
    """Paragraphs of both corpora."""
    for file in sorted(wiki.glob("*.jsonl.gz")):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for line in lines:
                yield from (part for part in json.loads(line)["text"].split("\n") if len(part) > 30)
    with gzip.open(statutes, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            article = json.loads(line)
            if article["law"] not in _HELD_OUT and number % 2 == 0:  # half: law would outweigh prose
                yield from (part for part in article["text"].split("\n") if len(part) > 20)


def main(argv: list[str] | None = None) -> int:
    """Fit both models and write the weights; prints the accuracy on held-out boundaries."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wiki", type=Path, required=True)
    parser.add_argument("--statutes", type=Path, required=True)
    parser.add_argument("--boundaries", type=int, default=24_000_000)
    parser.add_argument("--seed", type=int, default=20260101)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    args = parser.parse_args(argv)
    text = "\n".join(" ".join(normalize(part).split()) for part in texts(args.wiki, args.statutes))
    codes = classes(text)
    space, bias, accuracy = fit_spaces(codes, args.boundaries, args.seed)
    scale = float(np.abs(space).max()) / 127
    syllables, pairs = count_syllables(codes)
    np.savez_compressed(
        args.out,
        space=np.round(space / scale).astype(np.int8),
        space_scale=np.float32(scale),
        bias=np.float32(bias),
        syllables=np.round(syllables * 16).astype(np.int8),
        pairs=np.round(pairs * 16).astype(np.int8),
    )
    print(f"{args.out}: {len(codes):,} characters, held-out accuracy of spaces {accuracy:.4f}")
    return 0


def fit_spaces(codes: Codes, boundaries: int, seed: int) -> tuple[NDArray[np.float32], float, float]:
    """(weights, bias, accuracy on the last 200,000 of the shuffled boundaries)."""
    visible = np.flatnonzero(codes != 32)
    first, second = visible[:-1], visible[1:]
    can_break = _breakable(codes[first], codes[second]) & (second - first <= 2)
    first, second = first[can_break], second[can_break]
    chosen = np.random.default_rng(seed).permutation(len(first))[:boundaries]
    first, second = first[chosen], second[chosen]
    is_space = (second - first == 2).astype(np.float32)
    weights = np.zeros(_SPACE_SIZE, dtype=np.float32)
    squares = np.full(_SPACE_SIZE, 0.1, dtype=np.float32)
    share = float(is_space.mean())
    bias = float(np.log(share / (1 - share)))
    held = 200_000
    for start in range(0, len(first) - held, _BATCH):
        part = slice(start, min(start + _BATCH, len(first) - held))
        left, right = contexts(codes, first[part], second[part])
        _learn(features(left, right, _SPACE_SIZE), is_space[part], weights, squares, bias)
    left, right = contexts(codes, first[-held:], second[-held:])
    logits = weights[features(left, right, _SPACE_SIZE)].sum(axis=1) + bias
    accuracy = float(((logits > 0) == (is_space[-held:] > 0)).mean())
    return weights, bias, accuracy


def _breakable(first: Codes, second: Codes) -> NDArray[np.bool_]:
    """Where a line may end without a rule that decides: one side at least is Hangul or hanja."""

    def korean(codes: Codes) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = ((codes >= HANGUL_FIRST) & (codes <= HANGUL_LAST)) | (codes == 0x6F22)
        return found

    can: NDArray[np.bool_] = (korean(first) | korean(second)) & (first != 10) & (second != 10)
    return can


@numba.njit()  # type: ignore[untyped-decorator]
def _learn(
    rows: NDArray[np.int64],
    labels: NDArray[np.float32],
    weights: NDArray[np.float32],
    squares: NDArray[np.float32],
    bias: float,
) -> None:
    """One AdaGrad pass of logistic regression over the rows, in place."""
    rate = 0.15
    for n in range(rows.shape[0]):
        total = bias
        for m in range(rows.shape[1]):
            total += weights[rows[n, m]]
        error = 1.0 / (1.0 + np.exp(-total)) - labels[n]
        if abs(error) > 0.02:
            for m in range(rows.shape[1]):
                at = rows[n, m]
                squares[at] += error * error
                weights[at] -= rate * error / np.sqrt(squares[at])


def count_syllables(codes: Codes) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """log10 P(syllable) by syllable, and log10 P(second | first) by hashed pair, both at -7.9 or above."""
    visible = codes[codes != 32]
    hangul = (visible >= HANGUL_FIRST) & (visible <= HANGUL_LAST)
    number = (visible[hangul] - HANGUL_FIRST).astype(np.int64)
    counts = np.bincount(number, minlength=HANGUL_LAST - HANGUL_FIRST + 1).astype(np.float64)
    alone = np.log10((counts + 0.1) / counts.sum())
    both = hangul[1:] & hangul[:-1]
    first, second = visible[:-1][both], visible[1:][both]
    rows = pair_rows(first, second, _PAIR_SIZE)
    pair_counts = np.bincount(rows, minlength=_PAIR_SIZE).astype(np.float64)
    # P(second | first) by the hashed pair: the mean count of the first syllable of what falls there
    first_counts = np.bincount(rows, weights=counts[(first - HANGUL_FIRST).astype(np.int64)], minlength=_PAIR_SIZE)
    mean_first = np.where(pair_counts > 0, first_counts / np.maximum(pair_counts, 1), counts.mean())
    pairs = np.log10((pair_counts + 0.1) / (mean_first + 100))
    return np.maximum(alone, -7.9).astype(np.float32), np.maximum(pairs, -7.9).astype(np.float32)


if __name__ == "__main__":
    raise SystemExit(main())
