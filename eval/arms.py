"""Which arms are asked, and the random passages of the placebo."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from configs.errors import UserError
from configs.evaluation import ArmName
from index_build.passages import PassageStore
from rag.judgements import Judgements, document_of
from rag.reader import Evidence

_DRAWS = 8  # random passages looked at for one of the right length
_TRIES = 64  # before a placebo goes without: an index may hold little else than what is judged

JUDGED: frozenset[ArmName] = frozenset({"gold", "distract"})
"""The arms that are asked of items with judgements only."""

_ORDER: tuple[ArmName, ...] = ("closed", "retrieved", "gated", "gold", "random", "distract")
_NEEDS: Mapping[ArmName, tuple[ArmName, ...]] = {"gated": ("closed", "retrieved"), "random": ("retrieved",)}


def arms_for(wanted: Sequence[ArmName] | None, judgements: Judgements) -> tuple[ArmName, ...]:
    """The arms to ask, in their usual order, with those that others are made from.

    None: closed, retrieved and gated, and gold and random where there are judgements.
    Raises UserError when an arm is wanted that needs judgements and there are none.
    """
    if wanted is None:
        wanted = ("closed", "retrieved", "gated", *(("gold", "random") if judgements.passages else ()))
    lacking = sorted(JUDGED.intersection(wanted)) if not judgements.passages else []
    if lacking:
        raise UserError(
            f"--arms {','.join(lacking)}: needs judgements, and none fit: the exam has no gold quotes from documents of"
            " this index; name a file with --qrels, or leave the arm out"
        )
    chosen = {other for arm in wanted for other in (arm, *_NEEDS.get(arm, ()))}
    return tuple(arm for arm in _ORDER if arm in chosen)


def placebo(store: PassageStore, shown: Sequence[Evidence], avoid: Sequence[str], *, seed: str) -> list[str]:
    """One random passage for every shown one, about as long, from documents that are not to be avoided.

    Of eight drawn the one nearest in length is taken. The same seed gives the same passages. Fewer come
    back when the index has too few other documents.
    """
    generator = random.Random(seed)
    barred = {document_of(passage_id) for passage_id in (*avoid, *(passage.passage_id for passage in shown))}
    chosen: dict[str, None] = {}
    for passage in shown:
        drawn: dict[str, int] = {}  # id -> how far its length is off
        for _ in range(_TRIES):
            row = generator.randrange(len(store))
            passage_id = store.passage_id(row)
            if passage_id not in chosen and document_of(passage_id) not in barred:
                drawn[passage_id] = abs(len(store.passage(row).text) - len(passage.text))
            if len(drawn) == _DRAWS:
                break
        if drawn:
            chosen[min(drawn, key=lambda name: (drawn[name], name))] = None
    return list(chosen)
