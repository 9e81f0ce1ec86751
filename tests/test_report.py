"""What a run leaves behind: the contract's JSON, a page that needs nothing else, tables, and runs compared."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from configs.errors import UserError
from corpora.exams import load_exam
from corpora.sample import EXAM
from eval.compare_cli import main_compare, main_report
from eval.items import read_items
from eval.rag import main_rag
from eval.record import read_record
from rag.index import Index

COMMON = ["--set", "eval.resamples=200"]


@pytest.fixture(scope="module")
def run(sample_index: Index, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 24 items with the solver, in all arms, permuted."""
    out = tmp_path_factory.mktemp("run") / "solver"
    arms = "closed,retrieved,gated,gold,random,distract"
    arguments = ["--rag", "--index", str(sample_index.path), "--out", str(out), "--arms", arms, "--permute", *COMMON]
    assert main_rag([*arguments, "--limit", "24"]) == 0
    return out


@pytest.fixture(scope="module")
def scripted(sample_index: Index, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same items answered by a script, closed book."""
    out = tmp_path_factory.mktemp("run") / "scripted"
    arguments = ["--no-rag", "--out", str(out), "--set", "rag.reader.kind=scripted", *COMMON]
    assert main_rag([*arguments, "--limit", "30"]) == 0
    return out


def test_the_json_is_the_contracts(sample_index: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--rag", "--index", str(sample_index.path), "--out", str(tmp_path / "run"), "--json", "--limit", "6"]
    assert main_rag([*arguments, "--set", "rag.reader.kind=scripted", *COMMON]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["n"] == 6
    assert list(printed["arms"]) == ["closed", "retrieved", "gated", "gold", "random"]
    assert set(printed["arms"]["closed"]) == {"accuracy", "ci95", "unparsed", "n"}
    first = printed["comparisons"][0]
    assert (first["a"], first["b"]) == ("closed", "retrieved")
    assert set(first) >= {"a", "b", "delta", "ci95", "mcnemar_p", "fixed", "broken", "mde"}
    assert printed["subjects"][0]["arms"]["closed"]["n"] == 6
    assert Path(printed["record"]).is_file()


def test_every_file_is_there_and_the_record_came_last(run: Path) -> None:
    names = {path.name for path in run.iterdir()}
    assert names == {
        "journal.jsonl",
        "items.jsonl",
        "items.csv",
        "groups.csv",
        "report.md",
        "report.html",
        "record.json",
    }
    last = (run / "record.json").stat().st_mtime_ns
    assert all(path.stat().st_mtime_ns <= last for path in run.iterdir())


class _Page(HTMLParser):
    """Every address that a page would load, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [
            value for name, value in attrs if name in ("src", "href") and value and not value.startswith("#")
        ]
        if tag in ("script", "link", "iframe"):
            self.loads.append(tag)


def test_the_page_loads_nothing_and_shows_the_verdict_and_the_plots(run: Path) -> None:
    text = (run / "report.html").read_text(encoding="utf-8")
    page = _Page()
    page.feed(text)
    assert page.loads == []
    assert "url(http" not in text
    record = read_record(run)
    assert record.verdict.split(":")[0] in text
    assert text.count("<svg") == text.count("</svg>") >= 4
    assert re.search(r"<text[^>]*>경제 \(\d+\)</text>", text)  # letters are text, in the reader's own font


def test_the_report_is_made_again_byte_for_byte(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {name: (run / name).read_bytes() for name in ("report.html", "report.md", "items.csv", "record.json")}
    assert main_report([str(run)]) == 0
    assert {name: (run / name).read_bytes() for name in before} == before
    assert "report.html" in capsys.readouterr().out


def test_the_csv_has_one_row_per_item_and_arm(run: Path) -> None:
    with (run / "items.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    items = read_items(run)
    assert len(rows) == sum(len(item.outcomes) for item in items)
    assert {row["item"] for row in rows} == {question.question_id for question in load_exam(EXAM)[:24]}


def test_counts_agree_between_arms_comparisons_and_groups(run: Path) -> None:
    record = read_record(run)
    main = record.comparisons[0]
    subjects = [group for group in record.groups if group.dimension == "subject"]
    assert sum(group.comparisons[0].fixed for group in subjects) == main.fixed
    assert sum(group.arms["closed"].n for group in subjects) == record.arms["closed"].n == main.n
    table, wrong = record.hits["retrieved"], record.triage["retrieved"]
    judged_wrong = sum(share.n for share in wrong if share.cause not in ("not judged", "unparsed"))
    assert table.hit_wrong + table.miss_wrong == judged_wrong
    assert record.hits["gold"].miss_right == record.hits["gold"].miss_wrong == 0
    assert record.cost.tokens_added is not None
    assert record.cost.tokens_added > 0


def test_a_run_against_itself_shows_no_difference(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main_compare([str(run), str(run), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["n"], printed["only_a"], printed["only_b"]) == (24, 0, 0)
    assert all(arm["delta"] == 0 and arm["mcnemar_p"] == 1 for arm in printed["arms"].values())


def test_runs_of_two_readers_are_compared_on_what_both_were_asked(
    run: Path, scripted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main_compare([str(run), str(scripted), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["n"], printed["only_a"], printed["only_b"]) == (24, 0, 6)
    assert list(printed["arms"]) == ["closed"]
    closed = printed["arms"]["closed"]
    assert closed["delta"] == pytest.approx(closed["accuracy_b"] - closed["accuracy_a"])
    assert main_compare([str(run), str(scripted)]) == 0
    assert "B against A on 24 common items" in capsys.readouterr().out


def test_what_is_no_run_is_refused_in_one_line(tmp_path: Path, run: Path) -> None:
    with pytest.raises(UserError, match="no finished run of: python -m eval --rag"):
        main_report([str(tmp_path)])
    (tmp_path / "record.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match="made by another version"):
        main_compare([str(run), str(tmp_path)])


def test_gold_without_judgements_and_a_split_that_is_not_there_are_refused(sample_index: Index, tmp_path: Path) -> None:
    exam = tmp_path / "exam.jsonl"
    exam.write_text(
        json.dumps({"id": "q", "question": "왕은?", "choices": ["영조", "정조"], "answer": 1}), encoding="utf-8"
    )
    common = ["--rag", "--exam", f"jsonl:{exam}", "--index", str(sample_index.path), "--out", str(tmp_path / "run")]
    with pytest.raises(UserError, match=r"--arms gold: needs judgements"):
        main_rag([*common, "--arms", "closed,gold"])
    with pytest.raises(UserError, match="--split test: no questions; the exam's splits are: none"):
        main_rag([*common, "--split", "test"])
    with pytest.raises(UserError, match="Input should be"):
        main_rag([*common, "--arms", "open"])
