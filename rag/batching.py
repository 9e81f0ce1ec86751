"""Work of different lengths in batches of like length that shrink when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from configs.errors import UserError

T = TypeVar("T")


class OutOfMemoryError(Exception):
    """A batch was too large for the device; raised by what runs batches."""


def in_batches(
    lengths: Sequence[int], run: Callable[[list[int]], list[T]], *, batch_size: int, batch_tokens: int
) -> list[T]:
    """The results of `run` for every row, in order of the rows.

    lengths: tokens of each row. run takes the rows of one batch and gives their results in the same order.
    A batch has at most batch_size rows and, padded to its longest, batch_tokens tokens, but at least one row.
    Longest rows come first, so that memory runs out at once or not at all; a batch for which it does is
    halved, and so are those after it. Raises UserError when a single row is too large.
    """
    ordered = sorted(range(len(lengths)), key=lambda row: (-lengths[row], row))
    results: dict[int, T] = {}
    start = 0
    while start < len(ordered):
        longest = max(lengths[ordered[start]], 1)
        rows = ordered[start : start + max(min(batch_size, batch_tokens // longest), 1)]
        try:
            found = run(rows)
        except OutOfMemoryError:
            if len(rows) == 1:
                raise UserError(
                    f"memory ran out on one prompt of {longest} tokens; lower rag.prompt.max_passage_tokens,"
                    " or use rag.reader.precision=nf4 or a smaller model"
                ) from None
            batch_size = len(rows) // 2
            batch_tokens = min(batch_tokens, batch_size * longest)
            continue
        results.update(zip(rows, found, strict=True))
        start += len(rows)
    return [results[row] for row in range(len(lengths))]
