"""A reader under training, judged: label accuracy on held-out blocks and on the sample's dev split."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from finetune.reader_batches import collate, logits_at
from finetune.reader_blocks import Block
from finetune.reader_rows import Composer, Row
from rag.reader import Evidence

_SHOWN = 3  # passages, the gold one with them


@dataclass(frozen=True, slots=True)
class DevSet:
    """Rows whose labelled answers are counted."""

    name: str
    rows: tuple[Row, ...]


def held_out(composer: Composer, blocks: Sequence[Block], *, seed: int) -> DevSet:
    """Blocks that are not trained on, as the last stage shows them."""
    rng = random.Random(seed)
    rows = [composer.row(block, 2, rng) for block in blocks]
    return DevSet("held_out", tuple(row for row in rows if row is not None))


def exam_sets(composer: Composer, blocks: Sequence[Block], *, prefix: str = "") -> list[DevSet]:
    """An exam's items closed book, with their gold passage, and with that among others that our retriever finds.

    The sets are called closed, gold and among, after the prefix.
    """
    golds: list[tuple[Evidence, ...]] = [() if block.gold is None else (block.gold,) for block in blocks]
    offered: dict[str, list[tuple[Evidence, ...]]] = {
        "closed": [() for _ in blocks],
        "gold": golds,
        "among": [(*gold, *block.others)[:_SHOWN] for gold, block in zip(golds, blocks, strict=True)],
    }
    sets = []
    for name, shown in offered.items():
        rows = [composer.compose(block.questions, some, stage=2) for block, some in zip(blocks, shown, strict=True)]
        sets.append(DevSet(prefix + name, tuple(row for row in rows if row is not None)))
    return sets


def judge(model: Any, sets: Sequence[DevSet], *, padding: int, device: str) -> dict[str, float]:
    """Set -> share of labels that are right among the question's own; NaN-free: a set without labels is left out."""
    model.eval()
    found = {}
    for each in sets:
        right = [hit for row in each.rows for hit in _right(model, row, padding=padding, device=device)]
        if right:
            found[each.name] = sum(right) / len(right)
    model.train()
    return found


@torch.inference_mode()
def _right(model: Any, row: Row, *, padding: int, device: str) -> list[bool]:
    labels = [target for target in row.targets if target.is_label]
    if not labels:
        return []
    batch = collate([row], padding=padding)
    places = torch.tensor([target.place for target in labels])
    logits = logits_at(model, batch, places.to(device), device).float().cpu()  # in fp32, as evaluation does
    return [
        int(scores[list(target.rivals)].argmax()) == target.rivals.index(target.token)
        for scores, target in zip(logits, labels, strict=True)
    ]
