"""Merging adds exactly what the adapters say, into the base that they were trained on and no other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from configs.errors import UserError
from configs.reader import TransformersSettings
from finetune.base import load_base, write_base
from finetune.merge import TOLERANCE, Request, main_merge, merge
from rag.reader_transformers import load_reader
from tests.tiny_model import save_model
from tests.tuning import settings_for

LAYER = "model.layers.0.self_attn.q_proj"

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model."""
    return save_model(tmp_path_factory.mktemp("merge") / "model", kind="qwen3", is_chat=True)


@pytest.fixture(scope="module")
def adapters(model: Path) -> tuple[Path, Path]:
    """Two adapters of other ranks and scalings, with weights by chance."""
    one = _adapter(model, "one", "lora.rank=4", "lora.alpha=6", "lora.scaling=rslora")
    return one, _adapter(model, "two", "lora.rank=8", "lora.alpha=4")


def _adapter(model: Path, name: str, *changes: str) -> Path:
    base = load_base(settings_for(model, *changes))
    torch.manual_seed(len(name) + len(changes))
    for key, parameter in base.model.named_parameters():
        if "lora_" in key:
            parameter.data = torch.randn_like(parameter) * 0.2
    folder = model.parent / name
    base.model.save_pretrained(folder)
    write_base(folder, base.facts)
    return folder


def _update(adapter: Path, scaling: float) -> torch.Tensor:
    """scaling * BA of one layer."""
    weights = load_file(adapter / "adapter_model.safetensors")
    a, b = (weights[f"base_model.model.{LAYER}.lora_{side}.weight"] for side in "AB")
    return scaling * b @ a


def _weight(model: Path) -> torch.Tensor:
    return load_file(model / "model.safetensors")[f"{LAYER}.weight"]


def test_rank_stabilised_and_plain_adapters_are_scaled_as_they_were_trained(
    model: Path, adapters: tuple[Path, Path], tmp_path: Path
) -> None:
    updates = [_update(adapters[0], 6 / 4**0.5), _update(adapters[1], 4 / 8)]
    for adapter, update in zip(adapters, updates, strict=True):
        merged = merge(Request((adapter,), tmp_path / adapter.name))
        assert merged.logits_off is not None and merged.logits_off <= TOLERANCE
        assert torch.allclose(_weight(tmp_path / adapter.name), _weight(model) + update, atol=1e-5)
    merge(Request(adapters, tmp_path / "both", weights=(0.6, 0.4)))
    wanted = _weight(model) + 0.6 * updates[0] + 0.4 * updates[1]
    assert torch.allclose(_weight(tmp_path / "both"), wanted, atol=1e-5)


def test_dare_ties_keeps_where_the_updates_agree(model: Path, adapters: tuple[Path, Path], tmp_path: Path) -> None:
    merged = merge(Request(adapters, tmp_path / "all", weights=(1, 1), method="dare_ties", density=1.0))
    assert merged.logits_off is None
    one, two = _update(adapters[0], 6 / 4**0.5), _update(adapters[1], 4 / 8)
    added = _weight(tmp_path / "all") - _weight(model)
    agree = one.sign() == two.sign()
    assert torch.allclose(added[agree], ((one + two) / 2)[agree], atol=1e-4)
    larger = torch.where(one.abs() > two.abs(), one, two)
    assert torch.allclose(added[~agree], larger[~agree], atol=1e-4)
    for name in ("a", "b"):
        merge(Request(adapters, tmp_path / name, method="dare_ties", seed=7))
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("a", "b")]
    assert files[0] == files[1]


def test_the_merged_model_reads_as_base_and_adapter_do(
    model: Path, adapters: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main_merge([str(adapters[0]), "--out", str(tmp_path / "m")]) == 0
    assert "merged and unmerged logits differ by at most" in capsys.readouterr().out
    record = json.loads((tmp_path / "m" / "merged.json").read_text(encoding="utf-8"))
    assert (record["precision"], record["saved_off"]) == ("fp32", 0.0)
    plain = TransformersSettings(kind="transformers", model=str(model), precision="fp32", device="cpu")
    tuned = load_reader(plain.model_copy(update={"adapter": adapters[0]}))
    merged = load_reader(plain.model_copy(update={"model": str(tmp_path / "m")}))
    ids = torch.tensor([[5, 9, 20, 33]])
    with torch.inference_mode():
        one, other = (reader._model(input_ids=ids).logits for reader in (tuned, merged))
    assert torch.allclose(one, other, atol=TOLERANCE)


def test_what_must_not_be_merged_is_refused(model: Path, adapters: tuple[Path, Path], tmp_path: Path) -> None:
    other = save_model(tmp_path / "other", kind="qwen3", is_chat=True, seed=1)
    cases: list[tuple[Request, str]] = [
        (Request((adapters[0],), tmp_path / "m", base=str(other)), "an adapter fits its own base"),
        (Request(adapters, tmp_path / "m", weights=(1.0,)), "found 1 for 2 adapters"),
        (Request((tmp_path,), tmp_path / "m"), "no LoRA adapter"),
        (Request((adapters[0],), model), "is there already"),
    ]
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    config["quantization_config"] = {"load_in_4bit": True, "quant_method": "bitsandbytes"}
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    cases.append((Request((adapters[0],), tmp_path / "m", base=str(tmp_path / "small")), "stored in 4 or 8 bits"))
    for request, message in cases:
        with pytest.raises(UserError, match=message):
            merge(request)
    assert not (tmp_path / "m").exists()
