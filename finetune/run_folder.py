"""A training run on disk: its recipe first, its checkpoints, then adapter and curve, its record last.

recipe.json       everything that determines the adapter: settings in effect, digests of examples and base
checkpoints/      while it runs; afterwards the best and the last
adapter/          what `rag.reader.adapter` takes; base.json beside it names the base
loss.png
run.json          written last: where it is, the run is whole
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from configs.errors import UserError
from configs.training import TrainingSettings
from corpora.writing import in_place_of, write_text
from finetune.base import write_base

RECORD = "run.json"
_RECIPE = "recipe.json"
_PACKAGES = ("torch", "transformers", "trl", "peft", "bitsandbytes", "accelerate")
_WEIGHTS = ("adapter_config.json", "adapter_model.safetensors")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Recipe(_Strict):
    """What determines an adapter. The same recipe on the same kind of machine gives the same adapter."""

    format: int = 1
    task: str  # "sft" or "dpo"
    settings: dict[str, JsonValue]
    examples: str  # digest
    dev: str  # digest; "" without
    templates: tuple[str, ...]  # "base@1"
    base: dict[str, str]  # model, weights' digest, conversation format
    adapter: str = ""  # digest of the adapter that was trained on; "" for a fresh one
    mistakes: str = ""  # dpo: digest of the record that named the questions; "" without


class RunRecord(_Strict):
    """What came of a run."""

    recipe: Recipe
    packages: dict[str, str]
    device: str
    counts: dict[str, int]  # examples, kept, dropped ..., dev
    dropped: dict[str, str]  # example id -> why
    trained: int  # parameters
    parameters: int  # of base and adapter
    steps: int
    best_step: int
    looks: tuple[dict[str, float], ...]  # step, accuracy, loss and commonest (see finetune.watch.Look) on dev
    losses: tuple[tuple[int, float], ...]  # step, loss on train
    tokens_per_second: float  # of what this process trained; 0 when a finished run was only completed
    tokens_per_processor_second: float  # the same by the time of all cores; what a busy machine does not change
    peak_memory: int  # bytes: of tensors on a GPU, else of the process


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where a run writes."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        """The trainer's folder."""
        return self.path / "checkpoints"

    @property
    def adapter(self) -> Path:
        """The result."""
        return self.path / "adapter"

    @property
    def is_finished(self) -> bool:
        """Whether the run is whole."""
        return (self.path / RECORD).is_file()


def folder_for(out: Path, settings: TrainingSettings) -> RunFolder:
    """The folder that the settings' way of naming runs gives."""
    stamp = time.strftime("-%Y%m%d-%H%M%S") if settings.run == "timestamped" else ""
    return RunFolder(out.with_name(out.name + stamp))


def recipe_settings(settings: TrainingSettings) -> dict[str, JsonValue]:
    """The settings without what does not change the adapter."""
    found: dict[str, JsonValue] = settings.model_dump(mode="json", exclude={"track", "run", "model", "dev_batch_size"})
    return found


def start(folder: RunFolder, recipe: Recipe) -> None:
    """Claim a folder for a recipe. Raises UserError when it holds a run of another one."""
    path = folder.path / _RECIPE
    if path.is_file():
        try:
            there = Recipe.model_validate_json(path.read_bytes())
        except ValidationError:
            raise UserError(f"{path}: damaged or of another version; take another --out, or remove it") from None
        differs = _first_difference(there.model_dump(mode="json"), recipe.model_dump(mode="json"))
        if differs:
            raise UserError(f"{folder.path}: holds another run: {differs}; take another --out, or remove it")
        return
    write_text(path, recipe.model_dump_json(indent=1) + "\n")


def publish(folder: RunFolder, checkpoint: Path, facts: Mapping[str, str]) -> None:
    """Make a checkpoint's adapter the run's; it appears whole."""
    with in_place_of(folder.adapter) as building:
        building.mkdir()
        for name in _WEIGHTS:
            shutil.copyfile(checkpoint / name, building / name)
        write_base(building, dict(facts))


def finish(folder: RunFolder, record: RunRecord) -> None:
    """Write the record: the run is whole."""
    write_text(folder.path / RECORD, record.model_dump_json(indent=1) + "\n")


def read_run(path: Path) -> RunRecord:
    """The record of a finished run. Raises UserError when there is none."""
    try:
        return RunRecord.model_validate_json((path / RECORD).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path}: no finished run here; run the same command again to go on") from None
    except ValidationError as error:
        raise UserError(f"{path / RECORD}: {error.errors()[0]['msg']}; made by another version") from None


def packages() -> dict[str, str]:
    """The versions that a run depends on."""
    return {name: version(name) for name in _PACKAGES}


def _first_difference(there: object, here: object, place: str = "") -> str:
    """The first key at which two trees differ, with both values; "" when they do not."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in sorted(there.keys() | here.keys()):
            found = _first_difference(there.get(key), here.get(key), f"{place}.{key}" if place else str(key))
            if found:
                return found
        return ""
    return "" if there == here else f"{place} is {json.dumps(there)} there, {json.dumps(here)} here"
