"""Trackers beside the run folder: LangSmith, which transformers does not know. The others it writes to itself."""
# ruff: noqa: ARG002  (transformers fixes what a callback is called with)

from __future__ import annotations

from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Any, Protocol
from uuid import NAMESPACE_URL, UUID, uuid5

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from configs.errors import UserError
from configs.training import TrackSettings
from finetune.run_folder import Recipe


class Client(Protocol):
    """What is used of langsmith.Client."""

    def create_run(self, name: str, inputs: dict[str, Any], run_type: Any, **known: Any) -> None:
        """Open a run."""

    def update_run(self, run_id: UUID, **known: Any) -> None:
        """Close a run."""


class LangSmithCallback(TrainerCallback):
    """One LangSmith run per training run: the recipe as inputs, the last figures as outputs.

    The run's id is a UUIDv5 of project, name and recipe, so that a resumed run updates its own.
    """

    def __init__(self, client: Client, *, project: str, name: str, recipe: Recipe) -> None:
        self._client = client
        self._project = project
        self._name = name
        self._recipe = recipe
        self.run_id = uuid5(NAMESPACE_URL, f"{project}/{name}/{recipe.model_dump_json()}")

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Open it; a resumed run is open already."""
        if state.is_world_process_zero and state.global_step == 0:
            self._client.create_run(
                self._name,
                self._recipe.model_dump(mode="json"),
                "chain",
                id=self.run_id,
                project_name=self._project,
                start_time=datetime.now(UTC),
            )

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Close it with everything that was logged."""
        if state.is_world_process_zero:
            self._client.update_run(self.run_id, outputs={"log": list(state.log_history)}, end_time=datetime.now(UTC))


def check_trackers(track: TrackSettings) -> None:
    """Raise UserError naming the first tracker that is not installed."""
    modules = {"tensorboard": ("tensorboard", "tensorboardX"), "wandb": ("wandb",), "mlflow": ("mlflow",)}
    for name in track.to:
        wanted = modules.get(name, (name,))
        if not any(find_spec(module) for module in wanted):
            raise UserError(f"track.to: {name} is not installed here: pip install {wanted[0]}")


def tracker_callbacks(track: TrackSettings, name: str, recipe: Recipe) -> list[TrainerCallback]:
    """The callbacks of the trackers that transformers does not know."""
    if "langsmith" not in track.to:
        return []
    from langsmith import Client as LangSmithClient

    return [LangSmithCallback(LangSmithClient(), project=track.project, name=name, recipe=recipe)]
