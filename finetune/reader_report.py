"""The curves of the reader's training as a PNG: losses by kind of answer, accuracy in training and on the dev sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from corpora.writing import in_place_of

_LOSSES = {"loss": "label", "text_loss": "written answer", "plain_loss": "plain text"}
_OTHERS = {"step", "tokens", "stage", "seconds", "accuracy", *_LOSSES}  # what a record holds besides dev sets
_SMOOTH = 20  # steps


def draw(path: Path, history: Sequence[dict[str, float]], weights: Mapping[str, float]) -> None:
    """Write the drawing of a training's history. The same figures give the same bytes.

    weights: loss of a record -> its weight in training; one of weight 0 is not drawn.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # without pyplot: no window system, no global state
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    steps = [record["step"] for record in history]
    for key, name in _LOSSES.items():
        losses = [record[key] for record in history]
        if weights[key] and any(losses):  # all zero: nothing of this kind was shown
            left.plot(steps, _smoothed(losses), lw=1, label=name)
    left.set_xlabel("step")
    left.set_ylabel(f"nats per token, mean of {_SMOOTH} steps")
    left.legend()
    right.plot(steps, _smoothed([record["accuracy"] for record in history]), lw=1, color="0.6", label="training")
    for name in dict.fromkeys(name for record in history for name in record if name not in _OTHERS):
        looks = [(record["step"], record[name]) for record in history if name in record]
        right.plot(*zip(*looks, strict=True), marker="o", ms=3, lw=1, label=f"dev, {name}")
    right.set_xlabel("step")
    right.set_ylabel("labels right")
    right.set_ylim(0, 1)
    right.legend(loc="upper left", bbox_to_anchor=(1, 1))  # beside the curves, not over them
    with in_place_of(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110, metadata={"Software": None})


def _smoothed(values: Sequence[float]) -> list[float]:
    """The mean of each value and those before it, at most twenty."""
    windows = [values[max(place - _SMOOTH + 1, 0) : place + 1] for place in range(len(values))]
    return [sum(window) / len(window) for window in windows]
