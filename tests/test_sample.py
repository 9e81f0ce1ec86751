"""The bundled sample keeps its promises: enough of everything, every quote true, nothing given away by form."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from functools import cache

import pytest
from scipy.stats import chisquare

from corpora import sample
from corpora.exams import load_exam
from corpora.records import Document, Question
from corpora.stats import SPLITS, Article, answer_positions, is_negated, read_articles
from tests.sample_measures import chance, copied, guessed, length, majority, near_duplicates, overlap, runs, shortness

LONGEST_RUN = 15  # characters, spaces counted
SUBJECTS = (
    "한국사", "세계사", "한국지리", "정치와 법", "경제", "사회·문화", "윤리와 사상", "과학", "문학과 예술", "국어 지식"
)  # fmt: skip


@cache
def articles() -> tuple[Article, ...]:
    return tuple(read_articles())


@cache
def documents() -> dict[str, Document]:
    return {article.document.doc_id: article.document for article in articles()}


@cache
def exam() -> tuple[Question, ...]:
    return tuple(load_exam(sample.EXAM))


@cache
def multiple_choice(split: str = "") -> tuple[Question, ...]:
    return tuple(q for q in exam() if q.kind == "multiple_choice" and split in ("", q.split))


def parts_of(question: Question) -> list[str]:
    """Everything a candidate reads, and short answers; the model answer of an essay may quote its source."""
    answers = question.answers if question.kind == "short_answer" else ()
    return [question.question, question.paragraph, question.box, *question.choices, *answers]


# articles


def test_there_are_150_articles_with_ids_of_their_own() -> None:
    paths = list(sample.ARTICLES.glob("*/*.txt"))
    assert len(paths) == len(documents()) >= 150
    assert all(re.fullmatch(r"[a-z0-9-]+", doc_id) for doc_id in documents())
    assert len({document.title for document in documents().values()}) == len(documents())


def test_every_subject_has_16_articles_so_that_every_passage_has_neighbours() -> None:
    assert set(Counter(article.slug for article in articles()).values()) == {16}
    assert len({article.slug for article in articles()}) == len(SUBJECTS)


def test_articles_are_600_to_2500_characters_long() -> None:
    assert [d.doc_id for d in documents().values() if not 600 <= len(d.text) <= 2500] == []


def test_every_article_has_a_lead_and_two_sections_with_text() -> None:
    for document in documents().values():
        first, *others = document.headings
        assert first.start >= 60, f"{document.doc_id}: no lead"
        assert others, f"{document.doc_id}: one section"
        ends = [heading.start for heading in others] + [len(document.text)]
        for heading, end in zip(document.headings, ends, strict=True):
            assert end - heading.start - heading.length >= 60, f"{document.doc_id}: {heading.title} is empty"


def test_links_lead_to_articles() -> None:
    titles = {document.title for document in documents().values()}
    dead = [(a.document.doc_id, link) for a in articles() for link in a.links if link not in titles]
    assert dead == []
    assert [a.document.doc_id for a in articles() if a.document.title in a.links] == []
    assert sum(bool(article.links) for article in articles()) >= 0.9 * len(articles())


def test_no_markup_is_left_in_the_text() -> None:
    for document in documents().values():
        assert re.search(r"\[\[|\]\]|==|\{\{|<[a-z/]|\*\*", document.text) is None, document.doc_id


def test_hanja_numbers_and_headings_stand_there_as_on_real_pages() -> None:
    texts = [document.text for document in documents().values()]
    assert sum(re.search(r"\([^)]*[\u4e00-\u9fff][^)]*\)", text) is not None for text in texts) >= 0.7 * len(texts)
    assert sum(re.search(r"\d", text) is not None for text in texts) >= 0.9 * len(texts)


def test_the_sample_takes_at_most_6_megabytes() -> None:
    assert sum(path.stat().st_size for path in sample.FOLDER.rglob("*") if path.is_file()) <= 6_000_000


# what the exam has


def test_there_are_enough_items_of_every_kind() -> None:
    kinds = Counter(question.kind for question in exam())
    assert kinds["multiple_choice"] >= 330
    assert kinds["short_answer"] >= 60
    assert kinds["essay"] >= 12


def test_splits_are_about_a_quarter_a_fifth_and_the_rest() -> None:
    assert len(multiple_choice("test")) >= 180
    for split, share in zip(SPLITS, (0.25, 0.20, 0.55), strict=True):
        assert abs(len(multiple_choice(split)) / len(multiple_choice()) - share) <= 0.03


@pytest.mark.parametrize("split", SPLITS)
def test_each_split_has_every_subject(split: str) -> None:
    assert {question.subject for question in multiple_choice(split)} == set(SUBJECTS)
    assert {q.subject for q in exam() if q.split == split and q.kind == "short_answer"} == set(SUBJECTS)


def test_multiple_choice_has_four_and_five_choices_and_all_the_forms() -> None:
    items = multiple_choice()
    sizes = Counter(len(question.choices) for question in items)
    assert set(sizes) == {4, 5}
    assert min(sizes.values()) >= 0.4 * len(items)
    assert sum(bool(question.paragraph) for question in items) >= len(items) / 5
    assert sum(bool(question.box) for question in items) >= len(items) / 10
    assert sum(is_negated(question) for question in items) >= len(items) / 10
    assert sum(question.hops == 2 for question in items) >= len(items) / 10


def test_every_item_says_what_it_needs_and_most_need_retrieval() -> None:
    needs = Counter(question.needs_knowledge for question in multiple_choice())
    assert set(needs) == {"retrieval", "paragraph", "none"}
    assert needs["retrieval"] >= 0.7 * len(multiple_choice())
    assert needs["none"] >= 15
    for question in exam():
        assert bool(question.gold) == (question.needs_knowledge == "retrieval"), question.question_id
        assert question.paragraph or question.needs_knowledge != "paragraph", question.question_id


def test_a_combination_names_only_statements_of_its_box() -> None:
    for question in multiple_choice():
        if question.box:
            stated = set(re.findall(r"^([ㄱ-ㅁ])\. ", question.box, flags=re.MULTILINE))
            named = set(re.findall(r"[ㄱ-ㅁ]", " ".join(question.choices)))
            assert named <= stated, question.question_id
            assert len(stated) >= 3, question.question_id


def test_what_a_question_points_at_is_there() -> None:
    for question in exam():
        assert bool(question.box) == ("<보기>" in question.question), question.question_id
        if re.search(r"다음 (?:글|대화|자료|편지|일기|기사)|윗글|\((?:가|나)\)", question.question):
            assert question.paragraph or "(" in question.box + " ".join(question.choices), question.question_id


# gold


def test_every_quote_stands_in_its_document_on_one_line() -> None:
    for question in exam():
        for gold in question.gold:
            assert gold.quote in documents()[gold.doc_id].text, f"{question.question_id}: {gold.quote}"
            assert 8 <= len(gold.quote) <= 120, f"{question.question_id}: {gold.quote}"
            assert "\n" not in gold.quote, question.question_id


def test_splits_share_no_document() -> None:
    splits: defaultdict[str, set[str]] = defaultdict(set)
    for question in exam():
        for gold in question.gold:
            splits[gold.doc_id].add(question.split)
    assert {doc_id: found for doc_id, found in splits.items() if len(found) > 1} == {}
    assert len(splits) >= 0.9 * len(documents())


def test_two_hops_have_two_quotes() -> None:
    for question in exam():
        if question.hops == 2:
            assert len({gold.quote for gold in question.gold}) >= 2, question.question_id


def test_a_short_answer_stands_in_one_of_its_quotes() -> None:
    for question in exam():
        if question.kind == "short_answer":
            quotes = " ".join(gold.quote for gold in question.gold)
            assert any(answer in quotes for answer in question.answers), question.question_id


# nothing is given away


def test_choices_differ_in_more_than_spaces_and_signs() -> None:
    for question in multiple_choice():
        bare = {re.sub(r"[^\w−-]", "", choice) for choice in question.choices}
        assert len(bare) == len(question.choices), question.question_id


@pytest.mark.parametrize("split", ["", "test"])
def test_answers_stand_at_every_position_equally_often(split: str) -> None:
    for size, counts in answer_positions(multiple_choice(split)).items():
        print(f"{split or 'all'}, {size} choices: {counts}")
        assert chisquare(counts).pvalue > 0.05


@pytest.mark.parametrize("split", ["", "test"])
def test_form_alone_does_not_find_the_answer(split: str) -> None:
    items = multiple_choice(split)
    baselines = {
        "longest choice": guessed(items, length),
        "shortest choice": guessed(items, shortness),
        "most bigrams shared with the question": guessed(items, overlap),
        "majority position": majority(items),
    }
    print(f"{split or 'all'}: n = {len(items)}, chance {chance(items):.3f}", baselines)
    for name, accuracy in baselines.items():
        assert abs(accuracy - chance(items)) < 0.05, f"{name}: {accuracy:.3f}, chance is {chance(items):.3f}"


def test_no_item_shares_15_characters_with_the_corpus() -> None:
    # names would be excepted, but none is that long: the test needs no exception
    lines = (sample.FOLDER / "textbook" / "gold.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    texts += [f"{document.title}\n{document.text}" for document in documents().values()]
    corpus_runs = {run for text in texts for run in runs(text, LONGEST_RUN)}
    found = {
        question.question_id: shared
        for question in exam()
        for part in parts_of(question)
        if (shared := copied(part, corpus_runs, LONGEST_RUN))
    }
    assert found == {}


def test_no_two_items_are_nearly_the_same() -> None:
    whole = [(q.question_id, " ".join([q.paragraph, q.box, q.question, *q.choices])) for q in exam()]
    assert near_duplicates(whole, 0.3) == []  # the nearest pair has 0.18


def test_no_two_questions_that_stand_alone_ask_nearly_the_same() -> None:
    # with a 지문 or <보기> the stem may be a formula: 다음 글의 내용과 일치하지 않는 것은?
    alone = [(q.question_id, q.question) for q in exam() if not q.paragraph and not q.box]
    assert near_duplicates(alone, 0.6) == []
