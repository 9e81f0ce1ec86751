"""The embedded reader's training: its first token vectors, its loss, its rates; a run that was stopped goes on."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

from configs.errors import UserError
from configs.reader_training import ReaderTrainingSettings
from finetune.reader import check_learnt
from finetune.reader_model import new_model
from finetune.reader_rows import Composer
from finetune.reader_tokenizer import train_tokenizer
from finetune.reader_train import Lessons, Trainer, among, pace
from finetune.reader_vectors import token_vectors
from tests.reader_lesson import BLOCK, EVIDENCE, PASSAGE, QUESTIONS, SETTINGS


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """A small one, of the words of these tests."""
    texts = [PASSAGE, *(item.text for item in EVIDENCE), *(item.question for item in QUESTIONS)]
    return train_tokenizer(texts * 3, SETTINGS.model)


def test_a_word_is_like_its_longer_form_and_numbers_are_not_alike() -> None:
    texts = ["", "대동", "대동법", "1608", "1651", "저고리"]
    vectors = token_vectors(texts, 80, torch.Generator().manual_seed(1))
    again = token_vectors(texts, 80, torch.Generator().manual_seed(1))
    assert torch.equal(vectors, again)
    assert vectors.norm(dim=1).tolist() == pytest.approx([0, 1, 1, 1, 1, 1], abs=1e-5)
    like = vectors @ vectors.T
    assert like[1, 2] > max(like[1, 3], like[1, 5], like[2, 5]) + 0.2
    assert like[3, 4] < 0.6


def test_the_loss_of_a_label_knows_only_the_labels_of_its_question() -> None:
    logits = torch.tensor([[5.0, 1.0, 2.0, 3.0], [5.0, 1.0, 2.0, 3.0]])
    shown = among(logits, [(1, 2), (1, 2, 3)])
    assert shown.exp().tolist()[0] == pytest.approx([0, math.e, math.e**2, 0], rel=1e-5)
    assert shown.argmax(dim=1).tolist() == [2, 3]


def test_only_what_has_a_rate_is_trained(tokenizer: Tokenizer, tmp_path: Path) -> None:
    parts = {
        "embedding_rate": "model.embed_tokens.weight",
        "learning_rate": "model.layers.3.self_attn.q_proj.weight",
        "norm_rate": "model.layers.3.self_attn.q_norm.weight",
    }
    for rated in parts:
        rates = dict.fromkeys(parts, 0.0) | {rated: 1e-3}
        settings = SETTINGS.model_copy(update={**rates, "steps": 1})
        model = new_model(tokenizer, settings.model, seed=1)
        before = {name: weight.clone() for name, weight in model.state_dict().items()}
        trainer = Trainer(model, Composer(tokenizer, settings), settings, folder=tmp_path / rated, padding=0)
        trainer.run(Lessons({"rules": [BLOCK]}, {"rules": 1.0}), dict)
        moved = {rate for rate, name in parts.items() if not torch.equal(before[name], model.state_dict()[name])}
        assert moved == {rated}


def test_a_training_without_any_rate_is_refused(tokenizer: Tokenizer, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"embedding_rate": 0.0, "learning_rate": 0.0, "norm_rate": 0.0})
    with pytest.raises(UserError, match="are all 0"):
        Trainer(
            new_model(tokenizer, settings.model, seed=1), Composer(tokenizer, settings), settings,
            folder=tmp_path, padding=0,
        )  # fmt: skip


def test_questions_without_choices_are_left_out_unless_their_answers_count(tokenizer: Tokenizer) -> None:
    for weight, written in ((0.0, 0), (0.3, 1)):
        settings = SETTINGS.model_copy(update={"text_weight": weight})
        row = Composer(tokenizer, settings).row(BLOCK, 1, random.Random(1))
        assert row is not None
        owners = {int(row.owners[target.place]) for target in row.targets}
        assert len(owners) == 3 + written


def test_a_stopped_training_goes_on_as_if_it_had_not_stopped(tokenizer: Tokenizer, tmp_path: Path) -> None:
    lessons = Lessons({"rules": [BLOCK]}, {"rules": 1.0})

    def trained(folder: Path, settings: ReaderTrainingSettings) -> Trainer:
        model = new_model(tokenizer, settings.model, seed=1)
        trainer = Trainer(model, Composer(tokenizer, settings), settings, folder=folder, padding=0)
        trainer.run(lessons, dict)
        return trainer

    whole = trained(tmp_path / "whole", SETTINGS)
    first = trained(tmp_path / "parts", SETTINGS.model_copy(update={"minutes_per_run": 1e-9}))
    assert first.progress.step == 1
    second = trained(tmp_path / "parts", SETTINGS)
    assert second.progress.step == whole.progress.step == 4
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, second.model.state_dict()[name]), name


def test_the_rates_rise_stay_and_fall_to_nothing() -> None:
    settings = SETTINGS.model_copy(update={"steps": 100, "warmup": 10, "decay": 0.2})
    assert [pace(step, settings) for step in (0, 9, 50, 80, 90, 100)] == pytest.approx([0.1, 1, 1, 1, 0.5, 0])


def test_a_reader_that_learns_nothing_fails_the_smoke_test() -> None:
    learnt = [{"loss": 5 - step / 3, "accuracy": step / 50} for step in range(13)]
    check_learnt(learnt)
    with pytest.raises(UserError, match=r"answers right went from 0\.10 to 0\.10"):
        check_learnt([record | {"accuracy": 0.1} for record in learnt])
    with pytest.raises(UserError, match=r"the loss went from 5\.00 to 5\.00"):
        check_learnt([record | {"loss": 5.0} for record in learnt])
