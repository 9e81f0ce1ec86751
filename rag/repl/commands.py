"""The commands by name, and their help, made from their docstrings: "ARGUMENTS  what it does"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches

from rich.text import Text

from configs.errors import UserError
from rag.repl import items, keeping, missing, passages, reading, searching, terms, timing
from rag.repl.layout import note, table
from rag.repl.state import Reply, State

Handler = Callable[[str, State], tuple[Reply, State]]


@dataclass(frozen=True, slots=True)
class Help:
    """A command's documentation."""

    usage: str
    summary: str
    details: str


def quit_(argument: str, state: State) -> tuple[Reply, State]:  # noqa: ARG001
    """leave; Ctrl-D does the same"""
    return [], replace(state, is_over=True)


def help_(argument: str, state: State) -> tuple[Reply, State]:
    """[COMMAND]  all commands, or one of them in full"""
    if argument:
        name = command_named(argument)
        found = help_of(name, COMMANDS[name])
        parts = [
            Text(found.usage, style="bold"),
            Text(found.summary),
            *([Text(found.details)] if found.details else []),
        ]
        return parts, state
    made = table("command", "", left=("command",), wide="")
    made.columns[0].max_width = max(12, state.width // 3)
    made.add_row("TEXT", help_of("", searching.question).summary)
    for name, handler in COMMANDS.items():
        found = help_of(name, handler)
        made.add_row(found.usage, found.summary)
    return [
        made,
        note("what does not begin with a colon is a question; commands may be shortened while they are unique"),
    ], state


COMMANDS: Mapping[str, Handler] = {
    "why": passages.why,
    "show": passages.show,
    "pdf": passages.pdf,
    "tokens": terms.tokens,
    "miss": missing.missed,
    "diff": searching.diff,
    "mode": searching.mode,
    "set": searching.set_,
    "top": searching.top,
    "filter": searching.filter_,
    "q": items.item,
    "run": items.run,
    "prompt": reading.prompt,
    "ask": reading.ask_reader,
    "gate": reading.gate,
    "mark": keeping.mark,
    "save": keeping.save,
    "bench": timing.bench,
    "reload": searching.reload,
    "help": help_,
    "quit": quit_,
}


def command_named(name: str) -> str:
    """The command that a name, or the unique beginning of one, means. Raises UserError naming the nearest."""
    wanted = name.strip().removeprefix(":").lower()
    if wanted in COMMANDS:
        return wanted
    begun = [command for command in COMMANDS if wanted and command.startswith(wanted)]
    if len(begun) == 1:
        return begun[0]
    near = begun or get_close_matches(wanted, COMMANDS, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(f':{one}' for one in near)}?" if near else ":help lists them"
    raise UserError(f"unknown command :{wanted[:40]}; {hint}")


def help_of(name: str, handler: Handler) -> Help:
    """A command's help, from its docstring: arguments, two spaces, what it does; then, perhaps, more."""
    first, _, details = (handler.__doc__ or "").partition("\n")
    arguments, gap, summary = first.partition("  ")
    if not gap:
        arguments, summary = "", first
    usage = f":{name} {arguments}".strip()
    return Help(usage, summary.strip(), " ".join(details.split()))
