"""Training by answers: resumed to the same bytes, chosen by dev, refused with one line where it cannot be right."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from configs.errors import UserError
from configs.reader import PromptSettings, TransformersSettings
from configs.training import StopSettings
from finetune import watch
from finetune.base import load_base
from finetune.checkpoints import checkpoints, is_whole, mark, prune
from finetune.dev import commonest
from finetune.run_folder import RunFolder, RunRecord
from finetune.runs import report
from finetune.sft import Request, run_sft
from finetune.watch import Look, best_of, is_over
from rag.reader import Answer
from rag.reader_transformers import load_reader
from rag.tokens import Message
from tests.tiny_model import save_model
from tests.tuning import examples_of, settings_for, write

torch.set_num_threads(1)

KINDS = ("fp32", "nf4")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the tests of this module work."""

    folder: Path
    model: Path
    examples: Path


class KilledError(Exception):
    """What stands for kill -9."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A tiny model and sixteen examples, eight more for dev."""
    folder = tmp_path_factory.mktemp("sft")
    model = save_model(folder / "model", kind="qwen3", is_chat=True)
    return Place(folder, model, write(folder / "examples.jsonl", examples_of(16, "train") + examples_of(8, "dev")))


def trained(place: Place, out: Path, *changes: str, examples: Path | None = None) -> RunRecord:
    """A run of `sft`."""
    settings = settings_for(place.model, *changes)
    return run_sft(Request(examples or place.examples, None, RunFolder(out), settings, PromptSettings()))


@pytest.fixture(scope="module")
def runs(place: Place) -> dict[str, RunRecord]:
    """One unbroken run in full precision and one in 4 bits."""
    return {kind: trained(place, place.folder / kind, f"precision={kind}") for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_learns_and_its_folder_says_everything(place: Place, runs: dict[str, RunRecord], kind: str) -> None:
    record, out = runs[kind], place.folder / kind
    losses = [loss for _, loss in record.losses]
    assert [step for step, _ in record.losses] == list(range(1, 9))
    assert sum(losses[-2:]) < 0.6 * sum(losses[:2])
    assert record.counts["examples"] == record.counts["kept"] == 16
    assert record.counts["tokens with loss"] == 32  # a label and the end of the turn each
    assert (
        record.best_step
        == best_of(
            [Look(int(look["step"]), look["accuracy"], look["loss"]) for look in record.looks], StopSettings()
        ).step
    )
    assert [look["step"] for look in record.looks] == [0, 2, 4, 6, 8]
    assert set(record.recipe.base) == {"model", "weights", "format"}
    assert json.loads((out / "adapter" / "base.json").read_text(encoding="utf-8")) == record.recipe.base
    assert (out / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert not list(out.rglob("*.bin"))


def test_the_adapter_is_what_the_reader_loads(place: Place, runs: dict[str, RunRecord]) -> None:
    assert runs["fp32"].steps == 8
    settings = TransformersSettings(kind="transformers", model=str(place.model), precision="fp32", device="cpu")
    tuned = load_reader(settings.model_copy(update={"adapter": place.folder / "fp32" / "adapter"}))
    assert tuned.identity.facts["adapter"] is not None


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_killed_while_saving_goes_on_to_the_same_bytes(
    place: Place, runs: dict[str, RunRecord], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = place.folder / f"{kind}-killed"

    def killed(checkpoint: Path) -> None:
        if checkpoint.name == "checkpoint-6":
            (checkpoint / "adapter_model.safetensors").write_bytes(b"torn")
            raise KilledError
        mark(checkpoint)

    with monkeypatch.context() as patch:
        patch.setattr(watch, "mark", killed)
        with pytest.raises(KilledError):
            trained(place, out, f"precision={kind}")
    assert 6 not in checkpoints(out / "checkpoints")
    assert not (out / "run.json").exists()
    record = trained(place, out, f"precision={kind}")
    assert (record.looks, record.losses) == (runs[kind].looks, runs[kind].losses)
    name = "adapter/adapter_model.safetensors"
    assert (out / name).read_bytes() == (place.folder / kind / name).read_bytes()


def test_a_finished_run_is_not_trained_again_and_its_folder_takes_no_other(
    place: Place, runs: dict[str, RunRecord]
) -> None:
    out = place.folder / "fp32"
    before = (out / "run.json").stat().st_mtime_ns
    assert trained(place, out, "precision=fp32") == runs["fp32"]
    assert (out / "run.json").stat().st_mtime_ns == before
    with pytest.raises(UserError, match=r"holds another run: settings\.learning_rate is 0\.01 there, 0\.5 here"):
        trained(place, out, "learning_rate=0.5")


def test_an_adapter_is_refused_on_another_base(place: Place, runs: dict[str, RunRecord], tmp_path: Path) -> None:
    assert runs["fp32"].steps == 8
    other = save_model(tmp_path / "other", kind="qwen3", is_chat=True, seed=1)
    settings = TransformersSettings(
        kind="transformers", model=str(other), precision="fp32", device="cpu", adapter=place.folder / "fp32" / "adapter"
    )
    with pytest.raises(UserError, match=r"trained on .*model .*an adapter fits its own base"):
        load_reader(settings)


def test_looking_at_dev_does_not_change_the_gradient_of_a_4_bit_base(place: Place) -> None:
    base = load_base(settings_for(place.model, "precision=nf4", "lora.dropout=0"))
    ids = torch.tensor([base.turn.tokens("e", examples_of(1, "train")[0].messages, ["1"])[0].ids])
    torch.manual_seed(0)
    for name, parameter in base.model.named_parameters():
        if "lora_B" in name:
            parameter.data = torch.randn_like(parameter) * 0.1

    def gradients() -> list[torch.Tensor]:
        base.model.zero_grad()
        base.model(input_ids=ids, labels=ids).loss.backward()
        return [parameter.grad.clone() for parameter in base.model.parameters() if parameter.grad is not None]

    base.model.train()
    before = gradients()
    base.model.eval()
    with torch.inference_mode():
        base.model(input_ids=ids)
    base.model.train()
    assert before
    assert all(torch.equal(one, other) for one, other in zip(before, gradients(), strict=True))


def test_the_loss_without_a_gpu_is_cross_entropy() -> None:
    from finetune.plain_loss import PlainLogProb

    torch.manual_seed(0)
    hidden, weight = torch.randn(5, 8, requires_grad=True), torch.randn(11, 8)
    targets = torch.tensor([0, 3, 10, 3, 7])
    wanted = torch.nn.functional.cross_entropy(hidden @ weight.T, targets, reduction="none")
    found, entropy, _, _, best = PlainLogProb(None).apply(
        hidden, weight, None, targets, 1.0, 256, None, 1.0, ("log_probs", "entropy", "is_top1")
    )
    assert found is not None and entropy is not None and best is not None
    assert torch.allclose(-found, wanted, atol=1e-6)
    assert torch.equal(best, (hidden @ weight.T).argmax(dim=1) == targets)
    shares = (hidden @ weight.T).softmax(dim=1)
    assert torch.allclose(entropy, -(shares * shares.log()).sum(dim=1), atol=1e-5)
    assert found.requires_grad and not entropy.requires_grad


def test_a_loss_that_is_no_number_stops_the_run_and_names_the_example(place: Place, tmp_path: Path) -> None:
    model = save_model(tmp_path / "model", kind="qwen3", is_chat=True)
    weights = load_file(model / "model.safetensors")
    base = load_base(settings_for(model))
    examples = examples_of(4, "train")
    odd = replace(examples[2], messages=(Message("user", "☃"),))
    rare = base.loaded.tokenizer("☃", add_special_tokens=False)["input_ids"]
    common = {token for example in examples for token in base.turn.tokens("e", example.messages, ["1"])[0].ids}
    weights["model.embed_tokens.weight"][[token for token in rare if token not in common]] = float("nan")
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    path = write(tmp_path / "examples.jsonl", [examples[0], odd, examples[1]])
    with pytest.raises(UserError, match=r"step 1: the loss of example train2 is nan"):
        trained(replace(place, model=model), tmp_path / "run", examples=path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["lora.modules=[q_proj, query]"], r"no linear layer 'query'; it has: down_proj, gate_proj, k_proj"),
        (["lora.modules=[lm_head]"], r"no linear layer 'lm_head'"),
        (["max_length=40"], r"none of the 16 examples has an answer to learn from \(longer than max_length"),
        (["split=other"], r"8 examples of split 'dev'|16 examples of split 'train'"),
        (["dev_split=none"], r"8 examples of split 'dev'"),
        (["track.to=[wandb]"], r"wandb is not installed"),
        (["format=plain", "device=cuda"], r"no CUDA device"),
    ],
)
def test_what_cannot_be_right_is_refused(place: Place, tmp_path: Path, changes: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        trained(place, tmp_path / "run", *changes)
    assert not (tmp_path / "run" / "adapter").exists()


def test_examples_of_a_test_split_or_of_one_question_in_both_are_refused(place: Place, tmp_path: Path) -> None:
    rows = examples_of(2, "train")
    path = write(tmp_path / "test.jsonl", [*rows, *examples_of(1, "test")])
    with pytest.raises(UserError, match="1 examples of split 'test'"):
        trained(place, tmp_path / "run", examples=path)
    both = [*rows, replace(rows[0], id="again", split="dev")]
    with pytest.raises(UserError, match="question train-q0 is both learnt from and chosen by"):
        trained(place, tmp_path / "run", examples=write(tmp_path / "both.jsonl", both))


def test_exhausted_memory_says_what_to_lower(place: Place, tmp_path: Path) -> None:
    from finetune.training import memory_guard

    (tmp_path / "checkpoints" / "checkpoint-4").mkdir(parents=True)
    mark(tmp_path / "checkpoints" / "checkpoint-4")
    settings = settings_for(place.model, "batch_size=8")
    for error in (torch.OutOfMemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")):
        wanted = r"batch_size=8.*lower batch_size.*checkpoint of step 4 is kept"
        with pytest.raises(UserError, match=wanted), memory_guard(settings, RunFolder(tmp_path)):
            raise error
    with pytest.raises(RuntimeError, match="another"), memory_guard(settings, RunFolder(tmp_path)):
        raise RuntimeError("another")


def _torn(checkpoint: Path) -> None:
    (checkpoint / "weights").write_bytes(b"short")


def _unmarked(checkpoint: Path) -> None:
    (checkpoint / "whole.json").unlink()


@pytest.mark.parametrize("damage", [_torn, _unmarked])
def test_a_torn_checkpoint_does_not_exist(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    for step in (2, 10):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "weights").write_bytes(b"all of it")
        mark(folder)
    damage(tmp_path / "checkpoint-10")
    assert list(checkpoints(tmp_path)) == [2]
    prune(tmp_path, {2, 10})
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-2"]
    assert is_whole(tmp_path / "checkpoint-2")


def test_the_best_look_and_the_end_of_patience() -> None:
    looks = [
        Look(0, 0.9, 0.5),
        Look(1, 0.5, 2.0),
        Look(2, 0.6, 1.5),
        Look(3, 0.6, 1.2),
        Look(4, 0.55, 1.0),
        Look(5, 0.6, 1.2),
    ]
    accuracy, loss = StopSettings(patience=2), StopSettings(by="loss", patience=2)
    assert [best_of(looks, stop).step for stop in (accuracy, loss)] == [3, 4]
    assert is_over(looks, accuracy) and not is_over(looks[:5], accuracy) and not is_over(looks, loss)
    assert not is_over(looks, StopSettings(patience=0)) and not is_over([], accuracy)


def test_early_stopping_ends_the_run(place: Place, tmp_path: Path) -> None:
    record = trained(place, tmp_path / "run", "learning_rate=1e-12", "stop.patience=1")
    assert record.steps == 4  # nothing was learnt: the second look is not better than the first
    assert record.best_step == 2


@pytest.mark.parametrize(("numbers", "share"), [([4, 4, 4, 1], 0.75), ([2, 2, None], 1.0), ([None], 0.0), ([], 0.0)])
def test_the_commonest_place_is_its_share_of_the_choices(numbers: list[int | None], share: float) -> None:
    answers = [Answer("q", "labels", number, None, (), "", (), "", 0, 0) for number in numbers]
    assert commonest(answers) == share


def test_a_reader_that_always_names_the_same_place_is_pointed_out(
    place: Place, runs: dict[str, RunRecord], tmp_path: Path
) -> None:
    record, folder = runs["fp32"], RunFolder(tmp_path)
    assert all(0.25 <= look["commonest"] <= 1 for look in record.looks)
    stuck, fine = (
        record.model_copy(update={"looks": tuple({**look, "commonest": share} for look in record.looks)})
        for share in (1.0, 0.5)
    )
    assert "100% of its choices on dev name the same place: it answers without reading" in report(stuck, folder)
    assert "the same place" not in report(fine, folder)
