"""A session of the debug REPL on the bundled sample, for tests."""

from __future__ import annotations

from pathlib import Path

from corpora.exams import load_exam
from corpora.sample import EXAM
from rag.index import Index
from rag.repl.desk import Desk
from rag.repl.layout import render
from rag.repl.respond import respond
from rag.repl.state import State, start

QUESTION = "대동법은 어디에서 처음 실시되었는가?"
ITEM = "economics-001"  # its gold passage is found first
_DESK = Desk()  # opens the sample once for all tests: it does not depend on what is asked


def begin(index: Index, out: Path) -> State:
    """A session that writes below a folder."""
    return start(_DESK, load_exam(EXAM), overrides=(f"rag.index={index.path}", f"eval.out={out}"))


def say(state: State, *lines: str) -> tuple[str, State]:
    """What the last of some lines shows, at the state's width, and the state after it."""
    text = ""
    for line in lines:
        reply, state = respond(line, state)
        text = render(reply, state.width)
    return text, state


def hits(state: State) -> list[str]:
    """The passages on the screen."""
    assert state.shown is not None
    return [traced.hit.passage_id for traced in state.shown.trace.hits]
