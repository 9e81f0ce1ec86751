"""python -m benchmarks.finetune EXAMPLES [--model DIR] [--steps N]: NF4 + LoRA against fp32 + LoRA, and unsloth.

The same examples in the same order, each variant in a process of its own: tokens trained on per second (and per second
of processor time, which a busy machine hardly changes), the process's peak memory, and how far its losses are
from those of fp32. Without --model: random weights of the embedded reader's kind. unsloth takes part where it can be
imported (on a CPU: pip install --no-deps unsloth unsloth_zoo cut_cross_entropy torchao).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import machine
from configs.errors import UserError, run_command
from finetune.examples import Example, read_examples, write_examples
from finetune.run_folder import RunRecord, read_run

_VARIANTS = {
    "fp32 + LoRA": ("precision=fp32", "unsloth=never"),
    "NF4 + LoRA": ("precision=nf4", "unsloth=never"),
    "unsloth, fp32": ("precision=fp32", "unsloth=always"),
    "unsloth, NF4": ("precision=nf4", "unsloth=always"),
}
_BATCH = 4


def main(argv: list[str] | None = None) -> int:
    """Train every variant and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.finetune", description=__doc__)
    parser.add_argument("examples", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--steps", type=int, default=20, metavar="N")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    args = parser.parse_args(argv)
    print(machine())
    _, examples = read_examples(args.examples)
    learnt = [example for example in examples if example.split == "train"]
    if not learnt:
        raise UserError(f"{args.examples}: no examples of split 'train'")
    common = (f"device={args.device}", f"epochs={args.steps * _BATCH / len(learnt)}")
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_examples(folder / "train.jsonl", learnt, sources={}, settings={})
        model = args.model or random_model(folder / "model", learnt)
        reference: NDArray[np.float64] | None = None
        for name, changes in _VARIANTS.items():
            if "unsloth=always" in changes and find_spec("unsloth") is None:
                print(f"{name:14s} not installed here")
                continue
            record = _trained(folder / "train.jsonl", folder / name, (*common, *changes), model)
            losses = np.array([loss for _, loss in record.losses])
            reference = losses if reference is None else reference
            print(_row(name, record, losses, reference), flush=True)
    return 0


def _row(name: str, record: RunRecord, losses: NDArray[np.float64], reference: NDArray[np.float64]) -> str:
    off = np.abs(losses - reference)
    memory = record.peak_memory / 2**20
    return (
        f"{name:14s} {record.tokens_per_second:8,.0f} tokens/s"
        f" ({record.tokens_per_processor_second:7,.0f} per processor second)  peak {memory:7,.0f} MiB"
        f"  loss {losses[:5].mean():.3f} -> {losses[-5:].mean():.3f}"
        f"  from fp32's: mean {off.mean():.4f}, most {off.max():.4f}"
    )


def _trained(examples: Path, out: Path, changes: tuple[str, ...], model: Path) -> RunRecord:
    """The record of one run of `finetune sft` in its own process."""
    fixed = (
        f"model={model}", f"batch_size={_BATCH}", "accumulation=1", "learning_rate=1e-3",
        "gradient_checkpointing=false", "lora.dropout=0", "max_length=8192",
    )  # fmt: skip
    sets = [part for change in (*fixed, *changes) for part in ("--set", f"finetune.sft.{change}")]
    command = [sys.executable, "-m", "finetune", "sft", str(examples), *sets, "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"{' '.join(command)}: {done.stderr.strip().splitlines()[-1]}")
    return read_run(out)


def random_model(folder: Path, examples: list[Example]) -> Path:
    """A Qwen3 of the embedded reader's kind with random weights, and a byte-level BPE of the examples' own text."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=12_000,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((turn.content for example in examples for turn in example.messages), trainer)
    fast_class: Any = PreTrainedTokenizerFast
    fast = fast_class(tokenizer_object=tokenizer, eos_token="<|endoftext|>", pad_token="<|endoftext|>")
    fast.save_pretrained(folder)
    torch.manual_seed(20260101)
    config = Qwen3Config(
        vocab_size=len(fast), hidden_size=256, intermediate_size=512, num_hidden_layers=6, num_attention_heads=4,
        num_key_value_heads=2, head_dim=64, max_position_embeddings=8192, tie_word_embeddings=True, eos_token_id=0,
    )  # fmt: skip
    model_class: Any = Qwen3ForCausalLM
    model_class(config).save_pretrained(folder)
    return folder


if __name__ == "__main__":
    sys.exit(run_command(main))
