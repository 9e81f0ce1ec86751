"""TRL's trainers, told apart from their own in three things: rows arrive tokenised and numbered, what they carry loss
on is not touched, and a loss that is no number stops the run with the example's name.

Import after unsloth, where that is used: it replaces these trainers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DataCollatorForPreference, DPOTrainer
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling, SFTTrainer

from finetune import plain_loss
from finetune.masking import IGNORED, Tokens, check_batch
from finetune.watch import Meter, check_loss

__all__ = ["DPOConfig", "PreferenceTrainer", "SFTConfig", "SupervisedTrainer", "numbered"]

plain_loss.install()

Collator = Callable[[list[dict[str, Any]]], dict[str, Any]]


class SupervisedTrainer(SFTTrainer):
    """SFT on rows {input_ids, labels, row}; set `names` (of the rows) and `meter` before training."""

    names: Sequence[str]
    meter: Meter

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **known: Any) -> Any:
        """TRL's loss, checked."""
        rows = inputs.pop("row")
        self.meter.tokens += int(inputs["attention_mask"].sum())
        loss = super().compute_loss(model, inputs, *args, **known)  # type: ignore[no-untyped-call]
        check_loss(loss, rows, self.names, self.state.global_step + 1)
        return loss


class PreferenceTrainer(DPOTrainer):
    """DPO on rows {prompt_ids, chosen_ids, rejected_ids, row}; set `names` and `meter` before training."""

    names: Sequence[str]
    meter: Meter

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        return dataset  # it is tokenised, and TRL's way of finding the prompt's end may differ from ours

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **known: Any) -> Any:
        """TRL's loss, checked."""
        rows = inputs.pop("row")
        self.meter.tokens += int(inputs["attention_mask"].sum())
        loss = super().compute_loss(model, inputs, *args, **known)  # type: ignore[no-untyped-call]
        check_loss(loss, rows, self.names, self.state.global_step + 1)
        return loss


def numbered(collate: Collator) -> Collator:
    """A collator that hands on which rows a batch is made of."""

    def collated(rows: list[dict[str, Any]]) -> dict[str, Any]:
        batch = collate([{key: value for key, value in row.items() if key != "row"} for row in rows])
        return {**batch, "row": torch.tensor([row["row"] for row in rows])}

    return collated


def supervised_collator(padding: int) -> Collator:
    """Batches of {input_ids, attention_mask, labels, row}, padded on the right."""
    return numbered(DataCollatorForLanguageModeling(pad_token_id=padding))


def preference_collator(padding: int) -> Collator:
    """Batches of {input_ids, attention_mask, completion_mask, row}: the chosen, then the rejected."""
    return numbered(DataCollatorForPreference(pad_token_id=padding))


def prove_supervised(trainer: SupervisedTrainer, tokens: Sequence[Tokens], *, rows: int = 16) -> None:
    """Check the first batch as the trainer will see it; see `check_batch` for what is raised."""
    rows_of: Any = trainer.train_dataset
    first = [rows_of[row] for row in range(min(rows, len(tokens)))]
    batch = trainer.data_collator(first)
    check_batch(batch["labels"].tolist(), [tokens[row] for row in batch["row"].tolist()])


def prove_preferences(trainer: PreferenceTrainer, pairs: Sequence[tuple[Tokens, Tokens]], *, rows: int = 16) -> None:
    """The same for pairs: the answers, chosen and rejected, are what is compared."""
    rows_of: Any = trainer.train_dataset
    first = [rows_of[row] for row in range(min(rows, len(pairs)))]
    batch = trainer.data_collator(first)
    labels = torch.where(batch["completion_mask"] == 1, batch["input_ids"], IGNORED).tolist()
    numbers = batch["row"].tolist()
    check_batch(labels, [pairs[row][side] for side in (0, 1) for row in numbers])
