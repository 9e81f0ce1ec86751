"""python -m finetune sft EXAMPLES [--dev FILE] [--config FILE] [--set finetune.sft.KEY=VALUE ...] [--out DIR] [--json]

Trains a LoRA adapter on examples: loss on the answers and the end of the turn alone, proved before the first step.
Examples of split `train` are learnt from; those of split `dev`, in the same file or in --dev, choose the checkpoint.
Run it again after a crash and it goes on. The adapter lies at DIR/adapter: --set rag.reader.adapter=DIR/adapter

Example: python -m finetune sft examples.jsonl --config configs/finetune/embedded.yaml --out runs/sft
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

from configs import load
from configs.reader import PromptSettings
from configs.schema import ROOT
from configs.training import SftSettings
from finetune.base import Base, load_base
from finetune.masking import masked
from finetune.run_folder import Recipe, RunFolder, RunRecord, folder_for, read_run, start
from finetune.runs import (
    Chosen,
    add_run_arguments,
    choose,
    counts_of,
    dev_of,
    padding_of,
    recipe_of,
    report,
    summary,
)
from rag.hf_model import wants_unsloth


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be trained."""

    examples: Path
    dev: Path | None
    folder: RunFolder
    settings: SftSettings
    prompt: PromptSettings  # how much dev answers may write


def main_sft(argv: list[str]) -> int:
    """Train, or say that the run is there already."""
    args = _parser().parse_args(argv)
    settings = load(args.config, args.overrides)
    sft = settings.finetune.sft
    folder = folder_for(args.out, sft)
    record = run_sft(Request(args.examples, args.dev, folder, sft, settings.rag.prompt))
    print(json.dumps(summary(record, folder)) if args.json else report(record, folder))
    return 0


def run_sft(request: Request) -> RunRecord:
    """Train an adapter on a file of examples; the record of the run, which may have been finished before.

    Raises UserError for what the user can mend: files, splits, model, modules, masks, memory, losses.
    """
    settings = request.settings
    chosen = choose(request.examples, request.dev, settings)
    if wants_unsloth(settings.unsloth, settings.device):
        import unsloth  # type: ignore[import-not-found, unused-ignore]  # noqa: F401  # before transformers and trl
    base = load_base(settings)
    recipe = recipe_of("sft", chosen, base, settings)
    start(request.folder, recipe)
    if request.folder.is_finished:
        return read_run(request.folder.path)
    return _train(request, chosen, base, recipe)


def _train(request: Request, chosen: Chosen, base: Base, recipe: Recipe) -> RunRecord:
    from datasets import Dataset  # with trl: slow to import, and after unsloth

    from finetune.trainers import SFTConfig, SupervisedTrainer, prove_supervised, supervised_collator
    from finetune.training import Run, arguments, train

    settings = request.settings
    found = masked(chosen.train, base.turn, max_length=settings.max_length)
    dev, dev_counts = dev_of(chosen, base, settings, request.prompt)
    names = [tokens.example_id for tokens in found.kept]
    counts = {**counts_of(chosen.train, found), **dev_counts}
    run = Run(base, settings, request.folder, recipe, names, counts, found.dropped, dev)
    rows = [
        {"input_ids": list(tokens.ids), "labels": tokens.labels, "row": row} for row, tokens in enumerate(found.kept)
    ]
    trainer = SupervisedTrainer(
        model=base.model,
        args=SFTConfig(**arguments(run), packing=False, dataset_kwargs={"skip_prepare_dataset": True}),
        data_collator=supervised_collator(padding_of(base)),
        train_dataset=Dataset.from_list(rows),
        processing_class=base.loaded.tokenizer,
    )
    prove_supervised(trainer, found.kept)
    return train(run, trainer)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m finetune sft", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("examples", type=Path, metavar="EXAMPLES", help="made by: python -m finetune examples")
    parser.add_argument("--dev", type=Path, metavar="FILE", help="examples to choose by (default: dev's of EXAMPLES)")
    add_run_arguments(parser, ROOT / "runs" / "sft")
    return parser
