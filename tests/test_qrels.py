"""Qrels from quotes: the passages that hold a quote, however the documents were cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.errors import UserError
from configs.schema import ChunkSettings
from corpora import sample
from corpora.exams import load_exam
from corpora.qrels import document_qrels_of, qrels_of
from corpora.records import Document, Gold, Passage, Question
from index_build.chunk import passages_of, split

TEXT = "세종은 훈민정음을 만들었다. 집현전은 궁궐 안에 있었다. 세종은 훈민정음을 만들었다."


def question(*gold: Gold, question_id: str = "q1") -> Question:
    return Question(question_id, "short_answer", "한국사", "누구인가?", answers=("세종",), gold=gold)


def passages(text: str, *spans: tuple[int, int], doc_id: str = "sejong") -> list[Passage]:
    return [Passage(f"{doc_id}#{n}", doc_id, (), start, text[start:end]) for n, (start, end) in enumerate(spans)]


@st.composite
def chunkings(draw: st.DrawFn) -> tuple[str, list[Passage]]:
    """A text in which no letter stands twice, and passages that cover all of it but spaces at the cuts."""
    letters = [chr(ord("가") + number) for number in range(draw(st.integers(1, 40)))]
    text = "".join(letter + draw(st.sampled_from(["", "", " ", "\n", "  "])) for letter in letters)
    cuts = sorted({0, len(text), *draw(st.lists(st.integers(0, len(text)), max_size=12))})
    spans = []
    for start, end in pairwise(cuts):
        body = text[max(start - draw(st.integers(0, 4)), 0) : end]  # overlaps the passage before
        stripped = body.strip() if draw(st.booleans()) else body
        if stripped.strip():
            begin = text.index(stripped)
            spans.append((begin, begin + len(stripped)))
    return text, draw(st.permutations(passages(text, *spans)))


@given(chunkings(), st.data())
def test_the_holders_of_a_quote_are_relevant_or_else_all_that_share_a_letter_with_it(
    chunking: tuple[str, list[Passage]], data: st.DataObject
) -> None:
    text, cut = chunking
    start = data.draw(st.integers(0, len(text) - 1))
    quote = text[start : data.draw(st.integers(start + 1, len(text)))]
    wanted = set(quote) - set(" \n")
    if not wanted:
        return
    shared = {p.passage_id: wanted & set(p.text) for p in cut}
    holders = {passage_id for passage_id, found in shared.items() if found == wanted}
    expected = holders or {passage_id for passage_id, found in shared.items() if found}
    assert qrels_of([question(Gold("sejong", quote))], {"sejong": cut}) == {"q1": dict.fromkeys(expected, 1)}


@pytest.mark.parametrize("target", [40, 120, 500, 2000])
def test_every_quote_of_the_bundled_exam_has_its_passage_at_any_size(target: int) -> None:
    settings = ChunkSettings(target=target, hard_limit=max(target, 60))
    by_doc = {}
    for document in sample.read_articles():
        if isinstance(document, Document):
            sentences = [n + 2 for n in range(len(document.text)) if document.text[n : n + 2] in {". ", ".\n"}]
            by_doc[document.doc_id] = passages_of(document, split(document, sentences, settings))
    exam = load_exam(sample.EXAM)
    found = qrels_of(exam, by_doc)
    doc_ids = {qid: {passage_id.split("#")[0] for passage_id in judged} for qid, judged in found.items()}
    assert doc_ids == {qid: set(judged) for qid, judged in document_qrels_of(exam).items()}


def test_a_quote_over_a_cut_makes_both_sides_relevant() -> None:
    cut = passages(TEXT, (0, 15), (16, 31), (32, len(TEXT)))
    judged = qrels_of([question(Gold("sejong", "만들었다. 집현전은"))], {"sejong": cut})
    assert judged == {"q1": {"sejong#0": 1, "sejong#1": 1}}


def test_a_quote_that_stands_twice_counts_twice() -> None:
    cut = passages(TEXT, (0, 15), (16, 31), (32, len(TEXT)))
    judged = qrels_of([question(Gold("sejong", "훈민정음을 만들었다"))], {"sejong": cut})
    assert judged == {"q1": {"sejong#0": 1, "sejong#2": 1}}


def test_two_hops_have_the_passages_of_both_quotes() -> None:
    by_doc = {
        "sejong": passages(TEXT, (0, len(TEXT))),
        "jeonju": passages("전주는 전북에 있다.", (0, 11), doc_id="jeonju"),
    }
    hops = question(Gold("sejong", "궁궐 안에 있었다"), Gold("jeonju", "전북에 있다"))
    assert qrels_of([hops], by_doc) == {"q1": {"sejong#0": 1, "jeonju#0": 1}}
    assert document_qrels_of([hops]) == {"q1": {"sejong": 1, "jeonju": 1}}


def test_a_question_without_gold_is_not_judged() -> None:
    assert qrels_of([question()], {}) == {}
    assert document_qrels_of([question()]) == {}


def test_a_quote_that_is_not_there_is_named_with_its_item_and_document() -> None:
    gold = Gold("sejong", "정조는 규장각을 세웠다")
    with pytest.raises(UserError, match=r"korean-history-001.*'sejong'.*규장각"):
        qrels_of([question(gold, question_id="korean-history-001")], {"sejong": passages(TEXT, (0, len(TEXT)))})


def test_a_document_without_passages_is_named_with_its_item() -> None:
    with pytest.raises(UserError, match=r"q1.*'sejong'"):
        qrels_of([question(Gold("sejong", "세종은"))], {"other": []})
