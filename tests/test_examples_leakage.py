"""Which items are learnt from, and how often: leakage, weights, weak subjects, several sources."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from configs.errors import UserError
from configs.evaluation import LeakageSettings
from finetune.guard import twins
from finetune.sampling import copies
from tests.conftest import write_jsonl
from tests.training_world import ITEMS, Make, Only, exam_file, question, questions, run_folder


def test_a_split_kept_for_measuring_and_an_absent_split_are_refused(make: Only) -> None:
    with pytest.raises(UserError, match=r"split 'test' is kept for measuring"):
        make("--split", "test")
    with pytest.raises(UserError, match=r"no items of split 'nowhere'; the exam has: dev, test, train"):
        make("--split", "nowhere")


def test_a_train_item_that_stands_in_another_split_is_refused_or_dropped(
    make_all: Make,
) -> None:
    copied = {
        **ITEMS[-1],
        "id": "other-name",
        "split": "train",
        "choices": ["성왕", "대조영", "왕건", "이사부"],
        "answer": 2,
    }
    with pytest.raises(UserError, match=r"'other-name' \(1 in all\).*'balhae-founder'"):
        make_all("--mode", "closed", items=(*ITEMS, copied))
    made = make_all("--mode", "closed", "--set", "finetune.examples.leaked=drop", items=(*ITEMS, copied))
    assert "other-name" not in {example.question_id for example in made.examples}
    assert made.dropped == {("exam/closed", "in another split"): 1}


def test_dev_items_alone_are_to_choose_by_and_not_shuffled(make: Only, tmp_path: Path) -> None:
    (found,) = make("--mode", "closed", "--split", "dev")
    assert (found.split, found.choices) == ("dev", questions(tmp_path)["silla-where"].choices)


def test_an_exam_named_as_evaluated_may_not_be_learnt_from(make: Only, tmp_path: Path) -> None:
    other = write_jsonl(tmp_path / "real-test.jsonl", [{**ITEMS[0], "id": "7", "split": ""}])
    with pytest.raises(UserError, match=r"'goryeo-year'.*as '7'"):
        make("--mode", "closed", "--set", f"finetune.examples.evaluated=['jsonl:{other}']")


def test_twins_are_found_by_origin_by_whole_text_and_by_most_of_it() -> None:
    stem = "대한민국 임시 정부가 상하이에서 충칭으로 옮기기까지 거쳐 간 도시를 차례대로 늘어놓은 것은 어느 것인가"
    kept = [replace(question("k"), question=stem)]
    made = replace(question("k~p1"), question="아주 다른 말로 물은 것")
    near = replace(question("n"), question=stem.replace("어느 것인가", "무엇인가"))
    short = [replace(question("s"), question="짧다"), replace(question("t"), question="짧다")]
    far = replace(question("f"), question="수요와 공급이 만나는 곳에서 정해지는 것은 무엇이라고 부르는가")
    found = twins([made, near, far], kept, LeakageSettings())
    assert [(twin.question_id, twin.other_id) for twin in found] == [("k~p1", "k"), ("n", "k")]
    assert [twin.share for twin in twins(short[:1], short[1:], LeakageSettings())] == [1.0]


def test_an_item_that_stands_in_the_index_is_dropped_where_passages_are_shown(
    make_all: Make,
) -> None:
    item = {
        **ITEMS[4],
        "id": "leaked",
        "paragraph": "",
        "question": "송악의 호족이던 왕건은 918년에 임금이 되어 나라 이름을 고려라 하였다",
    }
    made = make_all("--mode", "retrieved", items=(*ITEMS, item))
    assert made.dropped == {("exam/retrieved", "stands in the index"): 1}


# --- sampling and mixing


def test_weights_give_their_share_and_weak_subjects_more() -> None:
    asked = [replace(question(f"q{n}"), subject="약한" if n % 2 else "강한") for n in range(40)]
    assert copies(asked, weight=1.0, weakness=None, seed=1) == [1] * 40
    assert sum(copies(asked, weight=0.5, weakness=None, seed=1)) == 20
    found = copies(asked, weight=1.0, weakness={"약한": 0.6, "강한": 0.2}, seed=1)
    weak = sum(count for count, item in zip(found, asked, strict=True) if item.subject == "약한")
    assert (sum(found), weak) == (40, 30)


def test_sources_are_mixed_by_weight_and_a_repeated_item_gets_another_id(make: Only, tmp_path: Path) -> None:
    exam = exam_file(tmp_path)
    config = tmp_path / "mix.yaml"
    config.write_text(
        json.dumps(
            {
                "finetune": {
                    "examples": {
                        "sources": [
                            {"exam": f"jsonl:{exam}", "mode": "closed", "weight": 2},
                            {"exam": f"jsonl:{exam}", "mode": "retrieved", "dev_split": ""},
                        ]
                    }
                }
            }
        ),
        encoding="utf-8",
    )
    found = make("--config", str(config))
    assert Counter((e.source, e.split) for e in found) == {
        ("exam/closed", "train"): 12,
        ("exam/closed", "dev"): 1,
        ("exam/retrieved", "train"): 6,
    }
    assert len({example.id for example in found}) == len(found)


def test_a_run_of_another_split_may_not_choose_subjects(make: Only, tmp_path: Path) -> None:
    known = questions(tmp_path)
    run = run_folder(tmp_path / "run", [known["balhae-founder"]], {})
    with pytest.raises(UserError, match=r"'balhae-founder' is of split 'test'.*'train' or 'dev'"):
        make("--mode", "closed", "--set", f"finetune.examples.weak={run}")
    run = run_folder(tmp_path / "run2", [q for q in known.values() if q.split == "train"], {"goryeo-year": True})
    assert len(make("--mode", "closed", "--set", f"finetune.examples.weak={run}")) == 7


def test_only_items_of_the_wanted_kinds_are_used(make: Only, tmp_path: Path) -> None:
    exam, config = exam_file(tmp_path), tmp_path / "mix.yaml"

    def asking(kinds: list[str]) -> list[str]:
        source = {"exam": f"jsonl:{exam}", "mode": "closed", "kinds": kinds, "dev_split": ""}
        config.write_text(json.dumps({"finetune": {"examples": {"sources": [source]}}}), encoding="utf-8")
        return sorted(example.question_id for example in make("--config", str(config)))

    assert asking(["short_answer"]) == ["joseon-founder", "volcano-height"]
    assert asking(["multiple_choice"]) == ["baekje-box", "goryeo-year", "market-price", "places"]
    with pytest.raises(UserError, match=r"no items of split 'train'; the exam has: no items"):
        asking(["essay"])
