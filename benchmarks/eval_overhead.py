"""What an evaluation costs besides the reader: processor time an item and memory, with the scripted reader.

python benchmarks/eval_overhead.py [--items 10000] [--index DIR]

The bundled exam is repeated under new ids until there are enough items; arms: closed, retrieved, gated. Searching is
timed within the same run, for it is retrieval's work and grows with the index: the overhead is what remains, the
scripted reader's own work included. Of searching, the analysis of the queries by Kiwi is measured by itself.
Memory is the process's when a tenth of the items is done and when all are.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from configs.evaluation import EvalSettings
from configs.reader import ScriptedSettings
from configs.schema import Settings
from corpora.exams import load_exam
from corpora.records import Question
from corpora.sample import EXAM
from eval.journal import Journal
from eval.predict import Asker, Plan
from eval.run import Request, plan_for
from rag.hits import Hit
from rag.hybrid import retriever_for
from rag.index import Index
from rag.pipeline import Library, Pipeline
from rag.query import with_choices
from rag.readers import reader_for
from rag.retrieve import Retriever
from rag.shots import Shots


def main() -> int:
    """Ask all items, all again from the journal, and search for all; print figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--index", type=Path, default=Settings().rag.index)
    args = parser.parse_args()
    questions = repeated(load_exam(EXAM), args.items)
    library, plan, timed = prepared(questions, args.index)
    with tempfile.TemporaryDirectory() as folder:
        first, memory = asked(questions, plan, Path(folder) / "journal.jsonl")
        searching, timed.seconds = timed.seconds, 0.0
        resumed, _ = asked(questions, plan, Path(folder) / "journal.jsonl")
    analysis = seconds_of(library.index.morpheme_terms(with_choices(question)) for question in questions)
    n = len(questions)
    figures = {
        "items": n,
        "arms": len(plan.arms),
        "ms_per_item": round(first / n * 1000, 3),
        "of_it_searching": round(searching / n * 1000, 3),
        "of_that_analysis": round(analysis / n * 1000, 3),
        "overhead_ms_per_item": round((first - searching) / n * 1000, 3),
        "resumed_overhead_ms_per_item": round((resumed - timed.seconds) / n * 1000, 3),
        "mib_at_a_tenth": round(memory[0] / 2**20, 1),
        "mib_at_the_end": round(memory[1] / 2**20, 1),
    }
    print(json.dumps(figures, indent=1))
    return 0


class Timed:
    """A retriever that adds up the processor seconds of its searches."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever
        self.seconds = 0.0

    def search(self, query: str, top_k: int) -> list[Hit]:
        """What the retriever finds."""
        started = time.process_time()
        found = self._retriever.search(query, top_k)
        self.seconds += time.process_time() - started
        return found


def prepared(questions: Sequence[Question], index: Path) -> tuple[Library, Plan, Timed]:
    """Everything loaded that is loaded once."""
    defaults = Settings()
    rag = defaults.rag.model_copy(update={"index": index, "reader": ScriptedSettings(kind="scripted")})
    settings = defaults.model_copy(update={"rag": rag, "eval": EvalSettings(arms=("closed", "retrieved", "gated"))})
    opened = Index(index)
    timed = Timed(retriever_for(rag, opened))
    library = Library(opened, timed, rag.query)
    pipeline = Pipeline(rag, reader_for(rag.reader), library, Shots((), rag.prompt.shots))
    pipeline.search(questions[0])
    timed.seconds = 0.0
    request = Request(settings, "bench", questions, (), Path(), with_index=True, look_for_leaks=False)
    return library, plan_for(request, pipeline)[0], timed


def asked(questions: Sequence[Question], plan: Plan, path: Path) -> tuple[float, tuple[int, int]]:
    """(processor seconds, memory at a tenth and at the end) of asking all, items kept as an evaluation keeps them."""
    items, at_a_tenth = [], 0
    started = time.process_time()
    with Journal(path) as journal:
        for number, item in enumerate(Asker(plan, journal).items(questions), start=1):
            items.append(item)
            if number == len(questions) // 10:
                at_a_tenth = memory_now()
    return time.process_time() - started, (at_a_tenth, memory_now())


def seconds_of(work: Iterable[object]) -> float:
    """Processor seconds of doing all of it."""
    started = time.process_time()
    deque(work, maxlen=0)
    return time.process_time() - started


def repeated(exam: list[Question], count: int) -> list[Question]:
    """As many multiple-choice questions, each under an id of its own."""
    choice = [question for question in exam if question.kind == "multiple_choice"]
    return [
        replace(choice[number % len(choice)], question_id=f"{choice[number % len(choice)].question_id}-{number}")
        for number in range(count)
    ]


def memory_now() -> int:
    """The process's resident memory in bytes (Linux)."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    sys.exit(main())
