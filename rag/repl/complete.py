"""What a line may be continued with: commands, ids, settings and their values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, get_args, get_origin

from pydantic import BaseModel

from configs.schema import Settings
from rag.repl.commands import COMMANDS
from rag.repl.items import STEPS
from rag.repl.runs import finished_runs
from rag.repl.searching import MODES
from rag.repl.state import State

_MOST = 50


def completions(line: str, state: State) -> tuple[str, Sequence[str]]:
    """(the part of a line that is completed, what it may become), best first; () for a question."""
    if not line.startswith(":"):
        return line, ()
    name, gap, argument = line[1:].partition(" ")
    if not gap:
        return line, _beginning(line, [f":{command}" for command in COMMANDS])
    word = argument.rpartition(" ")[2] if name in ("mark", "filter") else argument
    return word, _beginning(word, _candidates(name, argument, state))


def _candidates(name: str, argument: str, state: State) -> Sequence[str]:
    """Everything that may stand after a command."""
    shown = [traced.hit.passage_id for traced in state.shown.trace.hits] if state.shown is not None else []
    makers: dict[str, Callable[[], Sequence[str]]] = {
        "q": lambda: [*STEPS, *(question.question_id for question in state.exam)],
        "why": lambda: [*shown, *state.gold],
        "show": lambda: [*shown, *state.gold],
        "pdf": lambda: [*shown, *state.gold],
        "miss": lambda: [*state.gold, *shown],
        "mark": lambda: ["rel", "not"] if " " in argument else shown,
        "mode": lambda: MODES,
        "diff": lambda: [*MODES, *_indexes(state)],
        "set": lambda: list(_settings(argument)),
        "filter": lambda: _filters(state),
        "run": lambda: [str(run) for run in finished_runs(state.settings.eval.out)],
        "help": lambda: list(COMMANDS),
    }
    return makers[name]() if name in makers else ()


def _filters(state: State) -> Sequence[str]:
    counts = state.index.manifest.counts
    return ["off", *(f"source={one}" for one in counts.sources), *(f"licence={one}" for one in counts.licences)]


def _beginning(word: str, candidates: Sequence[str]) -> Sequence[str]:
    return [one for one in dict.fromkeys(candidates) if one.startswith(word) and one != word][:_MOST]


def _indexes(state: State) -> list[str]:
    """The indexes that lie beside the open one."""
    return [str(path.parent) for path in sorted(state.rag.index.parent.glob("*/manifest.json"))]


def _settings(argument: str) -> Iterator[str]:
    """Keys of settings, and after KEY= the values that there are; `rag.` may be left out."""
    key, equals, _ = argument.partition("=")
    for found, annotation in _keys(Settings, ""):
        short = found.removeprefix("rag.")
        for form in dict.fromkeys((found, short)):
            if not equals:
                yield f"{form}="
            elif form == key:
                yield from (f"{key}={value}" for value in _values(annotation))


def _keys(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, object]]:
    """(dotted key, its type) of every setting below a model, through unions of models."""
    for name, field in model.model_fields.items():
        options = [field.annotation, *get_args(field.annotation)]
        models = [one for one in options if isinstance(one, type) and issubclass(one, BaseModel)]
        if not models:
            yield f"{prefix}{name}", field.annotation
        for one in models:
            yield from _keys(one, f"{prefix}{name}.")


def _values(annotation: object) -> Sequence[str]:
    if annotation is bool:
        return ("true", "false")
    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]
    return ()
