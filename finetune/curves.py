"""The curves of a training run as a PNG: loss on train, accuracy and loss on dev, the step that was kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from corpora.writing import in_place_of
from finetune.watch import Look

_TRAIN, _DEV, _RIGHT = "#6b7c8c", "#c0562f", "#2f5d8a"


def draw(path: Path, losses: Sequence[tuple[int, float]], looks: Sequence[Look], *, best: int) -> None:
    """Write the drawing. The same figures give the same bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # without pyplot: no window system, no global state
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot([step for step, _ in losses], [loss for _, loss in losses], color=_TRAIN, lw=0.8, label="loss, train")
    axes.set_xlabel("step")
    axes.set_ylabel("nats per answer token")
    if looks:
        steps = [look.step for look in looks]
        axes.plot(steps, [look.loss for look in looks], color=_DEV, marker="o", ms=3, label="loss, dev")
        right = axes.twinx()
        right.plot(steps, [look.accuracy for look in looks], color=_RIGHT, marker="s", ms=3, label="accuracy, dev")
        right.set_ylabel("share right")
        right.set_ylim(0, 1)
        right.legend(loc="upper right")
    axes.axvline(best, color=_RIGHT, lw=0.8, ls=":", label=f"kept: step {best}")
    axes.legend(loc="upper left")
    with in_place_of(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110, metadata={"Software": None})
