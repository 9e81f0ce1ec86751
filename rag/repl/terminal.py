"""python -m rag [--index DIR] [--exam KIND:PATH] [--run DIR] [--config FILE] [--set KEY=VALUE ...]: the debug REPL

Reads lines from a terminal, with history and completion, or from a pipe.

Example: printf '대동법은 어디에서 처음 실시되었는가?\\n:why 1\\n' | python -m rag
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, TextIO

from corpora.exam_formats import parse_exam
from rag.repl.desk import Desk
from rag.repl.layout import render
from rag.repl.respond import respond
from rag.repl.runs import read_run
from rag.repl.state import State, start

_PIPE_WIDTH = 120  # columns where there is no terminal and COLUMNS is not set


def main_repl(argv: list[str]) -> int:
    """Run a session; status 0, or 2 when lines came through a pipe and one of them could not be done."""
    args = _parser().parse_args(argv)
    overrides = [*args.overrides, *([f"rag.index={args.index}"] if args.index else [])]
    run = read_run(args.run) if args.run else None
    state = start(Desk(), parse_exam(args.exam), config=args.config, overrides=overrides, run=run)
    described = state.desk.described(state.rag.index)
    if sys.stdin.isatty() and sys.stdout.isatty():
        print(f"{described}\nType a question, :q for an exam item, :help for everything else.")
        return _at_terminal(state)
    return through_pipe(state, sys.stdin.buffer, sys.stdout)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rag", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--index", type=Path, metavar="DIR", help="default: indexes/default")
    parser.add_argument(
        "--exam", default="sample", metavar="KIND:PATH", help="items for :q (default: the bundled exam)"
    )
    parser.add_argument("--run", type=Path, metavar="DIR", help="a run of python -m eval --rag, for :q wrong")
    parser.add_argument("--config", type=Path, metavar="FILE")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    return parser


def through_pipe(state: State, lines: BinaryIO, out: TextIO) -> int:
    """Answer every line of a stream; what a line asked is repeated before its answer."""
    columns = os.environ.get("COLUMNS", "")
    width = int(columns) if columns.isdecimal() else _PIPE_WIDTH
    state, status = replace(state, width=width), 0
    for number, raw in enumerate(lines, start=1):
        try:
            line = raw.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            print(f"error: line {number} is not UTF-8 (byte {error.start + 1}); it is passed over", file=out)
            status = 2
            continue
        if not line:
            continue
        reply, state = respond(line, state)
        status = 2 if state.entries[-1].is_error else status
        print(f"> {line[:200]}\n{render(reply, width)}\n", file=out, flush=True)
        if state.is_over:
            break
    return status


def _at_terminal(state: State) -> int:
    """Read, answer, print, until Ctrl-D or :quit. Ctrl-C stops a command or clears the line, and nothing else."""
    from rag.repl.prompting import session_for  # prompt_toolkit: a third of a second that a pipe does without

    warm = threading.Thread(target=_warm, args=(state,), daemon=True)
    warm.start()
    holder = [state]
    session = session_for(lambda: holder[0])
    while not holder[0].is_over:
        try:
            line = session.prompt()
        except KeyboardInterrupt:
            continue
        except EOFError:
            break
        with suppress(KeyboardInterrupt):
            warm.join()
            holder[0] = _answered(line, holder[0])
            continue
        print("stopped; nothing has changed")
    return 0


def _answered(line: str, state: State) -> State:
    # the terminal's own word: COLUMNS may be of another one, or of before it was resized
    width = os.get_terminal_size(sys.stdout.fileno()).columns or _PIPE_WIDTH
    reply, state = respond(line, replace(state, width=width))
    text = render(reply, width, color="NO_COLOR" not in os.environ)
    if text:
        print(text, flush=True)
    return state


def _warm(state: State) -> None:
    """Load, while the user types, what the first question needs; what fails here is told when it is asked for."""
    respond("준비", state)
