"""Other orders of choices: the answer's number follows, every place is right equally often, the box stays."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from corpora.records import Question

# a choice or a question that speaks of other choices by their place means something else in another order
_PLACES = re.compile(
    r"[①-⑩]|(?<![\d가-힣])[1-9]\s*번(?!\s*(?:째|국도))"
    r"|(?:위|앞|아래|이상)의?\s*(?:모두|모든|것|선택지|보기\s*(?:모두|중))|모두\s*(?:정답|옳|맞|틀리|해당)"
    r"|(?:정답|답|해당\s*(?:사항)?)[이은는]?\s*없"
)


@dataclass(frozen=True, slots=True)
class Row:
    """A question on its way to one example."""

    id: str  # of the example
    question: Question
    is_fixed: bool = False  # its order must stay: something written about it names numbers


def names_places(text: str) -> bool:
    """Whether a text speaks of choices by their place: ③, 3번, 위의 모두, 정답 없음."""
    return _PLACES.search(text) is not None


def is_shufflable(question: Question) -> bool:
    """Whether the choices may stand in another order.

    Statements of a <보기> (ㄱ, ㄴ, ㉠) keep their names and their places in the box, so choices that combine
    them may move like any other.
    """
    texts = (question.question, question.box, *question.choices)
    return question.kind == "multiple_choice" and not any(map(names_places, texts))


def reordered(question: Question, order: Sequence[int]) -> Question:
    """The question with choice `order[i]` (from 0) at place i; its answer is the number of the same text."""
    if question.answer is None:
        return question
    return replace(
        question,
        choices=tuple(question.choices[place] for place in order),
        answer=order.index(question.answer - 1) + 1,
    )


def balanced(rows: Sequence[Row], *, seed: int) -> list[Row]:
    """The rows, choices of those that may be shuffled in another order; in their order, same seed same result.

    The right choice goes to the place that was right least often so far among items with as many choices,
    rows that stay as they are counted first; the others follow by chance.
    """
    counts: dict[int, Counter[int]] = {}
    for row in rows:
        size = len(row.question.choices)
        used = counts.setdefault(size, Counter())
        if row.question.answer is not None and (row.is_fixed or not is_shufflable(row.question)):
            used[row.question.answer - 1] += 1
    return [
        row if row.is_fixed or not is_shufflable(row.question) else _moved(row, counts[len(row.question.choices)], seed)
        for row in rows
    ]


def _moved(row: Row, used: Counter[int], seed: int) -> Row:
    size = len(row.question.choices)
    generator = random.Random(f"{seed} choices {row.id}")
    places = generator.sample(range(size), size)
    target = min(places, key=lambda place: used[place])  # the first in the drawn order among equals
    used[target] += 1
    right = (row.question.answer or 1) - 1
    order = generator.sample([place for place in range(size) if place != right], size - 1)
    order.insert(target, right)
    return replace(row, question=reordered(row.question, order))
