"""The nouns of the project: documents, passages, questions and relevance judgements."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["multiple_choice", "short_answer", "essay"]
Need = Literal["retrieval", "paragraph", "none"]

Qrels = Mapping[str, Mapping[str, int]]
"""question_id -> passage or document id -> relevance (0 = judged not relevant, absent = not judged)."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of a document; everything after it stands under it until one of its level or above."""

    start: int  # offset of the heading line in `Document.text`
    length: int  # of the heading line; 0 when the heading is known but does not stand in the text
    level: int  # 1 = highest
    title: str


@dataclass(frozen=True, slots=True)
class PageStart:
    """Where a page begins in `Document.text`."""

    start: int
    number: int  # in the file, from 1
    label: str  # as printed on the page ("iv", "12"); "" when the page bears none


@dataclass(frozen=True, slots=True)
class Document:
    """What a source gives: one article, statute article, text file or PDF.

    `text` is NFC, without markup; headings stand in it as lines of their own.
    `headings` and `pages` are in order of `start`.
    """

    doc_id: str
    title: str
    text: str
    source: str  # which corpus: "sample", "wiki", "statutes", a folder's name ...
    licence: str = ""
    headings: tuple[Heading, ...] = ()
    pages: tuple[PageStart, ...] = ()
    encoding: str = "utf-8"  # of the bytes it was read from


@dataclass(frozen=True, slots=True)
class Passage:
    """The unit of retrieval: a slice of one document.

    `text` is `document.text[start : start + len(text)]`, character for character,
    so a passage can always be shown in its place.
    """

    passage_id: str  # "{doc_id}#{n}", n from 0
    doc_id: str
    heading_path: tuple[str, ...]
    start: int  # in characters (code points), from 0
    text: str


@dataclass(frozen=True, slots=True)
class Gold:
    """A document that answers a question, and the sentence in it that does."""

    doc_id: str
    quote: str


@dataclass(frozen=True, slots=True)
class Question:
    """One exam item. `answer` is the 1-based number of the right choice, None without choices."""

    question_id: str
    kind: Kind
    subject: str
    question: str
    choices: tuple[str, ...] = ()
    answer: int | None = None
    answers: tuple[str, ...] = ()  # accepted texts of a short answer; model answers of an essay
    paragraph: str = ""  # 지문
    box: str = ""  # <보기>
    split: str = ""
    needs_knowledge: Need | None = None
    hops: int = 1
    gold: tuple[Gold, ...] = ()


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something a source could not or must not turn into a document, and why."""

    where: str  # file, and line or record where known
    reason: str


def pages_of(pages: tuple[PageStart, ...], start: int, length: int) -> tuple[PageStart, ...]:
    """The pages that text[start : start + length] lies on, by number; () for a document without pages.

    A page can begin twice, when a footnote waits for the end of a paragraph that runs over the page.
    """
    if not pages:
        return ()
    starts = [page.start for page in pages]
    first = max(bisect_right(starts, start) - 1, 0)
    last = max(bisect_right(starts, start + max(length, 1) - 1) - 1, 0)
    touched = {page.number: page for page in reversed(pages[first : last + 1])}
    return tuple(touched[number] for number in sorted(touched))
