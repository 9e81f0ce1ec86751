"""The debug REPL without its terminal: every command on the bundled sample."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from corpora.exams import load_exam, load_qrels
from corpora.pdf.picture import png
from corpora.sample import EXAM
from rag.index import Index
from rag.repl.commands import COMMANDS, help_of
from rag.repl.complete import completions
from rag.repl.layout import render, snippet
from rag.repl.respond import respond
from rag.repl.state import State
from rag.retrieve import Filter
from tests.conftest import write_jsonl
from tests.repl_session import ITEM, QUESTION, begin, hits, say


@pytest.fixture
def session(sample_index: Index, tmp_path: Path) -> State:
    """A session on the bundled sample that writes below a folder of its own."""
    return begin(sample_index, tmp_path)


def test_a_question_gives_ranked_hits_with_their_places_in_both_searches(session: State) -> None:
    text, state = say(session, QUESTION)
    assert hits(state)[0] == "daedongbeop#2"
    assert "10 hits, lexical" in text
    assert state.shown is not None
    traced = state.shown.trace.hits
    assert [one.lexical.rank for one in traced] == list(range(1, 11))
    near = state.desk.engines(state.rag.model_copy(update={"mode": "dense"}), state.only).retriever.search(QUESTION, 1)
    assert {one.hit.passage_id: one.dense.rank for one in traced}[near[0].passage_id] == 1


def test_the_morphemes_that_match_are_lit(session: State) -> None:
    reply, _ = respond(QUESTION, session)
    assert "\x1b[1;33m대동법" in render(reply, 120, color=True)


def test_why_adds_up_to_the_score_and_names_what_is_lacking(session: State) -> None:
    text, state = say(session, QUESTION, ":why 1")
    assert state.shown is not None
    assert f"lexical {state.shown.trace.hits[0].hit.score:.4f} = the sum of" in text
    assert "in the question, not in the passage: 실시" in text
    assert "대동법은 +" in text
    assert "nothing is fused" in text


def test_shares_of_a_fusion_add_up_to_the_fused_score(session: State) -> None:
    text, state = say(session, ":mode hybrid", QUESTION, ":why 1")
    assert state.shown is not None
    line = next(line for line in text.splitlines() if line.startswith("fused"))
    assert f"fused {state.shown.trace.hits[0].hit.score:.4f} = " in line
    total, _, shares = line.removeprefix("fused ").partition(" = ")
    parts = [float(part.split()[0]) for part in shares.split(" + ")]
    assert sum(parts) == pytest.approx(float(total), abs=2e-4)


def test_tokens_tell_what_is_dropped_and_why(session: State) -> None:
    text, _ = say(session, ":tokens 공납을 쌀로 바꾼 왕은?")
    rows = {line.split("│")[0].strip(): line for line in text.splitlines() if "│" in line}
    assert "dropped: particle" in rows["을"]
    assert "dropped" not in rows["쌀"]
    assert "바꾸다" in rows["바꾸"]


def test_a_passage_is_shown_between_its_neighbours(session: State) -> None:
    text, _ = say(session, QUESTION, ":show daedongbeop#2")
    assert "3 of 5 passages" in text
    assert "경기도부터 시행하자고" in text
    assert text.count("…") >= 2


def test_the_page_of_a_passage_is_a_picture_with_yellow_on_it(
    session: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    text, state = say(session, ":pdf textbook#35")
    [path] = (tmp_path / "cache").rglob("*.png")
    assert path.name in text.replace("\n", "")
    pixels = _pixels(path.read_bytes())
    yellow = (pixels == np.array([255, 236, 120])).all(axis=2).mean()
    assert 0.02 < yellow < 0.5
    assert "no pages" in say(state, ":pdf daedongbeop#0")[0]


def _pixels(content: bytes) -> NDArray[np.uint8]:
    """The pixels of a PNG with one IDAT chunk and filter 0."""
    width, height = struct.unpack(">II", content[16:24])
    size = struct.unpack(">I", content[33:37])[0]
    rows = np.frombuffer(zlib.decompress(content[41 : 41 + size]), np.uint8).reshape(height, 1 + 3 * width)
    return rows[:, 1:].reshape(height, width, 3)


def test_a_png_holds_the_pixels_it_was_made_of() -> None:
    pixels = np.arange(2 * 5 * 3, dtype=np.uint8).reshape(2, 5, 3)
    assert (_pixels(png(pixels)) == pixels).all()


def test_modes_settings_and_filters_search_again_and_diff_shows_what_moved(session: State) -> None:
    text, state = say(session, QUESTION, ":mode dense")
    assert "moved or are new; :diff" in text
    dense = hits(state)
    text, _ = say(state, ":diff")
    assert "was: before" in text
    assert "gone" in text and "new" in text
    text, _ = say(state, ":diff lexical")
    assert f"{len(set(dense) & set(hits(say(session, QUESTION)[1])))} passages in both" in text
    text, state = say(state, ":top 3", ":filter source=sample")
    assert (len(hits(state)), state.only.source) == (3, "sample")
    assert "only source sample" in text
    assert say(state, ":set lexical.b=0.5")[1].rag.lexical.b == 0.5
    assert "rag.lexical.b = 0.75" in say(state, ":set lexical.b")[0]


def test_an_item_marks_its_gold_and_searches_every_choice(session: State) -> None:
    text, state = say(session, f":q {ITEM}")
    assert "★ opportunity-cost#3" in text
    assert "gold ★: opportunity-cost#3 at 1" in text
    assert text.count("opportunity-cost#3") == 2 + 4  # table, summary, and one search for each choice
    assert "→1" in text
    assert say(state, ":q next")[1].shown != state.shown
    assert "no item before" in say(state, ":q prev")[0]


def test_queries_of_choices_are_explained_by_the_one_that_ranks_best(session: State) -> None:
    text, state = say(session, ":set query.builder=per_choice", f":q {ITEM}")
    assert "4 queries (per_choice)" in text
    assert "구두" in say(state, ":why 1")[0].splitlines()[0] + say(state, ":why 1")[0].splitlines()[1]


def test_a_passage_that_was_not_found_is_followed_through_every_stage(session: State) -> None:
    text, state = say(session, "조선 후기의 세금", ":top 1", ":miss daedongbeop#2")
    for stage in ("morphemes alone", "bigrams alone", "lexical", "dense", "whole search"):
        assert stage in text
    assert "not among the first 1" in text
    assert "prompt: not offered" in text
    by_text, _ = say(state, ":miss 한백겸의  의견을 받아들여")
    assert by_text.splitlines()[0] == text.splitlines()[0]
    # a term that is said to bring the passage does so
    term, rank = text.split("lexical rank: ")[1].split(",")[0].split(" → ")
    found = state.engines.lexical.search(f"조선 후기의 세금\n{term}", 20)
    assert {hit.passage_id: hit.rank for hit in found}["daedongbeop#2"] == int(rank)


def test_a_filtered_passage_is_said_to_be_filtered(session: State) -> None:
    _, state = say(session, QUESTION)
    text, _ = say(replace(state, only=Filter(source="elsewhere")), ":miss daedongbeop#0")
    assert "the filter in effect leaves this passage out" in text


def test_the_prompt_is_shown_as_the_reader_gets_it(session: State) -> None:
    _, state = say(session, f":q {ITEM}")
    reply, _ = respond(":prompt", state)
    made = state.desk.pipeline(state.rag, state.only).prompt(
        state.shown.trace.question if state.shown else load_exam(EXAM)[0], hits(state)
    )
    text = render(reply, 400)
    assert all(line.strip() in text for line in made.text.splitlines() if len(line) < 150)
    assert f"{made.tokens:,} tokens" in text
    assert "max_passages" in text


def test_ask_says_what_each_passage_did_to_the_right_choice(session: State) -> None:
    text, _ = say(session, f":q {ITEM}", ":ask")
    rows = [line for line in text.splitlines() if "opportunity-cost#3" in line]
    assert float(rows[0].rpartition("│")[2]) > 0.5
    assert "0.250" in text and "←" in text
    assert "the right choice" in text


def test_ask_writes_where_there_are_no_choices(session: State) -> None:
    text, _ = say(session, QUESTION, ":ask")
    assert "closed: unparsed" in text
    assert "with passages: " in text


def test_an_unparsed_answer_is_shown_as_such(session: State) -> None:
    reader = ":set reader={kind: scripted, otherwise: 모릅니다}"
    text, _ = say(session, reader, ":set channel=generate", f":q {ITEM}", ":ask")
    assert "with passages: unparsed: '모릅니다'" in text


def test_the_gate_tells_its_features_and_its_decision(session: State) -> None:
    text, _ = say(session, f":q {ITEM}", ":set gate={kind: score_floor, floor: 1000}", ":gate")
    assert "top score" in text
    assert "closed book: " in text


def test_marks_become_qrels_that_load(session: State, tmp_path: Path) -> None:
    _, state = say(session, QUESTION, ":mark 1 rel", ":mark 2 not", f":q {ITEM}", ":mark opportunity-cost#3 rel")
    qrels = load_qrels(tmp_path / "marks" / "qrels.trec")
    assert qrels[ITEM] == {"opportunity-cost#3": 1}
    assert qrels == state.marks
    say(session, f":q {ITEM}", ":mark 1 not")  # another session adds to the file
    assert load_qrels(tmp_path / "marks" / "qrels.trec")[ITEM] == {"opportunity-cost#3": 0}


def test_a_session_is_saved_line_by_line(session: State, tmp_path: Path) -> None:
    _, state = say(session, QUESTION, ":why 1", ":nothing")
    text, _ = say(state, f":save {tmp_path / 'mine'}")
    lines = [json.loads(line) for line in (tmp_path / "mine.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line.get("line") for line in lines] == [None, QUESTION, ":why 1", ":nothing"]
    assert [hit["passage_id"] for hit in lines[1]["hits"]] == hits(state)
    assert "the sum of" in (tmp_path / "mine.md").read_text(encoding="utf-8")
    assert "mine.md" in text
    say(state, ":save", ":save")
    assert {path.name for path in (tmp_path / "sessions").glob("*.md")} == {"session-1.md", "session-2.md"}


def test_bench_names_every_stage(session: State) -> None:
    text, state = say(session, QUESTION, ":bench 2")
    assert [stage for stage in ("Kiwi", "encoding", "the whole search (lexical)") if stage not in text] == []
    assert "fusion" in say(state, ":mode hybrid", ":bench 2")[0]


def test_runs_lead_from_one_wrong_item_to_the_next(session: State, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    ids = [question.question_id for question in session.exam[:4]]
    lines: list[dict[str, object]] = [
        {
            "question_id": name, "digest": "-", "traits": {"kind": "multiple_choice"},
            "outcomes": [{"arm": "retrieved", "answer": "2", "is_right": n % 2 == 0, "cause": "reader ignored" if n % 2 else None}],
        }
        for n, name in enumerate(ids)
    ]  # fmt: skip
    write_jsonl(run / "items.jsonl", lines)
    assert "no finished run" in say(session, f":run {run}")[0]
    (run / "record.json").write_text("{}", encoding="utf-8")
    text, state = say(session, f":run {run}")
    assert "4 items, 2 wrong" in text
    text, state = say(session, ":q wrong")  # finds the newest run by itself
    assert f"{ids[1]} " in text.splitlines()[0]
    assert "retrieved 2, reader ignored" in text
    assert f"{ids[3]} " in say(state, ":q wrong")[0].splitlines()[0]
    assert "no item that went wrong after" in say(state, ":q wrong", ":q wrong")[0]
    (run / "items.jsonl").write_text("[]\n", encoding="utf-8")
    assert "not the items" in say(session, f":run {run}")[0]


def test_every_command_explains_itself(session: State) -> None:
    text, _ = say(session, ":help")
    for name, handler in COMMANDS.items():
        assert f":{name}" in text
        assert len(help_of(name, handler).summary) > 10
    assert "`rag.` may be left out" in say(session, ":help set")[0]
    assert say(session, ":quit")[1].is_over


def test_commands_ids_and_settings_are_completed(session: State) -> None:
    _, state = say(session, f":q {ITEM}")
    assert completions(":wh", state) == (":wh", [":why"])
    assert completions(":q economics-00", state)[1][0] == "economics-001"
    assert "lexical.k1=" in completions(":set lexical.", state)[1]
    assert completions(":set rag.mode=h", state) == ("rag.mode=h", ["rag.mode=hybrid"])
    assert completions(":mode d", state)[1] == ["dense"]
    assert "opportunity-cost#3" in completions(":why opp", state)[1]
    assert completions(":mark opportunity-cost#3 r", state) == ("r", ["rel"])
    assert "source=sample" in completions(":filter ", state)[1]
    assert completions("대동", state)[1] == ()


def test_a_snippet_shows_where_the_terms_stand() -> None:
    text = "가" * 200 + " 대동법 " + "나" * 200
    assert "대동법" in snippet(text, ["대동법"], 60)
    assert len(snippet(text, ["대동법"], 60)) <= 60
    assert snippet("짧다", [], 60) == "짧다"
