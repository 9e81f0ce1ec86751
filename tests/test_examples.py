"""Training examples: the file they lie in, what each mode shows, and the command."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from configs.errors import UserError, run_command
from configs.reader import TransformersSettings
from finetune.__main__ import main
from finetune.examples import Example, of_split, read_examples, reasoned, write_examples
from finetune.wording import wording_for
from rag.index import Index
from rag.tokens import Message
from tests.training_world import ITEMS, Make, Only, exam_file


def example(**rest: Any) -> Example:
    fields: dict[str, Any] = {
        "id": "e", "messages": (Message("user", "질문"),), "answer": "1", "reasoning": "", "channel": "labels",
        "question_id": "q", "choices": ("가", "나"), "split": "train", "mode": "closed", "passages": (),
        "gold_shown": False, "template": "base@1", "source": "s", "subject": "한국사",
    }  # fmt: skip
    return Example(**(fields | rest))


def test_what_is_written_is_read_back_and_the_same_examples_give_the_same_bytes(tmp_path: Path) -> None:
    rows = [example(id="a"), example(id="b", answer=reasoned("풀이", ["d#0"], "2"), template="cot_json@1")]
    for name in ("one", "two"):
        write_examples(tmp_path / name, rows, sources={"s": 1}, settings={})
    header, found = read_examples(tmp_path / "one")
    assert found == rows
    assert header.template == ("base@1", "cot_json@1")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_file_of_another_prompt_version_is_refused(tmp_path: Path) -> None:
    write_examples(tmp_path / "e", [example(template="base@0")], sources={}, settings={})
    with pytest.raises(UserError, match=r"'base@0'.*base@1.*python -m finetune examples"):
        read_examples(tmp_path / "e")


def test_a_changed_line_an_empty_file_and_a_file_of_another_kind_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "e"
    write_examples(path, [example(), example(id="f")], sources={}, settings={})
    text = path.read_text(encoding="utf-8")
    for changed, message in [
        (text.replace('"answer":"1"', '"answer":"2"', 1), "changed since"),
        (text.splitlines()[0] + "\n", "no examples in it"),
        ("", "expected a header"),
        ('{"id": "x"}\n', "expected a header"),
    ]:
        path.write_text(changed, encoding="utf-8")
        with pytest.raises(UserError, match=message):
            read_examples(path)


def test_no_examples_are_not_written_and_an_empty_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no examples to write"):
        write_examples(tmp_path / "e", [], sources={}, settings={})
    assert not (tmp_path / "e").exists()
    with pytest.raises(UserError, match="split 'dev'; it holds: train"):
        of_split([example()], "dev", path=tmp_path / "e")


def test_a_model_is_shown_its_own_template_and_its_weights_stay_unread(tmp_path: Path) -> None:
    from tests.tiny_model import save_model

    folder = save_model(tmp_path / "model", kind="qwen3", is_chat=True)
    (folder / "model.safetensors").unlink()
    wording = wording_for(TransformersSettings(kind="transformers", model=str(folder)))
    rendered = wording.render(example().messages)
    assert rendered.text.startswith("<|im_start|>user\n질문<|im_end|>")
    assert rendered.text.endswith("</think>\n\n")
    assert (rendered.lead, wording.window) == ("", 2048)
    (folder / "config.json").unlink()
    with pytest.raises(UserError, match="an incomplete folder"):
        wording_for(TransformersSettings(kind="transformers", model=str(folder)))


# --- modes


def test_closed_examples_show_no_passage_and_answer_as_the_reader_is_to_write(make: Only) -> None:
    found = {
        example.question_id: example for example in make("--mode", "closed", "--set", "finetune.examples.shuffle=false")
    }
    assert Counter(example.split for example in found.values()) == {"train": 6, "dev": 1}
    assert found["goryeo-year"].answer == "2"
    assert found["joseon-founder"].answer == "이성계"
    assert not any(example.passages or "참고 자료" in example.messages[-1].content for example in found.values())


def test_retrieved_examples_show_what_evaluation_shows(make: Only) -> None:
    found = {example.question_id: example for example in make("--mode", "retrieved", "--set", "rag.top_k=3")}
    assert found["goryeo-year"].passages[0] == "goryeo#0"
    assert found["goryeo-year"].gold_shown
    assert "왕건은 918년에" in found["goryeo-year"].messages[-1].content
    assert len(found["goryeo-year"].passages) == 3


def test_raft_shows_gold_among_wrong_passages_in_the_wanted_share_and_places(make: Only) -> None:
    golden = make(
        "--mode", "raft", "--set", "finetune.examples.raft.p_gold=1", "--set", "finetune.examples.raft.passages=3"
    )
    assert {example.mode for example in golden} == {"raft_gold"}
    golds = {"goryeo-year": "goryeo#0", "silla-where": "silla#0", "joseon-founder": "joseon#0"}
    for name, gold in golds.items():
        (shown,) = [example.passages for example in golden if example.question_id == name]
        assert gold in shown
        assert len(shown) == 3
    firsts = [example.passages.index(f"{example.question_id.partition('-')[0]}#0") for example in golden[:3]]
    assert len(set(firsts)) > 1


def test_exactly_the_wanted_share_shows_gold(make: Only) -> None:
    found = make("--mode", "raft", "--set", "finetune.examples.raft.p_gold=0.6")
    assert Counter((example.split, example.mode) for example in found) == {
        ("train", "raft_gold"): 3,  # of five judged ones
        ("train", "raft_no_gold"): 2,
        ("dev", "raft_gold"): 1,
    }


def test_raft_without_gold_shows_wrong_passages_alone(make: Only) -> None:
    found = make("--mode", "raft", "--set", "finetune.examples.raft.p_gold=0")
    assert {example.mode for example in found} == {"raft_no_gold"}
    assert not any(example.gold_shown for example in found)
    assert all(example.passages for example in found)
    assert "왕건은 918년" not in next(e for e in found if e.question_id == "goryeo-year").messages[-1].content


def test_items_without_usable_gold_are_dropped_and_counted(make_all: Make) -> None:
    absent = {
        **ITEMS[0],
        "id": "absent",
        "question": "강화도에서 벌어진 일은?",
        "gold": [{"doc_id": "goryeo", "quote": "없는 말이다"}],
    }
    made = make_all("--mode", "raft", items=(*ITEMS, absent))
    assert {"market-price", "absent"}.isdisjoint(example.question_id for example in made.examples)
    assert made.dropped == {("exam/raft", "judgements do not fit the index"): 1, ("exam/raft", "not judged"): 1}
    assert len(made.examples) + 2 == len(ITEMS)  # one of them is a test item, and one was added


def test_a_judged_passage_without_the_answer_gives_no_example(make_all: Make, tmp_path: Path) -> None:
    qrels = tmp_path / "qrels.tsv"
    qrels.write_text("goryeo-year\tgoryeo\t1\njoseon-founder\tmarket\t1\n", encoding="utf-8")
    items = [{name: value for name, value in item.items() if name != "gold"} for item in ITEMS]
    made = make_all("--mode", "raft", "--qrels", str(qrels), "--set", "finetune.examples.raft.p_gold=1", items=items)
    assert [example.question_id for example in made.examples] == ["goryeo-year"]
    assert made.dropped["exam/raft", "gold passage without quote or answer"] == 1
    given = ["--qrels", str(qrels), "--set", "finetune.examples.raft={p_gold: 1, trust_qrels: true}"]
    trusted = make_all("--mode", "raft", *given, items=items).examples
    assert [example.question_id for example in trusted] == ["goryeo-year", "joseon-founder"]
    assert "market#0" in trusted[1].passages


def test_the_same_settings_give_the_same_bytes_and_another_seed_others(make: Only, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        found = make("--mode", "raft", "--set", f"finetune.examples.seed={seed}")
        write_examples(tmp_path / name, found, sources={}, settings={})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_bytes() != (tmp_path / "c").read_bytes()


def test_the_text_channel_is_taught_the_text_of_the_choice(make: Only) -> None:
    found = make("--mode", "closed", "--set", "rag.channel=texts")
    assert next(example.answer for example in found if example.question_id == "goryeo-year") == "918년"


# --- the command


def test_what_is_learnt_is_marked_among_the_examples_shown(
    little_world: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exam = exam_file(tmp_path)
    arguments = [
        "--exam",
        f"jsonl:{exam}",
        "--mode",
        "raft",
        "--index",
        str(little_world.path),
        "--out",
        str(tmp_path / "e"),
    ]
    assert main(["examples", *arguments, "--set", "finetune.examples.shown=30"]) == 0
    shown = capsys.readouterr().out
    header, found = read_examples(tmp_path / "e")
    assert shown.count("⟦") == len(found)
    assert "정답: ⟦이성계⟧" in shown
    assert "not judged 1" in shown
    assert header.sources["exam/raft"]["split"] == "train"  # type: ignore[index, call-overload]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mode", "raft", "--set", "finetune.examples.raft.passages=9"], "at most rag.prompt.max_passages = 5"),
        (["--mode", "retrieved", "--index", "nowhere"], "nowhere"),
        (["--set", "rag.prompt.shots.count=2"], "rag.prompt.shots.count"),
        (["--reasoning", "nowhere.jsonl", "--mode", "closed"], "nowhere.jsonl: no such file"),
        (["--exam", "jsonl:nowhere.jsonl"], "nowhere.jsonl"),
        (
            ["--split", "dev", "--mode", "closed", "--reasoning", "{empty}"],
            "no item gave an example (sample/closed/reason: 82 no",
        ),
    ],
)
def test_what_a_user_can_mend_is_one_line(
    little_world: Index, arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.jsonl").touch()
    given = ["--index", str(little_world.path), "--out", str(tmp_path / "e")]
    given += [argument.format(empty=tmp_path / "empty.jsonl") for argument in arguments]
    assert run_command(lambda: main(["examples", *given])) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert not (tmp_path / "e").exists()
