"""The state of a session: a value. Commands take one and give another; what is costly lies on the desk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import RenderableType

from configs import load
from configs.errors import UserError
from configs.schema import RagSettings, Settings
from corpora.records import Question
from rag.index import Index, row_of
from rag.repl.desk import Desk
from rag.repl.runs import Run
from rag.retrieve import Filter
from rag.trace import Engines, Trace, TracedHit

Reply = Sequence[RenderableType]
"""What a command shows, from top to bottom; turned into text by rag.repl.layout.render."""

EVERYTHING = Filter()
ASKED = "ask-"  # ids of typed questions begin so


@dataclass(frozen=True, slots=True)
class Shown:
    """A ranking on the screen, and the settings that made it."""

    trace: Trace
    settings: RagSettings
    only: Filter


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a session and what came of it, for `:save`."""

    line: str
    reply: Reply
    query: str  # "" where nothing was asked yet
    hits: tuple[TracedHit, ...]
    is_error: bool  # the line could not be done


@dataclass(frozen=True, slots=True)
class State:
    """Everything that a session knows."""

    settings: Settings
    desk: Desk
    exam: Sequence[Question]
    config: Path | None = None
    overrides: tuple[str, ...] = ()  # KEY=VALUE, in order
    only: Filter = EVERYTHING
    shown: Shown | None = None
    before: Shown | None = None  # the ranking before, of the same question
    run: Run | None = None
    marks: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # made in this session
    entries: tuple[Entry, ...] = ()
    width: int = 100  # columns of the screen
    is_over: bool = False

    @property
    def rag(self) -> RagSettings:
        """The settings of retrieval and reading."""
        return self.settings.rag

    @property
    def index(self) -> Index:
        """The open index. Raises UserError when there is none."""
        return self.desk.index(self.rag.index)

    @property
    def engines(self) -> Engines:
        """What searches under the settings in effect."""
        return self.desk.engines(self.rag, self.only)

    @property
    def gold(self) -> tuple[str, ...]:
        """The passages that answer the item on the screen; () for a typed question."""
        return self.desk.gold(self.rag, self.shown.trace.question) if self.shown is not None else ()


def start(
    desk: Desk,
    exam: Sequence[Question],
    *,
    config: Path | None = None,
    overrides: Sequence[str] = (),
    run: Run | None = None,
) -> State:
    """The state that a session begins with. Raises UserError for settings that are none."""
    given = tuple(overrides)
    return State(load(config, given), desk, exam, config=config, overrides=given, run=run)


def asked(state: State) -> Shown:
    """The ranking on the screen. Raises UserError when nothing was asked yet."""
    if state.shown is None:
        raise UserError("nothing is asked yet; type a question, or :q to load an exam item")
    return state.shown


def pointed(state: State, name: str) -> str:
    """The passage that a rank of the ranking on the screen, or an id, names. Raises UserError for neither."""
    wanted = name.strip()
    if not wanted:
        raise UserError("which passage? give its rank in the table, or its id")
    if not wanted.isdecimal():
        row_of(state.index, wanted)
        return wanted
    hits = asked(state).trace.hits
    if not 1 <= int(wanted) <= len(hits):
        raise UserError(f"found rank {wanted}; the table has {len(hits)} hits (:top N shows more)")
    return hits[int(wanted) - 1].hit.passage_id
