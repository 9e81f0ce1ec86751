"""The debug REPL in a real terminal, through tmux: typed, waited for, read from the screen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.cells import cell_len

from configs.errors import UserError
from rag.__main__ import main
from rag.index import Index
from tests.conftest import ROOT
from tests.repl_session import ITEM, QUESTION

_PATIENCE = 120.0  # seconds; a loaded machine is slow, not wrong


class Terminal:
    """A tmux server of its own with one window."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def tmux(self, *arguments: str) -> str:
        """A command to the server, and what it prints."""
        done = subprocess.run(
            ["tmux", "-u", "-S", str(self._socket), *arguments], capture_output=True, text=True, check=False
        )
        return done.stdout

    def type(self, text: str, *keys: str) -> None:
        """Type a text, then keys (default: Enter)."""
        self.tmux("send-keys", "-l", text)
        self.tmux("send-keys", *(keys or ("Enter",)))

    def screen(self) -> str:
        """What the screen shows, with what has left it at the top."""
        return self.tmux("capture-pane", "-p", "-S", "-500")

    def wait(self, *texts: str, after: int = 0) -> str:
        """The screen as soon as its part after so many characters shows all texts."""
        started = time.monotonic()
        while time.monotonic() - started < _PATIENCE:
            seen = self.screen()[after:]
            if all(text in seen for text in texts):
                return seen
            time.sleep(0.1)
        raise AssertionError(f"{texts} did not appear; the screen:\n{self.screen()}")


@contextmanager
def opened(folder: Path, index: Path, width: int) -> Iterator[Terminal]:
    """A session in a terminal of so many columns, at its first prompt."""
    if shutil.which("tmux") is None:
        pytest.skip("no tmux on this machine")
    terminal = Terminal(folder / "tmux")
    command = f"{sys.executable} -m rag --index {index} --set eval.out={folder / 'runs'}; echo status $?; read line"
    environment = [
        f"-eXDG_CACHE_HOME={folder / 'cache'}",
        "-eLANG=C.UTF-8",
        "-eOMP_NUM_THREADS=1",
        f"-ePYTHONPATH={ROOT}",
    ]
    terminal.tmux("new-session", "-d", "-x", str(width), "-y", "50", "-c", str(ROOT), *environment, command)
    try:
        terminal.wait("rag>")
        yield terminal
    finally:
        terminal.tmux("kill-server")


def test_a_session_is_typed_and_read_at_80_columns(sample_index: Index, tmp_path: Path) -> None:
    with opened(tmp_path, sample_index.path, 80) as terminal:
        terminal.type(QUESTION)
        terminal.wait("10 hits, lexical", "daedongbeop#2")
        terminal.type(":why 1")
        terminal.wait("the sum of", "nothing is fused")
        terminal.type(f":q {ITEM}")
        terminal.wait("★ opportunity-cost#3", "gold ★: opportunity-cost#3 at 1")
        terminal.type(":miss")
        terminal.wait("whole search", "prompt: shown whole")
        terminal.type(":ask")
        terminal.wait("answer then", "below 0 the passage")
        terminal.type(":wyh")
        seen = terminal.wait("did you mean :why?")
        assert max(map(cell_len, seen.splitlines())) <= 80
        terminal.type("", "C-d")
        terminal.wait("status 0")
    assert QUESTION in (tmp_path / "cache" / "geungeo" / "history").read_text(encoding="utf-8")


def test_paste_completion_and_ctrl_c_at_160_columns(sample_index: Index, tmp_path: Path) -> None:
    with opened(tmp_path, sample_index.path, 160) as terminal:
        terminal.type("한 줄을 쓰다가", "C-c")
        terminal.tmux("set-buffer", "대동법은 어디에서\n처음 실시되었는가?")
        terminal.tmux("paste-buffer", "-p")  # as a terminal pastes: in brackets
        terminal.wait("대동법은 어디에서", "처음 실시되었는가?")
        terminal.type("")
        terminal.wait("10 hits, lexical", "daedongbeop#2")
        terminal.type(":bench 10000")
        time.sleep(0.5)
        terminal.tmux("send-keys", "C-c")
        terminal.wait("stopped; nothing has changed")
        terminal.type(":mo", "Tab")
        terminal.wait("rag> :mode")  # the one command that begins so
        terminal.type(" hybrid")
        seen = terminal.wait(":mode hybrid", "10 hits, hybrid")
        assert 140 < max(map(cell_len, seen.splitlines())) <= 160
        terminal.type(":why 1")
        terminal.wait("fused ", "(dense, rank")
        terminal.type(f":q {ITEM}")
        terminal.wait("★ opportunity-cost#3")
        terminal.type(":miss")
        seen = terminal.wait("whole search", "prompt: shown whole")
        assert max(map(cell_len, seen.splitlines())) <= 160
        terminal.type(":quit")
        terminal.wait("status 0")


def test_a_pipe_without_a_terminal_is_answered_and_tells_of_errors(sample_index: Index, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rag", "--index", str(sample_index.path)],
        input=f"{QUESTION}\n:wyh\n".encode() + b"\xb0\xa1\n",
        capture_output=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "90", "XDG_CACHE_HOME": str(tmp_path)},
    )
    text = done.stdout.decode()
    assert done.returncode == 2
    assert "10 hits, lexical" in text
    assert "did you mean :why?" in text
    assert "line 3 is not UTF-8" in text
    assert max(map(cell_len, text.splitlines())) <= 90


def test_a_session_without_an_index_says_how_to_build_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no index here; build one: python -m index_build"):
        main(["--index", str(tmp_path)])


def test_an_unknown_command_names_the_nearest() -> None:
    with pytest.raises(UserError, match=r"did you mean search\?"):
        main(["serach", "x"])
