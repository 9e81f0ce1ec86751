"""A causal language model and its tokenizer, loaded from a folder or the hub."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from configs.errors import UserError
from configs.reader import Device, TransformersSettings, Unsloth
from corpora.files import fingerprint
from rag.embedded import check_files, located
from rag.reader import Identity, digest_of

BASE = "base.json"  # beside an adapter: the weights that it was trained on
_SHARDS = "model.safetensors.index.json"
_WINDOW = 4096  # where neither settings nor model say how much it reads


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in evaluation mode, its tokenizer and what they are."""

    model: Any  # transformers' classes carry no types
    tokenizer: Any
    identity: Identity
    window: int
    is_chat: bool


def load_model(settings: TransformersSettings) -> Loaded:
    """The model of the settings, on its device, with its adapter.

    Raises UserError when a folder is incomplete, the hub cannot be reached, the model brings code that may
    not run, the device is not there, or the adapter was trained on other weights.
    """
    source = located(settings)
    folder = Path(source.model).expanduser()
    is_local = folder.is_dir()
    if is_local:
        check_folder(folder)
        check_files(folder)
    weights = weights_digest(folder) if is_local else ""
    if settings.adapter is not None:
        check_adapter(settings.adapter)
        if is_local:
            check_base(settings.adapter, model=settings.model, weights=weights)
    is_fast = wants_unsloth(settings.unsloth, settings.device)
    model, tokenizer = _opened(source, _device(settings.device), is_fast=is_fast)
    weights = weights or str(getattr(model.config, "_commit_hash", None))
    if settings.adapter is not None:
        check_base(settings.adapter, model=settings.model, weights=weights)
        model = _adapted(model, settings.adapter)
    return describe(model, tokenizer, settings, weights=weights, engine="unsloth" if is_fast else "transformers")


def describe(model: Any, tokenizer: Any, settings: TransformersSettings, *, weights: str, engine: str) -> Loaded:
    """A model that is in memory, put into evaluation mode, with its identity; weights: the digest of the base's.

    Raises UserError when a chat format is asked for and the model has no template.
    """
    model.eval()
    _keep_unpacked(model)
    is_chat = settings.format == "chat" or (settings.format == "auto" and tokenizer.chat_template is not None)
    if is_chat and tokenizer.chat_template is None:
        raise UserError(f"{settings.model}: has no chat template; use rag.reader.format=plain")
    window = settings.window or getattr(model.config, "max_position_embeddings", None) or _WINDOW
    facts = {
        "model": settings.model,
        "weights": weights,
        "adapter": weights_digest(settings.adapter) if settings.adapter is not None else None,
        "precision": settings.precision,
        "device": model.device.type,
        "engine": engine,
        "format": digest_of({"template": tokenizer.chat_template}) if is_chat else "plain",
        "thinking": settings.thinking,
        "window": int(window),
        "transformers": version("transformers"),
        "torch": version("torch"),
    }
    return Loaded(model, tokenizer, Identity("transformers", facts), int(window), is_chat)


def _keep_unpacked(model: Any) -> None:
    """Keep 4-bit layers from the form that bitsandbytes gives them when a CPU with AVX-512 bf16 evaluates them.

    Its packing fails where a layer takes no multiple of 64 numbers or gives no multiple of 32, and the product with
    packed weights has no gradient: every training step after a look at dev would learn from a part of it, silently.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def _opened(settings: TransformersSettings, device: str, *, is_fast: bool) -> tuple[Any, Any]:
    """(model, tokenizer); what the user can mend is named."""
    try:
        return _unsloth(settings) if is_fast else _transformers(settings, device)
    except SafetensorError as error:
        raise UserError(f"{settings.model}: damaged weights: {error}") from None
    except OSError as error:
        raise UserError(f"{settings.model}: cannot be loaded: {str(error).splitlines()[0]}") from None
    except ValueError as error:
        if "trust_remote_code" not in str(error):
            raise
        raise UserError(
            f"{settings.model}: brings its own Python code; read it, then allow it to run with"
            " --set rag.reader.trust_remote_code=true"
        ) from None


def _adapted(model: Any, adapter: Path) -> Any:
    from peft import PeftModel

    try:
        return PeftModel.from_pretrained(model, str(adapter))
    except SafetensorError as error:
        raise UserError(f"{adapter}: damaged weights: {error}") from None


def check_folder(folder: Path) -> None:
    """Raise UserError naming the first file that a model's folder lacks."""
    for name in ("config.json", "tokenizer_config.json"):
        if not (folder / name).is_file():
            raise UserError(f"{folder}: incomplete: no {name} here")
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "vocab.json")):
        raise UserError(f"{folder}: incomplete: no tokenizer.json here")
    wanted = ["model.safetensors"]
    if (folder / _SHARDS).is_file():
        try:
            shards = json.loads((folder / _SHARDS).read_text(encoding="utf-8"))["weight_map"]
        except (ValueError, KeyError):
            raise UserError(f"{folder / _SHARDS}: damaged") from None
        wanted = sorted(set(shards.values()))
    for name in wanted:
        if not (folder / name).is_file():
            raise UserError(
                f"{folder}: incomplete: no {name} here (weights in other forms than safetensors are not read)"
            )


def check_adapter(folder: Path) -> None:
    """Raise UserError naming the first file that an adapter's folder lacks."""
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        if not (folder / name).is_file():
            raise UserError(f"{folder}: no LoRA adapter: no {name} here")


def check_base(adapter: Path, *, model: str, weights: str) -> None:
    """Raise UserError when an adapter of ours was trained on other weights than these; others' do not say."""
    path = adapter / BASE
    if not path.is_file():
        return
    try:
        trained = json.loads(path.read_text(encoding="utf-8"))
        name, digest = str(trained["model"]), str(trained["weights"])
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path}: damaged; train the adapter again: python -m finetune sft") from None
    if digest != weights:
        raise UserError(
            f"{adapter}: trained on {name} (digest {digest:.8}), {model} has {weights:.8}; an adapter fits its own base"
            " alone: use that one, or train on this one with python -m finetune sft"
        )


def wants_unsloth(wish: Unsloth, device: Device) -> bool:
    """Whether unsloth loads the model: where it is wished for, or by itself where it is installed with a GPU.

    It must be imported before transformers then. Raises UserError when it is wished for and not installed.
    """
    is_there = find_spec("unsloth") is not None
    if wish == "always" and not is_there:
        raise UserError("unsloth=always: it is not installed; on a GPU machine: pip install -r requirements-gpu.txt")
    return wish == "always" or (wish == "auto" and is_there and _device(device) == "cuda")


def _device(device: Device) -> str:
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("rag.reader.device=cuda: no CUDA device here; use cpu or auto")
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"


def _dtype(settings: TransformersSettings) -> torch.dtype:
    match settings.precision:
        case "fp32":
            return torch.float32
        case "fp16":
            return torch.float16
        case "bf16":
            return torch.bfloat16
        case "nf4":  # a GPU older than Ampere computes bfloat16 in slow emulation
            old = torch.cuda.is_available() and not torch.cuda.is_bf16_supported(including_emulation=False)
            return torch.float16 if old and settings.device != "cpu" else torch.bfloat16


def _transformers(settings: TransformersSettings, device: str) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    source: dict[str, Any] = {"revision": settings.revision, "trust_remote_code": settings.trust_remote_code}
    tokenizer = AutoTokenizer.from_pretrained(settings.model, **source)
    quantization = None
    if settings.precision == "nf4":
        quantization = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=_dtype(settings),
        )
    # "auto" spreads a model over several GPUs; on one it might silently leave layers to the CPU
    placement: Any = "auto" if device == "cuda" and torch.cuda.device_count() > 1 else {"": device}
    if "LOCAL_RANK" in os.environ:
        placement = None  # one of several processes that accelerate has started: it places the model
    model = AutoModelForCausalLM.from_pretrained(
        settings.model,
        dtype=_dtype(settings),
        quantization_config=quantization,
        device_map=placement,
        use_safetensors=True,  # never pickle
        **source,
    )
    return model, tokenizer


def _unsloth(settings: TransformersSettings) -> tuple[Any, Any]:
    from unsloth import FastLanguageModel  # type: ignore[import-not-found, unused-ignore]

    model, tokenizer = FastLanguageModel.from_pretrained(
        model_name=settings.model,
        revision=settings.revision,
        max_seq_length=settings.window or _WINDOW,
        dtype=_dtype(settings),
        load_in_4bit=settings.precision == "nf4",
        trust_remote_code=settings.trust_remote_code,
    )
    return FastLanguageModel.for_inference(model), tokenizer


def weights_digest(folder: Path) -> str:
    """One digest over the weights, settings and tokenizer in a folder."""
    files = sorted(path for path in folder.iterdir() if path.suffix in {".safetensors", ".json", ".model", ".jinja"})
    return digest_of({path.name: fingerprint(path) for path in files})
