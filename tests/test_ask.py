"""The command `ask`: choices with and without passages, citations, one JSON object, errors of one line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from configs.errors import UserError
from rag.ask import main_ask
from rag.index import Index

QUESTION = "대동법이 처음 실시된 곳은?"
CHOICES = ["--choice", "경기도", "--choice", "충청도", "--choice", "[전라도]"]


def _scripted(text: str) -> list[str]:
    return ["--set", f"rag.reader={{kind: scripted, otherwise: {json.dumps(text, ensure_ascii=False)}}}"]


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main_ask([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_choices_are_answered_with_and_without_passages(
    sample_index: Index, capsys: pytest.CaptureFixture[str]
) -> None:
    found = _json(capsys, QUESTION, *CHOICES, "--index", str(sample_index.path))
    assert found["reader"] == "solver"
    assert found["choices"][2] == "[전라도]"
    assert sum(found["with_passages"]["probabilities"]) == pytest.approx(1)
    assert found["without_passages"]["probabilities"] == pytest.approx([1 / 3] * 3)
    assert found["with_passages"]["answer"] in (1, 2, 3)
    assert len(found["with_passages"]["passages"]) == 5
    assert found["without_passages"]["passages"] == []


def test_written_answers_cite_what_they_name(sample_index: Index, capsys: pytest.CaptureFixture[str]) -> None:
    index = ["--index", str(sample_index.path)]
    first, second = (row["passage_id"] for row in _json(capsys, QUESTION, *index)["with_passages"]["passages"][:2])
    found = _json(capsys, QUESTION, *index, *_scripted(f"경기도 [{second}]"))
    assert {row["passage_id"]: row["cited"] for row in found["with_passages"]["passages"]}[second]
    assert not {row["passage_id"]: row["cited"] for row in found["with_passages"]["passages"]}[first]
    assert found["without_passages"] is None
    assert main_ask([QUESTION, *index, *_scripted(f"경기도 [{second}]")]) == 0
    shown = capsys.readouterr().out
    assert f"cited  {second}" in shown
    assert f"read  {first}" in shown


def test_the_table_shows_every_choice_and_marks_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main_ask([QUESTION, *CHOICES, "--no-rag", *_scripted("3")]) == 0
    shown = capsys.readouterr().out
    assert "[전라도]" in shown
    assert "0.900 ←" in shown


def test_an_answer_that_cannot_be_parsed_is_shown_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    assert main_ask([QUESTION, *CHOICES, "--no-rag", "--channel", "generate", *_scripted("모릅니다")]) == 0
    assert "unparsed: '모릅니다'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([QUESTION, "--choice", "경기도"], "2 to 10 choices"),
        ([QUESTION, "--choice", "가", "--choice", "가"], "that differ"),
        ([" "], "question is empty"),
        ([QUESTION, "--index", "/none"], "no index here"),
        ([QUESTION, *CHOICES, "--no-rag", "--channel", "reason"], "solver.*does not offer 'reason'"),
    ],
)
def test_what_cannot_be_asked_is_one_line(arguments: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        main_ask(arguments)


def test_leaving_a_passage_out_tells_what_it_does_to_the_chosen_choice(
    sample_index: Index, capsys: pytest.CaptureFixture[str]
) -> None:
    found = _json(capsys, QUESTION, *CHOICES, "--index", str(sample_index.path), "--effects")
    shown = [row["passage_id"] for row in found["with_passages"]["passages"]]
    assert [one["passage_id"] for one in found["effects"]] == shown
    assert any(one["effect"] != 0 for one in found["effects"])
    with pytest.raises(UserError, match="no passages to leave out"):
        main_ask([QUESTION, *CHOICES, "--no-rag", "--effects"])
