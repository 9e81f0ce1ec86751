"""Sentences of a passage -> exam questions on it, by rules: blanks, statements, <보기>, titles, true or false.

Wrong choices are of the right one's kind and come from the same passage first, so that finding the passage is not
enough: what stands beside the term must be read.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from kiwipiepy import Kiwi

from corpora.records import Gold, Question
from finetune.reader_sentences import Sentence, Term, asked, cloze, restated

_BLANK = "(        )"
_CLOZE = (
    "다음 빈칸에 들어갈 말로 알맞은 것은? {}",
    "괄호 안에 들어갈 말은? {}",
    "{} 빈칸에 알맞은 것은?",
)
_TRUE = ("{}에 대한 설명으로 옳은 것은?", "{}에 관한 설명으로 알맞은 것은?", "다음 중 {}에 대하여 옳게 말한 것은?")
_FALSE = ("{}에 대한 설명으로 옳지 않은 것은?", "{}에 관하여 잘못 말한 것은?", "{}에 대한 설명으로 알맞지 않은 것은?")
_TITLE = ("다음 설명에 해당하는 것은? {}", "다음에서 설명하는 것은? {}")
_BOX = (
    "{}에 대한 설명으로 옳은 것을 <보기>에서 모두 고른 것은?",
    "{}에 관한 <보기>의 설명 가운데 옳은 것만을 있는 대로 고른 것은?",
)
_JUDGE = "다음 진술은 참인가, 거짓인가? {}"
_JAMO = "ㄱㄴㄷㄹ"
_DIGITS = re.compile(r"\d[\d,]*")


@dataclass(frozen=True, slots=True)
class Text:
    """A passage, taken apart."""

    doc_id: str
    title: str  # of its document
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes questions; the same generator state makes the same questions."""

    kiwi: Kiwi
    pool: Mapping[str, Sequence[str]]  # kind -> terms of the whole corpus
    titles: Sequence[str]
    rng: random.Random = field(default_factory=random.Random)

    def make(self, text: Text, limit: int) -> list[Question]:
        """At most `limit` questions on a passage, no two alike; fewer where it offers fewer."""
        kinds: list[tuple[Callable[[Text], Question | None], int]] = [
            (self._ask_cloze, 5), (self._ask_term, 6), (self._true, 3), (self._false, 2), (self._box, 1),
            (self._title, 1), (self._judge, 1), (self._short, 3),
        ]  # fmt: skip
        makers, weights = zip(*kinds, strict=True)
        made: dict[str, Question] = {}
        for maker in self.rng.choices(makers, weights, k=limit * 2):
            question = maker(text)
            if question is not None and len(question.question) <= 220 and len(made) < limit:
                made.setdefault(question.question, question)
        return list(made.values())

    def _ask_cloze(self, text: Text) -> Question | None:
        found = self._term(text)
        if found is None:
            return None
        sentence, term = found
        shown = self._shortened(cloze(sentence, term, _BLANK))
        return self._choose(text, self.rng.choice(_CLOZE).format(shown), sentence, term)

    def _ask_term(self, text: Text) -> Question | None:
        found = self._term(text)
        if found is None:
            return None
        sentence, term = found
        question = asked(self.kiwi, sentence, term, self.rng)
        if question is None or term.text in question:
            return None
        return self._choose(text, self._about(text, question), sentence, term)

    def _short(self, text: Text) -> Question | None:
        found = self._term(text)
        if found is None:
            return None
        sentence, term = found
        question = asked(self.kiwi, sentence, term, self.rng)
        if question is None or self.rng.random() < 0.4:
            question = self.rng.choice(_CLOZE).format(self._shortened(cloze(sentence, term, _BLANK)))
        if term.text in question:
            return None
        return Question(
            "", "short_answer", "", self._about(text, question), answers=(term.text,), gold=_gold(text, sentence)
        )

    def _true(self, text: Text) -> Question | None:
        return self._statements(text, _TRUE, true=1, false=self.rng.choice((3, 3, 4)))

    def _false(self, text: Text) -> Question | None:
        return self._statements(text, _FALSE, true=self.rng.choice((3, 3, 4)), false=1)

    def _statements(self, text: Text, forms: Sequence[str], *, true: int, false: int) -> Question | None:
        told = self._told(text, [True] * true + [False] * false)
        if told is None:
            return None
        odd = 0 if true == 1 else true
        choices = [statement for _, statement in told]
        return self._question(text, self.rng.choice(forms).format(text.title), choices, odd, told[odd][0])

    def _box(self, text: Text) -> Question | None:
        count = self.rng.choice((3, 4))
        truth = [self.rng.random() < 0.5 for _ in range(count)]
        told = self._told(text, truth) if any(truth) and not all(truth) else None
        if told is None:
            return None
        labels = _JAMO[:count]
        sets = [", ".join(group) for size in (1, 2, 3) for group in combinations(labels, size)]
        right = ", ".join(label for label, is_true in zip(labels, truth, strict=True) if is_true)
        others = self.rng.sample([each for each in sets if each != right], self.rng.choice((3, 4)))
        box = "\n".join(f"{label}. {statement}" for label, (_, statement) in zip(labels, told, strict=True))
        question = self.rng.choice(_BOX).format(text.title)
        ordered = sorted([right, *others], key=lambda each: (len(each), each))
        return Question(
            "", "multiple_choice", "", question, tuple(ordered), ordered.index(right) + 1, box=box,
            gold=_gold(text, *(sentence for sentence, _ in told)),
        )  # fmt: skip

    def _title(self, text: Text) -> Question | None:
        if not text.sentences or text.title not in text.sentences[0].text or len(self.titles) < 5:
            return None
        sentence = text.sentences[0]
        shown = sentence.text.replace(text.title, "이것")
        others = [title for title in self.rng.sample(self.titles, 5) if title != text.title][: self.rng.choice((3, 4))]
        return self._question(text, self.rng.choice(_TITLE).format(shown), [text.title, *others], 0, sentence)

    def _judge(self, text: Text) -> Question | None:
        is_true = self.rng.random() < 0.5
        told = self._told(text, [is_true])
        if told is None:
            return None
        sentence, statement = told[0]
        return Question(
            "", "multiple_choice", "", _JUDGE.format(statement), ("참", "거짓"), 1 if is_true else 2,
            gold=_gold(text, sentence),
        )  # fmt: skip

    def _told(self, text: Text, truth: Sequence[bool]) -> list[tuple[Sentence, str]] | None:
        """Different sentences retold, as they are or with one term exchanged; None where there are too few."""
        usable = [sentence for sentence in text.sentences if sentence.terms and len(sentence.text) <= 130]
        if len(usable) < len(truth):
            return None
        told: list[tuple[Sentence, str]] = []
        for sentence, is_true in zip(self.rng.sample(usable, len(truth)), truth, strict=True):
            swap = None
            if not is_true:
                term = self.rng.choice(sentence.terms)
                others = self._others(text, sentence, term, 1)
                if not others:
                    return None
                swap = (term, others[0])
            statement = restated(self.kiwi, sentence, self.rng, swap=swap)
            if statement is None:
                return None
            told.append((sentence, statement))
        return told if len({statement for _, statement in told}) == len(told) else None

    def _term(self, text: Text) -> tuple[Sentence, Term] | None:
        found = [(sentence, term) for sentence in text.sentences for term in sentence.terms]
        if not found:
            return None
        weights = [1.0 if term.kind == "말" else 3.0 for _, term in found]
        return self.rng.choices(found, weights)[0]

    def _choose(self, text: Text, question: str, sentence: Sentence, term: Term) -> Question | None:
        wanted = self.rng.choice((3, 3, 4))
        others = self._others(text, sentence, term, wanted)
        if len(others) < wanted:
            return None
        return self._question(text, question, [term.text, *others], 0, sentence)

    def _others(self, text: Text, sentence: Sentence, term: Term, count: int) -> list[str]:
        """Terms of the same kind that do not stand in the sentence: of the passage first, then of the corpus."""
        group = term.kind[:1]
        near = [
            other.text for each in text.sentences if each is not sentence for other in each.terms
            if other.kind[:1] == group and (group != "수" or other.kind == term.kind)
        ]  # fmt: skip
        near = [each for each in dict.fromkeys(near) if each not in sentence.text]
        self.rng.shuffle(near)
        if group == "수":
            far = [self._moved(term.text) for _ in range(8)]
        else:
            pool = self.pool.get(term.kind, ())
            far = self.rng.sample(list(pool), min(len(pool), 8))
        from_near = near[: self.rng.choice((count, max(count - 1, 1)))]
        return [each for each in dict.fromkeys([*from_near, *far, *near]) if each not in sentence.text][:count]

    def _moved(self, number: str) -> str:
        """A number of the same form, some way off."""

        def move(match: re.Match[str]) -> str:
            value = int(match[0].replace(",", ""))
            reach = 30 if 1000 <= value <= 2100 else max(value, 4)
            moved = max(1, value + self.rng.choice((-1, 1)) * self.rng.randint(1, reach))
            return f"{moved:,}" if "," in match[0] else str(moved)

        return _DIGITS.sub(move, number, count=1)

    def _question(
        self, text: Text, question: str, choices: list[str], right: int, sentence: Sentence
    ) -> Question | None:
        if len(set(choices)) < len(choices):
            return None
        order = self.rng.sample(range(len(choices)), len(choices))
        return Question(
            "", "multiple_choice", "", question, tuple(choices[place] for place in order), order.index(right) + 1,
            gold=_gold(text, sentence),
        )  # fmt: skip

    def _about(self, text: Text, question: str) -> str:
        return f"{text.title}: {question}" if text.title not in question and self.rng.random() < 0.4 else question

    def _shortened(self, shown: str) -> str:
        """What stands around the blank, sometimes cut at a comma or a space some way from it."""
        if self.rng.random() < 0.4 and len(shown) > 60:
            place = shown.index(_BLANK)
            begin = shown.rfind(" ", 0, max(place - 25, 0)) + 1
            end = shown.find(" ", place + len(_BLANK) + 25)
            return shown[begin : end if end > 0 else len(shown)]
        return shown


def _gold(text: Text, *sentences: Sentence) -> tuple[Gold, ...]:
    return tuple(Gold(text.doc_id, sentence.text) for sentence in sentences)
