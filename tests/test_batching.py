"""Batches and continuations: everything is scored once, in order, and less at a time when memory runs out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.errors import UserError
from rag.batching import OutOfMemoryError, in_batches
from rag.continuations import plan


@given(st.lists(st.integers(1, 100), max_size=40), st.integers(1, 9), st.integers(1, 300), st.integers(1, 9))
def test_every_row_is_run_once_and_results_keep_the_order(
    lengths: list[int], batch_size: int, batch_tokens: int, fits: int
) -> None:
    done: list[int] = []

    def run(rows: list[int]) -> list[int]:
        if len(rows) > fits:
            raise OutOfMemoryError
        assert len(rows) <= batch_size
        assert len(rows) == 1 or len(rows) * max(lengths[row] for row in rows) <= batch_tokens
        done.extend(rows)
        return [row * 10 for row in rows]

    found = in_batches(lengths, run, batch_size=batch_size, batch_tokens=batch_tokens)
    assert found == [row * 10 for row in range(len(lengths))]
    assert sorted(done) == list(range(len(lengths)))


def test_memory_that_runs_out_is_not_tried_again_at_the_same_size() -> None:
    sizes: list[int] = []

    def run(rows: list[int]) -> list[int]:
        sizes.append(len(rows))
        if len(rows) > 3:
            raise OutOfMemoryError
        return rows

    in_batches([5] * 12, run, batch_size=8, batch_tokens=1000)
    assert sizes == [8, 4, 2, 2, 2, 2, 2, 2]


def test_a_row_that_never_fits_is_an_error_of_one_line() -> None:
    def run(rows: list[int]) -> list[int]:
        raise OutOfMemoryError

    with pytest.raises(UserError, match="one prompt of 7 tokens"):
        in_batches([3, 7], run, batch_size=4, batch_tokens=100)


def _pairs(text: str) -> list[int]:
    """A tokenizer whose tokens are pairs of characters from the left: any seam may be swallowed."""
    return [hash_of(text[place : place + 2]) for place in range(0, len(text), 2)]


def hash_of(pair: str) -> int:
    """A pair of characters as a number."""
    return sum(ord(char) << (21 * place) for place, char in enumerate(pair))


@given(st.text("ab", min_size=2, max_size=9), st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=5))
def test_each_continuation_is_scored_to_its_end_from_one_common_place(text: str, continuations: list[str]) -> None:
    made = plan(text, continuations, _pairs)
    starts = {scored.first for scored in made.scored}
    assert len(starts) == 1
    for continuation, scored in zip(continuations, made.scored, strict=True):
        whole = _pairs(text + continuation)
        assert list(made.rows[scored.row][: scored.first + 1]) + list(scored.targets) == whole
        assert len(made.rows[scored.row]) >= len(whole) - 1
        assert scored.targets


def test_labels_of_one_token_need_one_row_and_ten_one_more() -> None:
    encode = lambda text: [ord(char) for char in text]  # noqa: E731
    assert len(plan("정답:", ["1", "2", "3", "4", "5"], encode).rows) == 1
    ten = plan("정답:", [str(number) for number in range(1, 11)], encode)
    assert len(ten.rows) == 1  # "1" is read on the way to "10"
    assert ten.scored[0].targets == (ord("1"),)
    assert ten.scored[9].targets == (ord("1"), ord("0"))
