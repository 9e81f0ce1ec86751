"""Exam items -> queries -> hits: what of an item is searched for, and how often.

question     the question and <보기>
choices      the same and all choices, as one query
per_choice   one query per choice (question, <보기>, choice), fused by reciprocal rank
paragraph    choices, and the 지문: whole when it is short, else its keywords
keywords     the terms of the whole item with the highest count * idf in this very index
resolve      an item that hides what it is about ((가), ㉠, 밑줄 친 '이 나라') is searched with its 지문 first;
             the titles found join the query of a second search. Other items: choices.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import log
from typing import assert_never

from configs.dense import QuerySettings
from corpora.records import Question
from index_build.terms import key_of
from rag.hits import Hit, fuse_ranks
from rag.index import Index
from rag.retrieve import Retriever

# what Korean exams put in the place of a name: (가), ㉠, [A], ⓐ, and underlined words like '이 나라'
_MASKED = re.compile(r"\((?:가|나|다|라|마)\)|[㉠-㉭㉮-㉻ⓐ-ⓩ]|\[[A-E]\]|밑줄\s*친|['‘](?:이|그)\s*\S{1,8}['’]")
_CIRCLED = re.compile(r"[①-⑮㉠-㉭㉮-㉻ⓐ-ⓩ]|\((?:가|나|다|라|마)\)")


@dataclass(frozen=True, slots=True)
class QueryBuilder:
    """Searches for exam items over one index with one retriever."""

    index: Index
    retriever: Retriever
    settings: QuerySettings

    def search(self, question: Question, top_k: int) -> list[Hit]:
        """The best top_k passages for an item."""
        match self.settings.builder:
            case "question":
                return self.retriever.search(stem_of(question), top_k)
            case "choices":
                return self.retriever.search(with_choices(question), top_k)
            case "per_choice":
                return self._per_choice(question, top_k)
            case "paragraph":
                return self.retriever.search(self._with_paragraph(question), top_k)
            case "keywords":
                return self.retriever.search(" ".join(self.keywords(_whole(question))), top_k)
            case "resolve":
                return self._resolved(question, top_k)
            case _:
                assert_never(self.settings.builder)

    def keywords(self, text: str) -> list[str]:
        """The distinct terms of a text with the highest count * idf in this index, best first, ties by the term.

        Terms that the index does not have are left out: they could find nothing.
        """
        terms = self.index.morpheme_terms(text)
        frequencies = self.index.morphemes.document_frequencies([key_of(term.text) for term in terms])
        total = self.index.morphemes.passages
        weights = {
            term.text: term.count * log(1 + (total - frequency + 0.5) / (frequency + 0.5))
            for term, frequency in zip(terms, frequencies, strict=True)
            if frequency
        }
        return sorted(weights, key=lambda term: (-weights[term], term))[: self.settings.keywords]

    def _with_paragraph(self, question: Question) -> str:
        paragraph = question.paragraph
        if len(paragraph) > self.settings.longest_paragraph:
            paragraph = " ".join(self.keywords(paragraph))
        return _joined(with_choices(question), paragraph)

    def _per_choice(self, question: Question, top_k: int) -> list[Hit]:
        if not question.choices:
            return self.retriever.search(stem_of(question), top_k)
        depth = max(top_k, self.settings.depth)
        rankings = {
            str(number): self.retriever.search(_joined(stem_of(question), choice), depth)
            for number, choice in enumerate(question.choices, start=1)
        }
        weights = dict.fromkeys(rankings, 1 / len(rankings))
        fused = fuse_ranks(rankings, top_k, weights=weights, rrf_k=self.settings.rrf_k)
        return [found.hit for found in fused]

    def _resolved(self, question: Question, top_k: int) -> list[Hit]:
        if not is_masked(question):
            return self.retriever.search(with_choices(question), top_k)
        clue = _joined(question.paragraph, question.box) or question.question
        titles = self._titles(self.retriever.search(_CIRCLED.sub(" ", clue), top_k))
        return self.retriever.search(_joined(*titles, self._with_paragraph(question)), top_k)

    def _titles(self, hits: list[Hit]) -> list[str]:
        """The distinct titles of the first documents found."""
        titles: dict[str, None] = {}
        for hit in hits:
            row = self.index.store.row(hit.passage_id)
            if row is not None:
                titles.setdefault(self.index.store.document(row).title)
        return [title for title in titles if title][: self.settings.resolved]


def stem_of(question: Question) -> str:
    """The question and <보기>."""
    return _joined(question.question, question.box)


def with_choices(question: Question) -> str:
    """The question, <보기> and all choices."""
    return _joined(question.question, question.box, *question.choices)


def is_masked(question: Question) -> bool:
    """Whether an item hides what it is about behind a sign or 'this country' that its 지문 or <보기> explains."""
    clued = bool(question.paragraph or question.box)
    return clued and _MASKED.search(question.question) is not None


def _whole(question: Question) -> str:
    return _joined(with_choices(question), question.paragraph)


def _joined(*parts: str) -> str:
    return "\n".join(part for part in parts if part)
