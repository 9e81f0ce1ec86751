"""The line editor: prompt_toolkit with history, completion and multi-line paste."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.shortcuts import PromptSession

from configs.errors import UserError
from rag.repl.complete import completions
from rag.repl.folders import cache_folder
from rag.repl.state import State


class _Completer(Completer):
    """Completes with what the present state knows."""

    def __init__(self, state: Callable[[], State]) -> None:
        self._state = state

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:  # noqa: ARG002
        """What the text before the cursor may become."""
        try:
            word, found = completions(document.text_before_cursor, self._state())
        except UserError:  # an index that is gone has no ids; the command itself will say so
            return
        for one in found:
            yield Completion(one, start_position=-len(word))


def session_for(state: Callable[[], State]) -> PromptSession[str]:
    """A line editor over a session's state, asked anew for each completion."""
    return PromptSession(
        "rag> ",
        history=_history(),
        completer=_Completer(state),
        complete_while_typing=False,
        enable_open_in_editor=False,
        bottom_toolbar=lambda: _toolbar(state()),
        prompt_continuation="… ",
    )


def _history() -> History:
    """Lines of earlier sessions, in the user's cache folder; of this one alone where that cannot be written."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "history").touch()
    except OSError:
        return InMemoryHistory()
    return _Lines(str(folder / "history"))


class _Lines(FileHistory):
    """Lines in a file; bytes that were no UTF-8 when typed are replaced."""

    def store_string(self, string: str) -> None:
        """Add one."""
        super().store_string(string.encode("utf-8", "replace").decode("utf-8"))


def _toolbar(state: State) -> str:
    item = state.shown.trace.question.question_id if state.shown is not None else "no question yet"
    only = " · filtered" if state.only.source or state.only.licence else ""
    return f" {state.rag.index.name} · {state.rag.mode} · top {state.rag.top_k}{only} · {item} · :help"
