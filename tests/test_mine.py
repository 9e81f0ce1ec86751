"""Mining a reader's mistakes: only of the train split, clustered, told by cause, and reasoning that holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from configs.errors import UserError, run_command
from configs.examples import MineSettings
from configs.reader import PromptSettings, ScriptedSettings
from corpora.records import Question
from finetune.__main__ import main
from finetune.clusters import cluster
from finetune.mine_items import mine
from finetune.mine_write import checked, told
from finetune.reasoning import read_reasoning
from finetune.written import Written, json_object
from index_build.encoder import Vectors
from rag.index import Index
from rag.prompt import render
from rag.reader import Generation, Prompt
from rag.reader_scripted import ScriptedReader
from tests.test_reader_openai import Server, server
from tests.training_world import exam_file, questions, run_folder

__all__ = ["server"]  # a fixture


def encode(texts: Sequence[str]) -> Vectors:
    """Two dimensions: how much a text is about dynasties, and about anything else."""
    rows = [[1.0, len(text) / 1e4] if "왕조" in text or "임금" in text else [len(text) / 1e4, 1.0] for text in texts]
    return np.array(rows, dtype=np.float32)


class Counting(ScriptedReader):
    """A scripted reader that counts what it is asked."""

    asked = 0

    def generate(self, prompts: Sequence[Prompt]) -> list[Generation]:
        self.asked += len(prompts)
        return super().generate(prompts)


@pytest.fixture
def exam(tmp_path: Path) -> dict[str, Question]:
    return questions(tmp_path)


@pytest.fixture
def run(tmp_path: Path, exam: dict[str, Question]) -> Path:
    """A run of the train split in which one item is right."""
    asked = [question for question in exam.values() if question.split == "train"]
    return run_folder(tmp_path / "run", asked, {"places": True})


def test_mistakes_are_clustered_and_the_nearest_of_each_cluster_chosen(run: Path, exam: dict[str, Question]) -> None:
    found = mine(run, list(exam.values()), encode, MineSettings(per_cluster=1))
    assert found.asked == 6
    assert [
        mistake.question.question_id for mistake in found.mistakes if mistake.question.question_id == "places"
    ] == []
    names = [{found.mistakes[row].question.question_id for row in rows} for rows in found.clustering.members]
    assert {"goryeo-year", "joseon-founder"} in names
    assert found.clustering.silhouettes.keys() == {2, 3, 4}
    assert len(found.chosen) == len(names)
    assert found.causes["경제"] == {"reader ignored": 1}


def test_k_means_finds_what_lies_apart_and_names_decide_between_equals() -> None:
    vectors = np.array([[0, 0], [0, 0.1], [5, 5], [5, 5.1], [9, 0], [9, 0]], dtype=np.float32)
    found = cluster(vectors, list("fedcba"), MineSettings())
    assert found.members == ((5, 4), (3, 2), (1, 0))
    assert max(found.silhouettes, key=lambda k: found.silhouettes[k]) == 3
    assert cluster(vectors, list("fedcba"), MineSettings(clusters=2)).silhouettes == {}
    assert cluster(vectors[4:], ["b", "a"], MineSettings()).members == ((1, 0),)


@pytest.mark.parametrize("split", ["dev", "test", ""])
def test_a_run_of_any_other_split_is_refused(tmp_path: Path, exam: dict[str, Question], split: str) -> None:
    asked = [replace(question, split=split) for question in exam.values()]
    run = run_folder(tmp_path / "other", asked, {})
    with pytest.raises(UserError, match=r"is of split .*mistakes may be learnt from on 'train' only"):
        mine(run, list(exam.values()), encode, MineSettings())


def test_a_run_of_a_changed_exam_an_unfinished_one_and_one_without_mistakes_are_refused(
    tmp_path: Path, exam: dict[str, Question]
) -> None:
    train = [question for question in exam.values() if question.split == "train"]
    changed = [replace(train[0], question="바뀐 물음"), *train[1:]]
    with pytest.raises(UserError, match=r"'goryeo-year' was changed since"):
        mine(run_folder(tmp_path / "a", changed, {}), train, encode, MineSettings())
    with pytest.raises(UserError, match="the exam has no item 'goryeo-year'"):
        mine(run_folder(tmp_path / "b", train, {}), train[1:], encode, MineSettings())
    all_right = run_folder(tmp_path / "c", train, {question.question_id: True for question in train})
    with pytest.raises(UserError, match=r"all 6 answers of arm 'retrieved' are right"):
        mine(all_right, train, encode, MineSettings())
    with pytest.raises(UserError, match=r"no answers of arm 'closed'; it has: retrieved"):
        mine(all_right, train, encode, MineSettings(arm="closed"))
    with pytest.raises(UserError, match=r"no record\.json"):
        mine(tmp_path / "nowhere", train, encode, MineSettings())


def _reasoned(reasoning: str, answer: str = "2") -> str:
    return json.dumps({"풀이": reasoning, "근거": [], "정답": answer}, ensure_ascii=False)


GOOD = "왕건이 임금이 된 해는 918년이므로 두 번째 선택지가 맞다."


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (_reasoned(GOOD), ""),
        (f"생각해 보겠습니다.\n{_reasoned(GOOD)}", ""),
        (_reasoned(GOOD, "3"), "another answer"),
        ("정답: 2", "no JSON with 풀이"),
        (_reasoned("맞다"), "too short"),
        (_reasoned("정답이 주어졌으므로 두 번째 선택지를 고르면 되는 문제이다."), "leans on the answer it was told"),
    ],
)
def test_reasoning_is_kept_only_where_it_leads_to_the_answer(exam: dict[str, Question], text: str, fault: str) -> None:
    asked = exam["goryeo-year"]
    wording = ScriptedReader(ScriptedSettings(kind="scripted")).wording
    prompt = told(render(asked, (), settings=PromptSettings(), channel="reason", wording=wording), asked)
    assert "정답은 2번 (918년)입니다" in prompt.messages[-1].content
    reasoning, found = checked(Generation(text, 1, is_cut=False), prompt, asked)
    assert found == fault
    assert bool(reasoning) is not bool(fault)
    assert checked(Generation(text, 1, is_cut=True), prompt, asked)[1] == "cut at the limit"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"id": "a"}\n', r":1: digest: Field required"),
        ("{\n", r":1: .*Invalid JSON"),
        ('{"id": "a", "digest": "d", "answer": "1"}\n' * 2, r":2: id 'a' stands there twice"),
    ],
)
def test_a_broken_file_of_reasoning_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "reasoning.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        read_reasoning(path)


def test_what_was_written_is_not_asked_again_and_a_torn_line_is(tmp_path: Path, exam: dict[str, Question]) -> None:
    settings = ScriptedSettings(kind="scripted", otherwise="말")
    reader, path = Counting(settings), tmp_path / "written.jsonl"
    prompts = [
        render(question, (), settings=PromptSettings(), channel="generate", wording=reader.wording)
        for question in list(exam.values())[:3]
    ]
    first = Written(path, reader).generate(prompts, what="write")
    assert reader.asked == 3
    torn = path.read_bytes()[:-5]
    path.write_bytes(torn)
    again = Counting(settings)
    assert Written(path, again).generate(prompts, what="write") == first
    assert again.asked == 1
    assert len(Written(path, Counting(settings)).generate(prompts, what="write")) == 3
    other = Counting(ScriptedSettings(kind="scripted", otherwise="다른 말"))
    Written(path, other).generate(prompts, what="write")
    assert other.asked == 3  # another reader's words are not its own


def test_json_is_found_among_other_words() -> None:
    assert json_object('앞 {틀림} {"a": {"b": 1}} 뒤') == {"a": {"b": 1}}
    assert json_object("[1] {") == {}


def test_the_command_writes_a_file_to_fill_in_and_keeps_what_was_filled_in(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mined"
    arguments = ["mine", str(run), "--exam", f"jsonl:{exam_file(tmp_path)}", "--out", str(out), "--clusters", "2"]
    assert main([*arguments, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["asked"], figures["wrong"], len(figures["clusters"]), figures["written"]) == (6, 5, 2, 0)
    path = out / "reasoning.jsonl"
    lines = read_reasoning(path)
    assert {line.id for line in lines} == set(figures["chosen"])
    path.write_text(
        path.read_text(encoding="utf-8").replace('"reasoning":""', '"reasoning":"손으로 쓴 풀이"', 1), encoding="utf-8"
    )
    assert main(arguments) == 0
    assert [line.reasoning for line in read_reasoning(path)].count("손으로 쓴 풀이") == 1
    assert "| subject | reader ignored | all |" in (out / "report.md").read_text(encoding="utf-8")
    assert len((out / "mistakes.jsonl").read_text(encoding="utf-8").splitlines()) == 5


def test_a_model_writes_through_its_settings_and_only_what_holds_is_kept(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = {
        "goryeo-year": _reasoned(GOOD),
        "baekje-box": _reasoned("웅진에서 도읍을 옮긴 것은 백제의 성왕 때이다.", "1"),
    }
    config = tmp_path / "reader.yaml"
    reader = {"kind": "scripted", "answers": answers, "otherwise": "모른다"}
    config.write_text(json.dumps({"rag": {"reader": reader}}, ensure_ascii=False), encoding="utf-8")
    out = tmp_path / "mined"
    given = ["mine", str(run), "--exam", f"jsonl:{exam_file(tmp_path)}", "--out", str(out), "--clusters", "1", "--json"]
    given += ["--set", "finetune.mine.per_cluster=9", "--write", "--config", str(config)]
    assert main(given) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["written"] == 1
    assert figures["rejected"] == {"another answer": 1, "no JSON with 풀이": 3}
    assert {line.id: line.reasoning for line in read_reasoning(out / "reasoning.jsonl")}["goryeo-year"] == GOOD


def test_an_endpoint_is_told_the_answer_and_sent_the_passages_that_hold_it(
    run: Path, tmp_path: Path, server: Server, little_world: Index
) -> None:
    content = {"choices": [{"message": {"content": _reasoned(GOOD)}, "finish_reason": "stop"}]}
    server.replies = [lambda body: (200, json.dumps(content).encode(), {})]
    config = tmp_path / "endpoint.yaml"
    reader = {"kind": "openai", "url": server.url, "model": "m"}
    config.write_text(json.dumps({"rag": {"reader": reader}}), encoding="utf-8")
    given = ["mine", str(run), "--exam", f"jsonl:{exam_file(tmp_path)}", "--out", str(tmp_path / "mined"), "--write"]
    given += ["--clusters", "5", "--config", str(config), "--index", str(little_world.path), "--json"]
    assert main(given) == 0
    written = {line.id: line.reasoning for line in read_reasoning(tmp_path / "mined" / "reasoning.jsonl")}
    assert written["goryeo-year"] == GOOD
    assert written["joseon-founder"] == ""  # 2 is not 이성계
    sent = [body["messages"][-1]["content"] for body in server.bodies]
    (asked,) = [text for text in sent if "고려를 세워" in text]
    assert "왕건은 918년에 임금이 되어" in asked
    assert "정답은 2번 (918년)입니다" in asked
    assert main(given) == 0
    assert len(server.bodies) == len(sent)  # nothing is asked twice


def test_the_solver_cannot_write_reasoning(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["mine", str(run), "--exam", f"jsonl:{exam_file(tmp_path)}", "--write", "--out", str(tmp_path / "m")]
    assert run_command(lambda: main(given)) == 2
    assert "'solver' cannot write reasoning" in capsys.readouterr().err
