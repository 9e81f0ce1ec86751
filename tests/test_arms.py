"""Arms: who is offered which passages, and the whole path through the journal with a scripted reader."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.errors import UserError
from configs.evaluation import EvalSettings
from configs.reader import ScriptedSettings
from configs.schema import Settings
from corpora.exams import load_exam
from corpora.records import Gold, Question
from corpora.sample import EXAM
from eval.arms import arms_for, placebo
from eval.items import Item, read_items
from eval.predict import rotated, unrotated
from eval.record import read_record
from eval.run import JOURNAL, Request, ask, evaluate
from rag.hits import rank
from rag.index import Index
from rag.judgements import Judgements, distractors, judgements_from_qrels, judgements_from_quotes
from rag.pipeline import Library, Pipeline, evidence_of
from rag.reader import Prompt
from rag.reader_scripted import ScriptedReader
from rag.readers import reader_for
from rag.retrieve import LexicalRetriever
from rag.shots import Shots
from tests.conftest import ROOT

NONE = Judgements({}, {})
SOME = Judgements({"q": ("d#0",)}, {})


def test_arms_come_in_their_order_with_those_that_they_are_made_from() -> None:
    assert arms_for(None, NONE) == ("closed", "retrieved", "gated")
    assert arms_for(None, SOME) == ("closed", "retrieved", "gated", "gold", "random")
    assert arms_for(("gated",), NONE) == ("closed", "retrieved", "gated")
    assert arms_for(("random",), NONE) == ("retrieved", "random")
    with pytest.raises(UserError, match=r"--arms distract,gold: needs judgements"):
        arms_for(("gold", "distract"), NONE)


@given(st.integers(2, 10), st.data())
def test_a_turned_choice_is_traced_back_to_its_number(size: int, data: st.DataObject) -> None:
    turn, place = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    question = Question("q", "multiple_choice", "", "?", tuple(f"choice {n}" for n in range(1, size + 1)), 1)
    chosen = rotated(question, turn).choices[place - 1]
    assert chosen == f"choice {unrotated(place, turn, size)}"
    assert unrotated(None, turn, size) is None


def test_distractors_are_the_best_hits_of_documents_without_judged_passages() -> None:
    hits = rank({"a#0": 5.0, "a#1": 4.0, "b#0": 3.0, "c#0": 2.0, "d#0": 1.0}, 10)
    assert distractors(hits, ["a#1"], 2) == ["b#0", "c#0"]


def test_a_placebo_is_as_long_from_other_documents_and_the_same_every_time(sample_index: Index) -> None:
    store = sample_index.store
    shown = evidence_of(sample_index, [store.passage_id(row) for row in (0, 5, 50)])
    avoid = [store.passage_id(7)]
    found = placebo(store, shown, avoid, seed="1 q")
    assert found == placebo(store, shown, avoid, seed="1 q")
    assert found != placebo(store, shown, avoid, seed="1 other")
    assert len(set(found)) == 3
    barred = {name.rpartition("#")[0] for name in (*avoid, *(passage.passage_id for passage in shown))}
    assert barred.isdisjoint(name.rpartition("#")[0] for name in found)
    lengths = [len(passage.text) for passage in evidence_of(sample_index, found)]
    assert sum(lengths) == pytest.approx(sum(len(passage.text) for passage in shown), rel=0.25)


def test_judgements_come_from_quotes_and_what_does_not_fit_the_index_is_named(sample_index: Index) -> None:
    store = sample_index.store
    passage = store.passage(3)
    good = Question("good", "multiple_choice", "", "?", ("a", "b"), 1, gold=(Gold(passage.doc_id, passage.text[5:30]),))
    absent = replace(good, question_id="absent", gold=(Gold("no-such-document", "없다"),))
    found = judgements_from_quotes([good, absent, replace(good, question_id="none", gold=())], store)
    assert passage.passage_id in found.passages["good"]
    assert set(found.passages) == {"good"}
    assert "no passages of document" in found.unusable["absent"]


def test_judged_documents_stand_for_all_their_passages_in_order(sample_index: Index) -> None:
    store = sample_index.store
    doc_id = store.passage(3).doc_id
    rows = store.rows_of(doc_id)
    qrels = {"by document": {doc_id: 1}, "by passage": {store.passage_id(rows[0]): 1, store.passage_id(rows[1]): 2}}
    found = judgements_from_qrels({**qrels, "elsewhere": {"nowhere": 1}, "judged bad": {doc_id: 0}}, store)
    assert found.passages["by document"] == tuple(store.passage_id(row) for row in rows)
    assert found.passages["by passage"] == (store.passage_id(rows[1]), store.passage_id(rows[0]))
    assert set(found.unusable) == {"elsewhere"}


def request(
    index: Index, out: Path, *, limit: int = 12, answers: dict[str, str] | None = None, permute: bool = False
) -> Request:
    exam = load_exam(EXAM)
    defaults = Settings()
    rag = defaults.rag.model_copy(
        update={"index": index.path, "reader": ScriptedSettings(kind="scripted", answers=answers or {}, otherwise="2")}
    )
    settings = defaults.model_copy(update={"rag": rag, "eval": EvalSettings(out=out, resamples=200, chunk=5)})
    return Request(settings, "sample", exam[:limit], exam, out, with_index=True, permute=permute)


def opened(index: Index, asked: Request) -> Pipeline:
    """The request's path over an index that is open already, so that Kiwi is loaded once for all tests."""
    rag = asked.settings.rag
    library = Library(index, LexicalRetriever(index, rag.lexical), rag.query)
    return Pipeline(rag, reader_for(rag.reader), library, Shots((), rag.prompt.shots))


def timeless(items: list[Item]) -> list[Item]:
    return [replace(one, outcomes=tuple(replace(o, seconds=0.0) for o in one.outcomes)) for one in items]


def test_every_item_is_asked_in_every_arm_and_a_scripted_answer_is_judged(sample_index: Index, tmp_path: Path) -> None:
    exam = load_exam(EXAM)[:12]
    right = {question.question_id: str(question.answer) for question in exam[:4]}
    asked = request(sample_index, tmp_path / "run", answers=right)
    record = evaluate(asked, opened(sample_index, asked))
    assert record.arms["closed"].n == record.arms["retrieved"].n == record.arms["gated"].n == 12
    items = read_items(tmp_path / "run")
    assert [item.question_id for item in items] == [question.question_id for question in exam]
    assert all(outcome.is_right for item in items[:4] for outcome in item.outcomes)
    lines = [json.loads(line) for line in (tmp_path / "run" / JOURNAL).read_text(encoding="utf-8").splitlines()]
    assert len({(line["question_id"], line["arm"], line["channel"]) for line in lines}) == len(lines)
    assert len(lines) == sum(len(item.outcomes) for item in items)
    gold = [item.outcome("gold") for item in items]
    assert all(outcome is None or outcome.shows_gold for outcome in gold)
    assert not any(outcome.shows_gold for item in items if (outcome := item.outcome("random")) is not None)


def test_a_second_run_asks_nothing_and_says_the_same(sample_index: Index, tmp_path: Path) -> None:
    asked = request(sample_index, tmp_path / "run")
    first, again = (ask(asked, opened(sample_index, asked)) for _ in range(2))
    assert first.costs.asked > 0
    assert again.costs.asked == 0
    assert again.items == first.items


def test_another_script_is_another_reader_and_reuses_nothing(sample_index: Index, tmp_path: Path) -> None:
    one = request(sample_index, tmp_path / "run")
    two = request(sample_index, tmp_path / "run", answers={"no such item": "1"})
    first, other = (ask(asked, opened(sample_index, asked)) for asked in (one, two))
    assert other.costs.asked == first.costs.asked


def test_equal_prompts_are_asked_once_so_the_gated_arm_costs_no_answer(sample_index: Index, tmp_path: Path) -> None:
    asked = request(sample_index, tmp_path / "run")
    three = asked.settings.eval.model_copy(update={"arms": ("closed", "retrieved", "gated")})
    asked = replace(asked, settings=asked.settings.model_copy(update={"eval": three}))
    found = ask(asked, opened(sample_index, asked))
    assert found.costs.asked == 2 * 12
    assert found.costs.reused == 0


def test_a_closed_book_run_needs_no_index(sample_index: Index, tmp_path: Path) -> None:
    record = evaluate(replace(request(sample_index, tmp_path / "run"), with_index=False))
    assert list(record.arms) == ["closed"]
    assert record.digests.index == ""


def test_permuting_finds_that_a_script_always_takes_the_second_place(sample_index: Index, tmp_path: Path) -> None:
    asked = request(sample_index, tmp_path / "run", limit=6, permute=True)
    record = evaluate(asked, opened(sample_index, asked))
    found = record.positions["closed"]
    assert found.consistency is not None
    assert found.consistency.accuracy == 0.0
    assert found.chosen[1] == found.n


def test_unparsed_answers_are_none_counted_and_wrong(sample_index: Index, tmp_path: Path) -> None:
    exam = load_exam(EXAM)[:6]
    asked = request(sample_index, tmp_path / "run", limit=6, answers={q.question_id: "모르겠다" for q in exam})
    record = evaluate(asked, opened(sample_index, asked))
    assert record.arms["closed"].unparsed == record.arms["closed"].n == 6
    assert record.arms["closed"].accuracy == 0.0
    assert [share.cause for share in record.triage["retrieved"]] == ["unparsed"]


class _Endpoint(ScriptedReader):
    """A scripted reader that is gone after some calls, as an endpoint may be."""

    def __init__(self, settings: ScriptedSettings, calls: int) -> None:
        super().__init__(settings)
        self._left = calls

    def label_logprobs(self, prompts: Sequence[Prompt]) -> list[tuple[float, ...]]:
        """The scripted answers, until there are no calls left."""
        self._left -= 1
        if self._left < 0:
            raise UserError("http://localhost:8000/v1: no answer")
        return super().label_logprobs(prompts)


def test_what_was_answered_before_the_reader_went_away_is_kept(sample_index: Index, tmp_path: Path) -> None:
    asked = request(sample_index, tmp_path / "run")
    whole = opened(sample_index, asked)
    failing = replace(whole, reader=_Endpoint(ScriptedSettings(kind="scripted", otherwise="2"), calls=1))
    with pytest.raises(UserError, match="no answer"):
        ask(asked, failing)
    lines = (tmp_path / "run" / JOURNAL).read_text(encoding="utf-8").splitlines()
    kept = {json.loads(line)["key"] for line in lines}
    everything = ask(replace(asked, out=tmp_path / "other"), whole).costs.asked
    assert len({json.loads(line)["question_id"] for line in lines}) == 5  # the first chunk
    assert ask(asked, whole).costs.asked == everything - len(kept)


def test_a_run_killed_in_the_middle_goes_on_and_ends_the_same(sample_index: Index, tmp_path: Path) -> None:
    command = [
        sys.executable, "-c", "import sys; from eval.rag import main_rag; main_rag(sys.argv[1:])", "--rag",
        "--index", str(sample_index.path), "--no-leakage", "--limit", "60", "--arms", "closed,retrieved,gated",
        "--set", "rag.reader.kind=scripted", "--set", "eval.chunk=1", "--set", "eval.resamples=200", "--out",
    ]  # fmt: skip
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run([*command, str(whole)], cwd=ROOT, check=True, capture_output=True)
    running = subprocess.Popen([*command, str(killed)], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while running.poll() is None and _lines(killed / JOURNAL) < 20:
        time.sleep(0.005)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert not (killed / "record.json").exists()
    kept = {json.loads(line)["key"] for line in (killed / JOURNAL).read_bytes().split(b"\n")[:-1]}
    subprocess.run([*command, str(killed)], cwd=ROOT, check=True, capture_output=True)
    assert read_record(killed).cost.asked == read_record(whole).cost.asked - len(kept)
    assert timeless(read_items(killed)) == timeless(read_items(whole))


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0
