"""The embedded reader's first weights: what they know before any training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer

from configs.errors import UserError
from configs.reader_training import ReaderModelSettings
from finetune.reader_batches import collate, logits_at
from finetune.reader_model import new_model
from finetune.reader_rows import Composer, Row
from finetune.reader_stream import CLOSING, LABEL, LAYERS, plan_of
from finetune.reader_tokenizer import MOST_CHOICES, frame
from tests.reader_lesson import EVIDENCE, FACTS, PASSAGE, QUESTIONS, SETTINGS, small_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """A small one, of the words of these tests."""
    return small_tokenizer()


@pytest.fixture(scope="module")
def model(tokenizer: Tokenizer) -> Any:
    """Wired, not trained."""
    return new_model(tokenizer, SETTINGS.model, seed=1).eval()


@pytest.fixture(scope="module")
def wired(tokenizer: Tokenizer) -> Any:
    """The same in the shape that is stored."""
    return new_model(tokenizer, ReaderModelSettings(vocabulary=900), seed=1).eval()


def test_wired_weights_know_which_choice_a_token_is_of_and_which_one_ends(tokenizer: Tokenizer, model: Any) -> None:
    row = Composer(tokenizer, SETTINGS).compose(QUESTIONS[:1], EVIDENCE, stage=2)
    assert row is not None
    after = _after(1, model, row)
    plan = plan_of(model.config, tokenizer)
    labels_at, closing_at = (slice(plan.flag(first), plan.flag(first) + MOST_CHOICES) for first in (LABEL, CLOSING))
    starts = [row.ids.tolist().index(tokenizer.token_to_id(frame()[f"choice {number}"])) for number in (1, 2, 3)]
    ends = [*starts[1:], row.ids.tolist().index(tokenizer.token_to_id(frame()["ask 3"]))]
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        labels = after[start + 1 : end, labels_at]
        assert labels.argmax(dim=1).tolist() == [number] * (end - start - 1)
        assert labels.max(dim=1).values.min() > 0.5
        assert after[end, closing_at].argmax() == number


def test_every_choice_is_as_loud_as_the_others(tokenizer: Tokenizer, wired: Any) -> None:
    row = Composer(tokenizer, SETTINGS).compose(QUESTIONS[1:2], EVIDENCE, stage=2)
    assert row is not None
    stream = _after(LAYERS - 1, wired, row)
    plan = plan_of(wired.config, tokenizer)
    ids = row.ids.tolist()
    ends = [ids.index(tokenizer.token_to_id(frame()[name])) for name in ("choice 2", "choice 3", "choice 4", "ask 4")]
    heard = [float(stream[end, plan.flag(CLOSING + number)] / stream[end].norm()) for number, end in enumerate(ends)]
    assert max(heard) / min(heard) < 1.2


def test_the_choices_are_told_where_the_words_of_the_question_stand(tokenizer: Tokenizer, wired: Any) -> None:
    question = replace(QUESTIONS[0], question=f"{FACTS['고름']} 것은?")
    row = Composer(tokenizer, SETTINGS).compose([question], EVIDENCE, stage=2)
    assert row is not None
    plan = plan_of(wired.config, tokenizer)
    stream = _after(4, wired, row)
    ids = row.ids.tolist()
    told = stream[ids.index(tokenizer.token_to_id(frame()["choice 1"])) + 1, plan.near]
    nearness = stream[plan.begins : row.shared, plan.place] @ told
    pieces = [tokenizer.decode([token]) for token in ids[plan.begins : row.shared]]
    second = len("".join(pieces[: int(nearness.argmax()) + 1])) > len(PASSAGE)
    assert second  # the second passage, which speaks of 고름
    assert 0.5 < told.norm() < 1.1


def test_wired_weights_know_where_a_token_stands(tokenizer: Tokenizer, wired: Any) -> None:
    repeated = [replace(EVIDENCE[0], text=" ".join([PASSAGE] * 4))]
    row = Composer(tokenizer, SETTINGS).compose(QUESTIONS[:1], repeated, stage=2)
    assert row is not None
    after = _after(1, wired, row)
    plan = plan_of(wired.config, tokenizer)
    places = after[plan.begins : row.shared, plan.place]
    alike = places @ places.T
    distance = (torch.arange(len(places))[:, None] - torch.arange(len(places))).abs()
    assert len(places) > 100
    assert alike[distance <= 5].mean() > 0.4
    assert alike[distance >= 60].max() < 0.2  # the same words stand there, too


def test_a_shape_too_small_to_be_wired_is_refused_in_one_line(tokenizer: Tokenizer) -> None:
    with pytest.raises(UserError, match=r"layers 4, .* too small to be wired") as refused:
        new_model(tokenizer, ReaderModelSettings(vocabulary=900, layers=4), seed=1)
    assert "\n" not in str(refused.value)


def test_wired_weights_answer_better_than_chance_before_any_training(tokenizer: Tokenizer, wired: Any) -> None:
    assert _accuracy(wired, tokenizer) >= 0.5  # of four choices


def test_wired_weights_write_a_label_and_nothing_else(tokenizer: Tokenizer, wired: Any) -> None:
    row = Composer(tokenizer, SETTINGS).compose(QUESTIONS, EVIDENCE, stage=2)
    assert row is not None
    asked_for = [target for target in row.targets if target.is_label]
    with torch.no_grad():
        places = torch.tensor([target.place for target in asked_for])
        chances = logits_at(wired, collate([row], padding=0), places, "cpu").softmax(dim=1)
    for target, each in zip(asked_for, chances, strict=True):
        assert each[list(target.rivals)].sum() > 0.5


def _after(layers: int, model: Any, row: Row) -> torch.Tensor:
    """The residual stream at every token of a row after some layers."""
    batch = collate([row], padding=0)
    with torch.no_grad():
        states = model.model(
            input_ids=batch.ids, position_ids=batch.positions, attention_mask=batch.sees, output_hidden_states=True
        ).hidden_states
    stream: torch.Tensor = states[layers][0]
    return stream


def _accuracy(model: Any, tokenizer: Tokenizer) -> float:
    """Of label answers to questions on plain facts that stand far apart, the choices in every rotation."""
    names = (*FACTS, "이이")
    composer = Composer(tokenizer, SETTINGS)
    right = []
    for name, fact in FACTS.items():
        for turn in range(4):
            choices = names[turn:] + names[:turn]
            question = replace(QUESTIONS[0], question=f"{fact} 것은?", choices=choices, answer=choices.index(name) + 1)
            row = composer.compose([question], EVIDENCE, stage=2)
            assert row is not None
            batch = collate([row], padding=0)
            with torch.no_grad():
                scores = logits_at(model, batch, batch.places[:1], "cpu")[0]
            right.append(scores[list(row.targets[0].rivals)].argmax().item() + 1 == question.answer)
    return sum(right) / len(right)
