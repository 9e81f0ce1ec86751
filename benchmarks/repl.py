"""python -m benchmarks.repl --index DIR [--items N]: how long the debug REPL's commands take.

A session loads items of the bundled exam, one after the other, and gives every command on each; a command's time is
that of `respond` and of turning its reply into text of 120 columns, by the clock and of the processor. The first
prompt is that of `python -m rag` in a terminal of its own, from the start of the process.
"""

from __future__ import annotations

import argparse
import os
import pty
import select
import signal
import sys
import tempfile
import termios
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.machine import machine
from corpora.exam_formats import parse_exam
from rag.repl.desk import Desk
from rag.repl.layout import render
from rag.repl.respond import respond
from rag.repl.state import State, start

_COMMANDS = (
    ":why 1", ":why 10", ":show 1", ":tokens", ":miss {last}", ":mode hybrid", ":why 1", ":miss {last}", ":diff",
    ":mode dense", ":diff lexical", ":mode lexical", ":set lexical.b=0.4", ":set lexical.b=0.75", ":top 10",
    ":prompt", ":gate", ":bench", ":mark 1 rel", ":help", ":ask",
)  # fmt: skip
_WIDTH = 120
_PATIENCE = 120.0  # seconds for a first prompt


Spent = tuple[float, float]  # milliseconds: by the clock, of the processor


def timed(line: str, state: State) -> tuple[Spent, State]:
    """What one line takes, and the state after it. Raises RuntimeError for a reply that is an error."""
    started, worked = time.perf_counter(), time.process_time()
    reply, after = respond(line, state)
    text = render(reply, _WIDTH, color=True)
    seconds, processor = time.perf_counter() - started, time.process_time() - worked
    if after.entries[-1].is_error:
        raise RuntimeError(f"{line}: {text}")
    return (seconds * 1000, processor * 1000), after


def session(state: State, items: Sequence[str]) -> dict[str, list[Spent]]:
    """Command and mode -> its times over all items; the first item is thrown away, for it loads what is loaded once."""
    times: defaultdict[str, list[Spent]] = defaultdict(list)
    for number, item in enumerate(items):
        for line in (f":q {item}", "{question}", *_COMMANDS):
            trace = state.shown.trace if state.shown is not None else None
            filled = line.format(
                question=trace.question.question if trace else "",
                last=trace.hits[-1].hit.passage_id if trace and trace.hits else "",
            )
            taken, state = timed(filled, state)
            if number:
                name = "a question" if line == "{question}" else line.split()[0]
                times[f"{name}, {state.rag.mode}"].append(taken)
    return times


def first_prompt(index: Path) -> Spent:
    """Milliseconds from the start of `python -m rag` in a terminal to its prompt."""
    started = time.perf_counter()
    child, terminal = pty.fork()
    if child == 0:
        termios.tcsetwinsize(0, (40, _WIDTH))
        os.execv(sys.executable, [sys.executable, "-m", "rag", "--index", str(index)])
    seen = b""
    while b"rag>" not in seen and time.perf_counter() - started < _PATIENCE:
        if select.select([terminal], [], [], 0.05)[0]:
            seen += os.read(terminal, 65_536)
    taken = time.perf_counter() - started
    os.kill(child, signal.SIGKILL)
    used = os.wait4(child, 0)[2]
    return 1000 * taken, 1000 * (used.ru_utime + used.ru_stime)


def show(name: str, taken: Sequence[Spent]) -> None:
    """One row: p50 and p95, by the clock and of the processor, and the number of calls."""
    (p50, cpu50), (p95, cpu95) = np.percentile(np.array(taken), [50, 95], axis=0)
    print(f"{name:22s} p50 {p50:7.1f} p95 {p95:7.1f} ms; processor {cpu50:7.1f} {cpu95:7.1f} ms; n {len(taken)}")


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--items", type=int, default=20)
    parser.add_argument("--starts", type=int, default=5)
    args = parser.parse_args()
    exam = [question for question in parse_exam("sample") if question.choices and question.split == "train"]
    with tempfile.TemporaryDirectory() as out:
        state = start(Desk(), exam, overrides=(f"rag.index={args.index}", f"eval.out={out}"))
        state = replace(state, width=_WIDTH)
        print(machine())
        print(f"{len(state.index.store):,} passages, {args.items} items")
        times = session(state, [question.question_id for question in exam[: args.items + 1]])
    for name, taken in times.items():
        show(name, taken)
    show("first prompt", [first_prompt(args.index) for _ in range(args.starts)])
    return 0


if __name__ == "__main__":
    sys.exit(main())
