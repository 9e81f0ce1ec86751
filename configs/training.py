"""Settings of fine-tuning a reader: LoRA on a base model, by answers (`sft`) or by preferences (`dpo`)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from configs.evaluation import ArmName
from configs.reader import Device, Unsloth
from configs.strict import Strict

EMBEDDED_READER = "embedded"

Tracker = Literal["tensorboard", "wandb", "mlflow", "langsmith"]


class LoraSettings(Strict):
    """The adapter. An update is scaled by alpha / rank, with `rslora` by alpha / sqrt(rank)."""

    rank: int = Field(16, ge=1, le=1024)
    alpha: int = Field(32, ge=1, le=4096)
    dropout: float = Field(0.05, ge=0, lt=1)
    scaling: Literal["lora", "rslora"] = "lora"
    modules: Literal["all-linear"] | tuple[str, ...] = Field(
        "all-linear", description="all-linear: every linear layer but the head; or names like q_proj"
    )


class StopSettings(Strict):
    """When training ends before its last epoch, and which checkpoint is kept."""

    by: Literal["accuracy", "loss"] = Field("accuracy", description="of the dev examples, scored as evaluation does")
    patience: int = Field(3, ge=0, description="looks at dev without a better one before it stops; 0 = never stops")


class TrackSettings(Strict):
    """Where else a run is written down. Nothing leaves this machine unless a tracker is named."""

    to: tuple[Tracker, ...] = ()
    project: str = "geungeo"


class TrainingSettings(Strict):
    """What training by answers and by preferences have in common. Lengths are in the model's tokens."""

    model: str = Field(EMBEDDED_READER, min_length=1, description="embedded, a folder, or a name on the hub")
    revision: str | None = Field(None, description="of a hub model; a commit keeps the base the same")
    precision: Literal["nf4", "bf16", "fp16", "fp32"] = Field("nf4", description="of the base; nf4: QLoRA")
    device: Device = "auto"
    format: Literal["auto", "chat", "plain"] = Field("auto", description="auto: chat where the model has a template")
    trust_remote_code: bool = Field(False, description="run Python that comes with the model")
    unsloth: Unsloth = Field("auto", description="auto: where it is installed and there is a GPU")
    lora: LoraSettings = LoraSettings()
    split: str = Field("train", description="of the examples that are learnt from")
    dev_split: str = Field("dev", description="of those by which the best checkpoint is chosen")
    max_length: int = Field(2048, ge=32, description="prompt and answer; a longer example is dropped, never cut")
    epochs: float = Field(3, gt=0, le=1000)
    batch_size: int = Field(1, ge=1, le=4096, description="examples in memory at once")
    accumulation: int = Field(4, ge=1, le=4096, description="batches per step of the optimiser")
    learning_rate: float = Field(1e-4, gt=0, le=1)
    schedule: Literal["cosine", "linear", "constant_with_warmup", "cosine_with_restarts"] = "cosine"
    warmup: float = Field(0.05, ge=0, lt=1, description="share of the steps")
    weight_decay: float = Field(0.0, ge=0, le=1)
    max_grad_norm: float = Field(1.0, gt=0)
    optimizer: Literal["adamw_torch", "adamw_8bit", "paged_adamw_8bit"] = "adamw_torch"
    gradient_checkpointing: bool = Field(True, description="recompute activations: less memory, a third slower")
    looks: int = Field(1, ge=1, le=1000, description="at dev per epoch; each leaves a checkpoint")
    dev_batch_size: int = Field(16, ge=1, le=4096, description="halved when memory runs out")
    stop: StopSettings = StopSettings()
    run: Literal["unique", "timestamped"] = Field(
        "unique", description="unique: a finished run of this name is skipped; timestamped: always a new folder"
    )
    track: TrackSettings = TrackSettings()
    seed: int = Field(20260101, ge=0)


class SftSettings(TrainingSettings):
    """How `python -m finetune sft` trains."""


class DpoSettings(TrainingSettings):
    """How `python -m finetune dpo` trains: chosen is the right answer, rejected the reader's own mistake."""

    learning_rate: float = Field(5e-6, gt=0, le=1)
    beta: float = Field(0.1, gt=0, le=10, description="how dearly leaving the reference is paid for")
    loss: Literal["sigmoid", "ipo", "hinge"] = "sigmoid"
    arm: ArmName = Field("retrieved", description="of the run that --run names: whose wrong answers count")
    margin: float = Field(
        0.0,
        ge=0,
        description="nats; 0: only mistakes; more: right answers, too, that lead the best wrong one by less",
    )
