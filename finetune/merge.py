"""python -m finetune merge ADAPTER [ADAPTER ...] --out DIR [--base MODEL] [--weights 0.6,0.4] [--method dare_ties] ...

Merges adapters into their base, in full precision, and checks that the merged model computes what base and adapters
computed. One adapter or a weighted sum of several (linear: W + sum of weight * scaling * BA, exactly), or DARE-TIES:
most of each update dropped by chance and the rest rescaled, then only what agrees in sign is added.

Example: python -m finetune merge runs/sft/adapter --out runs/merged
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError

from configs.errors import UserError
from configs.reader import TransformersSettings
from corpora.writing import in_place_of, write_text
from rag.embedded import located
from rag.hf_model import BASE, Loaded, check_adapter, check_base, load_model, weights_digest

Method = Literal["linear", "dare_ties"]
Precision = Literal["base", "bf16", "fp16", "fp32"]

TOLERANCE = 1e-4  # of logits, in float32
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
_TEXTS = (
    "지문을 읽고 질문의 답을 구하세요.\n\n질문:\n대동법이 처음 실시된 곳은?\n\n선택지:\n1 - 경기도\n2 - 충청도",
    "근거로 쓸 수 있는 문서가 없으면 아는 대로 답하세요. 3, 4, 5 가운데 하나를 고르세요.",
)


@dataclass(frozen=True, slots=True)
class Request:
    """What is merged, and how."""

    adapters: tuple[Path, ...]
    out: Path
    base: str | None = None  # None: what the first adapter names
    revision: str | None = None  # of a base on the hub
    weights: tuple[float, ...] = ()  # (): 1 for one adapter, equal shares for several
    method: Method = "linear"
    density: float = 0.5  # dare_ties: share of an update that is kept
    precision: Precision = "base"  # of what is written; base: as the base is stored
    seed: int = 20260101  # dare_ties


@dataclass(frozen=True, slots=True)
class Merged:
    """What came of a merge; written beside the model."""

    base: str
    base_weights: str  # digest
    adapters: tuple[str, ...]  # digests
    weights: tuple[float, ...]
    method: str
    density: float | None
    logits_off: float | None  # most that merged and unmerged logits differ by, float32; None for dare_ties
    saved_off: float  # most that the logits of the saved model differ from the merged one's, by its precision
    precision: str


def main_merge(argv: list[str]) -> int:
    """Merge, check, write, and print by how much the logits differ."""
    args = _parser().parse_args(argv)
    weights = _numbers(args.weights) if args.weights else ()
    request = Request(
        adapters=tuple(args.adapters),
        out=args.out,
        base=args.base,
        revision=args.revision,
        weights=weights,
        method=args.method,
        density=args.density,
        precision=args.precision,
        seed=args.seed,
    )
    merged = merge(request)
    if args.json:
        print(json.dumps({**asdict(merged), "out": str(request.out)}))
        return 0
    if merged.logits_off is not None:
        print(f"merged and unmerged logits differ by at most {merged.logits_off:.1e} (allowed {TOLERANCE:.0e})")
    print(f"saved in {merged.precision}: logits differ by at most {merged.saved_off:.1e} from the merged model's")
    print(f"model: {request.out}")
    return 0


def merge(request: Request) -> Merged:
    """Write the merged model's folder; it appears whole.

    Raises UserError for a base in 4 bits, adapters of another base, weights that do not fit, a folder that is
    there already, and when the merged model does not compute what base and adapters do.
    """
    weights = _weights(request)
    if request.out.exists():
        raise UserError(f"{request.out}: is there already; take another --out")
    for adapter in request.adapters:
        check_adapter(adapter)
    loaded = _base(request)
    ids = _probe(loaded)
    tuned = _adapted(loaded.model, request.adapters)
    if request.method == "dare_ties":
        torch.manual_seed(request.seed)
        model, off = _dare_ties(tuned, weights, request.density), None
    else:
        model, off = _linear(tuned, weights, ids)
    precision = _precision(request, str(loaded.identity.facts["model"]))
    merged = Merged(
        base=str(loaded.identity.facts["model"]),
        base_weights=str(loaded.identity.facts["weights"]),
        adapters=tuple(weights_digest(adapter) for adapter in request.adapters),
        weights=weights,
        method=request.method,
        density=request.density if request.method == "dare_ties" else None,
        logits_off=off,
        saved_off=0.0,
        precision=precision,
    )
    return _save(model, loaded, request.out, merged, ids)


def _weights(request: Request) -> tuple[float, ...]:
    count = len(request.adapters)
    weights = request.weights or tuple(1 / count for _ in request.adapters)
    if len(weights) != count:
        raise UserError(f"--weights: found {len(weights)} for {count} adapters; give one for each, like 0.6,0.4")
    return weights


def _base(request: Request) -> Loaded:
    """The base in float32. Raises UserError when it is stored in 4 bits or an adapter belongs to another."""
    name = request.base or _named_base(request.adapters[0])
    settings = TransformersSettings(
        kind="transformers", model=name, revision=request.revision, precision="fp32", device="cpu"
    )
    config = Path(located(settings).model) / "config.json"
    if config.is_file() and "quantization_config" in json.loads(config.read_text(encoding="utf-8")):
        raise UserError(
            f"{name}: is stored in 4 or 8 bits; merging there rounds the update away (9 % of a layer's weights):"
            " name the full-precision model that it was made from with --base"
        )
    loaded = load_model(settings)
    if getattr(loaded.model, "is_quantized", False):
        raise UserError(f"{name}: is quantised; name the full-precision model that it was made from with --base")
    for adapter in request.adapters:
        check_base(adapter, model=name, weights=str(loaded.identity.facts["weights"]))
    return loaded


def _named_base(adapter: Path) -> str:
    for file, key in ((BASE, "model"), ("adapter_config.json", "base_model_name_or_path")):
        path = adapter / file
        name = json.loads(path.read_text(encoding="utf-8")).get(key) if path.is_file() else None
        if name:
            return str(name)
    raise UserError(f"{adapter}: does not say what it was trained on; name it with --base")


def _adapted(model: Any, adapters: Sequence[Path]) -> Any:
    """The base with all adapters active, named by their place."""
    from peft import PeftModel

    try:
        tuned: Any = PeftModel.from_pretrained(model, str(adapters[0]), adapter_name="0")
        for number, adapter in enumerate(adapters[1:], start=1):
            tuned.load_adapter(str(adapter), adapter_name=str(number))
    except SafetensorError as error:
        raise UserError(f"an adapter's weights are damaged: {error}") from None
    tuned.base_model.set_adapter([str(number) for number in range(len(adapters))])
    tuned.eval()
    return tuned


def _linear(tuned: Any, weights: Sequence[float], ids: torch.Tensor) -> tuple[Any, float]:
    """(merged model, most that its logits are off). Scaling is peft's own, rsLoRA's alpha / sqrt(r) included.

    peft's add_weighted_adapter is not used: its `linear` adds cross terms, and of rsLoRA adapters it makes one
    that is sqrt(r) times too strong.
    """
    for layer in _layers(tuned):
        for number, weight in enumerate(weights):
            if str(number) in layer.scaling:
                layer.scaling[str(number)] *= weight
    before = _logits(tuned, ids)
    merged: Any = tuned.merge_and_unload()
    off = float((_logits(merged, ids) - before).abs().max())
    if not off <= TOLERANCE:
        raise UserError(
            f"the merged model's logits differ by {off:.1e} from those of base and adapter, more than {TOLERANCE:.0e};"
            " nothing was written"
        )
    return merged, off


def _dare_ties(tuned: Any, weights: Sequence[float], density: float) -> Any:
    """The base plus the updates by DARE (Yu et al. 2024) and TIES (Yadav et al. 2023), as peft computes them."""
    from peft.utils.merge_utils import dare_ties

    for layer in _layers(tuned):
        there = [number for number in range(len(weights)) if str(number) in layer.scaling]
        deltas = [layer.get_delta_weight(str(number)) for number in there]
        shares = torch.tensor([weights[number] for number in there])
        layer.get_base_layer().weight.data += dare_ties(deltas, shares, density)
    return tuned.unload()


def _layers(tuned: Any) -> list[Any]:
    from peft.tuners.lora.layer import LoraLayer

    found: list[Any] = [module for module in tuned.modules() if isinstance(module, LoraLayer)]
    return found


def _probe(loaded: Loaded) -> torch.Tensor:
    """Token ids to compare logits on; shape [1, tokens]."""
    ids: list[int] = loaded.tokenizer("\n".join(_TEXTS), add_special_tokens=False)["input_ids"]
    return torch.tensor([ids[: min(256, loaded.window)]])


@torch.inference_mode()
def _logits(model: Any, ids: torch.Tensor) -> torch.Tensor:
    """Logits of every position; shape [1, tokens, vocabulary], float32."""
    found: torch.Tensor = model(input_ids=ids, use_cache=False).logits.float()
    return found


def _precision(request: Request, base: str) -> str:
    """The precision to write in: the one asked for, or the one that the base is stored in."""
    from transformers import AutoConfig

    if request.precision != "base":
        return request.precision
    source = located(TransformersSettings(kind="transformers", model=base)).model
    stored = str(AutoConfig.from_pretrained(source, revision=request.revision).dtype).removeprefix("torch.")
    return {"bfloat16": "bf16", "float16": "fp16"}.get(stored, "fp32")


def _save(model: Any, loaded: Loaded, out: Path, merged: Merged, ids: torch.Tensor) -> Merged:
    """Write model, tokenizer and record; the record says how far what lies there is from the model in memory."""
    from transformers import AutoModelForCausalLM

    before, dtype = _logits(model, ids), _DTYPES[merged.precision]
    with in_place_of(out) as building:
        model.to(dtype).save_pretrained(building)
        loaded.tokenizer.save_pretrained(building)
        saved: Any = AutoModelForCausalLM.from_pretrained(building, dtype=dtype, use_safetensors=True)
        record = replace(merged, saved_off=float((_logits(saved.eval(), ids) - before).abs().max()))
        write_text(building / "merged.json", json.dumps(asdict(record), ensure_ascii=False, indent=1) + "\n")
    return record


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UserError(f"--weights {text}: expected numbers like 0.6,0.4") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m finetune merge", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("adapters", nargs="+", type=Path, metavar="ADAPTER", help="runs/sft/adapter")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--base", metavar="MODEL", help="default: what the first adapter names")
    parser.add_argument("--revision", metavar="COMMIT", help="of a base on the hub")
    parser.add_argument("--weights", metavar="W,W", help="of the adapters (default: 1, or equal shares)")
    parser.add_argument("--method", choices=("linear", "dare_ties"), default="linear")
    parser.add_argument("--density", type=float, default=0.5, help="dare_ties: share of an update that is kept")
    parser.add_argument("--precision", choices=("base", "bf16", "fp16", "fp32"), default="base")
    parser.add_argument("--seed", type=int, default=20260101, help="dare_ties")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser
