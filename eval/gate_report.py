"""What a gate is worth: against always and never injecting, and over all thresholds it could have had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eval.compare import Pair, pair
from eval.items import Item
from eval.summary import Dice


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A threshold as what it does: the share of items injected, and the share then answered wrong."""

    coverage: float
    risk: float


@dataclass(frozen=True, slots=True)
class GateReport:
    """One gate on the items of a run."""

    name: str
    n: int
    injected: float  # share
    seen: int  # items that the gate was fitted on; they are left out of everything else here
    against_never: Pair  # gated less closed
    against_always: Pair  # gated less retrieved
    best_possible: float  # accuracy of a gate that always knew
    curve: tuple[CurvePoint, ...]  # from never to always, by what the gate decided by


@dataclass(frozen=True, slots=True)
class _Row:
    value: float
    injected: bool
    closed: bool
    retrieved: bool

    @property
    def gated(self) -> bool:
        return self.retrieved if self.injected else self.closed


def gate_report(items: Sequence[Item], name: str, *, seen: frozenset[str], dice: Dice) -> GateReport | None:
    """The report over items that the gate was not fitted on; None when none was asked in all three arms."""
    rows = [row for item in items if item.question_id not in seen and (row := _row(item)) is not None]
    if not rows:
        return None
    closed, retrieved, gated = ([getter(row) for row in rows] for getter in (_closed, _retrieved, _gated))
    return GateReport(
        name=name,
        n=len(rows),
        injected=sum(row.injected for row in rows) / len(rows),
        seen=sum(item.question_id in seen for item in items),
        against_never=pair(closed, gated, resamples=dice.resamples, seed=dice.seed),
        against_always=pair(retrieved, gated, resamples=dice.resamples, seed=dice.seed),
        best_possible=sum(row.closed or row.retrieved for row in rows) / len(rows),
        curve=curve(rows),
    )


def curve(rows: Sequence[_Row]) -> tuple[CurvePoint, ...]:
    """Risk at every coverage that a threshold can have: items with equal values are injected together."""
    ordered = sorted(rows, key=lambda row: -row.value)
    right = sum(row.closed for row in rows)
    points = [CurvePoint(0.0, 1 - right / len(rows))]
    for number, row in enumerate(ordered, start=1):
        right += row.retrieved - row.closed
        if number == len(ordered) or ordered[number].value != row.value:
            points.append(CurvePoint(number / len(rows), 1 - right / len(rows)))
    return tuple(points)


def _row(item: Item) -> _Row | None:
    closed, retrieved, gated = item.outcome("closed"), item.outcome("retrieved"), item.outcome("gated")
    if item.traits.kind == "essay" or closed is None or retrieved is None or gated is None:
        return None
    if gated.gate is None or gated.injected is None:
        return None
    return _Row(gated.gate, gated.injected, closed.is_right, retrieved.is_right)


def _closed(row: _Row) -> bool:
    return row.closed


def _retrieved(row: _Row) -> bool:
    return row.retrieved


def _gated(row: _Row) -> bool:
    return row.gated
