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


class FieldWriter:
    """Collects the blocks of one field and writes them as five arrays."""

    def __init__(self) -> None:
        self._keys: list[NDArray[np.uint64]] = []
        self._counts: list[NDArray[np.uint32]] = []
        self._rows: list[NDArray[np.uint16]] = []
        self._frequencies: list[NDArray[np.uint8]] = []
        self._lengths: list[NDArray[np.int32]] = []

    def add_block(self, keys: NDArray[np.uint64], rows: NDArray[np.int64], passages: int) -> None:
        """Add a block of so many passages: keys[i] occurs in passage rows[i], once for every i."""
        if passages > BLOCK:
            raise ValueError(f"{passages} passages in a block; at most {BLOCK} fit")
        # one sort of one integer per occurrence, by term, then by passage; a bigram's code fits beside the
        # passage as it is, a hashed key is first replaced by its place among the distinct keys
        fits = not len(keys) or int(keys.max()) < 1 << 48
        vocabulary, numbers = (None, keys) if fits else np.unique(keys, return_inverse=True)
        occurrences = np.sort((numbers.astype(np.uint64) << np.uint64(16)) | rows.astype(np.uint64))
        first = _changes(occurrences)
        frequencies = np.diff(np.append(first, len(occurrences)))
        postings = occurrences[first]
        terms = postings >> np.uint64(16)
        begins = _changes(terms)
        self._keys.append(terms[begins] if vocabulary is None else vocabulary)
        self._counts.append(np.diff(np.append(begins, len(terms))).astype(np.uint32))
        self._rows.append((postings & np.uint64(0xFFFF)).astype(np.uint16))
        self._frequencies.append(np.minimum(frequencies, 255).astype(np.uint8))
        self._lengths.append(np.bincount(rows, minlength=passages).astype(np.int32))

    def write(self, folder: Path, field: Field) -> None:
        """Write the field's arrays into a folder: keys, starts, rows, frequencies, lengths and blocks."""
        sizes = np.array([[len(keys), len(rows)] for keys, rows in zip(self._keys, self._rows, strict=True)])
        blocks = np.zeros((len(sizes) + 1, 2), dtype=np.int64)
        np.cumsum(sizes.reshape(-1, 2), axis=0, out=blocks[1:])
        starts = [np.concatenate([[0], np.cumsum(counts)[:-1]])[: len(counts)] for counts in self._counts]
        parts: dict[str, list[NDArray[np.generic]]] = {
            "keys": [*self._keys],
            "starts": [part.astype(np.uint32) for part in starts],
            "rows": [*self._rows],
            "frequencies": [*self._frequencies],
            "lengths": [*self._lengths],
        }
        for name, arrays in parts.items():
            np.save(folder / f"{field}.{name}.npy", np.concatenate(arrays))
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
