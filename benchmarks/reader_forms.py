"""python -m benchmarks.reader_forms FOLDER [FOLDER ...] [--every N]: readers compared on the same dev questions.

Multiple choice of the bundled lessons' dev split and of the bundled exam's train and dev splits, each with its gold
passage alone and with that among five, as our retriever ranks the others. Accuracy with its Wilson interval, mean log
loss among the choices, and against the first folder the paired difference with its bootstrap interval. The solver
answers, too.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.machine import machine
from configs.errors import run_command
from configs.reader import PromptSettings, TransformersSettings
from configs.schema import SourceSettings
from corpora.records import Question
from eval.compare import pair
from eval.metrics import wilson
from finetune.reader_blocks import Block
from finetune.reader_corpus import LESSONS, lesson_questions, sample_questions
from finetune.reader_human import exam_blocks
from finetune.reader_lessons import index_of
from rag.prompt import render
from rag.reader import Evidence, Reader
from rag.reader_solver import SolverReader
from rag.reader_transformers import load_reader

_SHOWN = (1, 5)
_OTHERS = 6


@dataclass(frozen=True, slots=True)
class Judged:
    """One reader's answers to one set: right or not, and the log-probability of the right choice."""

    right: list[bool]
    logs: list[float]


def main(argv: list[str] | None = None) -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reader_forms", description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every so manieth question")
    args = parser.parse_args(argv)
    print(machine())
    with TemporaryDirectory() as scratch:
        sets = _sets(Path(scratch), args.every)
    readers: dict[str, Callable[[], Reader]] = {str(folder): _loader(folder) for folder in args.folders}
    first: dict[str, Judged] = {}
    for name, load in {**readers, "solver": SolverReader}.items():
        reader = load()
        for title, items in sets.items():
            found = _judge(reader, items)
            print(f"{name:30s} {title:22s} {_row(found, first.setdefault(title, found))}", flush=True)
    return 0


def _loader(folder: Path) -> Callable[[], Reader]:
    settings = TransformersSettings(kind="transformers", model=str(folder), precision="fp32", device="cpu")
    return lambda: load_reader(settings)


def _sets(work: Path, every: int) -> dict[str, list[tuple[Question, tuple[Evidence, ...]]]]:
    """Title -> questions with what they are shown."""
    lessons = index_of(work, "lessons", SourceSettings(kind="jsonl", path=LESSONS / "documents.jsonl"))
    sample = index_of(work, "sample", SourceSettings(kind="sample"))
    asked = [question for split in ("train", "dev") for question in sample_questions(split)]
    of_lessons = [question for question in lesson_questions("dev") if question.choices][::every]
    of_sample = [question for question in asked if question.choices and question.needs_knowledge == "retrieval"][
        ::every
    ]
    blocks = {
        "lessons": exam_blocks(lessons, of_lessons, distractors=_OTHERS),
        "exam": exam_blocks(sample, of_sample, distractors=_OTHERS),
    }
    return {
        f"{name}, {'gold' if shown == 1 else f'gold among {shown}'}": [_item(block, shown) for block in some]
        for name, some in blocks.items()
        for shown in _SHOWN
    }


def _item(block: Block, shown: int) -> tuple[Question, tuple[Evidence, ...]]:
    assert block.gold is not None  # exam_blocks gives questions with gold passages alone
    return block.questions[0], (block.gold, *block.others)[:shown]


def _judge(reader: Reader, items: Sequence[tuple[Question, tuple[Evidence, ...]]]) -> Judged:
    settings = PromptSettings()
    prompts = [
        render(question, evidence, settings=settings, channel="labels", wording=reader.wording)
        for question, evidence in items
    ]
    scores = reader.label_logprobs(prompts)
    answers = [(question.answer or 0) - 1 for question, _ in items]
    return Judged(
        [each.index(max(each)) == answer for each, answer in zip(scores, answers, strict=True)],
        [each[answer] for each, answer in zip(scores, answers, strict=True)],
    )


def _row(found: Judged, first: Judged) -> str:
    n = len(found.right)
    low, high = wilson(sum(found.right), n)
    text = f"{sum(found.right) / n:.3f} [{low:.3f}, {high:.3f}] n {n}  log loss {-sum(found.logs) / n:.2f}"
    if found is first:
        return text
    gain = pair(first.right, found.right, resamples=10_000, seed=0)
    return f"{text}  {gain.delta:+.3f} [{gain.ci95.low:+.3f}, {gain.ci95.high:+.3f}] against the first"


if __name__ == "__main__":
    sys.exit(run_command(main))
