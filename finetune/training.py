"""One training run from its trainer to its record: resumed where it was killed, its best checkpoint kept."""

from __future__ import annotations

import gc
import json
import resource
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, ProgressCallback, set_seed

from configs.errors import UserError
from configs.training import TrainingSettings
from finetune.base import Base, mixed_precision
from finetune.checkpoints import checkpoints, prune
from finetune.curves import draw
from finetune.dev import DevSet
from finetune.run_folder import Recipe, RunFolder, RunRecord, finish, packages, publish
from finetune.trackers import check_trackers, tracker_callbacks
from finetune.watch import Meter, Watch, best_of, is_over, looks_of


@dataclass(frozen=True, slots=True)
class Run:
    """What is trained, and where."""

    base: Base
    settings: TrainingSettings
    folder: RunFolder
    recipe: Recipe
    names: Sequence[str]  # the example of every row
    counts: Mapping[str, int]
    dropped: Mapping[str, str]
    dev: DevSet | None


def arguments(run: Run) -> dict[str, Any]:
    """The settings as TRL's configurations take them, SFT's and DPO's alike.

    Raises UserError when a tracker is not installed.
    """
    settings = run.settings
    check_trackers(settings.track)
    hub_trackers = [name for name in settings.track.to if name != "langsmith"]
    return {
        "output_dir": str(run.folder.checkpoints),
        "per_device_train_batch_size": settings.batch_size,
        "gradient_accumulation_steps": settings.accumulation,
        "num_train_epochs": settings.epochs,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": settings.schedule,
        "warmup_steps": settings.warmup,
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm,
        "optim": settings.optimizer,
        "gradient_checkpointing": settings.gradient_checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False} if settings.gradient_checkpointing else None,
        **mixed_precision(settings, run.base.model),
        "use_cpu": run.base.model.device.type == "cpu",
        "seed": settings.seed,
        "data_seed": settings.seed,
        "max_length": None,  # what is too long was dropped; nothing is cut
        "remove_unused_columns": False,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "save_strategy": "no",  # `Watch` asks for checkpoints
        "eval_strategy": "no",  # and looks at dev
        "report_to": hub_trackers or "none",
        "run_name": run.folder.path.name,
        "dataloader_pin_memory": run.base.model.device.type == "cuda",
    }


def steps_between(run: Run) -> int:
    """Optimiser steps from one look at dev to the next."""
    processes = int(torch.distributed.get_world_size()) if torch.distributed.is_initialized() else 1
    per_step = run.settings.batch_size * run.settings.accumulation * processes
    return max(1, ceil(len(run.names) / per_step) // run.settings.looks)


def train(run: Run, trainer: Any) -> RunRecord:
    """Train to the end, publish the best adapter and write the record.

    trainer: one of `finetune.trainers`, its rows proved; the folder has been claimed with `start`.
    A run that was killed goes on from its last whole checkpoint. Raises UserError when memory runs out (the
    checkpoints are kept) or the loss is no number.
    """
    meter = Meter()
    _prepare(run, trainer, meter)
    there = checkpoints(run.folder.checkpoints)
    if trainer.is_world_process_zero():
        prune(run.folder.checkpoints, set(there))
    trainer.accelerator.wait_for_everyone()
    last = there[max(there)] if there else None
    if last is None or not is_over(looks_of(_history(last)), run.settings.stop):
        set_seed(run.settings.seed)
        with memory_guard(run.settings, run.folder):
            trainer.train(resume_from_checkpoint=str(last) if last is not None else None)
    trainer.accelerator.wait_for_everyone()
    return _finished(run, trainer, meter)


def _prepare(run: Run, trainer: Any, meter: Meter) -> None:
    """Quiet the trainer's own reports, set our watch, and train the adapter in full precision."""
    trainer.names, trainer.meter = run.names, meter
    for reporter in (ProgressCallback, PrinterCallback):
        trainer.remove_callback(reporter)
    watch = Watch(
        run.folder.checkpoints,
        every=steps_between(run),
        stop=run.settings.stop,
        dev=run.dev,
        reader=run.base.reader,
        meter=meter,
    )
    watch.log = trainer.log
    trainer.add_callback(watch)
    for callback in tracker_callbacks(run.settings.track, run.folder.path.name, run.recipe):
        trainer.add_callback(callback)
    if not torch.distributed.is_initialized():
        # TRL makes the adapter of a 4-bit base bfloat16, in which updates of a small learning rate vanish
        for parameter in trainer.model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()


def _finished(run: Run, trainer: Any, meter: Meter) -> RunRecord:
    """The record of what the checkpoints hold; written, with adapter and curve, by the first process."""
    there = checkpoints(run.folder.checkpoints)
    step, last = max(there.items())
    history = _history(last)
    looks = looks_of(history)
    best = best_of(looks, run.settings.stop).step if looks else step
    losses = tuple((int(entry["step"]), float(entry["loss"])) for entry in history if "loss" in entry)
    trained = sum(parameter.numel() for parameter in trainer.model.parameters() if parameter.requires_grad)
    record = RunRecord(
        recipe=run.recipe,
        packages=packages(),
        device=trainer.model.device.type,
        counts=dict(run.counts),
        dropped=dict(run.dropped),
        trained=trained,
        parameters=sum(parameter.numel() for parameter in trainer.model.parameters()),
        steps=step,
        best_step=best,
        looks=tuple({key: float(value) for key, value in asdict(look).items()} for look in looks),
        losses=losses,
        tokens_per_second=meter.tokens / meter.seconds if meter.seconds else 0.0,
        tokens_per_processor_second=meter.tokens / meter.processor_seconds if meter.processor_seconds else 0.0,
        peak_memory=_peak_memory(trainer.model.device.type),
    )
    if trainer.is_world_process_zero():
        publish(run.folder, there[best], run.base.facts)
        draw(run.folder.path / "loss.png", losses, looks, best=best)
        finish(run.folder, record)
    return record


@contextmanager
def memory_guard(settings: TrainingSettings, folder: RunFolder) -> Iterator[None]:
    """Turn exhausted memory into a UserError that says what to lower, and which checkpoint is kept."""
    try:
        yield
        return
    except torch.OutOfMemoryError:
        pass
    except RuntimeError as error:
        if "can't allocate memory" not in str(error):  # the CPU's allocator has no class of its own
            raise
    gc.collect()
    there = checkpoints(folder.checkpoints)
    kept = f"the checkpoint of step {max(there)} is kept" if there else "there is no checkpoint yet"
    raise UserError(
        f"out of memory at batch_size={settings.batch_size}, max_length={settings.max_length}: lower batch_size (and"
        f" raise accumulation as much), then max_length; or precision=nf4, gradient_checkpointing=true; {kept}"
    )


def _history(checkpoint: Path) -> list[dict[str, Any]]:
    state: dict[str, Any] = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    history: list[dict[str, Any]] = state["log_history"]
    return history


def _peak_memory(device: str) -> int:
    if device == "cuda":
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
