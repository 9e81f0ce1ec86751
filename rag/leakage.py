"""Exam items whose text stands in the index.

Compared are runs of 12 letters, spaces and signs left out: the share of an item's runs that one passage holds.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from configs.evaluation import LeakageSettings
from corpora.records import Passage, Question

_NO_LETTERS = re.compile(r"[\W_]+")
_BLOCK = 2048  # passages hashed together
_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no power of it is lost modulo 2**64
_FILTER_BITS = 24

Hashes = NDArray[np.uint64]


class Passages(Protocol):
    """What items are looked for in: the passages of an index, or other items made to look like some."""

    def __len__(self) -> int: ...

    def passage_id(self, row: int) -> str:
        """The name of a row."""

    def passage(self, row: int) -> Passage:
        """The passage of a row."""


@dataclass(frozen=True, slots=True)
class Leak:
    """How much of one item the passage that holds most of it holds."""

    question_id: str
    question: float  # share of the runs of question and <보기>
    with_answer: float  # ... and the right choice or accepted answers
    passage_id: str  # "" when no passage shares a run
    runs: int  # of question and answer; 0 = too short to tell

    def is_leaked(self, threshold: float) -> bool:
        """Whether either share reaches the threshold."""
        return max(self.question, self.with_answer) >= threshold


@dataclass(frozen=True, slots=True)
class _Runs:
    """All runs of an exam: sorted hashes, and which items have each."""

    hashes: Hashes
    owners: Sequence[Sequence[int]]  # row of an item, per hash; twice the row, plus 1 when only its answer has it
    question: Sequence[int]  # how many runs an item's question has
    answer: Sequence[int]  # ... and its answer besides


def leaks(questions: Sequence[Question], store: Passages, settings: LeakageSettings) -> list[Leak]:
    """For every question the passage that holds most of it, by hashed runs of letters; in order of the questions."""
    runs = _runs_of(questions, settings.length)
    best: dict[int, tuple[float, float, str]] = {}
    for passage_id, shared in _shared(runs, store, settings.length):
        for row, (in_question, in_answer) in shared.items():
            asked = in_question / max(runs.question[row], 1)
            both = (in_question + in_answer) / max(runs.question[row] + runs.answer[row], 1)
            if (max(asked, both), asked) > (max(best.get(row, (0.0, 0.0, ""))[:2]), best.get(row, (0.0, 0.0, ""))[0]):
                best[row] = (asked, both, passage_id)
    return [
        Leak(question.question_id, *best.get(row, (0.0, 0.0, "")), runs=runs.question[row] + runs.answer[row])
        for row, question in enumerate(questions)
    ]


def leaked_items(questions: Sequence[Question], store: Passages, settings: LeakageSettings) -> dict[str, bool]:
    """Question id -> whether it stands in the index; questions too short to tell are absent."""
    found = leaks(questions, store, settings)
    return {leak.question_id: leak.is_leaked(settings.threshold) for leak in found if leak.runs}


def _letters(text: str) -> str:
    return _NO_LETTERS.sub("", text).lower()


def _hashes(text: str, length: int) -> Hashes:
    """A hash of every run of `length` characters: sum of code point * base**place, modulo 2**64."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    size = len(codes) - length + 1
    if size <= 0:
        return np.empty(0, dtype=np.uint64)
    total = np.zeros(size, dtype=np.uint64)
    for place in range(length):
        total = total * _BASE + codes[place : place + size]
    return total


def _runs_of(questions: Sequence[Question], length: int) -> _Runs:
    owners: defaultdict[int, list[int]] = defaultdict(list)
    counts: list[tuple[int, int]] = []
    for row, question in enumerate(questions):
        choice = [question.choices[question.answer - 1]] if question.answer else list(question.answers)
        asked = set(_of_texts((question.question, question.box), length))
        answer = set(_of_texts(choice, length)) - asked
        counts.append((len(asked), len(answer)))
        for value in asked:
            owners[value].append(2 * row)
        for value in answer:
            owners[value].append(2 * row + 1)
    ordered = sorted(owners)
    return _Runs(
        hashes=np.array(ordered, dtype=np.uint64),
        owners=[owners[value] for value in ordered],
        question=[asked for asked, _ in counts],
        answer=[answer for _, answer in counts],
    )


def _of_texts(texts: Sequence[str], length: int) -> Iterator[int]:
    for text in texts:
        yield from _hashes(_letters(text), length).tolist()


def _shared(runs: _Runs, store: Passages, length: int) -> Iterator[tuple[str, Mapping[int, tuple[int, int]]]]:
    """(passage id, item row -> (runs of its question, of its answer alone)) of passages that share any."""
    if not len(runs.hashes):
        return
    mask = np.uint64((1 << _FILTER_BITS) - 1)
    maybe = np.zeros(1 << _FILTER_BITS, dtype=bool)
    maybe[(runs.hashes & mask).astype(np.int64)] = True
    for begin in tqdm(range(0, len(store), _BLOCK), unit=" blocks", desc="leakage", disable=None):
        texts = [_letters(store.passage(row).text) for row in range(begin, min(begin + _BLOCK, len(store)))]
        ends = np.cumsum([len(text) + length for text in texts])
        hashes = _hashes(("\0" * length).join(texts), length)  # no run of letters reaches over the gap
        places = np.flatnonzero(maybe[(hashes & mask).astype(np.int64)])
        found = np.searchsorted(runs.hashes, hashes[places])
        found[found == len(runs.hashes)] = 0
        real = runs.hashes[found] == hashes[places]
        rows = np.searchsorted(ends, places[real], side="right")
        for row in np.unique(rows).tolist():
            counts: defaultdict[int, set[int]] = defaultdict(set)
            for number in np.unique(found[real][rows == row]).tolist():
                for owner in runs.owners[number]:
                    counts[owner].add(number)
            items = {owner // 2 for owner in counts}
            yield (
                store.passage_id(begin + row),
                {item: (len(counts[2 * item]), len(counts[2 * item + 1])) for item in items},
            )
