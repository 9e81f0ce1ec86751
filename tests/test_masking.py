"""Exactly the answer and the end of the turn carry loss, in every conversation format that there is a preset for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.reader import PromptSettings
from corpora.records import Question
from finetune.examples import Example
from finetune.masking import IGNORED, MaskError, Turn, check_batch, masked, turn_of
from rag.continuations import plan
from rag.prompt import render
from rag.tokens import Message
from tests.chat_models import FAMILIES, Family, tokenizer_of, wording_of

ITEM = Question(
    "q", "multiple_choice", "한국사", "대동법이 처음 실시된 곳은?", ("경기도", "충청도", "전라도"), answer=3
)
ANSWERS = ["3", "충청도", '{"풀이": "지문 #1에 있다.", "근거": ["d#1"], "정답": "3"}', "1608년\n경기도"]
TURNS: dict[str, Turn] = {}


def _turn(name: str) -> Turn:
    """The turn of a family; its tokenizer is trained once."""
    if name not in TURNS:
        family = FAMILIES[name]
        tokenizer = tokenizer_of(family)
        stop = tokenizer.convert_tokens_to_ids(family.end)
        wording = wording_of(tokenizer)
        TURNS[name] = turn_of(tokenizer, wording, is_chat=bool(family.template), stops=[stop])
    return TURNS[name]


def _messages(turn: Turn) -> tuple[Message, ...]:
    wording: Any = turn.wording
    return render(ITEM, (), settings=PromptSettings(), channel="labels", wording=wording).messages


def _example(turn: Turn, answer: str, name: str = "e") -> Example:
    return Example(
        id=name, messages=_messages(turn), answer=answer, reasoning="", channel="labels", question_id="q",
        choices=ITEM.choices, split="train", mode="closed", passages=(), gold_shown=False, template="base@1",
        source="t", subject="s",
    )  # fmt: skip


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("answer", ANSWERS, ids=["label", "text", "reasoning", "two lines"])
def test_labels_are_the_answer_and_the_end_of_the_turn(name: str, answer: str) -> None:
    turn = _turn(name)
    tokens = turn.tokens("e", _messages(turn), [answer])[0]
    rendered = turn.wording.render(_messages(turn))
    carrying = [label for label in tokens.labels if label != IGNORED]
    assert turn.tokenizer.decode(carrying) == rendered.lead + answer + FAMILIES[name].end
    assert list(tokens.ids[: tokens.start]) == turn.wording.encode(rendered.text)
    assert tokens.labels == [IGNORED] * tokens.start + carrying


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_trained_is_what_evaluation_scores(name: str) -> None:
    turn = _turn(name)
    rendered = turn.wording.render(_messages(turn))
    labels = [rendered.lead + label for label in "123"]
    for label, scored in zip("123", plan(rendered.text, labels, turn.wording.encode).scored, strict=True):
        tokens = turn.tokens("e", _messages(turn), [label])[0]
        assert (tokens.start - 1, tokens.ids[tokens.start : -1]) == (scored.first, scored.targets)


@settings(max_examples=30, deadline=None)
@given(st.text('가힣각 12\n{"정답:.', min_size=1, max_size=20).filter(str.strip), st.sampled_from(sorted(FAMILIES)))
def test_any_answer_reads_back(answer: str, name: str) -> None:
    turn = _turn(name)
    tokens = turn.tokens("e", _messages(turn), [answer])[0]
    assert turn.tokenizer.decode(tokens.ids[tokens.start : -1]).strip() == answer.strip()
    assert tokens.ids[-1] == turn.end


def test_two_answers_begin_at_the_same_place() -> None:
    turn = _turn("qwen2.5")
    first, second = turn.tokens("e", _messages(turn), ["경기도", "경상도"])
    assert first.start == second.start
    assert first.ids[: first.start] == second.ids[: second.start]


def test_what_does_not_fit_is_dropped_and_counted_never_cut() -> None:
    turn = _turn("kanana")
    examples = [_example(turn, "3", "a"), _example(turn, "가" * 50, "b"), _example(turn, " ", "c")]
    length = len(turn.tokens("a", _messages(turn), ["3"])[0].ids)
    found = masked(examples, turn, max_length=length)
    assert [tokens.example_id for tokens in found.kept] == ["a"]
    assert found.dropped == {"b": "longer than max_length", "c": "no answer"}
    with pytest.raises(MaskError, match="none of the 3 examples"):
        masked(examples, turn, max_length=length - 1)


def test_an_end_at_which_the_model_does_not_stop_is_refused() -> None:
    tokenizer = tokenizer_of(FAMILIES["kanana"])
    with pytest.raises(MaskError, match="it would never stop"):
        turn_of(tokenizer, wording_of(tokenizer), is_chat=True, stops=[tokenizer.eos_token_id])
    plain = tokenizer_of(FAMILIES["kanana base"])
    plain.eos_token = None
    with pytest.raises(MaskError, match="no end-of-sequence"):
        turn_of(plain, wording_of(plain), is_chat=False, stops=[0])


def test_a_tokenizer_that_joins_prompt_and_answer_is_refused() -> None:
    family = Family("", ("<|end_of_text|>",), "<|end_of_text|>")
    tokenizer = tokenizer_of(family, ["고르세요.\n정답: 3"] * 20, words=False)
    turn = turn_of(tokenizer, wording_of(tokenizer), is_chat=False, stops=[tokenizer.eos_token_id])
    with pytest.raises(MaskError, match=r"example e: loss would fall on '.*3', the answer is ' 3'"):
        turn.tokens("e", _messages(turn), ["3"])


def test_a_changed_batch_is_noticed() -> None:
    turn = _turn("qwen3")
    rows = [turn.tokens(name, _messages(turn), [answer])[0] for name, answer in (("a", "3"), ("b", "충청도"))]
    width = max(len(row.ids) for row in rows)
    good = [row.labels + [IGNORED] * (width - len(row.ids)) for row in rows]
    check_batch(good, rows)
    for wrong in ([good[0], [IGNORED] * width], [list(rows[0].ids) + good[0][len(rows[0].ids) :], good[1]]):
        with pytest.raises(MaskError, match="which tokens carry loss"):
            check_batch(wrong, rows)
    moved = replace(rows[0], start=rows[0].start - 1)
    with pytest.raises(MaskError, match="example a"):
        check_batch(good[:1], [moved])
