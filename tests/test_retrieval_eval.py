"""eval retrieval: measures over all judged queries, documents by their best passage, runs in TREC's form."""

from __future__ import annotations

import json
from math import log2
from pathlib import Path

import numpy as np
import pytest

from configs.errors import UserError
from corpora.exams import load_qrels
from eval.retrieval import Task, bootstrap, by_document, load_task, scores
from rag.hits import Hit, rank
from tests.conftest import run, write_jsonl


def ranking(*doc_ids: str) -> list[Hit]:
    return [Hit(doc_id, 10.0 - number, number) for number, doc_id in enumerate(doc_ids, start=1)]


def test_measures_worked_by_hand_and_a_query_without_hits_scores_zero() -> None:
    task = Task({"q1": "", "q2": "", "q3": ""}, {"q1": {"a": 1}, "q2": {"b": 1, "c": 1}, "q3": {"d": 1}})
    table = scores(task, {"q1": ranking("a", "x"), "q2": ranking("x", "b", "y", "c"), "q3": []})
    ideal = 1 + 1 / log2(3)
    assert table["ndcg@10"].tolist() == pytest.approx([1, (1 / log2(3) + 1 / log2(5)) / ideal, 0])
    assert table["mrr@10"].tolist() == pytest.approx([1, 0.5, 0])
    assert table["recall@10"].tolist() == [1, 1, 0]
    assert table["top1"].tolist() == [1, 0, 0]


def test_a_document_stands_where_its_best_passage_stands() -> None:
    hits = rank({"a#0": 1.0, "a#1": 5.0, "b#0": 3.0}, 10)
    assert [(hit.passage_id, hit.rank) for hit in by_document(hits)] == [("a", 1), ("b", 2)]


def test_the_interval_is_that_of_the_mean_and_repeatable() -> None:
    values = np.array([0.0, 1.0] * 200)
    low, high = bootstrap(values, resamples=2000, seed=1)
    assert (low, high) == bootstrap(values, resamples=2000, seed=1)
    assert low == pytest.approx(0.5 - 1.96 * 0.025, abs=0.01)
    assert high == pytest.approx(0.5 + 1.96 * 0.025, abs=0.01)


def beir(folder: Path) -> Path:
    """A BEIR folder of three documents and two judged queries."""
    write_jsonl(folder / "corpus.jsonl", [
        {"_id": "d1", "title": "", "text": "광해군 때 경기도에서 대동법을 실시하였다."},
        {"_id": "d2", "title": "", "text": "영조 때 균역법으로 군포를 줄였다."},
        {"_id": "d3", "title": "", "text": "섬진강은 남해로 흐른다."},
    ])  # fmt: skip
    write_jsonl(
        folder / "queries.jsonl", [{"_id": "q1", "text": "대동법은 어디서 실시되었나?"}, {"_id": "q2", "text": "😀"}]
    )
    (folder / "qrels").mkdir()
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td3\t1\n", encoding="utf-8")
    return folder


def test_a_beir_folder_is_indexed_scored_and_its_run_written(tmp_path: Path) -> None:
    folder = beir(tmp_path)
    arguments: list[str | Path] = ["eval", "retrieval", "--beir", folder, "--out", tmp_path / "runs", "--json"]
    done = run(*arguments, "--set", f"index_build.cache={tmp_path / 'cache'}", "--set", "eval.resamples=200")
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert set(printed) == {"n", "ndcg@10", "mrr@10", "recall@10", "recall@100", "top1", "ci95", "run"}
    assert (printed["n"], printed["ndcg@10"], printed["top1"]) == (2, 0.5, 0.5)
    first = Path(printed["run"]).read_text(encoding="utf-8").splitlines()[0].split()
    assert [*first[:4], first[5]] == ["q1", "Q0", "d1", "1", "geungeo-lexical"]


def test_a_wrong_split_and_judged_documents_that_are_missing_are_refused(tmp_path: Path) -> None:
    folder = beir(tmp_path)
    with pytest.raises(UserError, match=r"no judgements for split 'dev'; there are: test"):
        load_task(folder, "dev")
    (folder / "qrels" / "test.tsv").write_text("q1\td1\t1\nq9\td3\t1\n", encoding="utf-8")
    with pytest.raises(UserError, match="'q9' is judged but not in"):
        load_task(folder, "test")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("query-id\tcorpus-id\tscore\nq\td\t1\n", {"q": {"d": 1}}),
        ("q 0 d 2\n\nq 0 e 0\n", {"q": {"d": 2, "e": 0}}),
        ("q\td\t1\nq\td\t1\n", {"q": {"d": 1}}),
    ],
)
def test_judgements_are_read_in_both_forms(tmp_path: Path, text: str, expected: dict[str, dict[str, int]]) -> None:
    path = tmp_path / "qrels.tsv"
    path.write_text(text, encoding="utf-8")
    assert load_qrels(path) == expected


@pytest.mark.parametrize("text", ["q\td\tyes\n", "q d\n", "q\td\t1\nq\td\t0\n"])
def test_judgements_that_are_none_name_their_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "qrels.tsv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"qrels\.tsv:[12]"):
        load_qrels(path)
