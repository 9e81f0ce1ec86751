"""python -m finetune reader --data DIR [--out DIR] [--config FILE] [--set finetune.reader.KEY=VALUE ...]
python -m finetune reader --smoke

Trains the embedded reader, a small Korean language model of the Qwen3 architecture, from nothing: text -> questions
by rules -> tokenizer -> model. A run that was stopped goes on from its last checkpoint. What DIR must hold:
docs/reader.md.
--smoke: two minutes on the bundled sample alone, to see that everything works; its model knows nothing.

Example: python -m finetune reader --data data --out models/reader
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from configs import load
from configs.errors import UserError
from configs.reader_training import ReaderTrainingSettings
from configs.schema import ROOT
from index_build.manifest import remove
from rag.embedded import FOLDER

_SMOKE = ROOT / "configs" / "finetune" / "reader-smoke.yaml"


def main_reader(argv: list[str]) -> int:
    """Train the reader and write its folder, or go on with a training that was stopped."""
    parser = argparse.ArgumentParser(
        prog="python -m finetune reader", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, metavar="DIR")
    source.add_argument("--smoke", action="store_true", help="a tiny reader from the bundled sample alone")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: models/reader; of --smoke: runs/reader-smoke")
    parser.add_argument("--work", type=Path, metavar="DIR", help="checkpoints and caches; default: beside --out")
    parser.add_argument("--config", type=Path, metavar="FILE")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    args = parser.parse_args(argv)
    config = args.config or (_SMOKE if args.smoke else None)
    out = args.out or (ROOT / "runs" / "reader-smoke" if args.smoke else FOLDER)
    settings = load(config, args.overrides).finetune.reader
    work = args.work or out.with_name(f".{out.name}.training")
    if args.smoke:
        remove(work / "checkpoint")  # a smoke test starts from nothing
    trained = train(args.data, out, work, settings)
    if trained is None:
        print(f"stopped after {settings.minutes_per_run:g} minutes; the same command goes on", file=sys.stderr)
        return 0
    if args.smoke:
        check_learnt(trained.history)
    print(json.dumps(trained.figures))
    print(f"reader: {out}")
    return 0


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of a training: dev figures at its end, and every step's record."""

    figures: dict[str, float]
    history: list[dict[str, float]]


def check_learnt(history: Sequence[dict[str, float]]) -> None:
    """Raise UserError unless, from the first to the last tenth of the steps, label loss halved and more were right.

    Right is the label that is likeliest among all tokens: this shows that a reader learns to answer, not that it reads.
    """
    part = max(len(history) // 10, 1)
    early, late = history[:part], history[-part:]
    before, after = (fmean(record["loss"] for record in some) for some in (early, late))
    if after >= before / 2:
        raise UserError(f"smoke test: the loss went from {before:.2f} to {after:.2f}; it should have halved")
    before, after = (fmean(record["accuracy"] for record in some) for some in (early, late))
    if after <= before:
        raise UserError(f"smoke test: answers right went from {before:.2f} to {after:.2f}; they should have risen")


def train(data: Path | None, out: Path, work: Path, settings: ReaderTrainingSettings) -> Trained | None:
    """Train a reader on a data folder (None: the bundled sample) and write it to `out`; its dev figures.

    None when the run's minutes are over before the last step. Raises UserError when data are missing.
    """
    import torch

    from finetune.reader_dev import judge
    from finetune.reader_lessons import dev_sets, lessons_of, tokenizer_of
    from finetune.reader_model import new_model
    from finetune.reader_report import draw
    from finetune.reader_rows import Composer
    from finetune.reader_save import save
    from finetune.reader_train import Trainer

    os.environ["RAYON_NUM_THREADS"] = str(settings.threads)  # the tokenizer's own pool
    torch.set_num_threads(settings.threads)
    lessons, held = lessons_of(data, work, settings)
    tokenizer = tokenizer_of(lessons, work, settings)
    composer = Composer(tokenizer, settings)
    sets = dev_sets(composer, held, work, settings)
    model = new_model(tokenizer, settings.model, seed=settings.seed)
    padding: int = model.config.pad_token_id
    trainer = Trainer(model, composer, settings, folder=work / "checkpoint", padding=padding)

    def look() -> dict[str, float]:
        return judge(trainer.model, sets, padding=padding, device=trainer.device)

    is_done = trainer.run(lessons, look)
    weights = {"loss": 1.0, "text_loss": settings.text_weight, "plain_loss": settings.plain_weight}
    draw(work / "curves.png", trainer.progress.history, weights)
    if not is_done:
        return None
    last = trainer.progress.history[-1]  # every run looks after its last step
    figures = {each.name: last[each.name] for each in sets if each.name in last}
    save(out, trainer.model, tokenizer, settings)
    return Trained(figures, trainer.progress.history)
