"""What watches over a training run: looks at dev, checkpoints, early stopping, speed; and a loss that is no number."""
# ruff: noqa: ARG002  (transformers fixes what a callback is called with)

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from configs.errors import UserError
from configs.training import StopSettings
from finetune.checkpoints import mark, prune
from finetune.dev import DevSet
from rag.reader import Reader


class NanLossError(UserError):
    """A loss that is no number: nothing can be learnt from there on."""


@dataclass(frozen=True, slots=True)
class Look:
    """What dev said after a step; step 0 is the base. A run without dev examples has no looks."""

    step: int
    accuracy: float
    loss: float
    commonest: float = 0.0  # share of choices that name the commonest place


@dataclass(slots=True)
class Meter:
    """Tokens trained on and time spent on it by this process; looks at dev and checkpoints are not in it."""

    tokens: int = 0
    seconds: float = 0.0
    processor_seconds: float = 0.0  # of all cores; what others do on the machine is not in it


def looks_of(history: Sequence[Mapping[str, Any]]) -> list[Look]:
    """The looks in a trainer's log, in order."""
    return [
        Look(
            int(entry["step"]),
            float(entry["dev_accuracy"]),
            float(entry["dev_loss"]),
            float(entry.get("dev_commonest", 0.0)),  # checkpoints of older versions do not say
        )
        for entry in history
        if "dev_loss" in entry
    ]


def best_of(looks: Sequence[Look], stop: StopSettings) -> Look:
    """The best look at something trained: highest accuracy, then lowest loss; or lowest loss; of equals the first."""
    trained = [look for look in looks if look.step]
    if stop.by == "accuracy":
        return min(trained, key=lambda look: (-look.accuracy, look.loss, look.step))
    return min(trained, key=lambda look: (look.loss, look.step))


def is_over(looks: Sequence[Look], stop: StopSettings) -> bool:
    """Whether patience is at an end: that many looks since the best one."""
    if not any(look.step for look in looks) or not stop.patience:
        return False
    return len(looks) - 1 - list(looks).index(best_of(looks, stop)) >= stop.patience


def check_loss(loss: torch.Tensor, rows: torch.Tensor, names: Sequence[str], step: int) -> None:
    """Raise NanLossError naming the examples of a batch whose loss is not a finite number."""
    if not bool(torch.isfinite(loss)):
        found = ", ".join(names[row] for row in rows.tolist())
        raise NanLossError(
            f"step {step}: the loss of example {found} is {loss.item()}; look at it, lower learning_rate, or compute in"
            " more than fp16; the checkpoints until here are kept"
        )


class Watch(TrainerCallback):
    """Looks at dev every so many steps and at the end, and leaves a whole checkpoint each time.

    `log` is the trainer's; set it before training.
    """

    def __init__(
        self, folder: Path, *, every: int, stop: StopSettings, dev: DevSet | None, reader: Reader, meter: Meter
    ) -> None:
        self._folder = folder
        self._every = every
        self._stop = stop
        self._dev = dev
        self._reader = reader
        self._meter = meter
        self.log: Callable[[dict[str, float]], None] = _unlogged
        self._began = (0.0, 0.0)
        self._bar: tqdm[Any] | None = None

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **of: Any) -> None:
        """Show the bar, from where a resumed run stands; look at the base."""
        is_first = state.is_world_process_zero
        self._bar = tqdm(
            total=state.max_steps, initial=state.global_step, desc="train", unit=" steps", file=sys.stderr,
            disable=None if is_first else True,
        )  # fmt: skip
        if state.global_step == 0:
            self._look(of["model"], control)

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Start the clock."""
        self._began = time.perf_counter(), time.process_time()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **of: Any) -> None:
        """Stop the clock; look, if it is time."""
        self._meter.seconds += time.perf_counter() - self._began[0]
        self._meter.processor_seconds += time.process_time() - self._began[1]
        if self._bar is not None:
            self._bar.update()
        if state.global_step % self._every and state.global_step < state.max_steps:
            return
        control.should_save = True
        self._look(of["model"], control)
        if is_over(looks_of(state.log_history), self._stop):
            control.should_training_stop = True

    def _look(self, model: Any, control: TrainerControl) -> None:
        """Ask dev; the answer goes to history and trackers."""
        if self._dev is None:
            return
        model.eval()
        found = self._dev.judge(self._reader)
        wanted = control.should_log
        self.log({"dev_accuracy": found.accuracy, "dev_loss": found.loss, "dev_commonest": found.commonest})
        control.should_log = wanted  # a log takes the wish for the next one away
        model.train()
        if self._bar is not None:
            self._bar.set_postfix(dev_accuracy=f"{found.accuracy:.3f}", dev_loss=f"{found.loss:.3f}")

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Mark the checkpoint whole; of those before, keep the best."""
        if not state.is_world_process_zero:
            return
        checkpoint = self._folder / f"checkpoint-{state.global_step}"
        (checkpoint / "training_args.bin").unlink(missing_ok=True)  # a pickle that nothing reads
        mark(checkpoint)
        looks = looks_of(state.log_history)
        best = {best_of(looks, self._stop).step} if looks else set()
        prune(self._folder, {state.global_step, *best})

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()


def _unlogged(figures: dict[str, float]) -> None:
    raise LookupError(f"no trainer to log {figures}")
