"""The base model of a fine-tuning run, with a fresh LoRA adapter or one to go on with."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from configs.errors import UserError
from configs.reader import TransformersSettings
from configs.training import TrainingSettings
from corpora.writing import write_text
from finetune.masking import Turn, turn_of
from rag.embedded import located
from rag.hf_model import (
    BASE,
    Loaded,
    check_adapter,
    check_base,
    describe,
    load_model,
    wants_unsloth,
    weights_digest,
)
from rag.reader_transformers import ModelWording, TransformersReader

_HEADS = ("lm_head", "embed_out", "output_layer")


@dataclass(frozen=True, slots=True)
class Base:
    """A model that is ready to be trained, and what it was made from."""

    loaded: Loaded  # `model` carries the adapter
    reader: TransformersReader  # the same model, as evaluation asks it
    turn: Turn
    settings: TransformersSettings

    @property
    def model(self) -> Any:
        """The base with its adapter."""
        return self.loaded.model

    @property
    def facts(self) -> dict[str, str]:
        """What an adapter of this base must say: name, weights' digest, conversation format."""
        found = self.loaded.identity.facts
        return {key: str(found[key]) for key in ("model", "weights", "format")}


def reader_settings(settings: TrainingSettings) -> TransformersSettings:
    """The same model as a reader has it: what evaluation will load."""
    return TransformersSettings(
        kind="transformers",
        model=settings.model,
        revision=settings.revision,
        precision=settings.precision,
        device=settings.device,
        format=settings.format,
        trust_remote_code=settings.trust_remote_code,
        unsloth=settings.unsloth,
        batch_size=settings.dev_batch_size,
    )


def load_base(settings: TrainingSettings, *, adapter: Path | None = None) -> Base:
    """The base of the settings with a fresh adapter, or with one that is to be trained on.

    Raises UserError when it cannot be loaded, is stored in 4 bits although another precision is asked for,
    has no module of a name in `lora.modules`, or is not what the adapter was trained on.
    """
    if settings.precision == "nf4" and "LOCAL_RANK" in os.environ:
        raise UserError("precision=nf4: one process only; several processes (accelerate launch) train precision=bf16")
    wanted = reader_settings(settings)
    if adapter is not None:
        check_adapter(adapter)
    loaded = _with_unsloth(settings, wanted) if wants_unsloth(settings.unsloth, settings.device) else load_model(wanted)
    check_modules(loaded.model, settings)
    if adapter is not None:
        check_base(adapter, model=wanted.model, weights=str(loaded.identity.facts["weights"]))
    tuned = replace(loaded, model=_adapted(loaded.model, settings, adapter))
    reader = TransformersReader(tuned, wanted)
    wording = ModelWording(tuned, thinking=False)
    turn = turn_of(tuned.tokenizer, wording, is_chat=tuned.is_chat, stops=stops_of(tuned))
    return Base(tuned, reader, turn, wanted)


def stops_of(loaded: Loaded) -> list[int]:
    """The tokens at which the reader stops writing."""
    ends = loaded.model.generation_config.eos_token_id
    ends = loaded.tokenizer.eos_token_id if ends is None else ends
    return ends if isinstance(ends, list) else [] if ends is None else [ends]


def linear_modules(model: Any) -> list[str]:
    """The names, without their place, of the linear layers that may carry an adapter; sorted, without the head."""
    names = {
        name.rpartition(".")[2]
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) or type(module).__name__ == "Linear4bit"
    }
    return sorted(names.difference(_HEADS))


def check_modules(model: Any, settings: TrainingSettings) -> None:
    """Raise UserError naming the first module of `lora.modules` that the model does not have."""
    there = linear_modules(model)
    modules = settings.lora.modules
    for name in () if isinstance(modules, str) else modules:
        if name not in there:
            raise UserError(f"lora.modules: {settings.model} has no linear layer {name!r}; it has: {', '.join(there)}")


def mixed_precision(settings: TrainingSettings, model: Any) -> dict[str, bool]:
    """How activations are computed: bf16 where the device has it, else fp16; full where the base is fp32."""
    if settings.precision == "fp32":
        return {"bf16": False, "fp16": False}
    is_gpu = model.device.type == "cuda"
    has_bf16 = not is_gpu or torch.cuda.is_bf16_supported(including_emulation=False)
    wants_fp16 = settings.precision == "fp16" or not has_bf16
    return {"bf16": not (wants_fp16 and is_gpu), "fp16": wants_fp16 and is_gpu}


def write_base(adapter: Path, facts: dict[str, str]) -> None:
    """Write beside an adapter what it was trained on, so that it is refused on anything else."""
    write_text(adapter / BASE, json.dumps(facts, ensure_ascii=False, indent=1, sort_keys=True) + "\n")


def _adapted(model: Any, settings: TrainingSettings, adapter: Path | None) -> Any:
    """The model with an adapter whose weights are float32, whatever the base's are."""
    from peft import LoraConfig, PeftModel, get_peft_model, prepare_model_for_kbit_training

    is_quantised = bool(getattr(model, "is_loaded_in_4bit", False))
    if is_quantised:
        model = prepare_model_for_kbit_training(  # type: ignore[no-untyped-call]
            model,
            use_gradient_checkpointing=settings.gradient_checkpointing,
            gradient_checkpointing_kwargs={"use_reentrant": False},
        )
    if adapter is not None:
        return PeftModel.from_pretrained(model, str(adapter), is_trainable=True)
    torch.manual_seed(settings.seed)
    if wants_unsloth(settings.unsloth, settings.device):
        return _unsloth_adapter(model, settings)
    modules = settings.lora.modules
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.lora.rank,
        lora_alpha=settings.lora.alpha,
        lora_dropout=settings.lora.dropout,
        use_rslora=settings.lora.scaling == "rslora",
        target_modules=modules if isinstance(modules, str) else list(modules),
    )
    return get_peft_model(model, config)


def _with_unsloth(settings: TrainingSettings, wanted: TransformersSettings) -> Loaded:
    """The base as unsloth patches it; identity as `load_model` gives it, so that adapters fit both ways."""
    from unsloth import FastLanguageModel  # type: ignore[import-not-found, unused-ignore]

    source = located(wanted)
    dtypes = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
    model, tokenizer = FastLanguageModel.from_pretrained(
        model_name=source.model,
        revision=wanted.revision,
        max_seq_length=settings.max_length,
        dtype=dtypes.get(settings.precision),  # nf4: what the device computes best
        load_in_4bit=settings.precision == "nf4",
        trust_remote_code=settings.trust_remote_code,
    )
    folder = Path(source.model)
    weights = weights_digest(folder) if folder.is_dir() else str(getattr(model.config, "_commit_hash", None))
    return describe(model, tokenizer, wanted, weights=weights, engine="unsloth")


def _unsloth_adapter(model: Any, settings: TrainingSettings) -> Any:
    from unsloth import FastLanguageModel

    modules = settings.lora.modules
    return FastLanguageModel.get_peft_model(
        model,
        r=settings.lora.rank,
        lora_alpha=settings.lora.alpha,
        lora_dropout=settings.lora.dropout,
        use_rslora=settings.lora.scaling == "rslora",
        target_modules=linear_modules(model) if isinstance(modules, str) else list(modules),
        use_gradient_checkpointing="unsloth" if settings.gradient_checkpointing else False,
        random_state=settings.seed,
    )
