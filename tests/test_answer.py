"""Answers: what a reader wrote becomes a choice or a text, or counts as unparsed; scores become a choice."""

from __future__ import annotations

from math import exp, isclose, log, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.errors import UserError
from configs.reader import Channel, PromptSettings, ScriptedSettings
from corpora.records import Question
from rag.answer import answer, best_number, offered, probabilities
from rag.parse import parse_number, parse_text
from rag.prompt import render
from rag.reader import Prompt
from rag.reader_scripted import ScriptedReader
from rag.reader_solver import SolverReader

CHOICES = ("광합성", "세포 호흡", "증산 작용", "발효", "세포 분열")
FORMS = (
    "{n}", " {n}", "{n}번", "({n})", "{c}", "{n}.", "{n})", "**{n}**", "정답: {n}", "정답은 {n}번입니다.", "답은 ({n})이다.",
    "정답: {c}", "최종 정답: {n}", "Answer: {n}", "The answer is {n}.", '{{"정답": "{n}"}}', '{{"풀이": "그러므로", "정답": {n}}}',
    '```json\n{{"정답": "{n}번"}}\n```', "{n} - {t}", "{n}. {t}", "{c} {t}", "{t}", "정답: {t}", "정답은 {t}이다.",
    "{n}번이 맞다.", "옳은 것은 {c}이다.", "{n}입니다", "{n}번\n\n1번은 틀렸고 2번도 틀렸다.",
    "<think>1번일까 2번일까? 정답: 1</think>\n{n}", "1번일까\n</think>\n\n정답: {n}", "1번은 아니다. 2번도 아니다. 정답: {n}",
    "처음에는 정답: 1 이라 했으나, 최종 정답: {n}",
)  # fmt: skip


@given(st.integers(1, 5), st.sampled_from(FORMS))
def test_what_names_a_choice_is_parsed_as_that_choice(number: int, form: str) -> None:
    raw = form.format(n=number, c="①②③④⑤"[number - 1], t=CHOICES[number - 1])
    assert parse_number(raw, CHOICES) == number


@given(
    st.lists(
        st.text("가나다라마바사 ", min_size=2, max_size=12), min_size=2, max_size=10, unique_by=lambda t: t.strip()
    ),
    st.data(),
)
def test_every_label_of_any_number_of_choices_is_parsed(choices: list[str], data: st.DataObject) -> None:
    number = data.draw(st.integers(1, len(choices)))
    form = data.draw(st.sampled_from(["{n}", "{n}번", "({n})", "정답: {n}", '{{"정답": "{n}"}}', "{n} - {t}"]))
    assert parse_number(form.format(n=number, t=choices[number - 1]), choices) == number


@pytest.mark.parametrize(
    "raw",
    [
        "", "   ", "모르겠습니다.", "정답: 7", "0", "6번", "정답: 1, 정답: 2", "정답은 2번 또는 3번이다.", "1, 2", "2번과 3번",
        "3번은 틀렸고 4번이 맞다.", "정답: 2\n정답: 3", '{"정답": 9}', '{"정답": ["1", "2"]}', "1592년에 일어났다.", "3년 뒤의 일이다.",
        "광합성이 아니라 발효이다.", "1 - 발효", "<think>정답: 2", '{"정답": true}', "①과 ③", '{"정답": "1"} {"정답": "2"}', "{" * 5000,
    ],
)  # fmt: skip
def test_what_names_none_or_several_is_unparsed(raw: str) -> None:
    assert parse_number(raw, CHOICES) is None


@given(st.text(max_size=200))
def test_no_text_breaks_the_parser(raw: str) -> None:
    number = parse_number(raw, CHOICES)
    assert number is None or 1 <= number <= len(CHOICES)
    assert parse_text(raw, is_essay=False) != ""


def test_a_choice_that_begins_like_a_label_is_told_by_its_text() -> None:
    choices = ("3. 1 운동", "2월", "1592년", "ㄱ, ㄴ", "ㄱ, ㄴ, ㄷ")
    assert [parse_number(choice, choices) for choice in choices] == [1, 2, 3, 4, 5]
    assert parse_number("3", choices) == 3


def test_a_number_is_a_label_before_it_is_a_choices_text() -> None:
    assert parse_number("4", ("1", "2", "4", "8")) == 4
    assert parse_number("8", ("1", "2", "4", "8")) == 4


def test_of_texts_within_each_other_the_longest_counts() -> None:
    assert parse_number("나는 조선 후기라고 생각한다", ("조선", "조선 후기", "고려")) == 2


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (" 정약용\n\n해설: 실학자이다.", "정약용"),
        ("정답: '정약용'.", "정약용"),
        ("생각해 보자.\n정답은 정약용", "정약용"),
        ('{"풀이": "…", "정답": "정약용"}', "정약용"),
        ("<think>누구지</think>정약용", "정약용"),
        ("<think>누구지", None),
        (" \n ", None),
    ],
)
def test_a_short_answer_is_freed_of_what_surrounds_it(raw: str, text: str | None) -> None:
    assert parse_text(raw, is_essay=False) == text


def test_an_essay_is_kept_whole() -> None:
    assert parse_text("첫째 문장.\n둘째 문장.\n", is_essay=True) == "첫째 문장.\n둘째 문장."


@given(st.lists(st.floats(-50, 0), min_size=2, max_size=10))
def test_probabilities_are_those_of_the_choices(logprobs: list[float]) -> None:
    shares = probabilities(logprobs)
    assert isclose(sum(shares), 1)
    total = sum(exp(value) for value in logprobs)
    if total > 0:
        assert all(isclose(a, exp(b) / total, abs_tol=1e-9) for a, b in zip(shares, logprobs, strict=True))


@given(st.permutations(CHOICES), st.integers(0, 50))
def test_a_tie_is_decided_for_a_text_wherever_it_stands(order: list[str], item: int) -> None:
    def chosen(choices: tuple[str, ...]) -> str:
        number = best_number(_question(choices, f"q{item}"), [0.0] * len(choices))
        assert number is not None
        return choices[number - 1]

    assert chosen(tuple(order)) == chosen(CHOICES)


def test_ties_are_spread_over_all_positions() -> None:
    numbers = [best_number(_question(CHOICES, f"q{item}"), [1.0] * 5) for item in range(500)]
    assert all(70 < numbers.count(number) < 130 for number in range(1, 6))


def test_scores_that_are_no_numbers_give_no_answer() -> None:
    assert best_number(_question(CHOICES), [nan] * 5) is None
    assert best_number(_question(CHOICES), [float("-inf")] * 5) is None


def test_every_channel_gives_the_scripted_answer_in_order() -> None:
    reader = ScriptedReader(ScriptedSettings(kind="scripted", answers={"a": "정답: 2", "b": "모름"}, otherwise="③"))
    channels: tuple[Channel, ...] = ("labels", "generate", "texts", "reason", "texts_per_character")
    prompts = [_prompt(_question(CHOICES, item), channel) for channel in channels for item in ("a", "b", "c")]
    answers = answer(prompts, reader)
    assert [found.number for found in answers] == [2, None, 3] * 5
    assert [found.channel for found in answers] == [channel for channel in channels for _ in range(3)]
    assert [found.is_parsed for found in answers[:3]] == [True, False, True]
    assert answers[0].logprobs == pytest.approx((log(0.025), log(0.9), log(0.025), log(0.025), log(0.025)))


def test_a_channel_that_a_reader_lacks_is_named_or_replaced() -> None:
    prompt = _prompt(_question(CHOICES), "reason")
    with pytest.raises(UserError, match=r"solver.*reason.*labels"):
        answer([prompt], SolverReader())
    assert offered("labels", SolverReader()) == "labels"


def test_no_prompts_give_no_answers() -> None:
    assert answer([], ScriptedReader(ScriptedSettings(kind="scripted"))) == []


def _question(choices: tuple[str, ...], question_id: str = "q") -> Question:
    return Question(question_id, "multiple_choice", "과학", "식물이 빛으로 양분을 만드는 일은?", choices, answer=1)


def _prompt(question: Question, channel: Channel) -> Prompt:
    wording = ScriptedReader(ScriptedSettings(kind="scripted")).wording
    return render(question, (), settings=PromptSettings(), channel=channel, wording=wording)
