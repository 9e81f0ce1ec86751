"""The bundled reading lessons keep their promises: answered by their passage, apart from the exam, not given away by form."""

from __future__ import annotations

from functools import cache

from corpora import sample
from corpora.exams import load_exam
from corpora.jsonl import read_records
from corpora.normalize import normalize
from corpora.records import Question, Skipped
from finetune.reader_corpus import LESSONS, lesson_questions, overlapping, runs, sample_questions


@cache
def documents() -> dict[str, tuple[str, str]]:
    """Id -> (title, text)."""
    found = {}
    for item in read_records(LESSONS / "documents.jsonl"):
        assert not isinstance(item, Skipped)
        found[str(item.fields["id"])] = (str(item.fields["title"]), str(item.fields["text"]))
    return found


@cache
def questions() -> tuple[Question, ...]:
    return tuple(load_exam(LESSONS / "questions.jsonl"))


def test_every_question_is_answered_by_a_passage_word_for_word() -> None:
    assert (len(documents()), len(questions())) == (1119, 5766)
    for question in questions():
        assert question.gold, question.question_id
        for gold in question.gold:
            assert gold.quote in normalize(documents()[gold.doc_id][1]), question.question_id
        if question.kind == "short_answer":
            text = normalize(documents()[question.gold[0].doc_id][1])
            assert any(answer in text for answer in question.answers), question.question_id


def test_splits_share_no_passage() -> None:
    by_split = {
        split: {gold.doc_id for question in lesson_questions(split) for gold in question.gold}
        for split in ("train", "dev")
    }
    assert len(by_split["train"]) + len(by_split["dev"]) == len(documents())
    assert not by_split["train"] & by_split["dev"]


def test_nothing_of_the_exam_is_in_the_lessons() -> None:
    kept = [question for split in ("dev", "test") for question in sample_questions(split)]
    taboo = runs([gold.quote for question in kept for gold in question.gold])
    titles = {article.title.replace(" ", "") for article in sample.read_articles() if not isinstance(article, Skipped)}
    for title, text in documents().values():
        assert not overlapping(text, taboo), title
        assert title.replace(" ", "") not in titles


def test_the_right_choice_is_not_told_by_its_length_or_place() -> None:
    plain = [question for question in questions() if len(question.choices) > 2 and not question.box]
    right = [(question.answer or 0) - 1 for question in plain]
    lengths = [[len(choice) for choice in question.choices] for question in plain]
    chance = sum(1 / len(each) for each in lengths) / len(plain)
    for extreme in (max, min):
        share = sum(each[place] == extreme(each) for each, place in zip(lengths, right, strict=True)) / len(plain)
        tied = sum(each.count(extreme(each)) / len(each) for each in lengths) / len(plain)
        assert abs(share - tied) < 0.05, (extreme, share, tied, chance)
    for place in range(4):
        share = sum(each == place for each in right) / len(plain)
        assert abs(share - chance) < 0.03
