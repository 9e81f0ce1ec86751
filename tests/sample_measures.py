"""What gives an exam away without knowledge: baselines that look at form alone, copied runs, near duplicates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from corpora.records import Question

Score = Callable[[Question, str], float]


def chance(questions: Sequence[Question]) -> float:
    """The mean of 1 / number of choices."""
    return sum(1 / len(question.choices) for question in questions) / len(questions)


def guessed(questions: Sequence[Question], score: Score) -> float:
    """The accuracy of choosing the choice with the highest score; choices that tie share the guess equally."""
    return sum(_guess(question, score) for question in questions) / len(questions)


def _guess(question: Question, score: Score) -> float:
    scores = [score(question, choice) for choice in question.choices]
    best = [number for number, value in enumerate(scores, start=1) if value == max(scores)]
    return (question.answer in best) / len(best)


def majority(questions: Sequence[Question]) -> float:
    """The accuracy of always choosing the most frequent position, per number of choices."""
    counts = Counter((len(question.choices), question.answer) for question in questions)
    best = {size: max(n for (other, _), n in counts.items() if other == size) for size, _ in counts}
    return sum(best.values()) / len(questions)


def length(_: Question, choice: str) -> float:
    """The longer, the better."""
    return len(choice)


def shortness(_: Question, choice: str) -> float:
    """The shorter, the better."""
    return -len(choice)


def overlap(question: Question, choice: str) -> float:
    """How many different character bigrams, spaces left out, the choice shares with the question."""
    return len(bigrams(question.question) & bigrams(choice))


def bigrams(text: str) -> set[str]:
    """The character bigrams of a text without its spaces."""
    return set(runs("".join(text.split()), 2))


def runs(text: str, size: int) -> Iterator[str]:
    """Every run of so many characters, from left to right."""
    return (text[start : start + size] for start in range(len(text) - size + 1))


def copied(text: str, corpus_runs: set[str], size: int) -> list[str]:
    """The runs of a text that stand in the corpus too."""
    return [run for run in runs(text, size) if run in corpus_runs]


def shingles(text: str) -> set[str]:
    """The character trigrams of a text's letters and digits."""
    return set(runs("".join(char for char in text if char.isalnum()), 3))


def jaccard(one: set[str], other: set[str]) -> float:
    """Shared part of the union; 0 for two empty sets."""
    return len(one & other) / max(len(one | other), 1)


def near_duplicates(texts: Iterable[tuple[str, str]], threshold: float) -> list[tuple[str, str, float]]:
    """Pairs of (id, text) whose shingles have at least this Jaccard similarity."""
    sets = [(name, shingles(text)) for name, text in texts]
    return [
        (name, other, round(similarity, 2))
        for index, (name, mine) in enumerate(sets)
        for other, theirs in sets[index + 1 :]
        if (similarity := jaccard(mine, theirs)) >= threshold
    ]
