"""What an example answers: the order of its choices, its reasoning, and the gold passages that it needs."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.errors import UserError
from finetune.gold import holding, is_answered, placed
from finetune.reasoning import item_of, write_reasoning
from finetune.shuffle import Row, balanced, is_shufflable, reordered
from rag.parse import parse_number
from rag.reader import Evidence
from tests.training_world import ITEMS, Only, question, questions


def passage(name: str, text: str) -> Evidence:
    return Evidence(name, "제목", "", text)


@given(st.permutations(range(5)), st.integers(1, 5))
def test_the_answer_follows_its_text_into_any_order(order: list[int], answer: int) -> None:
    asked = question("q", "가", "나", "다", "라", "마", answer=answer)
    moved = reordered(asked, order)
    assert moved.answer is not None
    assert moved.choices[moved.answer - 1] == asked.choices[answer - 1]
    assert sorted(moved.choices) == sorted(asked.choices)


def test_shuffling_makes_every_place_right_equally_often_whatever_it_was_before() -> None:
    rows = [Row(f"r{n}", question(f"q{n}", "가", "나", "다", "라")) for n in range(40)]
    found = Counter(row.question.answer for row in balanced(rows, seed=1))
    assert found == {1: 10, 2: 10, 3: 10, 4: 10}
    fixed = [replace(row, is_fixed=True) for row in rows[:10]]
    found = Counter(row.question.answer for row in balanced([*fixed, *rows[10:]], seed=1))
    assert found == {1: 10, 2: 10, 3: 10, 4: 10}  # the ten that stay are all at place 1


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        (("ㄱ, ㄴ", "ㄱ, ㄷ", "ㄴ, ㄷ"), True),  # statements of a box keep their names
        (("㉠", "㉡", "㉢"), True),
        (("3·1 운동", "1번 국도", "6월 항쟁"), True),
        (("이사부", "①과 ②", "장보고"), False),
        (("가", "나", "위의 모두"), False),
        (("가", "나", "정답 없음"), False),
        (("1번과 2번", "나", "다"), False),
    ],
)
def test_choices_that_speak_of_places_stay_where_they_are(choices: tuple[str, ...], expected: bool) -> None:
    assert is_shufflable(question("q", *choices)) is expected


def test_a_shuffled_example_keeps_the_box_and_answers_with_the_new_label(make: Only) -> None:
    found = {e.question_id: e for e in make("--mode", "closed", "--set", "finetune.examples.seed=3")}
    box = found["baekje-box"]
    assert "ㄱ. 웅진에서 도읍을 옮겼다.\nㄴ. 문무왕이 옮겼다." in box.messages[-1].content
    assert box.choices[int(box.answer) - 1] == "ㄱ, ㄷ"
    assert found["places"].choices == tuple(ITEMS[3]["choices"])  # type: ignore[arg-type]
    assert found["silla-where"].choices[0] == "기벌포"  # dev items are asked as they are


# --- reasoning


def test_reasoning_is_its_own_field_and_the_answer_is_what_the_parser_reads(make: Only, tmp_path: Path) -> None:
    known = questions(tmp_path)
    line = item_of(known["goryeo-year"]).model_copy(update={"reasoning": "왕건은 918년에 임금이 되었다."})
    waiting = item_of(known["places"])
    write_reasoning(tmp_path / "reasoning.jsonl", [line, waiting])
    (found,) = make("--mode", "retrieved", "--reasoning", str(tmp_path / "reasoning.jsonl"))
    assert found.channel == "reason"
    assert found.template == "cot_json@1"
    assert found.reasoning == "왕건은 918년에 임금이 되었다."
    assert found.reasoning not in "".join(message.content for message in found.messages)
    number = parse_number(found.answer, found.choices)
    assert number is not None
    assert found.choices[number - 1] == "918년"
    assert json.loads(found.answer)["근거"] == ["goryeo#0"]


def test_reasoning_that_names_numbers_keeps_the_order_of_the_choices(make: Only, tmp_path: Path) -> None:
    known = questions(tmp_path)
    lines = [
        item_of(known[name]).model_copy(update={"reasoning": "차례로 보면 2번이 옳다."})
        for name in ("goryeo-year", "baekje-box")
    ]
    write_reasoning(tmp_path / "reasoning.jsonl", lines)
    for found in make("--mode", "closed", "--reasoning", str(tmp_path / "reasoning.jsonl")):
        assert found.choices == known[found.question_id].choices


def test_reasoning_for_a_changed_item_or_another_answer_is_refused(make: Only, tmp_path: Path) -> None:
    line = item_of(questions(tmp_path)["goryeo-year"]).model_copy(update={"reasoning": "까닭"})
    for wrong, message in [({"digest": "0"}, "was changed since"), ({"answer": "3"}, "its answer is '2', found '3'")]:
        write_reasoning(tmp_path / "r.jsonl", [line.model_copy(update=wrong)])
        with pytest.raises(UserError, match=message):
            make("--mode", "closed", "--reasoning", str(tmp_path / "r.jsonl"))


# --- gold


def test_every_quote_must_stand_in_the_gold_passages_and_neighbours_count_as_one() -> None:
    from corpora.records import Gold

    asked = question(gold=(Gold("d", "앞 문장과 뒤 문장"), Gold("e", "다른 글")))
    halves = [passage("d#1", "… 앞 문장과"), passage("d#2", "뒤 문장 …"), passage("e#0", "다른 글이다")]
    assert is_answered(asked, halves)
    assert not is_answered(asked, halves[:2])
    assert not is_answered(asked, [halves[0], passage("d#5", halves[1].text), halves[2]])
    assert holding(asked, halves) == halves


def test_without_quotes_an_accepted_answer_must_stand_there() -> None:
    asked = question("q", "왕건", "이성계", answer=2)
    judged = [passage("a#0", "왕건이 나라를 세웠다"), passage("b#0", "이 성계가 나라를 세웠다")]
    assert holding(asked, judged) == [judged[1]]
    assert not is_answered(asked, judged[:1])


@given(st.integers(0, 3), st.integers(0, 6), st.text(max_size=5))
def test_placing_loses_nothing_and_is_repeatable(gold: int, wrong: int, seed: str) -> None:
    golds, wrongs = [passage(f"g#{n}", "") for n in range(gold)], [passage(f"w#{n}", "") for n in range(wrong)]
    mixed = placed(golds, wrongs, seed=seed)
    assert sorted(p.passage_id for p in mixed) == sorted(p.passage_id for p in (*golds, *wrongs))
    assert mixed == placed(golds, wrongs, seed=seed)
