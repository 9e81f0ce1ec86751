"""What comes with fine-tuning: presets, launch files, trackers, and the commands as a user runs them."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from configs import load
from configs.errors import UserError
from configs.reader import TransformersSettings
from configs.schema import ROOT, Settings
from configs.training import TrackSettings
from eval.__main__ import main as evaluate
from finetune.__main__ import main
from finetune.base import load_base
from finetune.run_folder import Recipe, RunFolder, folder_for
from finetune.trackers import LangSmithCallback, check_trackers
from rag.hf_model import wants_unsloth
from rag.reader_transformers import load_reader
from tests.conftest import run
from tests.tiny_model import save_model
from tests.tuning import examples_of, settings_for, write

PRESETS = sorted((ROOT / "configs" / "finetune").glob("*.yaml"))
TRAINED_BY_SFT = [path for path in PRESETS if "\n  sft:" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_every_preset_is_valid_and_differs_from_the_defaults(path: Path) -> None:
    assert load(path) != Settings()


@pytest.mark.parametrize("path", TRAINED_BY_SFT, ids=lambda path: path.stem)
def test_a_preset_trains_the_model_that_it_asks(path: Path) -> None:
    settings = load(path)
    assert settings.rag.reader.kind == "transformers"
    assert settings.rag.reader.model == settings.finetune.sft.model


@pytest.mark.parametrize(("name", "kind"), [("fsdp", "FSDP"), ("deepspeed-zero3", "DEEPSPEED")])
def test_accelerate_reads_the_launch_files(name: str, kind: str) -> None:
    from accelerate.commands.config.config_args import load_config_from_file  # type: ignore[import-untyped]

    config = load_config_from_file(str(ROOT / "finetune" / "launch" / f"{name}.yaml"))
    assert (config.distributed_type, config.mixed_precision, config.num_processes) == (kind, "bf16", 2)


def test_accelerate_would_launch_our_command_with_them() -> None:
    from accelerate.commands.launch import (  # type: ignore[import-untyped]
        _validate_launch_command,
        launch_command_parser,
    )

    file = str(ROOT / "finetune" / "launch" / "fsdp.yaml")
    arguments = ["--config_file", file, "--cpu", "-m", "finetune", "sft", "examples.jsonl"]
    args, *_ = _validate_launch_command(launch_command_parser().parse_args(arguments))
    assert (args.training_script, args.training_script_args) == ("finetune", ["sft", "examples.jsonl"])
    assert str(args.fsdp_version) == "2"


def test_unsloth_is_refused_where_it_is_not_installed(tmp_path: Path) -> None:
    if find_spec("unsloth") is not None:
        pytest.skip("unsloth is installed here")
    assert not wants_unsloth("auto", "cpu")
    assert not wants_unsloth("never", "auto")
    model = save_model(tmp_path / "model", kind="qwen3", is_chat=True)
    wished = TransformersSettings(kind="transformers", model=str(model), unsloth="always")
    for load_it in (lambda: load_reader(wished), lambda: load_base(settings_for(model, "unsloth=always"))):
        with pytest.raises(UserError, match=r"unsloth=always: it is not installed"):
            load_it()


def test_unsloth_is_set_by_words_that_yaml_leaves_alone() -> None:
    reader = "rag.reader={kind: transformers, model: embedded}"
    for word in ("auto", "always", "never"):
        settings = load(None, [reader, f"rag.reader.unsloth={word}", f"finetune.sft.unsloth={word}"])
        assert isinstance(settings.rag.reader, TransformersSettings)
        assert (settings.rag.reader.unsloth, settings.finetune.sft.unsloth) == (word, word)


def test_unsloth_trains_where_it_is_installed(tmp_path: Path) -> None:
    if find_spec("unsloth") is None:
        pytest.skip("unsloth is not installed: pip install --no-deps unsloth unsloth_zoo cut_cross_entropy torchao")
    model = save_model(tmp_path / "model", kind="qwen3", is_chat=True)
    examples = write(tmp_path / "examples.jsonl", examples_of(8, "train") + examples_of(4, "dev"))
    changes = [f"model={model}", "unsloth=always", "epochs=1", "device=cpu", "learning_rate=0.01"]
    for precision in ("fp32", "nf4"):
        out = tmp_path / precision
        sets = [part for change in (*changes, f"precision={precision}") for part in ("--set", f"finetune.sft.{change}")]
        done = run("finetune", "sft", examples, *sets, "--out", out, "--json")  # unsloth must be imported first
        assert done.returncode == 0, done.stderr
        settings = TransformersSettings(
            kind="transformers", model=str(model), precision="fp32", device="cpu", adapter=out / "adapter"
        )
        assert load_reader(settings).identity.facts["adapter"]


class Client:
    """Notes what LangSmith would be sent."""

    def __init__(self) -> None:
        self.created: list[tuple[str, dict[str, Any], UUID]] = []
        self.updated: list[tuple[UUID, dict[str, Any]]] = []

    def create_run(self, name: str, inputs: dict[str, Any], run_type: Any, **known: Any) -> None:  # noqa: ARG002
        self.created.append((name, inputs, known["id"]))

    def update_run(self, run_id: UUID, **known: Any) -> None:
        self.updated.append((run_id, known["outputs"]))


def test_a_tracked_run_has_one_id_however_often_it_is_resumed(tmp_path: Path) -> None:
    recipe = Recipe(task="sft", settings={}, examples="e", dev="", templates=("base@1",), base={})
    client, arguments = Client(), TrainingArguments(output_dir=str(tmp_path), use_cpu=True)
    ids = set()
    for step in (0, 4):
        state = TrainerState(global_step=step, log_history=[{"loss": 1.0, "step": 1}])
        callback = LangSmithCallback(client, project="p", name="run", recipe=recipe)
        callback.on_train_begin(arguments, state, TrainerControl())
        callback.on_train_end(arguments, state, TrainerControl())
        ids.add(callback.run_id)
    assert len(ids) == len(client.created) == 1
    assert client.created[0][:2] == ("run", recipe.model_dump(mode="json"))
    assert [log["log"] for _, log in client.updated] == [[{"loss": 1.0, "step": 1}]] * 2


def test_trackers_are_off_and_named_when_missing() -> None:
    assert load().finetune.sft.track.to == ()
    check_trackers(TrackSettings())
    if find_spec("mlflow") is None:
        with pytest.raises(UserError, match="mlflow is not installed here: pip install mlflow"):
            check_trackers(TrackSettings(to=("langsmith", "mlflow")))


def test_runs_are_named_once_or_by_the_time(tmp_path: Path) -> None:
    unique = folder_for(tmp_path / "run", settings_for(tmp_path))
    stamped = folder_for(tmp_path / "run", settings_for(tmp_path, "run=timestamped"))
    assert unique == RunFolder(tmp_path / "run")
    assert stamped.path.name.startswith("run-2") and len(stamped.path.name) == len("run-20260101-000000")


def test_the_commands_train_evaluate_compare_and_merge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = save_model(tmp_path / "model", kind="llama", is_chat=False)
    examples = write(tmp_path / "examples.jsonl", examples_of(8, "train") + examples_of(4, "dev"))
    changes = [f"model={model}", "precision=fp32", "epochs=1", "device=cpu", "learning_rate=0.01"]
    sets = [part for change in changes for part in ("--set", f"finetune.sft.{change}")]
    assert main(["sft", str(examples), *sets, "--out", str(tmp_path / "run"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["steps"] == 2 and found["adapter"] == str(tmp_path / "run" / "adapter")
    assert main(["sft", str(examples), *sets, "--out", str(tmp_path / "run")]) == 0
    assert "<- kept" in capsys.readouterr().out
    reader = f"rag.reader={{kind: transformers, model: {model}, precision: fp32, device: cpu}}"
    asked = ["--no-rag", "--split", "dev", "--limit", "4", "--set", reader]
    for name, more in (("base", []), ("tuned", ["--set", f"rag.reader.adapter={found['adapter']}"])):
        assert evaluate([*asked, *more, "--out", str(tmp_path / name), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["n"] == 4
    assert evaluate(["compare", str(tmp_path / "base"), str(tmp_path / "tuned"), "--json"]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert compared["n"] == 4 and list(compared["arms"]) == ["closed"]
    assert main(["merge", found["adapter"], "--out", str(tmp_path / "merged"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["logits_off"] <= 1e-4
