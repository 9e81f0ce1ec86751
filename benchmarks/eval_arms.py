"""python -m benchmarks.eval_arms --index DIR [--model DIR] [--items N]: what three arms cost, against one alone.

The bundled exam's multiple-choice items are asked by a causal language model on the CPU, through label scores: closed
book alone, with passages alone, and closed, retrieved and gated together, each into an empty journal. Printed are
processor seconds (the least of --rounds), prompts that the reader answered, and the ratio of the three together to one
arm. The gated arm takes its answers from the other two, so it must not ask for any.

Without --model: a random Qwen3 of 34 million parameters, made on the spot; what it answers does not matter here.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.harness_parity import random_model
from benchmarks.machine import machine
from configs import load
from configs.errors import run_command
from configs.evaluation import ArmName
from configs.reader import TransformersSettings
from corpora import sample
from corpora.exams import load_exam
from eval.journal import Journal
from eval.predict import Asker
from eval.run import Request, plan_for
from rag.pipeline import Pipeline, open_pipeline

_RUNS: tuple[tuple[ArmName, ...], ...] = (("closed",), ("retrieved",), ("closed", "retrieved", "gated"))


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took."""

    seconds: float  # of the processor
    asked: int  # prompts that the reader answered


def main(argv: list[str] | None = None) -> int:
    """Measure and print the table; 1 when the gated arm asked for answers of its own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.eval_arms", description=__doc__)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--items", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    args = parser.parse_args(argv)
    settings = load(None, [f"rag.index={args.index}", *args.overrides])
    items = [item for item in load_exam(sample.EXAM) if item.kind == "multiple_choice"][: args.items]
    with tempfile.TemporaryDirectory() as name:
        reader = TransformersSettings(
            kind="transformers", model=str(args.model or random_model(Path(name))), precision="fp32", device="cpu"
        )
        settings = settings.model_copy(update={"rag": settings.rag.model_copy(update={"reader": reader})})
        request = Request(settings, "sample", items, (), Path(name), with_index=True, look_for_leaks=False)
        pipeline = open_pipeline(settings.rag, with_index=True)
        pipeline.ask(items[:1], with_passages=True)  # loads Kiwi
        costs: defaultdict[tuple[ArmName, ...], list[Cost]] = defaultdict(list)
        for _ in range(args.rounds):
            for arms in _RUNS:
                costs[arms].append(cost_of(request, pipeline, arms))
    print(machine())
    print(f"{len(items)} items, reader {args.model or 'of 34 million random parameters'}")
    least = {arms: min(found, key=lambda cost: cost.seconds) for arms, found in costs.items()}
    for arms, cost in least.items():
        print(f"{'+'.join(arms):24s} {cost.seconds:8.2f} s  {cost.asked:4d} prompts answered")
    closed, retrieved, together = least.values()
    print(f"together / retrieved alone {together.seconds / retrieved.seconds:.2f}")
    print(f"together / (closed + retrieved) {together.seconds / (closed.seconds + retrieved.seconds):.2f}")
    return 0 if together.asked == closed.asked + retrieved.asked else 1


def cost_of(request: Request, pipeline: Pipeline, arms: tuple[ArmName, ...]) -> Cost:
    """The cost of asking everything in some arms, with nothing to reuse."""
    settings = request.settings
    chosen = settings.model_copy(update={"eval": settings.eval.model_copy(update={"arms": arms})})
    plan, _ = plan_for(replace(request, settings=chosen), pipeline)
    with tempfile.TemporaryDirectory() as name, Journal(Path(name) / "journal.jsonl") as journal:
        asker = Asker(plan, journal)
        started = time.process_time()
        for _ in asker.items(request.questions):
            pass
        return Cost(time.process_time() - started, asker.costs.asked)


if __name__ == "__main__":
    sys.exit(run_command(main))
