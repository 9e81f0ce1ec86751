"""The embedded reader's making: questions from text, its tokenizer, rows that share passages, training, its folder."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from kiwipiepy import Kiwi
from tokenizers import Tokenizer

from configs.errors import UserError
from configs.reader import PromptSettings, TransformersSettings
from corpora.records import Question
from finetune.reader_batches import collate, logits_at
from finetune.reader_blocks import Block, read_blocks, write_blocks
from finetune.reader_corpus import _sample, overlapping, runs, sample_questions
from finetune.reader_model import new_model
from finetune.reader_questions import Maker, Text
from finetune.reader_rows import ChatWording, Composer, shuffled
from finetune.reader_save import save
from finetune.reader_sentences import asked, cloze, restated, sentences
from finetune.reader_tokenizer import as_pretrained, frame
from rag.answer import answer
from rag.prompt import render
from rag.reader import Evidence
from rag.reader_transformers import load_reader
from tests.reader_lesson import BLOCK, EVIDENCE, PASSAGE, QUESTIONS, SETTINGS, small_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """A small one, of the words of these tests."""
    return small_tokenizer()


@pytest.fixture(scope="module")
def kiwi() -> Kiwi:
    """Loaded once."""
    return Kiwi(num_workers=1)


@pytest.fixture(scope="module")
def model(tokenizer: Tokenizer) -> Any:
    """Wired, not trained."""
    return new_model(tokenizer, SETTINGS.model, seed=1).eval()


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_comes_back_from_its_tokens(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text


def test_digits_stand_alone_and_every_part_of_the_frame_is_one_token(tokenizer: Tokenizer) -> None:
    tokens = [tokenizer.decode([token]).strip() for token in tokenizer.encode("1608년 12월 3, 410").ids]
    assert [token for token in tokens if any(char.isdigit() for char in token)] == list("1608123410")
    for text in frame().values():
        assert len(tokenizer.encode(text).ids) == 1, text
    assert tokenizer.get_vocab_size() <= SETTINGS.model.vocabulary


def test_the_training_format_is_the_chat_templates(tokenizer: Tokenizer) -> None:
    wrapped = as_pretrained(tokenizer, SETTINGS.model)
    prompt = _prompt(QUESTIONS[0], EVIDENCE, tokenizer)
    turns = [{"role": message.role, "content": message.content} for message in prompt.messages]
    assert wrapped.apply_chat_template(turns, tokenize=False, add_generation_prompt=True) == prompt.text
    answered = wrapped.apply_chat_template(
        [*turns, {"role": "assistant", "content": "2"}],
        return_dict=True,
        return_assistant_tokens_mask=True,
    )
    kept = [token for token, is_kept in zip(answered["input_ids"], answered["assistant_masks"], strict=True) if is_kept]
    assert tokenizer.decode(kept, skip_special_tokens=False) == "2<|im_end|>"


def test_a_row_holds_the_ids_of_each_prompt_as_a_whole(tokenizer: Tokenizer) -> None:
    row = Composer(tokenizer, SETTINGS).compose(QUESTIONS, EVIDENCE, stage=2)
    assert row is not None
    for owner, question in enumerate(QUESTIONS, start=1):
        whole = tokenizer.encode(_prompt(question, EVIDENCE, tokenizer).text + _expected(question)).ids
        mine = (row.owners == 0) | (row.owners == owner)
        assert row.ids[mine].tolist() == whole
        assert row.positions[mine].tolist() == list(range(len(whole)))


def test_questions_that_share_passages_score_as_prompts_of_their_own(tokenizer: Tokenizer, model: Any) -> None:
    composer = Composer(tokenizer, SETTINGS)
    row = composer.compose(QUESTIONS, EVIDENCE, stage=2)
    assert row is not None
    alone = [composer.compose([question], EVIDENCE, stage=2) for question in QUESTIONS]
    batch = collate([row, *(each for each in alone if each is not None)], padding=0)
    with torch.no_grad():
        logits = torch.log_softmax(logits_at(model, batch, batch.places, "cpu").double(), dim=1)
    together, apart = logits[: len(row.targets)], logits[len(row.targets) :]
    assert torch.allclose(together, apart, atol=1e-3)
    assert not torch.allclose(together[:1], together[-1:], atol=1e-2)  # the comparison is not of constants


def test_choices_are_shuffled_with_their_answer_and_statements_keep_their_places() -> None:
    rng = random.Random(0)
    orders = {shuffled(QUESTIONS[0], rng).choices for _ in range(40)}
    assert len(orders) == 6
    assert all(
        each.choices[(each.answer or 0) - 1] == "경기도" for each in (shuffled(QUESTIONS[0], rng) for _ in range(9))
    )
    assert shuffled(QUESTIONS[1], rng) == QUESTIONS[1]


def test_sentences_become_blanks_questions_and_statements(kiwi: Kiwi) -> None:
    first = sentences(kiwi, PASSAGE)[0]
    year, place = (term for term in first.terms if term.text in ("1608년", "경기도"))
    assert (year.kind, place.kind) == ("수:년", "이름:도")
    assert cloze(first, place, "( )") == "대동법은 1608년 ( )에서 처음 실시되었다."
    rng = random.Random(3)
    questions = {asked(kiwi, first, year, rng) for _ in range(20)}
    assert all(question is not None and "실시된 해" in question and "1608" not in question for question in questions)
    retold = {restated(kiwi, first, rng, swap=(place, "황해도")) for _ in range(20)}
    assert all(each is not None and "황해도" in each and "경기도" not in each for each in retold)


def test_wrong_choices_do_not_stand_in_the_sentence_that_answers(kiwi: Kiwi) -> None:
    text = Text("daedongbeop", "대동법", tuple(sentences(kiwi, PASSAGE * 2)))
    pool = {"이름:도": ["전라도", "평안도"], "말": ["고름", "바지"], "이름:익": ["김익"], "이름:청": ["비변청"]}
    made = Maker(kiwi, pool, ["한복", "김치", "온돌", "씨름", "대동법"], random.Random(1)).make(text, 40)
    assert {"multiple_choice", "short_answer"} == {question.kind for question in made}
    checked = 0
    for question in made:
        assert all(gold.quote in PASSAGE for gold in question.gold)
        if question.choices and "(        )" in question.question:
            right = question.choices[(question.answer or 0) - 1]
            wrong = [choice for choice in question.choices if choice != right]
            assert right in question.gold[0].quote
            assert all(choice not in question.gold[0].quote for choice in wrong)
            checked += 1
    assert checked >= 3


def test_neither_test_nor_dev_articles_are_learnt_from() -> None:
    used = {record["id"] for record in _sample()}
    taboo = {gold.doc_id for split in ("dev", "test") for question in sample_questions(split) for gold in question.gold}
    assert len(used) >= 30
    assert not used & taboo


def test_text_that_a_test_item_was_written_from_is_recognised_whatever_its_spaces() -> None:
    taboo = runs(["콩코드는 1976년 상업 운항을 시작해 2003년 퇴역했고"])
    assert overlapping("앞말. 콩코드는1976년 상업운항을 시작해 2003년 퇴역했고, 뒷말", taboo)
    assert not overlapping("콩코드는 1976년 상업 운항을 멈추었다가 다시 시작했다", taboo)


def test_blocks_come_back_from_disk_as_they_were(tmp_path: Path) -> None:
    blocks = [BLOCK, Block(None, (), QUESTIONS[3:])]
    write_blocks(tmp_path / "blocks.jsonl", iter(blocks))
    assert read_blocks(tmp_path / "blocks.jsonl") == blocks


def test_passages_shrink_to_the_window_and_a_question_that_alone_is_too_long_is_refused(tokenizer: Tokenizer) -> None:
    wording = ChatWording(tokenizer, 300)
    asked: dict[str, Any] = {"settings": PromptSettings(), "channel": "labels", "wording": wording}
    long = replace(EVIDENCE[0], text=(PASSAGE + " ") * 20)
    prompt = render(QUESTIONS[0], [long], **asked)
    assert prompt.tokens <= 300
    assert prompt.passages[0].is_cut
    with pytest.raises(UserError, match="questions are never cut"):
        render(replace(QUESTIONS[0], question=(PASSAGE + " ") * 20), [], **asked)


def test_a_saved_reader_answers_and_a_damaged_one_is_refused(tokenizer: Tokenizer, model: Any, tmp_path: Path) -> None:
    folder = tmp_path / "reader"
    save(folder, model, tokenizer, SETTINGS)
    settings = TransformersSettings(kind="transformers", model=str(folder), precision="fp32", device="cpu")
    reader = load_reader(settings)
    prompt = render(QUESTIONS[0], EVIDENCE, settings=PromptSettings(), channel="labels", wording=reader.wording)
    assert answer([prompt], reader)[0].number in (1, 2, 3)
    torn = json.loads((folder / "manifest.json").read_text())
    assert "model.safetensors" in torn["files"]
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    with pytest.raises(UserError, match=r"model\.safetensors: damaged"):
        load_reader(settings)
    weights.unlink()
    with pytest.raises(UserError, match=r"no model\.safetensors"):
        load_reader(settings)


def _prompt(question: Question, evidence: list[Evidence], tokenizer: Tokenizer) -> Any:
    wording = ChatWording(tokenizer, 1024)
    return render(question, evidence, settings=PromptSettings(), channel="labels", wording=wording)


def _expected(question: Question) -> str:
    return str(question.answer) if question.choices else question.answers[0]
