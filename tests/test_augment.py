"""Questions made from others: of the same type, in other words, about passages; checked before they are kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from configs.errors import UserError, run_command
from corpora.exams import load_exam
from corpora.records import Gold, Passage, Question
from finetune.__main__ import main
from finetune.augment_words import same_type, type_of, with_choices
from finetune.augment_written import Asked, paraphrased, questions_in
from finetune.exam_file import write_exam
from index_build.terms import Analyser
from rag.index import Index
from rag.reader import Generation
from tests.training_world import DOCUMENTS, exam_file, questions

Augment = Callable[..., tuple[dict[str, object], dict[str, Question]]]


@pytest.fixture(scope="module")
def analyser(little_world: Index) -> Analyser:
    return little_world.analyser


@pytest.fixture
def augment(little_world: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Augment:
    """`python -m finetune augment` with a reader whose words are written down."""

    def run(kind: str, answers: Mapping[str, str], *arguments: str) -> tuple[dict[str, object], dict[str, Question]]:
        config, out = tmp_path / "reader.yaml", tmp_path / "made.jsonl"
        reader = {"kind": "scripted", "answers": dict(answers), "otherwise": "모른다"}
        config.write_text(json.dumps({"rag": {"reader": reader}}, ensure_ascii=False), encoding="utf-8")
        given = [
            "--exam",
            f"jsonl:{exam_file(tmp_path)}",
            "--index",
            str(little_world.path),
            "--out",
            str(out),
            "--json",
        ]
        assert main(["augment", kind, *given, "--config", str(config), *arguments]) == 0
        return json.loads(capsys.readouterr().out), {question.question_id: question for question in load_exam(out)}

    return run


def said(**fields: object) -> Generation:
    return Generation(json.dumps(fields, ensure_ascii=False), 10, is_cut=False)


# --- files


def test_an_exam_written_is_read_back_as_the_same_questions(tmp_path: Path) -> None:
    known = list(questions(tmp_path).values())
    assert write_exam(tmp_path / "made.jsonl", known) == len(known)
    assert load_exam(tmp_path / "made.jsonl") == known
    with pytest.raises(UserError, match="no questions to write"):
        write_exam(tmp_path / "none.jsonl", [])


# --- shuffling


def test_shuffled_items_keep_their_answer_and_change_their_order(augment: Augment, tmp_path: Path) -> None:
    figures, made = augment("shuffle", {}, "--set", "finetune.augment.copies=3")
    known = questions(tmp_path)
    assert {name.partition("~")[0] for name in made} == {"goryeo-year", "baekje-box", "market-price"}
    for name, question in made.items():
        origin = known[name.partition("~")[0]]
        assert question.choices != origin.choices
        assert question.answer is not None
        assert origin.answer is not None
        assert question.choices[question.answer - 1] == origin.choices[origin.answer - 1]
    orders = [(name.partition("~")[0], question.choices) for name, question in made.items()]
    assert len(set(orders)) == len(orders)
    assert figures["tried"] == 18


# --- words of the same type


def test_a_type_is_the_tags_and_the_head_noun(analyser: Analyser) -> None:
    assert type_of("918년", analyser) == type_of("1392년", analyser)
    assert type_of("918년", analyser) != type_of("984미터", analyser)
    assert type_of("이성계", analyser) == ("NNP",)
    assert type_of("왕건이 나라를 세웠다.", analyser) is None
    assert type_of("물건", analyser) is None
    assert type_of("", analyser) is None


def test_wrong_choices_are_of_the_answers_type_and_no_answer(analyser: Analyser) -> None:
    asked = Question(
        "q",
        "short_answer",
        "한국사",
        "고려를 세운 해는? 936년은 아니다.",
        answers=("918년",),
        gold=(Gold("goryeo", "918년에"),),
    )
    texts = [text for _, text in DOCUMENTS.values()]
    found = same_type(asked, ["936년에 통일하였다.", *texts], analyser, count=3)
    assert found == ["1392년", "698년", "676년"]  # in the order of the passages; 936년 stands in the question
    made = with_choices(asked, found, seed=1)
    assert made.kind == "multiple_choice"
    assert made.answer is not None
    assert made.choices[made.answer - 1] == "918년"
    assert sorted(made.choices) == sorted(["918년", *found])


def test_distractors_are_kept_where_the_passages_still_lead_to_the_answer(augment: Augment, tmp_path: Path) -> None:
    figures, made = augment("distractors", {"goryeo-year~d1": "918년"}, "--set", "finetune.augment.depth=9")
    assert list(made) == ["goryeo-year~d1"]
    assert set(made["goryeo-year~d1"].choices) <= {"918년", "1392년", "698년", "676년", "538년", "562년"}
    assert made["goryeo-year~d1"].gold == questions(tmp_path)["goryeo-year"].gold
    dropped: dict[str, int] = figures["dropped"]  # type: ignore[assignment]
    assert figures["tried"] == figures["kept"] + sum(dropped.values())  # type: ignore[operator]
    assert dropped["not judged"] == 1


# --- other words


def test_a_paraphrase_must_be_other_words_with_the_same_negation() -> None:
    asked = Question("q", "multiple_choice", "한국사", "고려에 대한 설명으로 옳지 않은 것은?", ("가", "나"), 1)
    assert paraphrased(asked, said(질문="고려를 설명한 것으로 옳지 않은 것은?"), new_id="q~p1")[0] == replace(
        asked, question_id="q~p1", question="고려를 설명한 것으로 옳지 않은 것은?"
    )
    for words, fault in [
        (said(질문="고려에 대한  설명으로 옳지 않은 것은?"), "the same words"),
        (said(질문="고려에 대한 설명으로 옳은 것은?"), "negation lost or gained"),
        (said(물음="고려"), "no JSON with 질문"),
        (Generation("{", 1, is_cut=True), "cut at the limit"),
    ]:
        assert paraphrased(asked, words, new_id="q~p1") == (None, fault)


def test_paraphrases_are_kept_where_the_answer_stays_and_nothing_is_asked_twice(
    augment: Augment, tmp_path: Path
) -> None:
    words = json.dumps({"질문": "고려가 세워진 것은 몇 년의 일인가?"}, ensure_ascii=False)
    other = json.dumps({"질문": "대가야를 멸한 신라의 장군은?"}, ensure_ascii=False)
    answers = {"goryeo-year": words, "goryeo-year~p1": "2", "places": other, "places~p1": "3"}
    figures, made = augment("paraphrase", answers)
    assert [question.question for question in made.values()] == ["고려가 세워진 것은 몇 년의 일인가?"]
    assert figures["dropped"] == {"answered wrong with the passages": 1, "no JSON with 질문": 4}
    assert (figures["verified"], figures["right_with_passages"], figures["right_without"]) == (2, 1, 1)
    before = (tmp_path / "made.written.jsonl").read_bytes()
    augment("paraphrase", answers)
    assert (tmp_path / "made.written.jsonl").read_bytes() == before


def test_what_a_reader_knows_without_passages_can_be_left_out(
    little_world: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = json.dumps({"질문": "고려가 세워진 것은 몇 년의 일인가?"}, ensure_ascii=False)
    config = tmp_path / "reader.yaml"
    reader = {"kind": "scripted", "answers": {"goryeo-year": words, "goryeo-year~p1": "2"}}
    settings = {"rag": {"reader": reader}, "finetune": {"augment": {"keep_known": False}}}
    config.write_text(json.dumps(settings, ensure_ascii=False), encoding="utf-8")
    given = [
        "--exam",
        f"jsonl:{exam_file(tmp_path)}",
        "--index",
        str(little_world.path),
        "--out",
        str(tmp_path / "made.jsonl"),
    ]
    assert run_command(lambda: main(["augment", "paraphrase", *given, "--config", str(config)])) == 2
    assert "none kept (1 known without the passages, 5 no JSON with 질문)" in capsys.readouterr().err
    assert not (tmp_path / "made.jsonl").exists()


# --- questions about passages

PASSAGE = Asked(Passage("goryeo#0", "goryeo", (), 0, DOCUMENTS["goryeo"][1]), "고려의 건국")
ENTRY: dict[str, object] = {
    "질문": "왕건이 정한 나라 이름은?", "선택지": ["고려", "발해", "조선", "신라"], "정답": 1, "근거": "나라 이름을 고려라 하였다.",
}  # fmt: skip


def test_a_question_about_a_passage_names_the_sentence_that_answers_it() -> None:
    (made,), faults = questions_in(said(문제=[ENTRY]), PASSAGE, choices=4, split="train")
    assert faults == []
    assert (made.question_id, made.split, made.answer, made.gold) == (
        "goryeo#0~q1",
        "train",
        1,
        (Gold("goryeo", "나라 이름을 고려라 하였다."),),
    )


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"근거": "나라 이름을 조선이라 하였다."}, "a quote that the passage does not hold"),
        ({"근거": "고려"}, "a quote that the passage does not hold"),
        ({"선택지": ["고려", "고려", "조선", "신라"]}, "another number of choices"),
        ({"선택지": ["고려", "조선"]}, "another number of choices"),
        ({"정답": 5}, "an answer that is no choice"),
        ({"정답": "고려"}, "a key is missing"),
        ({"질문": " "}, "no question"),
    ],
)
def test_a_question_that_does_not_hold_is_dropped_with_its_reason(wrong: dict[str, object], fault: str) -> None:
    assert questions_in(said(문제=[{**ENTRY, **wrong}]), PASSAGE, choices=4, split="train") == ([], [fault])


def test_questions_are_not_written_about_documents_that_answer_kept_items(augment: Augment) -> None:
    entries = json.dumps({"문제": [ENTRY]}, ensure_ascii=False)
    figures, made = augment(
        "questions", {"goryeo#0": entries, "goryeo#0~q1": "1"}, "--docs", "*", "--set", "finetune.augment.min_chars=10"
    )
    assert list(made) == ["goryeo#0~q1"]
    # of nine documents, those of the dev and the test item are not asked about
    assert figures["tried"] == 7
    assert figures["dropped"] == {"no JSON with 문제": 6}


# --- what is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["paraphrase"], "'solver' cannot write questions"),
        (["questions", "--docs", "*"], "'solver' cannot write questions"),
        (["shuffle", "--split", "test"], "split 'test' is kept for measuring"),
        (["shuffle", "--split", "nowhere"], "no items of split 'nowhere'"),
        (["distractors", "--index", "nowhere"], "nowhere"),
    ],
)
def test_what_a_user_can_mend_is_one_line(
    little_world: Index, arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kind, *rest = arguments
    given = [
        "--exam",
        f"jsonl:{exam_file(tmp_path)}",
        "--index",
        str(little_world.path),
        "--out",
        str(tmp_path / "e"),
        *rest,
    ]
    assert run_command(lambda: main(["augment", kind, *given])) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line


# --- by rules


def test_rules_ask_about_the_passages_and_quote_what_answers(augment: Augment) -> None:
    given = ("--set", "finetune.augment.min_chars=20", "--set", "finetune.augment.per_passage=3")
    figures, made = augment("rules", {}, *given)
    _, again = augment("rules", {}, *given)
    assert made == again and len(made) >= 6
    assert figures["kept"] == len(made)
    assert figures["verified"] == 0
    for name, question in made.items():
        doc_id = name.partition("#")[0]
        assert doc_id not in ("silla", "balhae")  # they answer items of dev and test
        assert question.split == "train" and question.subject == DOCUMENTS[doc_id][0]
        assert question.gold and all(gold.quote in DOCUMENTS[doc_id][1] for gold in question.gold)
    only = augment("rules", {}, *given, "--docs", "joseon")[1]
    assert only and all(name.startswith("joseon#") for name in only)


def test_rules_find_no_passage_to_ask_about(augment: Augment, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match=r"no passage to ask about; name documents with --docs GLOB"):
        augment("rules", {}, "--docs", "silla")
    assert capsys.readouterr().out == ""
