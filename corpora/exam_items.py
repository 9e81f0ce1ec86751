"""Items of foreign exams: choices inside a text, answer keys, and the check that an item can be asked and judged."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from corpora.normalize import normalize
from corpora.records import Question, Skipped

# how the first, second ... choice may be labelled; a label stands at the start of the text or after a space
_STYLES: tuple[tuple[str, ...], ...] = (
    tuple("①②③④⑤⑥⑦⑧⑨⑩"),
    tuple(rf"\({number}\)" for number in range(1, 11)),
    tuple(rf"{number}(?:[.)](?!\d)|\t| {{2,}}|번[.:)]?(?= ))" for number in range(1, 11)),
    tuple(rf"[({{]?{letter}[.)]" for letter in "가나다라마바사아자차"),
)
_ESCAPED = re.compile(r"\\([nt])")


def options_of(text: str) -> tuple[str, tuple[str, ...]]:
    """(question, choices) of a text whose choices are labelled 1. 2. ..., ① ② ..., (1) (2) ... or 가. 나. ...

    Labels must run up from the first without a gap; where a choice holds something like a label ("1. 3. 1
    운동"), labels at the starts of lines are believed first. (text, ()) when there are no two labels.
    """
    text = _ESCAPED.sub(lambda match: "\n" if match[1] == "n" else "\t", text)
    for lead in (r"(?:^|\n)[ \t]*", r"(?:^|(?<=\s))"):
        for style in _STYLES:
            marks = _run(text, style, lead)
            if len(marks) > 1:
                ends = [*(start for start, _ in marks[1:]), len(text)]
                choices = tuple(text[label_end:end].strip() for (_, label_end), end in zip(marks, ends, strict=True))
                return text[: marks[0][0]].strip(), choices
    return text.strip(), ()


def number_of(answer: str, choices: Sequence[str]) -> int | None:
    """The number of the choice that an answer key names by number, label or text; None when it names none."""
    stated = answer.strip()
    circled = _STYLES[0].index(stated[0]) + 1 if stated[:1] in _STYLES[0] and stated else 0
    match = re.fullmatch(r"\(?(\d{1,2})\)?(?:번|[.)])?", stated)
    number = circled or (int(match[1]) if match else 0)
    if 1 <= number <= len(choices):
        return number
    letters = "".join(stated.split())
    equal = [place for place, choice in enumerate(choices, start=1) if "".join(choice.split()) == letters]
    return equal[0] if len(equal) == 1 else None


def answered(question: Question, answer: str, *, where: str) -> Question | Skipped:
    """The question with its answer key: a number, a label, a choice's text, or texts parted by #."""
    if question.kind == "multiple_choice":
        choices = tuple(normalize(choice) for choice in question.choices)
        number = number_of(normalize(answer), choices)
        if number is None:
            return Skipped(where, f"found answer {answer!r}; expected one of the {len(choices)} choices or its number")
        return checked(replace(question, answer=number), where=where)
    parts = answer.split("#") if question.kind == "short_answer" else [answer]
    return checked(replace(question, answers=tuple(part.strip() for part in parts if part.strip())), where=where)


def checked(question: Question, *, where: str) -> Question | Skipped:
    """The question in normal form, if it can be asked and judged."""
    choices = tuple(normalize(choice).strip() for choice in question.choices)
    fault = ""
    if not question.question.strip():
        fault = "no question"
    elif question.kind != "multiple_choice" and not question.answers:
        fault = "no answer"
    elif question.kind == "multiple_choice" and not 2 <= len(choices) <= 10:
        fault = f"found {len(choices)} choices; expected 2 to 10"
    elif "" in choices:
        fault = f"choice {choices.index('') + 1} is empty"
    elif len(set(choices)) < len(choices):
        fault = f"choice {next(choice for choice in choices if choices.count(choice) > 1)!r} stands there twice"
    if fault:
        return Skipped(where, fault)
    return replace(
        question,
        question=normalize(question.question).strip(),
        choices=choices,
        answers=tuple(normalize(answer) for answer in question.answers),
        paragraph=normalize(question.paragraph).strip(),
        box=normalize(question.box).strip(),
    )


def _run(text: str, style: Sequence[str], lead: str) -> list[tuple[int, int]]:
    """(start, end) of each label, the first, the second ..., as far as they follow each other with text between."""
    marks: list[tuple[int, int]] = []
    for label in style:
        place = marks[-1][1] if marks else 0
        found = (match.span() for match in re.compile(lead + label).finditer(text, place))
        following = next((span for span in found if not marks or text[place : span[0]].strip()), None)
        if following is None:
            break
        marks.append(following)
    return marks
