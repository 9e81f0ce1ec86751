"""Rows -> batches: padded tensors, the attention that keeps questions apart, the places where there is loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from finetune.reader_rows import Row


@dataclass(frozen=True, slots=True)
class Batch:
    """Several rows as tensors. B rows of length L; N predictions in all."""

    ids: Tensor  # [B, L]
    positions: Tensor  # [B, L]
    sees: Tensor  # bool [B, 1, L, L]: whether a token may attend to another
    places: Tensor  # [N]: of the flattened rows, after which a token is predicted
    targets: Tensor  # [N]
    labels: Tensor  # bool [N]: the first token of a choice's number
    rivals: tuple[tuple[int, ...], ...]  # for each of those the labels that its question has
    stages: Tensor  # [N]
    plain_places: Tensor  # [M]: of passages as plain text
    plain_targets: Tensor  # [M]

    @property
    def tokens(self) -> int:
        """Padding included."""
        return self.ids.numel()


def collate(
    rows: Sequence[Row], *, padding: int, plain: int = 0, generator: np.random.Generator | None = None
) -> Batch:
    """Rows as one batch. plain: places per row, drawn by the generator, that predict the passages' own text."""
    length = max(map(len, rows))
    ids = np.full((len(rows), length), padding)
    positions = np.zeros((len(rows), length), dtype=np.int64)
    owners = np.full((len(rows), length), -1)
    plain_places: list[int] = []
    for number, row in enumerate(rows):
        ids[number, : len(row)] = row.ids
        positions[number, : len(row)] = row.positions
        owners[number, : len(row)] = row.owners
        if generator is not None and plain and row.shared > 2:
            drawn = generator.integers(0, row.shared - 1, min(plain, row.shared))
            plain_places += (number * length + np.unique(drawn)).tolist()
    flat = torch.from_numpy(ids).reshape(-1)
    at = torch.tensor(plain_places, dtype=torch.int64)
    found = [
        (number * length + target.place, target, row.stage) for number, row in enumerate(rows) for target in row.targets
    ]
    return Batch(
        ids=torch.from_numpy(ids),
        positions=torch.from_numpy(positions),
        sees=visible(torch.from_numpy(owners)),
        places=torch.tensor([place for place, _, _ in found]),
        targets=torch.tensor([target.token for _, target, _ in found]),
        labels=torch.tensor([target.is_label for _, target, _ in found]),
        rivals=tuple(target.rivals for _, target, _ in found if target.is_label),
        stages=torch.tensor([stage for _, _, stage in found]),
        plain_places=at,
        plain_targets=flat[at + 1],
    )


def visible(owners: Tensor) -> Tensor:
    """[B, 1, L, L]: a token sees itself, and what stands before it and is shared or of its own question."""
    mine, theirs = owners[:, :, None], owners[:, None, :]
    length = owners.shape[1]
    before = torch.ones(length, length, dtype=torch.bool).tril()
    seen = before & ((theirs == 0) | (theirs == mine))
    return (seen | torch.eye(length, dtype=torch.bool))[:, None]


def logits_at(model: Any, batch: Batch, places: Tensor, device: str) -> Tensor:
    """Logits after some places of a batch; shape [places, vocabulary]."""
    hidden = model.model(
        input_ids=batch.ids.to(device),
        position_ids=batch.positions.to(device),
        attention_mask=batch.sees.to(device),
        use_cache=False,
    ).last_hidden_state
    logits: Tensor = model.lm_head(hidden.reshape(-1, hidden.shape[-1])[places])
    return logits
