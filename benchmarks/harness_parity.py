"""python -m benchmarks.harness_parity [--model DIR] [--limit N] [--one-token]: our label scores against EleutherAI's.

Both score the same rendered prompts of the bundled exam with the same model, one after the other: the harness as a
local-file multiple-choice task of its own, we through the transformers reader. Printed are the largest difference
of a log-probability, the items answered alike, and questions per second. Needs: pip install lm_eval==0.4.13.

Without --model: a random Qwen3 of 34 million parameters with a vocabulary of 64,000, made on the spot. Of its labels
" 4" and " 5" are two tokens; with --one-token all are one, and the harness, too, reads each prompt only once.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

from benchmarks.machine import machine
from configs.reader import PromptSettings, TransformersSettings
from corpora import sample
from corpora.exams import load_exam
from corpora.records import Question
from rag.prompt import render
from rag.reader import Evidence, Prompt
from rag.reader_transformers import load_reader
from tests.tiny_model import save_model

_TASK = """task: exam
dataset_path: json
dataset_kwargs: {data_files: {test: %s}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{text}}"
doc_to_choice: "{{labels}}"
doc_to_target: gold
target_delimiter: " "
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
"""
_VOCABULARY = 64_000


def random_model(folder: Path, *, is_one_token: bool = False) -> Path:
    """A model large enough for its speed to mean something, with a small model's tokenizer."""
    save_model(folder, kind="qwen3", is_chat=False)
    if is_one_token:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer.add_tokens([f" {number}" for number in range(1, 10)])
        tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "vocab_size": _VOCABULARY, "hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 4,
        "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 32, "max_position_embeddings": 8192,
    }  # fmt: skip
    model: Any = Qwen3ForCausalLM
    model(Qwen3Config(**sizes)).save_pretrained(folder)
    return folder


def by_harness(folder: Path, prompts: Sequence[Prompt], golds: Sequence[int], *, batch_size: int) -> tuple[Any, float]:
    """(log-probabilities per item, seconds of scoring) of the harness."""
    from lm_eval import simple_evaluate  # type: ignore[import-not-found, unused-ignore]
    from lm_eval.models.huggingface import HFLM  # type: ignore[import-not-found, unused-ignore]
    from lm_eval.tasks import TaskManager  # type: ignore[import-not-found, unused-ignore]

    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        lines = [
            {"text": prompt.text, "labels": list(prompt.labels), "gold": gold - 1}
            for prompt, gold in zip(prompts, golds, strict=True)
        ]
        (work / "exam.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        (work / "exam.yaml").write_text(_TASK % (work / "exam.jsonl"), encoding="utf-8")
        model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        lm = HFLM(
            pretrained=model.eval(),
            tokenizer=AutoTokenizer.from_pretrained(folder),
            batch_size=batch_size,
            device="cpu",
            max_length=AutoConfig.from_pretrained(folder).max_position_embeddings,
        )
        seconds = _timed(lm)
        found = simple_evaluate(
            model=lm, tasks=["exam"], task_manager=TaskManager(include_path=name), bootstrap_iters=0, log_samples=True
        )
    samples = sorted(found["samples"]["exam"], key=lambda item: int(item["doc_id"]))
    return [[float(answer[0]) for answer in item["filtered_resps"]] for item in samples], seconds[0]


def _timed(lm: Any) -> list[float]:
    """Let the harness's scoring, and nothing else of it, be timed."""
    seconds = [0.0]
    score = lm.loglikelihood

    def timed(*arguments: Any, **options: Any) -> Any:
        started = time.perf_counter()
        found = score(*arguments, **options)
        seconds[0] += time.perf_counter() - started
        return found

    lm.loglikelihood = timed
    return seconds


def main() -> int:
    """Score with both and print the comparison; status 1 when they differ by more than 1e-3."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, metavar="DIR")
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--one-token", action="store_true", help="every label of the random model is one token")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    items = [item for item in load_exam(sample.EXAM) if item.kind == "multiple_choice"][: args.limit]
    with tempfile.TemporaryDirectory() as name:
        folder = args.model or random_model(Path(name), is_one_token=args.one_token)
        settings = TransformersSettings(
            kind="transformers", model=str(folder), precision="fp32", device="cpu", format="plain",
            batch_size=args.batch_size, batch_tokens=1 << 20,
        )  # fmt: skip
        reader = load_reader(settings)
        prompts = [
            render(item, _evidence(item), settings=PromptSettings(), channel="labels", wording=reader.wording)
            for item in items
        ]
        started = time.perf_counter()
        ours = reader.label_logprobs(prompts)
        seconds = time.perf_counter() - started
        theirs, their_seconds = by_harness(
            folder, prompts, [item.answer or 0 for item in items], batch_size=args.batch_size
        )
    worst = max(abs(a - b) for mine, other in zip(ours, theirs, strict=True) for a, b in zip(mine, other, strict=True))
    same = sum(mine.index(max(mine)) == other.index(max(other)) for mine, other in zip(ours, theirs, strict=True))
    print(machine())
    print(f"{len(items)} items, {sum(prompt.tokens for prompt in prompts) / len(items):.0f} tokens each on average")
    print(f"largest difference of a log-probability {worst:.1e}; same answer for {same} of {len(items)}")
    for who, took in (("harness", their_seconds), ("ours", seconds)):
        print(f"{who:8s} {len(items) / took:8.2f} questions/s")
    print(f"ratio    {their_seconds / seconds:8.2f}")
    return 0 if worst < 1e-3 and same == len(items) else 1


def _evidence(item: Question) -> list[Evidence]:
    """The quotes that answer the item: prompts of a realistic length without an index."""
    return [Evidence(f"{gold.doc_id}#0", gold.doc_id, "", gold.quote) for gold in item.gold]


if __name__ == "__main__":
    sys.exit(main())
