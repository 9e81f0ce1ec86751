"""respond(line, state) -> (reply, state): the whole session but the terminal."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from configs.errors import UserError
from rag.repl.commands import COMMANDS, command_named
from rag.repl.layout import BAD, note
from rag.repl.searching import question
from rag.repl.state import Entry, Reply, State

_LONGEST = 4_000  # characters of a typed question; what is beyond is not searched for


def respond(line: str, state: State) -> tuple[Reply, State]:
    """What a line shows, and the state after it. What the user can mend becomes a line, and the state stays."""
    wanted = line.strip()
    if not wanted:
        return [], state
    stale = state.desk.staleness(state.rag.index)
    warning = [note(f"! {stale}", style=BAD)] if stale else []
    is_error = False
    with _warnings() as told:
        try:
            reply, after = _handled(wanted, state)
        except UserError as error:
            is_error = True
            reply, after = [note(f"error: {' '.join(str(error).split())}", style=BAD)], state
    is_reloaded = after.desk.staleness(after.rag.index) == ""
    reply = [*([] if is_reloaded else warning), *(note(f"! {text}", style=BAD) for text in dict.fromkeys(told)), *reply]
    return reply, _logged(wanted, reply, after, is_error=is_error)


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """What the library logs meanwhile, as lines for the screen instead of stderr."""
    logger, handler = logging.getLogger("rag"), _Collector()
    propagates, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield handler.texts
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates


class _Collector(logging.Handler):
    """Keeps the texts of warnings."""

    def __init__(self) -> None:
        super().__init__(level=logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self.texts.append(record.getMessage())


def _handled(line: str, state: State) -> tuple[Reply, State]:
    if not line.startswith(":"):
        cut = [note(f"the question has {len(line):,} characters; the first {_LONGEST:,} are searched for", style=BAD)]
        reply, state = question(line[:_LONGEST], state)
        return [*(cut if len(line) > _LONGEST else []), *reply], state
    name, _, argument = line[1:].partition(" ")
    return COMMANDS[command_named(name)](argument.strip(), state)


def _logged(line: str, reply: Reply, state: State, *, is_error: bool) -> State:
    """The state with the line and its output among its entries."""
    trace = state.shown.trace if state.shown is not None else None
    entry = Entry(
        line=line,
        reply=reply,
        query=trace.question.question if trace is not None else "",
        hits=trace.hits if trace is not None else (),
        is_error=is_error,
    )
    return replace(state, entries=(*state.entries, entry))
