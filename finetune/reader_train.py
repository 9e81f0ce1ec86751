"""Rows -> trained weights: AdamW, lessons that grow harder, checkpoints to go on from.

The rates rise over the warm-up, stay, and fall to nothing over the last part of the steps; so a run may be given more
or fewer steps later. Step n draws its blocks from a random state of its own: a resumed run equals an unbroken one.

Source: Hu et al. 2024 (warm-up, stable, decay).
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from configs.errors import UserError
from configs.reader_training import ReaderTrainingSettings
from finetune.reader_batches import Batch, collate, logits_at
from finetune.reader_blocks import Block
from finetune.reader_rows import STAGES, Composer, Row

_TELL = 10  # steps between two lines in the log
_MEMORY = 400  # labelled answers over which a stage's accuracy is taken


@dataclass(frozen=True, slots=True)
class Lessons:
    """Blocks to learn from, by source, and how often each source is drawn."""

    sources: dict[str, Sequence[Block]]
    shares: dict[str, float]

    def draw(self, rng: random.Random) -> Block:
        """One block."""
        names = sorted(self.sources)
        name = rng.choices(names, [self.shares[name] for name in names])[0]
        return rng.choice(self.sources[name])


@dataclass(slots=True)
class Progress:
    """Where a training stands; what a checkpoint says beside weights."""

    step: int = 0
    stage: int = 0
    tokens: int = 0
    seconds: float = 0.0
    recent: list[int] = field(default_factory=list)  # of the present stage: 1 for each label that was right
    history: list[dict[str, float]] = field(default_factory=list)


class Trainer:
    """A model under training. Runs until the last step or until the run's minutes are over."""

    def __init__(
        self, model: Any, composer: Composer, settings: ReaderTrainingSettings, *, folder: Path, padding: int
    ) -> None:
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = model.to(self.device)
        self._composer = composer
        self._settings = settings
        self._folder = folder
        self._padding = padding
        self.progress = Progress(stage=settings.first_stage)
        groups = _groups(self.model, settings)
        self._rates = [group["lr"] for group in groups]
        self._optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.98), eps=settings.epsilon, weight_decay=0.0)
        if (folder / "progress.json").is_file():
            self._resume()

    def run(self, lessons: Lessons, look: Callable[[], dict[str, float]]) -> bool:
        """Train; whether the last step is reached. `look` gives dev figures and is called at every checkpoint."""
        settings, progress = self._settings, self.progress
        started = saved = time.monotonic()
        before = progress.seconds
        bar = tqdm(total=settings.steps, initial=progress.step, desc="train", unit=" steps", disable=None)
        while progress.step < settings.steps:
            record = self._advance(lessons)
            now = time.monotonic()
            progress.seconds = before + now - started
            bar.update()
            bar.set_postfix(
                loss=f"{record['loss']:.3f}", stage=progress.stage, tps=round(progress.tokens / progress.seconds)
            )
            if progress.step % _TELL == 0:
                tqdm.write(json.dumps(_rounded(progress.history[-1] | {"seconds": progress.seconds})), file=sys.stderr)
            over = now - started > 60 * settings.minutes_per_run
            if now - saved > 60 * settings.checkpoint_minutes or over or progress.step == settings.steps:
                progress.history[-1] |= look()
                tqdm.write(json.dumps(_rounded(progress.history[-1])), file=sys.stderr)
                self._save()
                saved = time.monotonic()
            if over:
                break
        bar.close()
        return progress.step >= settings.steps

    def _advance(self, lessons: Lessons) -> dict[str, float]:
        settings, progress = self._settings, self.progress
        rng = random.Random(f"{settings.seed} {progress.step}")
        rows = self._rows(lessons, rng)
        generator = np.random.default_rng([settings.seed, progress.step])
        plain = settings.plain_tokens if settings.plain_weight else 0
        batches = [
            collate(group, padding=self._padding, plain=plain, generator=generator)
            for group in grouped(rows, settings.pass_tokens)
        ]
        for group, rate in zip(self._optimiser.param_groups, self._rates, strict=True):
            group["lr"] = rate * pace(progress.step, settings)
        record = self._step(batches)
        progress.step += 1
        progress.tokens += sum(map(len, rows))
        progress.recent = progress.recent[-_MEMORY:]
        if progress.stage + 1 < len(STAGES) and len(progress.recent) >= _MEMORY:
            accuracy = sum(progress.recent) / len(progress.recent)
            if accuracy >= settings.mastered or progress.step >= settings.steps * (progress.stage + 1) / 6:
                progress.stage += 1
                progress.recent = []
        progress.history.append({"step": progress.step, "tokens": progress.tokens, "stage": progress.stage, **record})
        return record

    def _rows(self, lessons: Lessons, rng: random.Random) -> list[Row]:
        rows: list[Row] = []
        while sum(map(len, rows)) < self._settings.batch_tokens:
            stage = self.progress.stage
            if rng.random() < self._settings.review:
                stage = rng.randint(0, stage)
            row = self._composer.row(lessons.draw(rng), stage, rng)
            if row is not None:
                rows.append(row)
        return rows

    def _step(self, batches: Sequence[Batch]) -> dict[str, float]:
        """One update; mean losses of its answers and the share of right labels."""
        labels = sum(int(batch.labels.sum()) for batch in batches)
        texts = sum(len(batch.labels) for batch in batches) - labels
        plain = sum(len(batch.plain_places) for batch in batches)
        sums = torch.zeros(4)
        for batch in batches:
            label_loss, text_loss, plain_loss, right = self._losses(batch)
            weighted = (
                label_loss / max(labels, 1)
                + self._settings.text_weight * text_loss / max(texts, 1)
                + self._settings.plain_weight * plain_loss / max(plain, 1)
            )
            weighted.backward()  # type: ignore[no-untyped-call]
            sums += torch.stack([label_loss, text_loss, plain_loss, right.sum()]).detach().float().cpu()
            here = batch.stages[batch.labels] == self.progress.stage
            self.progress.recent += right[here.to(right.device)].int().tolist()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        counts = (labels, texts, plain, labels)
        label, text, other, accuracy = (float(each) / max(n, 1) for each, n in zip(sums, counts, strict=True))
        return {"loss": label, "text_loss": text, "plain_loss": other, "accuracy": accuracy}

    def _losses(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Summed losses of labels, written answers and plain text, and which labels were right."""
        places = torch.cat([batch.places, batch.plain_places]).to(self.device)
        targets = torch.cat([batch.targets, batch.plain_targets]).to(self.device)
        with torch.autocast(self.device, torch.bfloat16, enabled=self._settings.precision == "bf16"):
            logits = logits_at(self.model, batch, places, self.device).float()
        answers = len(batch.places)
        labels = batch.labels.to(self.device)
        named, wanted = logits[:answers][labels], targets[:answers][labels]
        if self._settings.choices_only:
            named = among(named, batch.rivals)
        written = cross_entropy(logits[:answers][~labels], targets[:answers][~labels], reduction="sum")
        plain = cross_entropy(logits[answers:], targets[answers:], reduction="sum")
        return cross_entropy(named, wanted, reduction="sum"), written, plain, named.argmax(dim=1) == wanted

    def _save(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        weights = {
            name: weight.contiguous() for name, weight in self.model.state_dict().items() if name != "lm_head.weight"
        }
        _replace(self._folder / "weights.safetensors", weights)
        _replace(self._folder / "moments.safetensors", self._moments())
        temporary = self._folder / ".progress.json"
        fields = {name: getattr(self.progress, name) for name in Progress.__dataclass_fields__}
        temporary.write_text(json.dumps(fields), encoding="utf-8")
        temporary.replace(self._folder / "progress.json")

    def _moments(self) -> dict[str, Tensor]:
        return {
            f"{place}.{name}": value.contiguous()
            for place, state in self._optimiser.state_dict()["state"].items()
            for name, value in state.items()
        }

    def _resume(self) -> None:
        weights = load_file(self._folder / "weights.safetensors", device=self.device)
        self.model.load_state_dict(weights, strict=False)
        state: defaultdict[int, dict[str, Tensor]] = defaultdict(dict)
        for key, value in load_file(self._folder / "moments.safetensors", device=self.device).items():
            place, name = key.split(".", 1)
            state[int(place)][name] = value
        groups = self._optimiser.state_dict()["param_groups"]
        self._optimiser.load_state_dict({"state": dict(state), "param_groups": groups})
        self.progress = Progress(**json.loads((self._folder / "progress.json").read_text(encoding="utf-8")))


def _groups(model: Any, settings: ReaderTrainingSettings) -> list[dict[str, Any]]:
    """Parameters by their rate; those without one ask for no gradient."""
    embeddings = model.get_input_embeddings().weight
    rated: defaultdict[float, list[Tensor]] = defaultdict(list)
    for weight in model.parameters():
        matrix = settings.embedding_rate if weight is embeddings else settings.learning_rate
        rate = settings.norm_rate if weight.ndim == 1 else matrix
        rated[rate].append(weight.requires_grad_(rate > 0))
    if not any(rated):
        raise UserError(
            "finetune.reader: learning_rate, norm_rate and embedding_rate are all 0; nothing would be learnt"
        )
    return [{"params": weights, "lr": rate} for rate, weights in rated.items() if rate > 0]


def among(logits: Tensor, rivals: Sequence[Sequence[int]]) -> Tensor:
    """Logits [questions, vocabulary] with minus infinity for all tokens but each question's own labels."""
    others = torch.ones_like(logits, dtype=torch.bool)
    for row, tokens in enumerate(rivals):
        others[row, list(tokens)] = False
    return logits.masked_fill(others, -torch.inf)


def _rounded(record: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in record.items()}


def _replace(path: Path, tensors: dict[str, Tensor]) -> None:
    temporary = path.with_name(f".{path.name}")
    save_file(tensors, temporary)
    temporary.replace(path)


def pace(step: int, settings: ReaderTrainingSettings) -> float:
    """The share of the full rate at a step: rising, level, then falling in a line over the last part."""
    falling = max(settings.decay * settings.steps, 1)
    return min(1.0, (step + 1) / settings.warmup, max(settings.steps - step, 0) / falling)


def grouped(rows: Sequence[Row], tokens: int) -> list[list[Row]]:
    """Rows of like length together, each group at most so many tokens with its padding (or a single row)."""
    groups: list[list[Row]] = []
    for row in sorted(rows, key=len):
        if groups and len(row) * (len(groups[-1]) + 1) <= tokens:
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups
