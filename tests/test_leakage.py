"""Leakage: an item that stands in the index is found whatever its spaces, and one that does not is not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from configs.evaluation import LeakageSettings
from configs.schema import SourceSettings
from corpora.exams import load_exam
from corpora.records import Question
from corpora.sample import EXAM
from eval.leakage_command import main_leakage
from index_build.build import build
from rag.index import Index
from rag.leakage import leaked_items, leaks
from tests.conftest import Silence, settings_for, write_jsonl

ASKED = "조선 후기에 광해군이 경기도에서 처음으로 실시한 공납 제도의 이름은 무엇인가?"
QUESTION = Question("leaked", "multiple_choice", "한국사", ASKED, ("균역법", "대동법"), 2)
SETTINGS = LeakageSettings()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """An index that holds one question, its spaces broken, and something else."""
    folder = tmp_path_factory.mktemp("leakage")
    broken = ASKED.replace(" ", "").replace("공납", "공납 ").upper()
    source = write_jsonl(folder / "docs.jsonl", [
        {"id": "dump", "title": "기출문제", "text": f"13번 문제. {broken} ① 균역법 ② 대동법"},
        {"id": "river", "title": "섬진강", "text": "섬진강은 전라북도에서 시작하여 남해로 흘러드는 강이다."},
    ])  # fmt: skip
    build(settings_for(SourceSettings(kind="jsonl", path=source), folder / "index"), Silence())
    return Index(folder / "index")


def test_a_question_in_the_index_is_found_though_its_spaces_differ(small: Index) -> None:
    (found,) = leaks([QUESTION], small.store, SETTINGS)
    assert (found.question, found.passage_id) == (1.0, "dump#0")
    assert found.is_leaked(SETTINGS.threshold)


def test_a_question_that_is_not_there_shares_nothing(small: Index) -> None:
    other = replace(QUESTION, question="한반도에서 가장 긴 산맥이 시작되는 곳으로 알려진 산은 어디인가?")
    (found,) = leaks([other], small.store, SETTINGS)
    assert (found.question, found.passage_id) == (0.0, "")


def test_half_a_question_counts_for_half(small: Index) -> None:
    half = replace(QUESTION, question=ASKED[:22] + " 다른 나라와 맺은 조약이 가져온 변화로 옳은 것은")
    (found,) = leaks([half], small.store, SETTINGS)
    assert 0 < found.question < 0.5


def test_questions_too_short_to_tell_are_left_out(small: Index) -> None:
    short = replace(QUESTION, question_id="short", question="왕은?", choices=("광해군", "영조"))
    (found,) = leaks([short], small.store, SETTINGS)
    assert found.runs == 0
    assert leaked_items([QUESTION, short], small.store, SETTINGS) == {"leaked": True}


def test_the_bundled_exam_does_not_stand_in_the_bundled_corpus(sample_index: Index) -> None:
    found = leaked_items(load_exam(EXAM), sample_index.store, SETTINGS)
    assert [name for name, is_leaked in found.items() if is_leaked] == []


def test_the_command_counts_them(small: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exam = write_jsonl(
        tmp_path / "exam.jsonl",
        [{"id": "leaked", "question": ASKED, "choices": ["균역법", "대동법"], "answer": 2},
         {"id": "clean", "question": "한반도에서 가장 긴 산맥의 이름은 무엇이라고 하는가?", "answers": ["태백산맥"]}],
    )  # fmt: skip
    assert main_leakage(["--exam", f"jsonl:{exam}", "--index", str(small.path), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["n"], printed["leaked"], printed["items"][0]["question_id"]) == (2, 1, "leaked")
