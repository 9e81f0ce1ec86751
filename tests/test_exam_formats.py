"""Published exams: every form becomes the same questions, and what cannot be asked or judged is named with its place."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.errors import UserError
from corpora.exam_formats import parse_exam, read_exam
from corpora.exam_forms import korquad_documents
from corpora.exam_items import number_of, options_of
from corpora.tabular import python_literal

FIVE = ["갑신정변", "갑오개혁", "을미개혁", "광무개혁", "임오군란"]


def _csv(path: Path, rows: Sequence[Sequence[object]], *, encoding: str = "utf-8") -> Path:
    with path.open("w", encoding=encoding, newline="") as stream:
        csv.writer(stream).writerows(rows)
    return path


def _json(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


def test_kmmlu_takes_subject_and_split_from_the_file(tmp_path: Path) -> None:
    header = ["question", "answer", "A", "B", "C", "D", "Category", "Human Accuracy"]
    _csv(tmp_path / "Korean-History-test.csv", [header, ["임오군란의 원인은?", 2, *FIVE[:4], "Korean History", 0.5]])
    _csv(tmp_path / "Law-dev.csv", [header[:6], ["헌법 제1조는?", 1, "가", "나", "다", "라"]])
    history, law = parse_exam(f"kmmlu:{tmp_path}")
    assert (history.subject, history.split, history.answer, history.choices) == (
        "Korean History",
        "test",
        2,
        tuple(FIVE[:4]),
    )
    assert history.question_id == "kmmlu-Korean-History-test-2"
    assert (law.subject, law.split) == ("Law", "dev")


def test_click_items_keep_all_five_choices(tmp_path: Path) -> None:
    item = {
        "id": "CSAT_history_3",
        "paragraph": "다음은 …",
        "question": "옳은 것은?",
        "choices": FIVE,
        "answer": "임오군란",
    }
    path = _json(tmp_path / "history.json", [item, item])
    first, second = parse_exam(f"click:{path}")
    assert (first.choices, first.answer, first.paragraph, first.subject) == (tuple(FIVE), 5, "다음은 …", "CSAT_history")
    assert (first.question_id, second.question_id) == ("CSAT_history_3", "CSAT_history_3~2")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
def test_csat_problems_are_read_as_literals_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    problems = repr({"question": "'가'에 대한\n설명은?", "choices": FIVE, "answer": 4})
    rows = [
        ["id", "paragraph", "problems", "question_plus"],
        ["g-1", "여러 줄\n지문, 쉼표", problems, "ㄱ. 하나\nㄴ. 둘"],
    ]
    (item,) = parse_exam(f"csat:{_csv(tmp_path / 'train.csv', rows, encoding=encoding)}")
    assert (item.question, item.choices, item.answer) == ("'가'에 대한\n설명은?", tuple(FIVE), 4)
    assert (item.paragraph, item.box, item.split) == ("여러 줄\n지문, 쉼표", "ㄱ. 하나\nㄴ. 둘", "train")


def test_csat_columns_may_stand_apart_and_an_empty_box_may_say_nan(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        ["id", "paragraph", "question", "choices", "answer", "question_plus"],
        ["g-1", "지문", "무엇?", repr(FIVE[:4]), 1, "nan"],
    ]
    (item,) = parse_exam(f"csat:{_csv(tmp_path / 'val.csv', rows)}")
    assert (item.question, len(item.choices), item.answer, item.box, item.split) == ("무엇?", 4, 1, "", "dev")


@pytest.mark.parametrize(
    ("problems", "said"),
    [
        ("__import__('os').system('touch ran')", "malformed|literal"),
        ("{'question': open('ran', 'w')}", "malformed|literal"),
        ("(" * 500 + ")" * 500, "500 levels"),
        ("'" + "가" * 100_001 + "'", "too many"),
        ("{'question': '무엇?'", "SyntaxError"),
        ("{'question': '무엇?', 'choices': '가나다라', 'answer': 1}", "choices"),
        ("{'question': '무엇?', 'choices': ['가', '나', '가', '라'], 'answer': 1}", "'가' stands there twice"),
        ("{'question': '무엇?', 'choices': ['가', '나'], 'answer': 3}", "found answer '3'"),
        ("{'question': '무엇?', 'choices': ['가', '나'], 'answer': ''}", "found answer ''"),
        ("{'question': '무엇?', 'choices': ['가', ''], 'answer': 1}", "choice 2 is empty"),
        ("{'question': '무엇?', 'choices': [], 'answer': 1}", "0 choices"),
        ("{'question': ' ', 'choices': ['가', '나'], 'answer': 1}", "no question"),
        ("[1, 2]", "problems"),
        ("{}", "question"),
    ],
)
def test_a_malicious_or_malformed_literal_is_named_and_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problems: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    good = repr({"question": "무엇?", "choices": FIVE, "answer": 1})
    path = _csv(tmp_path / "train.csv", [["id", "paragraph", "problems"], ["a", "", good], ["b", "", problems]])
    with pytest.raises(UserError, match=rf"train\.csv:3.*({said})"):
        parse_exam(f"csat:{path}")
    kept, skipped = read_exam(f"csat:{path}")
    assert ([item.question_id for item in kept], len(skipped)) == (["a"], 1)
    assert not (tmp_path / "ran").exists()


@given(st.recursive(st.text(max_size=5) | st.integers(), lambda inner: st.lists(inner, max_size=3), max_leaves=6))
def test_every_shallow_literal_is_read_back(value: object) -> None:
    assert python_literal(repr(value)) == value


def test_malpyeong_choices_are_found_inside_the_question(tmp_path: Path) -> None:
    def item(number: int, kind: str, question: str, answer: str) -> dict[str, object]:
        described = {
            "category": "역사",
            "domain": "한국사",
            "question_type": kind,
            "topic_keyword": "개혁",
            "question": question,
        }
        return {"id": str(number), "input": described, "output": {"answer": answer}}

    path = _json(
        tmp_path / "dev.json",
        [
            item(1, "선다형", "다음 중 1894년의 일은?\n 1\t갑신정변\n 2\t갑오개혁\n 3\t을미개혁", "2"),
            item(2, "선다형", r"알맞은 것은? \n ① 갑신정변 \n ② 갑오개혁", "②"),
            item(3, "단답형", "이 개혁은?", "갑오개혁#갑오경장"),
            item(4, "서술형", "갑오개혁을 설명하시오.", "신분제를 없앴다."),
            item(5, "교정형", "다음 문장을 고치고 이유를 쓰시오.", "'됬다'를 '됐다'로 고친다."),
        ],
    )
    items = parse_exam(f"malpyeong:{path}")
    assert [item.kind for item in items] == ["multiple_choice", "multiple_choice", "short_answer", "essay", "essay"]
    assert (items[0].question, items[0].choices, items[0].answer) == ("다음 중 1894년의 일은?", tuple(FIVE[:3]), 2)
    assert (items[1].choices, items[1].answer) == (("갑신정변", "갑오개혁"), 2)
    assert items[2].answers == ("갑오개혁", "갑오경장")
    assert {item.split for item in items} == {"dev"}


@pytest.mark.parametrize(
    ("text", "choices"),
    [
        ("무엇? 1. 3. 1 운동 2. 6. 10 만세 운동 3. 4. 19 혁명", ("3. 1 운동", "6. 10 만세 운동", "4. 19 혁명")),
        ("무엇?\n1. 값이 2. 5배이다\n2. 값이 3배이다", ("값이 2. 5배이다", "값이 3배이다")),
        ("무엇? (1) 가 (2) 나 (3) 다", ("가", "나", "다")),
        ("무엇?\n가. 사과\n나. 배\n다. 감", ("사과", "배", "감")),
        ("무엇? ①가 ②나", ("가", "나")),
        ("1894년에 있었던 일은?", ()),
    ],
)
def test_labels_inside_choices_do_not_part_them(text: str, choices: tuple[str, ...]) -> None:
    assert options_of(text)[1] == choices


@given(
    st.lists(st.text("가나다라마바사 ", min_size=1, max_size=9).map(str.strip).filter(bool), min_size=2, max_size=10)
)
def test_labelled_choices_are_found_again(choices: list[str]) -> None:
    for labels in ([f"{n}. " for n in range(1, 11)], list("①②③④⑤⑥⑦⑧⑨⑩"), [f"({n}) " for n in range(1, 11)]):
        listed = "\n".join(f"{label}{choice}" for label, choice in zip(labels, choices, strict=False))
        assert options_of(f"무엇인가?\n{listed}") == ("무엇인가?", tuple(choices))


def test_malpyeong_may_come_as_json_lines(tmp_path: Path) -> None:
    item = {"id": "1", "input": {"question_type": "단답형", "question": "이 개혁은?"}, "output": {"answer": "갑오개혁"}}
    path = tmp_path / "test.jsonl"
    path.write_text(json.dumps(item) + "\n\n" + json.dumps({**item, "id": "2"}) + "\n", encoding="utf-8")
    assert [question.question_id for question in parse_exam(f"malpyeong:{path}")] == ["1", "2"]
    path.write_text(json.dumps(item) + "\n{", encoding="utf-8")
    with pytest.raises(UserError, match=r"test\.jsonl:2: broken JSON"):
        parse_exam(f"malpyeong:{path}")


def test_answer_keys_are_numbers_labels_or_texts() -> None:
    keys = ["3", "③", "(3)", "3번", "3.", "을미 개혁", " 을미개혁 "]
    assert [number_of(key, FIVE) for key in keys] == [3] * len(keys)
    assert [number_of(key, FIVE) for key in ("", "0", "6", "⑥", "동학")] == [None] * 5


def test_korquad_items_name_their_context_as_gold(tmp_path: Path) -> None:
    context = "이황은 예안에서 태어났다. 그는 1501년에 났고 도산 서원에서 가르쳤다."
    answers = [{"text": "1501년", "answer_start": context.index("1501년")}, {"text": "1501년", "answer_start": 0}]
    qas = [
        {"id": "1-1", "question": "이황이 태어난 해는?", "answers": answers},
        {"id": "1-2", "question": "?", "answers": []},
    ]
    path = _json(
        tmp_path / "KorQuAD_v1.0_dev.json",
        {"version": "1.0", "data": [{"title": "이황", "paragraphs": [{"context": context, "qas": qas}]}]},
    )
    kept, skipped = read_exam(f"korquad:{path}")
    assert [(item.kind, item.answers, item.split) for item in kept] == [("short_answer", ("1501년",), "dev")]
    assert kept[0].gold[0].quote == "그는 1501년에 났고 도산 서원에서 가르쳤다."
    (document,) = korquad_documents(path)
    assert (document.doc_id, document.text) == (kept[0].gold[0].doc_id, context)
    assert [found.reason for found in skipped] == ["no answer"]


@pytest.mark.parametrize(
    ("name", "kind", "content", "said"),
    [
        ("a.json", "click", "{}", "expected a JSON list"),
        ("a.json", "click", "[", "broken JSON"),
        ("a.json", "click", '[{"id": "1"}]', "item 1: question: found"),
        (
            "a.json",
            "click",
            '[{"id": "1", "question": "?", "choices": ["가", "나"], "answer": "다"}]',
            "found answer '다'",
        ),
        ("a.csv", "kmmlu", "question,answer,A,B\n", "no column 'C'; found question, answer, A, B"),
        ("a.csv", "kmmlu", "", "no column 'question'; found nothing"),
        ("a.csv", "kmmlu", 'question,answer,A,B,C,D\n"x,1,2\n', r"a\.csv"),
        ("a.csv", "kmmlu", "question,answer,A,B,C,D\nx,1,가\n", "another number of columns"),
        ("a.csv", "csat", "id,problems\n", "no column 'paragraph'"),
        ("a.json", "korquad", '{"data": [{"title": "가"}]}', "data.0.paragraphs"),
        ("a.txt", "kmmlu", "x", "no column"),
    ],
)
def test_a_file_of_another_form_is_one_line(tmp_path: Path, name: str, kind: str, content: str, said: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=said):
        parse_exam(f"{kind}:{path}")


@pytest.mark.parametrize("argument", ["", "kmmlu", "kmlu:x", "jsonl:", "csat:/does/not/exist"])
def test_what_names_no_exam_is_refused(argument: str) -> None:
    with pytest.raises(UserError, match="exist" if "exist" in argument else "KIND:PATH"):
        parse_exam(argument)


def test_the_bundled_exam_is_an_exam_too() -> None:
    assert parse_exam("sample")
