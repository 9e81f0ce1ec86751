"""Wrong choices from the passages themselves: words of the same type as the right answer, by Kiwi's tags."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from corpora.records import Question
from index_build.terms import Analyser, Morpheme

# what an answer may consist of: nouns, numbers, foreign letters, and affixes to them
_PARTS = frozenset({"NNG", "NNP", "NNB", "NR", "SN", "SL", "SH", "XR", "XPN", "XSN"})
_HEADS = frozenset({"NNG", "NNB", "XSN"})  # the last part of a compound says what it is: 조약, 년, 왕
_NAMES = frozenset({"NNP", "SN", "SL", "SH"})
_LONGEST = 8  # morphemes
_UNLIKE = 1  # letters by which names may differ in length: the tags do not tell people from places, length helps

Type = tuple[str, ...]


def type_of(text: str, analyser: Analyser) -> Type | None:
    """What kind of name or number a text is: its morphemes' tags, and its head noun; None for what is neither.

    브레티니 조약 is (NNP, NNG:조약), 1976년 is (SN, NNB:년). A lone common noun (구두) is None: any other noun
    would be of its type.
    """
    morphemes = analyser.morphemes(text)
    if not morphemes or len(morphemes) > _LONGEST or any(m.tag not in _PARTS for m in morphemes):
        return None
    return _signature(morphemes) if len(morphemes) > 1 or morphemes[0].tag in _NAMES else None


def same_type(question: Question, passages: Sequence[str], analyser: Analyser, *, count: int) -> list[str]:
    """The first `count` texts in the passages of the answer's type that are no answer and not in the item itself.

    Fewer come back when there are fewer; [] for an answer that is a sentence.
    """
    accepted = [question.choices[question.answer - 1]] if question.answer else list(question.answers)
    wanted = type_of(accepted[0], analyser)
    if wanted is None:
        return []
    barred = [_letters(answer) for answer in accepted]
    asked = _letters(question.paragraph + question.question + question.box)
    found: dict[str, str] = {}  # letters -> text
    for passage in passages:
        for text in _runs(passage, wanted, analyser):
            letters = _letters(text)
            if (
                _is_alike(text, accepted[0])
                and letters not in asked
                and not any(letters in other or other in letters for other in (*barred, *found))
            ):
                found[letters] = text
            if len(found) == count:
                return list(found.values())
    return list(found.values())


def with_choices(question: Question, wrong: Sequence[str], *, seed: int) -> Question:
    """The item as multiple choice of its answer and these wrong ones, in an order by chance."""
    right = question.choices[question.answer - 1] if question.answer else question.answers[0]
    choices = random.Random(f"{seed} choices {question.question_id}").sample([right, *wrong], len(wrong) + 1)
    return replace(
        question, kind="multiple_choice", choices=tuple(choices), answer=choices.index(right) + 1, answers=()
    )


def _is_alike(text: str, answer: str) -> bool:
    """Whether two texts have as many words and about as many letters."""
    return len(text.split()) == len(answer.split()) and abs(len(_letters(text)) - len(_letters(answer))) <= _UNLIKE


def _runs(passage: str, wanted: Type, analyser: Analyser) -> Iterator[str]:
    """The texts of neighbouring morphemes that have this signature and do not go on before or after."""
    morphemes = analyser.morphemes(passage)
    for start in range(len(morphemes) - len(wanted) + 1):
        end = start + len(wanted)
        part = morphemes[start:end]
        if (
            all(m.tag in _PARTS for m in part)
            and _signature(part) == wanted
            and _is_whole(passage, morphemes, start, end)
        ):
            yield passage[part[0].start : part[-1].start + len(part[-1].form)]


def _is_whole(passage: str, morphemes: Sequence[Morpheme], start: int, end: int) -> bool:
    first, last = morphemes[start], morphemes[end - 1]
    before = morphemes[start - 1] if start else None
    after = morphemes[end] if end < len(morphemes) else None
    goes_on = after is not None and after.tag in _PARTS and _touch(passage, last, after)
    went_before = before is not None and before.tag in _PARTS and _touch(passage, before, first)
    broken = any(not _touch(passage, one, other) for one, other in pairwise(morphemes[start:end]))
    return not (goes_on or went_before or broken)


def _touch(passage: str, one: Morpheme, other: Morpheme) -> bool:
    """Whether nothing but a space is between two morphemes."""
    return not passage[one.start + len(one.form) : other.start].strip(" ")


def _signature(morphemes: Sequence[Morpheme]) -> Type:
    tags = [morpheme.tag for morpheme in morphemes]
    if len(morphemes) > 1 and tags[-1] in _HEADS:
        tags[-1] = f"{tags[-1]}:{morphemes[-1].form}"
    return tuple(tags)


def _letters(text: str) -> str:
    return "".join(text.split()).casefold()
