"""Cells of tables: how shares, intervals and comparisons are written."""

from __future__ import annotations

from dataclasses import dataclass

from eval.compare import Pair
from eval.metrics import Interval
from eval.summary import Comparison
from eval.verdict import p_text


@dataclass(frozen=True, slots=True)
class Table:
    """A title, what to know before reading it, and cells; the first column names, the others are values."""

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def percent(share: float, *, digits: int = 1) -> str:
    """A share as text: 12.3 %."""
    return f"{share * 100:.{digits}f} %"


def interval(found: Interval) -> str:
    """An interval of shares as text."""
    return f"{found.low * 100:.1f} … {found.high * 100:.1f}"


def difference(found: Comparison) -> tuple[str, ...]:
    """Points, interval, fixed, broken, p, corrected p, smallest visible difference."""
    return (
        f"{found.delta * 100:+.1f}",
        f"{found.ci95.low * 100:+.1f} … {found.ci95.high * 100:+.1f}",
        str(found.fixed),
        str(found.broken),
        _p(found.mcnemar_p),
        _p(found.p_holm),
        f"{found.mde * 100:.1f}",
    )


def pair_cells(found: Pair) -> tuple[str, ...]:
    """Points, interval, fixed, broken, p."""
    return (
        f"{found.delta * 100:+.1f}",
        f"{found.ci95.low * 100:+.1f} … {found.ci95.high * 100:+.1f}",
        str(found.fixed),
        str(found.broken),
        _p(found.mcnemar_p),
    )


def _p(p: float) -> str:
    return p_text(p).removeprefix("p ").removeprefix("= ")


def group_cells(found: Comparison) -> tuple[str, ...]:
    """Points, interval, fixed, broken, corrected p."""
    return (*difference(found)[:4], _p(found.p_holm))
