"""What a reader wrote -> the choice or the text it answers with; None rather than a guess."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

_THINKING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_CIRCLED = {chr(first + number): number + 1 for first in (0x2460, 0x2776) for number in range(10)}
# as in: 정답: 3; 정답은 3번; 최종 답 = (3); **정답**: ③; Answer: 3
_MARK = re.compile(
    r"(?P<final>최종\s*|final\s*)?(?:정답|해답|답안|답|answer)(?:\s*번호)?[*\"'`]*\s*"
    r"(?:(?:은|는|이|:|：|=|is)[*\"'`]*[ \t]*)+",
    re.IGNORECASE,
)
_NUMBER = r"(?:\d{1,2}(?!\d|[.,]\d)|[①-⑩❶-❿])"
# a number that is set off from what follows, and so no quantity: 3번, (3), 3., 3 - ..., 3입니다, but not 3년
_LABEL = re.compile(
    rf"\s*[*\"'`]*(?:[(\[<]\s*(?P<boxed>{_NUMBER})\s*번?\s*[)\]>]|(?P<number>{_NUMBER})\s*번|(?P<circled>[①-⑩❶-❿])"
    rf"|(?P<bare>{_NUMBER})(?=[\s.)\]:,*\"'`-]|입니다|이다|이에요|임|\Z))"
)
_COPULA = re.compile(r"[*\"'`]*(?:입니다|이다|이에요|예요|임)?[\s.)*\"'`:-]*")
_SECOND = re.compile(rf"\s*(?:[,/·]|와|과|및|또는|혹은|or|and)\s*[(\[<]?{_NUMBER}")
_ANYWHERE = re.compile(r"(?<!\d)(?P<number>\d{1,2})\s*번(?!\s*째)|(?P<circled>[①-⑩❶-❿])")
_KEYS = ("정답", "답", "answer", "최종 정답", "최종답", "정답 번호")
_EDGES = " \t\r\n\"'`*“”‘’.。"
_NO_CHOICE = 0  # a statement that names a label which no choice has, or that contradicts itself


def parse_number(raw: str, choices: Sequence[str]) -> int | None:
    """The number, from 1, of the choice that a text answers with; None for none or several that differ.

    Understood, the first that is found: a JSON object with the key 정답; what follows "최종 정답:", else what
    follows "정답:"; a first line that is a label (3, 3번, (3), ③, 3. ...) or the text of a choice; labels written
    as 3번 or ③ anywhere; one choice's text anywhere. What stands in <think> is not read.
    """
    text = _visible(raw)
    for statements in (list(_json_answers(text)), *_marked(text)):
        stated = {_stated(statement, choices) for statement in statements} - {None}
        if stated:
            return _agreed(stated)
    first = next((line for line in text.splitlines() if line.strip(_EDGES)), "")
    begun = _opening(first, choices)
    if begun is not None:
        return _agreed({begun})
    labels = {_number(match["number"] or match["circled"], choices) for match in _ANYWHERE.finditer(text)}
    return _agreed(labels) if labels else _mentioned(text, choices)


def parse_text(raw: str, *, is_essay: bool) -> str | None:
    """A short answer or an essay without what surrounds it; None when nothing is left.

    Of a short answer: what a JSON object has under 정답, else what follows the last "정답:", else the first line.
    """
    text = _visible(raw)
    stated = list(_json_answers(text))
    if stated:
        text = stated[-1]
    elif not is_essay:
        marked = _marked(text)[1]
        lines = [line for line in text.splitlines() if line.strip(_EDGES)]
        text = marked[-1] if marked else lines[0] if lines else ""
    return (text.strip() if is_essay else text.strip(_EDGES)) or None


def _visible(raw: str) -> str:
    """NFC, without thinking; a reader that was cut while it thought has said nothing."""
    text = unicodedata.normalize("NFC", raw)
    if "</think>" in text and "<think>" not in text:  # the chat template opened it
        text = text.rpartition("</think>")[2]
    return _THINKING.sub("", text)


def _json_answers(text: str) -> Iterator[str]:
    """What the JSON objects in a text hold under 정답, in order; objects inside others are not looked at."""
    decoder, start = json.JSONDecoder(), text.find("{")
    while start >= 0:
        try:
            found, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = start + 1
            found = {}
        for key in _KEYS:
            value = found.get(key)
            if isinstance(value, str | int) and not isinstance(value, bool):
                yield str(value)
        start = text.find("{", end)


def _marked(text: str) -> tuple[list[str], list[str]]:
    """What follows "최종 정답:", and what follows any "정답:", up to the next such mark or the line's end."""
    marks = list(_MARK.finditer(text))
    ends = [*(mark.start() for mark in marks), len(text)][1:]
    tails = [text[mark.end() : end].partition("\n")[0] for mark, end in zip(marks, ends, strict=True)]
    said = [(mark, tail) for mark, tail in zip(marks, tails, strict=True) if tail.strip(_EDGES)]
    return [tail for mark, tail in said if mark["final"]], [tail for _, tail in said]


def _agreed(stated: Iterable[int | None]) -> int | None:
    """The one number stated; None where several are, or one that is no choice's."""
    numbers = set(stated)
    only = numbers.pop() if len(numbers) == 1 else None
    return only or None


def _stated(statement: str, choices: Sequence[str]) -> int | None:
    """What is said after a mark: by label, whatever follows it, or by a choice's text; None for neither."""
    equal = _equal(statement, choices)
    label = _LABEL.match(statement)
    if label is None:
        return equal or _mentioned(statement, choices)
    rest = statement[label.end() :]
    number = _number(label["boxed"] or label["number"] or label["circled"] or label["bare"], choices)
    # a choice may begin like a label ("3. 1 운동"), or be a number that is no label
    if equal is not None and (rest.strip(_EDGES) or number == _NO_CHOICE):
        return equal
    named = _equal(rest[_end_of_copula(rest) :], choices)
    contradicts = named is not None and named != number
    return _NO_CHOICE if contradicts or _SECOND.match(rest) else number


def _opening(line: str, choices: Sequence[str]) -> int | None:
    """What a first line without a mark says, if it is an answer and not the beginning of a sentence."""
    label = _LABEL.match(line)
    if label is None:
        return _equal(line, choices)
    rest = line[label.end() :]
    is_sentence = rest[:1].isalnum() and _end_of_copula(rest) == 0
    return None if is_sentence and _equal(line, choices) is None else _stated(line, choices)


def _end_of_copula(rest: str) -> int:
    match = _COPULA.match(rest)
    return match.end() if match else 0


def _equal(text: str, choices: Sequence[str]) -> int | None:
    """The one choice that a text is, spaces and edges aside."""
    whole = _bare(text)
    equal = [number for number, choice in enumerate(choices, start=1) if _bare(choice) == whole]
    return equal[0] if whole and len(equal) == 1 else None


def _mentioned(text: str, choices: Sequence[str]) -> int | None:
    """The one choice whose text stands in a text, longer choices looked for first; None for none or several."""
    left = _bare(text)
    found = []
    for number, choice in sorted(enumerate(choices, start=1), key=lambda item: -len(item[1])):
        part = _bare(choice)
        if len(part) > 1 and part in left:
            found.append(number)
            left = left.replace(part, "\0")
    return found[0] if len(found) == 1 else None


def _number(label: str, choices: Sequence[str]) -> int:
    number = _CIRCLED.get(label) or int(label)
    return number if 1 <= number <= len(choices) else _NO_CHOICE


def _bare(text: str) -> str:
    """A text for comparison: NFC, without spaces, outer quotes, emphasis and dots, in lower case."""
    return "".join(unicodedata.normalize("NFC", text).split()).strip(_EDGES).lower()
