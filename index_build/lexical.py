"""Term postings on disk: two fields, in blocks of 65,536 passages, small enough to map and fast enough to scan.

A block stands alone: its sorted term keys, where each key's postings begin, and the postings themselves (passage
within the block in two bytes, term frequency in one). So memory in a build does not grow with the corpus, and a
query walks the blocks. Frequencies beyond 255 are stored as 255.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 16

Field = Literal["morphemes", "bigrams"]
FIELDS: tuple[Field, ...] = get_args(Field)


@dataclass(frozen=True, slots=True)
class Postings:
    """The postings of one term in one block: rows of passages, ascending, and the term's frequency in each."""

    rows: NDArray[np.uint16]  # within the block
    frequencies: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class FieldPart:
    """The postings of one field over some consecutive passages, by term, then by passage."""

    keys: NDArray[np.uint64]  # [terms], ascending
    counts: NDArray[np.uint32]  # [terms]: in how many passages
    rows: NDArray[np.uint32]  # [postings]: the passage, from 0
    frequencies: NDArray[np.uint8]  # [postings]
    lengths: NDArray[np.int32]  # [passages]: occurrences of all terms

    def cut(self, first: int, last: int) -> FieldPart:
        """The same over the passages first .. last - 1 alone."""
        inside = (self.rows >= first) & (self.rows < last)
        kept = np.concatenate([[0], np.cumsum(inside)])  # postings before each
        begins = kept[np.concatenate([[0], np.cumsum(self.counts, dtype=np.int64)])]
        counts = np.diff(begins).astype(np.uint32)
        return FieldPart(
            self.keys[counts > 0],
            counts[counts > 0],
            self.rows[inside] - np.uint32(first),
            self.frequencies[inside],
            self.lengths[first:last],
        )


def counted(keys: NDArray[np.uint64], rows: NDArray[np.int64], passages: int) -> FieldPart:
    """The part that consists of so many passages, where keys[i] occurs in passage rows[i], once for every i."""
    terms, numbers = np.unique(keys, return_inverse=True)
    occurrences = np.sort((numbers.astype(np.uint64) << np.uint64(32)) | rows.astype(np.uint64))
    first = _changes(occurrences)
    postings = occurrences[first]
    frequencies = np.diff(np.append(first, len(occurrences)))
    return FieldPart(
        terms,
        np.bincount((postings >> np.uint64(32)).astype(np.int64), minlength=len(terms)).astype(np.uint32),
        postings.astype(np.uint32),
        np.minimum(frequencies, 255).astype(np.uint8),
        np.bincount(rows, minlength=passages).astype(np.int32),
    )


class FieldWriter:
    """Takes the parts of one field in order, makes blocks of them, and writes these as five arrays."""

    def __init__(self) -> None:
        self._parts: list[FieldPart] = []  # of the block to come
        self._passages = 0  # in them
        self._keys: list[NDArray[np.uint64]] = []
        self._counts: list[NDArray[np.uint32]] = []
        self._rows: list[NDArray[np.uint16]] = []
        self._frequencies: list[NDArray[np.uint8]] = []
        self._lengths: list[NDArray[np.int32]] = []

    def add(self, part: FieldPart) -> None:
        """Take up the passages that come next."""
        begin, total = 0, len(part.lengths)
        while self._passages + total - begin >= BLOCK:
            end = begin + BLOCK - self._passages
            self._parts.append(part.cut(begin, end))
            self._close_block()
            begin = end
        if begin < total:
            self._parts.append(part.cut(begin, total) if begin else part)
            self._passages += total - begin

    def _close_block(self) -> None:
        parts, self._parts, self._passages = self._parts, [], 0
        bases = np.cumsum([0, *(len(part.lengths) for part in parts)])
        # one sort of one integer per posting: the term's place among the block's, passage, frequency
        terms, numbers = np.unique(np.concatenate([part.keys for part in parts]), return_inverse=True)
        postings = np.repeat(numbers.astype(np.uint64), np.concatenate([part.counts for part in parts]))
        rows = [part.rows + np.uint32(base) for part, base in zip(parts, bases, strict=False)]
        postings = (postings << np.uint64(24)) | (np.concatenate(rows).astype(np.uint64) << np.uint64(8))
        postings |= np.concatenate([part.frequencies for part in parts])
        postings.sort()
        self._keys.append(terms)
        self._counts.append(np.bincount((postings >> np.uint64(24)).astype(np.int64)).astype(np.uint32))
        self._rows.append((postings >> np.uint64(8)).astype(np.uint16))
        self._frequencies.append(postings.astype(np.uint8))
        self._lengths.append(np.concatenate([part.lengths for part in parts]))

    def write(self, folder: Path, field: Field) -> None:
        """Write the field's arrays into a folder: keys, starts, rows, frequencies, lengths and blocks."""
        if self._parts:
            self._close_block()
        sizes = np.array([[len(keys), len(rows)] for keys, rows in zip(self._keys, self._rows, strict=True)])
        blocks = np.zeros((len(sizes) + 1, 2), dtype=np.int64)
        np.cumsum(sizes.reshape(-1, 2), axis=0, out=blocks[1:])
        starts = [np.concatenate([[0], np.cumsum(counts)[:-1]])[: len(counts)] for counts in self._counts]
        arrays: dict[str, list[NDArray[np.generic]]] = {
            "keys": [*self._keys],
            "starts": [part.astype(np.uint32) for part in starts],
            "rows": [*self._rows],
            "frequencies": [*self._frequencies],
            "lengths": [*self._lengths],
        }
        for name, blocks_of in arrays.items():
            np.save(folder / f"{field}.{name}.npy", np.concatenate(blocks_of))
        np.save(folder / f"{field}.blocks.npy", blocks)


def _changes(ordered: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Where each run of equal values begins."""
    starts: NDArray[np.int64] = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    return np.concatenate([np.zeros(min(len(ordered), 1), np.int64), starts])


class FieldIndex:
    """One field of an index, memory-mapped."""

    def __init__(self, folder: Path, field: Field) -> None:
        def load(name: str) -> NDArray[np.generic]:
            array: NDArray[np.generic] = np.load(folder / f"{field}.{name}.npy", mmap_mode="r", allow_pickle=False)
            # a plain view of the mapping: np.memmap's own slicing costs microseconds each time
            return array.view(np.ndarray)

        self.field = field
        self._keys: NDArray[np.uint64] = load("keys")  # type: ignore[assignment]
        self._starts: NDArray[np.uint32] = load("starts")  # type: ignore[assignment]
        self._rows: NDArray[np.uint16] = load("rows")  # type: ignore[assignment]
        self._frequencies: NDArray[np.uint8] = load("frequencies")  # type: ignore[assignment]
        self.lengths: NDArray[np.int32] = load("lengths")  # type: ignore[assignment]
        self._blocks = np.load(folder / f"{field}.blocks.npy", allow_pickle=False)
        self.passages = len(self.lengths)
        self.blocks = len(self._blocks) - 1
        self.average_length = float(self.lengths.mean()) if self.passages else 0.0

    def postings(self, block: int, keys: Sequence[int]) -> list[Postings | None]:
        """The postings of each term in one block; None for a term that does not occur there."""
        (first_key, first_posting), (last_key, last_posting) = self._blocks[block], self._blocks[block + 1]
        vocabulary = self._keys[first_key:last_key]
        starts = self._starts[first_key:last_key]
        wanted = np.array(keys, dtype=np.uint64)
        places = np.searchsorted(vocabulary, wanted)
        found: list[Postings | None] = []
        for key, place in zip(wanted.tolist(), places.tolist(), strict=True):
            if place == len(vocabulary) or int(vocabulary[place]) != key:
                found.append(None)
                continue
            begin = int(first_posting) + int(starts[place])
            after = place + 1 < len(starts)
            end = int(first_posting) + int(starts[place + 1]) if after else int(last_posting)
            found.append(Postings(self._rows[begin:end], self._frequencies[begin:end]))
        return found

    def document_frequencies(self, keys: Sequence[int]) -> list[int]:
        """In how many passages each term occurs."""
        totals = [0] * len(keys)
        for block in range(self.blocks):
            for number, postings in enumerate(self.postings(block, keys)):
                if postings is not None:
                    totals[number] += len(postings.rows)
        return totals

    def occurrences(self) -> Iterator[tuple[int, int, int]]:
        """(row of the passage in the index, term key, frequency) of every posting; for small indexes."""
        for block in range(self.blocks):
            keys = self._keys[self._blocks[block, 0] : self._blocks[block + 1, 0]].tolist()
            for key, postings in zip(keys, self.postings(block, keys), strict=True):
                if postings is not None:
                    rows = postings.rows.tolist()
                    for row, frequency in zip(rows, postings.frequencies.tolist(), strict=True):
                        yield block * BLOCK + row, key, frequency

    def vocabulary_frequencies(self) -> NDArray[np.int64]:
        """The document frequency of every term of the field, in order of its key."""
        counts: list[NDArray[np.int64]] = []
        for block in range(self.blocks):
            (first, begin), (last, end) = self._blocks[block], self._blocks[block + 1]
            starts = np.append(self._starts[first:last].astype(np.int64), end - begin)
            counts.append(starts[1:] - starts[:-1])
        if not counts:
            return np.zeros(0, dtype=np.int64)
        keys, numbers = np.unique(self._keys, return_inverse=True)
        return np.bincount(numbers, weights=np.concatenate(counts), minlength=len(keys)).astype(np.int64)
