"""Prompts: everything of the question is shown, passages fit the budget, the same input gives the same bytes."""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from pathlib import Path
from string import ascii_letters

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.errors import UserError
from configs.reader import Channel, FewShotSettings, PromptSettings
from corpora.records import Gold, Question
from rag.prompt import PromptTooLongError, render
from rag.reader import Evidence
from rag.shots import Shots
from rag.template import FOLDER, load_template
from rag.tokens import EstimatedWording, Message, Rendered, plain

GOLDEN = Path(__file__).resolve().parent / "golden"
WIDE = EstimatedWording(100_000)

PLAIN_ITEM = Question(
    "q1", "multiple_choice", "한국사", "대동법이 처음 실시된 곳은?", ("경기도", "충청도", "전라도", "강원도"), answer=1,
    gold=(Gold("daedong", "경기도"),),
)  # fmt: skip
FULL_ITEM = Question(
    "q2", "multiple_choice", "한국사", "(가)에 대한 설명으로 옳은 것을 <보기>에서 모두 고른 것은?",
    ("ㄱ, ㄴ", "ㄱ, ㄷ", "ㄴ, ㄷ", "ㄴ, ㄹ", "ㄷ, ㄹ"), answer=2, paragraph="방납의 폐단을 고치고자 (가)을/를 시행하였다.",
    box="ㄱ. 공물을 쌀로 냈다.\nㄴ. 호포를 거두었다.\nㄷ. 공인이 나타났다.\nㄹ. 결작을 매겼다.",
)  # fmt: skip
SHORT_ITEM = Question("q3", "short_answer", "한국사", "대동법 시행으로 등장한 상인은?", answers=("공인",))
ESSAY_ITEM = Question("q4", "essay", "한국사", "대동법의 의의를 서술하시오.", answers=("상품 화폐 경제를 자극하였다.",))
PASSAGES = (
    Evidence("daedong#0", "대동법", "", "대동법은 1608년 경기도에서 처음 실시되었다. 이원익이 건의하였다."),
    Evidence(
        "book#12",
        "국사 > 조선 후기 > 수취 제도",
        "104-105",
        "공납을 쌀, 베, 동전으로 거두었다.\n공인이 물품을 조달하였다.",
    ),
)

GOLDEN_PROMPTS = {
    "choice_closed": (PLAIN_ITEM, (), PromptSettings(), "labels"),
    "choice_full": (FULL_ITEM, PASSAGES, PromptSettings(), "labels"),
    "choice_after_best_last": (
        FULL_ITEM, PASSAGES, PromptSettings(passages_at="after_choices", passages_order="best_last"), "generate",
    ),
    "choice_english": (FULL_ITEM, PASSAGES, PromptSettings(template="english"), "labels"),
    "choice_reason": (FULL_ITEM, PASSAGES, PromptSettings(passages_at="before_question"), "reason"),
    "short_answer": (SHORT_ITEM, PASSAGES, PromptSettings(), "labels"),
    "essay": (ESSAY_ITEM, PASSAGES, PromptSettings(), "generate"),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(GOLDEN_PROMPTS))
def test_a_prompt_is_its_golden_file_byte_for_byte(name: str) -> None:
    question, evidence, settings, channel = GOLDEN_PROMPTS[name]
    prompt = render(question, evidence, settings=settings, channel=_channel(channel), wording=WIDE)
    assert prompt.text.encode() == (GOLDEN / f"{name}.txt").read_bytes()


def test_a_prompt_with_examples_is_its_golden_file() -> None:
    prompt = render(PLAIN_ITEM, (), settings=PromptSettings(), channel="labels", wording=WIDE, shots=[FULL_ITEM])
    assert prompt.text.encode() == (GOLDEN / "choice_shots.txt").read_bytes()
    assert [message.role for message in prompt.messages] == ["system", "user", "assistant", "user"]


@given(st.integers(2, 10), st.sampled_from(["labels", "generate", "reason"]), st.sampled_from(["base", "english"]))
def test_all_choices_and_only_their_labels_are_shown(count: int, channel: str, template: str) -> None:
    choices = tuple(f"고른답{chr(0xAC00 + number)}" for number in range(count))
    question = replace(PLAIN_ITEM, choices=choices)
    settings = PromptSettings.model_validate({"template": template})
    prompt = render(question, (), settings=settings, channel=_channel(channel), wording=WIDE)
    for number, choice in enumerate(choices, start=1):
        assert f"{number} - {choice}\n" in prompt.text
    assert f"{count + 1} - " not in prompt.text
    assert ", ".join(prompt.labels) in prompt.text
    assert prompt.labels == tuple(str(number) for number in range(1, count + 1))


@given(
    st.lists(st.text("가나다라마바사아자차카타. ", min_size=30, max_size=400), max_size=8, unique=True),
    st.integers(150, 1200),
    st.integers(0, 600),
)
def test_passages_fit_the_budget_and_the_question_is_never_cut(texts: list[str], window: int, budget: int) -> None:
    evidence = [Evidence(f"d#{number}", "제목", "", text) for number, text in enumerate(texts)]
    settings = PromptSettings(max_passages=8, max_passage_tokens=budget)
    prompt = render(PLAIN_ITEM, evidence, settings=settings, channel="labels", wording=EstimatedWording(window))
    assert prompt.tokens == WIDE.count(prompt.text) <= window
    assert PLAIN_ITEM.question in prompt.text
    # every passage offered is shown or accounted for, once
    shown, left_out = [p.passage_id for p in prompt.passages], [left.passage_id for left in prompt.left_out]
    assert sorted(shown + left_out) == sorted(passage.passage_id for passage in evidence)
    for passage in prompt.passages:
        whole = texts[int(passage.passage_id.partition("#")[2])]
        assert whole.startswith(passage.text)
        assert passage.is_cut == (passage.text != whole)
        assert passage.text in prompt.text


@given(st.text("가각AZaz 1\n[\ud800🙂", max_size=40))
def test_the_estimate_takes_three_latin_letters_for_one_token(text: str) -> None:
    narrow = sum(char in f"{ascii_letters} " for char in text)
    assert WIDE.count(text) == len(text) - narrow + ceil(narrow / 3)


def test_a_passage_is_shortened_at_a_sentences_end() -> None:
    text = "첫째 문장은 이만큼 길게 쓴다. 둘째 문장은 그보다 조금 더 길게 쓴다. 셋째 문장은 들어갈 자리가 없다."
    settings = PromptSettings(max_passage_tokens=55, min_passage_tokens=10)
    prompt = render(PLAIN_ITEM, [Evidence("d#0", "제목", "", text)], settings=settings, channel="labels", wording=WIDE)
    assert prompt.passages == (
        Evidence("d#0", "제목", "", "첫째 문장은 이만큼 길게 쓴다. 둘째 문장은 그보다 조금 더 길게 쓴다.", is_cut=True),
    )


def test_near_duplicates_are_dropped_in_favour_of_the_better_passage() -> None:
    text = "대동법은 1608년 경기도에서 처음 실시되었다. 이원익이 건의하였다. 방납의 폐단을 없애려는 것이었다."
    evidence = [
        Evidence("a#0", "가", "", text),
        Evidence("b#0", "나", "", f"{text} 끝."),
        Evidence("c#0", "다", "", "균역법은 다르다."),
    ]
    prompt = render(PLAIN_ITEM, evidence, settings=PromptSettings(), channel="labels", wording=WIDE)
    assert [passage.passage_id for passage in prompt.passages] == ["a#0", "c#0"]
    assert [(left.passage_id, left.reason) for left in prompt.left_out] == [("b#0", "near duplicate")]


def test_a_question_that_does_not_fit_is_refused_and_not_cut() -> None:
    with pytest.raises(PromptTooLongError, match=r"q2: \d+ tokens .* takes \d+"):
        render(FULL_ITEM, PASSAGES, settings=PromptSettings(), channel="labels", wording=EstimatedWording(100))


def test_the_reader_never_sees_the_answer() -> None:
    for item in (PLAIN_ITEM, SHORT_ITEM):
        seen = render(item, (), settings=PromptSettings(), channel="labels", wording=WIDE).question
        assert (seen.answer, seen.answers, seen.gold) == (None, (), ())


def test_the_digest_tells_prompts_apart_and_only_prompts() -> None:
    def digest(question: Question, channel: Channel = "labels", **changes: object) -> str:
        settings = PromptSettings.model_validate(changes)
        return render(question, PASSAGES, settings=settings, channel=channel, wording=WIDE).digest

    same = {
        digest(FULL_ITEM),
        digest(replace(FULL_ITEM, question_id="other", answer=5)),
        digest(FULL_ITEM, max_passages=9),
    }
    different = {
        digest(FULL_ITEM, template="english"),
        digest(FULL_ITEM, "generate"),
        digest(FULL_ITEM, max_passages=1),
    }
    assert len(same) == 1
    assert len(different - same) == 3


def test_blanks_in_the_text_of_a_question_are_left_alone() -> None:
    item = replace(PLAIN_ITEM, question="{paragraph}와 {choices}를 쓰는 까닭은?", paragraph="{question}")
    prompt = render(item, (), settings=PromptSettings(), channel="labels", wording=WIDE)
    assert "지문:\n{question}" in prompt.text
    assert "질문:\n{paragraph}와 {choices}를 쓰는 까닭은?" in prompt.text


class _Swallowing(EstimatedWording):
    """A chat template that shows only the first 40 characters of a turn."""

    def render(self, messages: object) -> Rendered:
        """The beginnings of the turns."""
        assert isinstance(messages, tuple)
        return plain([Message(message.role, message.content[:40]) for message in messages])


def test_a_template_that_hides_a_choice_is_refused() -> None:
    with pytest.raises(UserError, match=r"q1: .* does not show its choice 2"):
        render(PLAIN_ITEM, (), settings=PromptSettings(), channel="labels", wording=_Swallowing(1000))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{choices}", "", "block 'choices'"),
        ("{question}", "{questoin}", "'questoin'"),
        ("## essay", "## esay", "'esay' is unknown"),
        ("version: 1", "", "version"),
        ("## box\n<보기>:\n{box}\n", "", "no block 'box'"),
    ],
)
def test_a_faulty_template_is_refused_with_the_block_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "mine.md"
    path.write_text((FOLDER / "base.md").read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(UserError, match=said):
        load_template(path)


POOL = [
    replace(PLAIN_ITEM, question_id=f"p{number}", split="train", question=text)
    for number, text in enumerate(
        ["균역법이 줄인 것은?", "광합성에 필요한 기체는?", "대동법이 처음 실시된 도는?", "영정법이 정한 세액은?"]
    )
]


def test_similar_examples_come_last_where_most_similar() -> None:
    shots = Shots(POOL, FewShotSettings(count=2, choose="similar"))
    assert [shot.question_id for shot in shots.choose(PLAIN_ITEM)][-1] == "p2"


@pytest.mark.parametrize("choose", ["fixed", "random", "similar"])
def test_examples_are_the_same_each_time_and_never_the_question_itself(choose: str) -> None:
    settings = FewShotSettings.model_validate({"count": 3, "choose": choose})
    asked = replace(POOL[0], question_id="again", split="dev")  # the same text under another id
    chosen = [Shots(POOL, settings).choose(asked) for _ in range(2)]
    assert chosen[0] == chosen[1]
    assert "p0" not in [shot.question_id for shot in chosen[0]]


def test_examples_from_the_split_under_test_are_refused() -> None:
    shots = Shots(POOL, FewShotSettings(count=1))
    with pytest.raises(UserError, match="split 'train'"):
        shots.choose(replace(PLAIN_ITEM, split="train"))
    with pytest.raises(UserError, match="no questions of split 'dev'"):
        Shots(POOL, FewShotSettings(count=1, split="dev"))


def _channel(name: str) -> Channel:
    match name:
        case "labels" | "generate" | "reason":
            return name
    raise ValueError(name)
