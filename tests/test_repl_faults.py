"""The debug REPL and lines that are wrong, long or broken, screens that are narrow, and indexes that go away."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from configs.errors import UserError
from rag.index import Index
from rag.repl.desk import Desk
from rag.repl.layout import render
from rag.repl.respond import respond
from rag.repl.state import State, start
from rag.repl.terminal import through_pipe
from tests.repl_session import ITEM, QUESTION, begin, say


@pytest.fixture
def session(sample_index: Index, tmp_path: Path) -> State:
    """A session on the bundled sample that writes below a folder of its own."""
    return begin(sample_index, tmp_path)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (":wyh 1", "did you mean :why?"),
        (":s", "did you mean :show or :set or :save?"),
        (":", "unknown command"),
        (":why", "which passage?"),
        (":why 11", "the table has 10 hits"),
        (":why 0", "the table has 10 hits"),
        (":why nothing#1", "no passage 'nothing#1'"),
        (":show ²", "no passage"),
        (":q economcs-001", "did you mean economics-001?"),
        (":set rag.top_k=many", "rag.top_k: found 'many'"),
        (":set lexcal.b=1", "did you mean lexical?"),
        (":set lexcal", "did you mean lexical?"),
        (":set index=/nowhere", "no index here"),
        (":mode fast", "expected lexical, dense, hybrid"),
        (":top 0", "rag.top_k"),
        (":filter source=smaple", "did you mean 'sample'?"),
        (":filter colour=red", "expected source=NAME"),
        (":diff", "nothing to compare with"),
        (":diff sideways", "neither a mode"),
        (":miss 이런 문장은 어디에도 없다", "no passage has the id or holds the text"),
        (":miss daedongbeop", "name one: daedongbeop#0"),
        (":mark 1 maybe", "rel or not"),
        (":bench soon", "expected a number"),
        (":run /nowhere", "no finished run"),
        (":save /nowhere/at/all", "no such folder"),
        (":help nothing", "unknown command"),
        (":set reader={kind: parrot}", "rag.reader"),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_nothing_else_changes(session: State, line: str, said: str) -> None:
    _, before = say(session, QUESTION)
    text, after = say(replace(before, width=400), line)
    assert said in text
    assert after.shown == before.shown
    assert text.startswith("error: ") and "\n" not in text
    assert after.settings == before.settings


def test_a_reader_that_cannot_be_had_is_an_error_of_ask_alone(session: State) -> None:
    state = say(session, f":q {ITEM}", ":set reader={kind: openai, model: x, url: http://127.0.0.1:9/v1, retries: 0}")[
        1
    ]
    assert say(state, ":ask")[0].startswith("error: ")
    assert "the sum of" in say(state, ":why 1")[0]


def test_no_text_steers_the_terminal() -> None:
    assert render([Text("\x1b[2J대동법\a\x9b1m\ud800")], 40) == "[2J대동법1m?"


def test_before_a_question_is_asked_commands_say_so(session: State) -> None:
    for name in ("why 1", "show 1", "tokens", "miss", "diff", "prompt", "ask", "gate", "mark 1 rel", "bench"):
        text, after = say(session, f":{name}")
        assert text.startswith("error: nothing is asked yet"), name
        assert after.shown is None
    assert "nothing to save" in say(session, ":save")[0]


@pytest.mark.parametrize("line", ["대동법은 " * 20_000, "\ud800", "\0", "은 는 이 가", "[bold]x[/]", "😀"])
def test_lines_that_are_no_questions_are_answered(session: State, line: str) -> None:
    text, state = say(replace(session, width=300), line)
    assert "hits" in text
    assert ("characters; the first 4,000 are searched for" in text) == (len(line) == 100_000)
    for command in (":tokens", ":miss daedongbeop#0", ":prompt"):
        assert "error" not in say(state, command)[0]


@given(st.text(max_size=40))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_line_breaks_a_session(session: State, line: str) -> None:
    assume(not line.strip().startswith(":s"))  # would save below the working directory
    _, state = respond(line, session)
    assert state.settings == session.settings


@pytest.mark.parametrize("width", [20, 59, 80, 200])
def test_no_line_is_wider_than_the_screen(session: State, width: int) -> None:
    lines = (QUESTION, ":why 1", ":tokens", ":show 1", ":mode hybrid", ":why 2", ":miss yi-i#3", ":diff", ":prompt",
             ":gate", f":q {ITEM}", ":ask", ":help", ":bench 1", ":set", ":wyh")  # fmt: skip
    state = replace(session, width=width)
    for line in lines:
        text, state = say(state, line)
        assert max(map(cell_len, text.splitlines())) <= width, line


def test_an_index_that_is_rebuilt_or_removed_is_noticed_and_reloaded(sample_index: Index, tmp_path: Path) -> None:
    folder = shutil.copytree(sample_index.path, tmp_path / "index")
    state = start(Desk(), (), overrides=(f"rag.index={folder}",))
    text, state = say(state, ":show daedongbeop#0")
    assert ":reload" not in text
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    (folder / manifest["folder"]).rename(folder / "data-0")  # what was open stays open: it is mapped
    (folder / "manifest.json").write_text(json.dumps({**manifest, "folder": "data-0"}), encoding="utf-8")
    text, state = say(state, ":show daedongbeop#0")
    assert "was rebuilt" in text and ":reload opens the new one" in text
    assert "토산물" in text
    assert "920 passages" in say(state, ":reload")[0]
    assert "rebuilt" not in say(state, ":show daedongbeop#0")[0]
    shutil.rmtree(folder)
    text, state = say(state, ":show daedongbeop#0")
    assert "is gone" in text and "토산물" in text
    assert "error: " in say(state, ":reload")[0]
    assert "토산물" in say(state, ":show daedongbeop#0")[0]


def test_a_pipe_is_answered_line_by_line(session: State) -> None:
    out = io.StringIO()
    lines = f"{QUESTION}\n\n:why 1\n".encode()
    assert through_pipe(session, io.BytesIO(lines), out) == 0
    assert "> :why 1\ndaedongbeop#2 for: " in out.getvalue()
    out = io.StringIO()
    assert through_pipe(session, io.BytesIO(b"\xff\xfe\n" + QUESTION.encode() + b"\n:quit\n:ask\n"), out) == 2
    assert "line 1 is not UTF-8 (byte 1)" in out.getvalue()
    assert "10 hits" in out.getvalue()
    assert ":ask" not in out.getvalue()


def test_a_session_needs_an_index(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no index here"):
        _ = start(Desk(), (), overrides=(f"rag.index={tmp_path}",)).index
