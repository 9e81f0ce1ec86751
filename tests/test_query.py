"""Query building: what of an exam item is searched for."""

from __future__ import annotations

from typing import get_args

import pytest

from configs.dense import Builder, QuerySettings
from configs.schema import LexicalSettings, RagSettings
from corpora.records import Question
from rag.hits import Hit
from rag.index import Index
from rag.pipeline import Library
from rag.query import QueryBuilder, is_masked, stem_of, with_choices
from rag.retrieve import LexicalRetriever

ITEM = Question(
    "q", "multiple_choice", "한국사", "(가)에 대한 설명으로 옳은 것은?", ("경기도에서 처음 실시되었다", "군포를 줄였다"),
    answer=1, paragraph="광해군 때 공납을 쌀로 내게 한 (가)은 방납의 폐단을 막으려는 법이었다.", box="ㄱ. 선혜청",
)  # fmt: skip


class Heard:
    """A retriever that remembers what it was asked."""

    def __init__(self, found: dict[str, list[Hit]] | None = None) -> None:
        self.queries: list[str] = []
        self._found = found or {}

    def search(self, query: str, top_k: int) -> list[Hit]:
        """What was prepared for a query that holds a word."""
        self.queries.append(query)
        return next((hits[:top_k] for word, hits in self._found.items() if word in query), [])


def builder(index: Index, heard: Heard, name: str, **more: int) -> QueryBuilder:
    return QueryBuilder(index, heard, QuerySettings.model_validate({"builder": name, **more}))


def test_question_and_choices_are_joined_and_the_paragraph_is_not(sample_index: Index) -> None:
    heard = Heard()
    builder(sample_index, heard, "question").search(ITEM, 5)
    builder(sample_index, heard, "choices").search(ITEM, 5)
    assert heard.queries == [stem_of(ITEM), with_choices(ITEM)]
    assert stem_of(ITEM) == f"{ITEM.question}\n{ITEM.box}"
    assert ITEM.paragraph not in with_choices(ITEM)


def test_the_path_searches_with_the_builder_of_the_settings(sample_index: Index) -> None:
    heard = Heard()
    settings = RagSettings()
    assert settings.query.builder == "choices"
    Library(sample_index, heard, settings.query).search(ITEM, 5)
    Library(sample_index, heard, QuerySettings(builder="question")).search(ITEM, 5)
    assert heard.queries == [with_choices(ITEM), stem_of(ITEM)]


def test_each_choice_is_searched_and_a_passage_found_for_two_comes_first(sample_index: Index) -> None:
    heard = Heard({"경기도": [Hit("a#0", 9.0, 1), Hit("b#0", 8.0, 2)], "군포": [Hit("b#0", 5.0, 1)]})
    hits = builder(sample_index, heard, "per_choice").search(ITEM, 5)
    assert len(heard.queries) == 2
    assert [hit.passage_id for hit in hits] == ["b#0", "a#0"]


def test_a_long_paragraph_is_cut_down_to_its_keywords(sample_index: Index) -> None:
    heard = Heard()
    builder(sample_index, heard, "paragraph").search(ITEM, 5)
    builder(sample_index, heard, "paragraph", longest_paragraph=10, keywords=3).search(ITEM, 5)
    assert ITEM.paragraph in heard.queries[0]
    assert ITEM.paragraph not in heard.queries[1]
    assert len(heard.queries[1].splitlines()[-1].split()) == 3


def test_keywords_are_rare_terms_of_this_index_best_first(sample_index: Index) -> None:
    found = builder(sample_index, Heard(), "keywords").keywords("대동법 대동법 사람 블라블라쿵")
    assert found[0] == "대동법"
    assert "블라블라쿵" not in found


def test_a_masked_referent_is_resolved_by_a_first_search(sample_index: Index) -> None:
    retriever = LexicalRetriever(sample_index, LexicalSettings())
    hits = retriever.search("대동법", 1)
    heard = Heard({"공납": hits})
    builder(sample_index, heard, "resolve").search(ITEM, 5)
    row = sample_index.store.row(hits[0].passage_id)
    assert row is not None
    assert "(가)" not in heard.queries[0]
    assert heard.queries[1].startswith(sample_index.store.document(row).title)


@pytest.mark.parametrize(
    ("question", "masked"),
    [
        ("(나) 왕의 업적은?", True),
        ("㉠에 들어갈 말은?", True),
        ("밑줄 친 ‘이 나라’의 풍습은?", True),
        ("대동법을 실시한 왕은?", False),
    ],
)
def test_masks_are_recognised_where_there_is_something_to_resolve_them(question: str, masked: bool) -> None:
    assert is_masked(Question("q", "short_answer", "", question, paragraph="지문")) == masked
    assert not is_masked(Question("q", "short_answer", "", question))


@pytest.mark.parametrize("name", get_args(Builder))
def test_an_item_of_nothing_but_a_question_can_be_searched_by_every_builder(sample_index: Index, name: str) -> None:
    retriever = LexicalRetriever(sample_index, LexicalSettings())
    bare = Question("q", "short_answer", "", "대동법을 처음 실시한 지역은?")
    found = QueryBuilder(sample_index, retriever, QuerySettings.model_validate({"builder": name})).search(bare, 3)
    assert found[0].passage_id.startswith("daedongbeop#")
