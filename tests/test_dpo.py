"""Training by preferences: the reader's own mistakes on the split it may learn from, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from configs.errors import UserError
from configs.reader import PromptSettings
from finetune.base import Base, load_base
from finetune.dpo import Request, run_dpo
from finetune.examples import Example
from finetune.mistakes import Preference, candidates, missed, preferences
from finetune.run_folder import RunFolder, RunRecord
from tests.conftest import write_jsonl
from tests.tiny_model import save_model
from tests.tuning import examples_of, preference_settings_for, write

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model."""
    return save_model(tmp_path_factory.mktemp("dpo") / "model", kind="qwen3", is_chat=True)


@pytest.fixture(scope="module")
def base(model: Path) -> Base:
    """The model with a fresh adapter, which changes nothing yet."""
    return load_base(preference_settings_for(model))


def _found(base: Base, model: Path, examples: list[Example], *changes: str) -> list[Preference]:
    base.model.eval()
    return preferences(examples, base.reader, preference_settings_for(model, *changes), PromptSettings())


def test_rejected_is_what_the_reader_would_rather_say(base: Base, model: Path) -> None:
    examples = examples_of(16, "train")
    found = _found(base, model, examples)
    assert 0 < len(found) < 16
    by_id = {example.id: example for example in examples}
    for preference in found:
        example = by_id[preference.example_id]
        text = base.turn.wording.render(example.messages).text
        scores = []
        for label in "1234":
            tokens = base.turn.tokens("e", example.messages, [label])[0]
            with torch.inference_mode():
                logits = base.model(torch.tensor([tokens.ids[: tokens.start]])).logits[0]
            scores.append(float(torch.log_softmax(logits, dim=-1)[-1, tokens.ids[tokens.start]]))
        assert text and preference.rejected == "1234"[scores.index(max(scores))] != preference.chosen
        assert preference.margin == pytest.approx(scores[int(example.answer) - 1] - max(scores), abs=1e-4)


def test_a_margin_takes_narrow_right_answers_too(base: Base, model: Path) -> None:
    examples = examples_of(16, "train")
    mistakes, all_ = _found(base, model, examples), _found(base, model, examples, "margin=1000")
    assert [preference.example_id for preference in all_] == [example.id for example in examples]
    assert set(mistakes) == {
        preference for preference in all_ if preference.margin is not None and preference.margin < 0
    }
    right = [example for example in examples if example.id not in {preference.example_id for preference in mistakes}]
    with pytest.raises(UserError, match=r"makes no mistake on these .* raise finetune\.dpo\.margin"):
        _found(base, model, right)


def test_answers_are_labels_or_texts_of_choices_or_written() -> None:
    example = examples_of(1, "train")[0]
    assert candidates(example) == ("1", "2", "3", "4")
    assert candidates(replace(example, answer="충청도")) == example.choices
    assert candidates(replace(example, answer="{}")) == candidates(replace(example, choices=())) == ()


def _item(name: str, split: str, *, is_right: bool) -> dict[str, object]:
    outcome = {"arm": "retrieved", "answer": "1", "is_right": is_right, "shows_gold": None, "score": 0.0}
    traits = {"kind": "multiple_choice", "subject": "한국사", "split": split, "choices": 4}
    return {"question_id": name, "digest": "d", "answer": 1, "traits": traits, "outcomes": [outcome]}


def test_only_mistakes_on_the_split_that_is_learnt_from_count(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text("{}", encoding="utf-8")
    good = [_item("train-q1", "train", is_right=False), _item("train-q2", "train", is_right=True)]
    write_jsonl(tmp_path / "items.jsonl", good)
    assert missed(tmp_path, "retrieved", "train")[0] == {"train-q1"}
    write_jsonl(tmp_path / "items.jsonl", [*good, _item("q3", "test", is_right=False)])
    with pytest.raises(UserError, match="'test'"):
        missed(tmp_path, "retrieved", "train")


def _trained(model: Path, out: Path, *changes: str, run: Path | None = None, adapter: Path | None = None) -> RunRecord:
    examples = out.parent / "examples.jsonl"
    if not examples.exists():
        write(examples, examples_of(16, "train"))  # no dev: the last checkpoint is kept
    settings = preference_settings_for(model, *changes)
    return run_dpo(Request(examples, None, run, adapter, RunFolder(out), settings, PromptSettings()))


def test_the_right_answers_gain_on_the_rejected_ones(model: Path, base: Base, tmp_path: Path) -> None:
    record = _trained(model, tmp_path / "one", "beta=0.5", "epochs=4")
    lines = (tmp_path / "one" / "preferences.jsonl").read_text(encoding="utf-8").splitlines()
    assert record.counts["preferences"] == record.counts["mistakes"] == len(lines)
    losses = [loss for _, loss in record.losses]
    assert losses[0] == pytest.approx(0.693, abs=0.01)  # log 2: nothing is preferred at first
    assert losses[-1] < 0.5
    margins = [json.loads(line)["margin"] for line in lines]
    again = load_base(preference_settings_for(model), adapter=tmp_path / "one" / "adapter")
    after = {found.example_id: found.margin for found in _found(again, model, examples_of(16, "train"), "margin=1000")}
    gained = [after[json.loads(line)["example_id"]] or 0 for line in lines]
    assert sum(gained) / len(gained) > sum(margins) / len(margins)


def test_an_adapter_is_trained_on_and_a_run_names_the_questions(model: Path, tmp_path: Path) -> None:
    run = tmp_path / "eval"
    run.mkdir()
    (run / "record.json").write_text("{}", encoding="utf-8")
    write_jsonl(run / "items.jsonl", [_item(f"train-q{n}", "train", is_right=n % 2 == 0) for n in range(16)])
    first = _trained(model, tmp_path / "first", "epochs=1", "margin=1000", run=run)
    assert first.counts["examples"] == first.counts["preferences"] == 8
    second = _trained(model, tmp_path / "second", "epochs=1", "margin=1000", adapter=tmp_path / "first" / "adapter")
    assert second.recipe.adapter
    assert second.trained == first.trained  # the reference's copy is not
    files = [tmp_path / name / "adapter" / "adapter_model.safetensors" for name in ("first", "second")]
    assert files[0].stat().st_size == files[1].stat().st_size and files[0].read_bytes() != files[1].read_bytes()
