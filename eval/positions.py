"""Whether a reader prefers places to contents: what it chose where, and whether it follows a choice that moves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from configs.evaluation import ArmName
from eval.items import Item
from eval.metrics import wilson
from eval.summary import Accuracy


@dataclass(frozen=True, slots=True)
class Positions:
    """One arm's choices by place, from 1; with `--permute` over every cyclic order of every item's choices."""

    n: int  # answers that chose a place
    right: tuple[int, ...]  # how often the right choice stood there
    chosen: tuple[int, ...]  # how often it was chosen
    is_permuted: bool
    consistency: Accuracy | None  # items of which the same choice is chosen in every order
    accuracy: Accuracy | None  # over all orders; its interval takes orders as items and is too narrow


def positions(items: Sequence[Item], arm: ArmName) -> Positions | None:
    """An arm's choices by place; None when it was asked no multiple choice."""
    chosen, right = Counter[int](), Counter[int]()
    same = hits = orders = permuted = 0
    for item in items:
        outcome = item.outcome(arm)
        if item.traits.kind != "multiple_choice" or outcome is None or item.answer is None:
            continue
        turns = next((found for found in item.rotations if found.arm == arm), None)
        places = turns.positions if turns else (int(outcome.answer) if outcome.answer else None,)
        chosen.update(place for place in places if place is not None)
        right.update((item.answer - 1 - turn) % item.traits.choices + 1 for turn in range(len(places)))
        if turns is not None:
            permuted += 1
            same += None not in turns.choices and len(set(turns.choices)) == 1
            hits += turns.choices.count(item.answer)
            orders += len(turns.choices)
    if not right:
        return None
    width = max(*right, *chosen, 1)
    return Positions(
        n=chosen.total(),
        right=tuple(right[place] for place in range(1, width + 1)),
        chosen=tuple(chosen[place] for place in range(1, width + 1)),
        is_permuted=permuted > 0,
        consistency=Accuracy(same / permuted, wilson(same, permuted), permuted) if permuted else None,
        accuracy=Accuracy(hits / orders, wilson(hits, orders), orders) if orders else None,
    )
