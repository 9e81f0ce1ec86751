"""A run's plots as SVG texts: drawn by matplotlib, with the reader's own fonts for their letters."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

from configs.evaluation import ArmName
from eval.record import RunRecord
from eval.summary import Comparison, Group

_INK, _SOFT, _GRID = "#22303c", "#6b7c8c", "#dfe5ea"
_GOOD, _BAD, _MAIN = "#2a7f62", "#c0562f", "#2f5d8a"
_CALIBRATED: tuple[ArmName, ...] = ("closed", "retrieved", "gold")
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # letters stay text: the browser has fonts for Korean, matplotlib need not
    "svg.hashsalt": "geungeo",  # the same record gives the same bytes
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": _GRID,
    "axes.labelcolor": _INK,
    "text.color": _INK,
    "xtick.color": _SOFT,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing with the sentence that stands under it."""

    title: str
    caption: str
    svg: str


def plots(record: RunRecord) -> Iterator[Plot]:
    """The plots that the record has numbers for."""
    yield Plot(
        "Arms",
        "Share of right answers with Wilson's 95 % interval. The dotted line is chance on multiple choice.",
        _drawn(lambda axes: _arms(axes, record), height=0.6 + 0.42 * len(record.arms)),
    )
    subjects = [(group, main) for group in record.groups if group.dimension == "subject" and (main := _main(group))]
    if subjects:
        yield Plot(
            "Items that retrieval fixed and broke, per subject",
            "Right of the line: wrong without passages, right with them. Left: the other way round.",
            _drawn(lambda axes: _flips(axes, subjects), height=0.8 + 0.34 * len(subjects)),
        )
    tables = {arm: table for arm, table in record.hits.items() if arm in ("retrieved", "gated")}
    if tables:
        yield Plot(
            "Judged passage shown × answer right",
            "Items of each arm: what a shown passage is worth to this reader, and what it manages without one.",
            _drawn(lambda axes: _hits(axes, record, list(tables)), height=0.9 + 0.45 * len(tables)),
        )
    if record.gate_report is not None and len(record.gate_report.curve) > 2:
        yield Plot(
            "Gate: risk against coverage",
            "Share of wrong answers when the gate's surest part of the items gets passages; left end = never, right"
            " end = always, the point = where the gate stands.",
            _drawn(lambda axes: _risk(axes, record), height=3.0),
        )
    if any(score.calibration for score in record.arms.values()):
        yield Plot(
            "Calibration",
            "How sure the reader was of its choice, against how often it was right; on the diagonal both agree.",
            _drawn(lambda axes: _calibration(axes, record), height=3.2),
        )


def _drawn(draw: Callable[[Any], None], *, height: float) -> str:
    """One drawing of 7 inches width as an SVG element."""
    import matplotlib as mpl  # takes half a second; only reports need it
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7, height + 0.5), layout="constrained")
        axes = figure.subplots()
        draw(axes)
        stream = StringIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # the browser has it
            figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    svg = stream.getvalue()
    return svg[svg.index("<svg") :]


def _arms(axes: Any, record: RunRecord) -> None:
    names = list(record.arms)[::-1]
    for place, name in enumerate(names):
        score = record.arms[name]
        axes.plot([score.ci95.low * 100, score.ci95.high * 100], [place, place], color=_MAIN, linewidth=2.5, alpha=0.45)
        axes.plot(score.accuracy * 100, place, "o", color=_MAIN, markersize=7)
        axes.annotate(
            f"{score.accuracy * 100:.1f}",
            (score.ci95.high * 100, place),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
        )
    chances = [score.chance for score in record.arms.values() if score.chance is not None]
    if chances:
        axes.axvline(chances[0] * 100, color=_SOFT, linestyle=":", linewidth=1)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_xlim(0, 100)
    axes.set_xlabel("right answers, %")
    axes.grid(axis="x", color=_GRID)
    axes.set_axisbelow(True)


def _flips(axes: Any, subjects: Sequence[tuple[Group, Comparison]]) -> None:
    rows = subjects[::-1]
    places = range(len(rows))
    axes.barh(places, [main.fixed for _, main in rows], color=_GOOD, label="fixed")
    axes.barh(places, [-main.broken for _, main in rows], color=_BAD, label="broken")
    axes.set_yticks(places, [f"{group.value} ({main.n})" for group, main in rows])
    axes.axvline(0, color=_INK, linewidth=0.8)
    limit = max(max(main.fixed, main.broken, 1) for _, main in rows) * 1.1
    axes.set_xlim(-limit, limit)
    axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    axes.set_xlabel("items")
    axes.legend(frameon=False, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))


def _hits(axes: Any, record: RunRecord, arms: Sequence[ArmName]) -> None:
    names = arms[::-1]
    parts = (
        ("shown, right", "hit_right", _GOOD, 1.0),
        ("not shown, right", "miss_right", _GOOD, 0.45),
        ("shown, wrong", "hit_wrong", _BAD, 1.0),
        ("not shown, wrong", "miss_wrong", _BAD, 0.45),
    )
    starts = [0] * len(names)
    first = record.hits[names[0]]
    total = first.hit_right + first.hit_wrong + first.miss_right + first.miss_wrong
    for label, key, colour, alpha in parts:
        sizes = [
            {
                "hit_right": record.hits[arm].hit_right,
                "miss_right": record.hits[arm].miss_right,
                "hit_wrong": record.hits[arm].hit_wrong,
                "miss_wrong": record.hits[arm].miss_wrong,
            }[key]
            for arm in names
        ]
        bars = axes.barh(range(len(names)), sizes, left=starts, color=colour, alpha=alpha, label=label)
        labels = [str(size) if size * 25 > total else "" for size in sizes]  # a narrower bar has no room for it
        axes.bar_label(bars, labels, label_type="center", color="white")
        starts = [start + size for start, size in zip(starts, sizes, strict=True)]
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("judged items")
    axes.legend(frameon=False, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0), columnspacing=1.2)


def _risk(axes: Any, record: RunRecord) -> None:
    report = record.gate_report
    if report is None:
        return
    axes.step(
        [point.coverage * 100 for point in report.curve],
        [point.risk * 100 for point in report.curve],
        where="post",
        color=_MAIN,
    )
    axes.axhline((1 - report.best_possible) * 100, color=_SOFT, linestyle=":", linewidth=1)
    here = min(report.curve, key=lambda point: abs(point.coverage - report.injected))
    axes.plot(report.injected * 100, here.risk * 100, "o", color=_BAD, markersize=8)
    axes.annotate("a gate that always knew", (0, (1 - report.best_possible) * 100), xytext=(4, 4),
                  textcoords="offset points", color=_SOFT)  # fmt: skip
    axes.margins(y=0.12)
    axes.set_xlim(-2, 102)
    axes.set_xlabel("items that get passages, %")
    axes.set_ylabel("wrong answers, %")
    axes.grid(color=_GRID)


def _calibration(axes: Any, record: RunRecord) -> None:
    axes.plot([0, 100], [0, 100], color=_SOFT, linestyle=":", linewidth=1)
    colours = (_SOFT, _MAIN, _GOOD)
    shown = [(arm, record.arms[arm]) for arm in _CALIBRATED if arm in record.arms]
    for (arm, score), colour in zip(shown, colours, strict=False):
        if score.calibration:
            axes.plot(
                [part.confidence * 100 for part in score.calibration],
                [part.accuracy * 100 for part in score.calibration],
                "o-", color=colour, label=arm, markersize=4, linewidth=1.2,
            )  # fmt: skip
    axes.set_xlabel("confidence, %")
    axes.set_ylabel("right, %")
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 100)
    axes.grid(color=_GRID)
    axes.legend(frameon=False, loc="upper left")


def _main(group: Group) -> Comparison | None:
    return next((found for found in group.comparisons if (found.a, found.b) == ("closed", "retrieved")), None)
