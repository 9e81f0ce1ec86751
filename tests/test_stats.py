"""`python -m corpora stats`: counts that add up, and stems recognised as negated."""

from __future__ import annotations

import json

import pytest

from configs.errors import UserError
from corpora.__main__ import main
from corpora.records import Document, Heading, Question
from corpora.stats import ALL, Article, SampleStats, answer_positions, article_stats, is_negated, sample_stats


def item(question: str = "무엇인가?", *, subject: str = "경제", split: str = "test", answer: int = 1) -> Question:
    return Question(
        "q", "multiple_choice", subject, question, choices=("가", "나", "다"), answer=answer, split=split,
        needs_knowledge="retrieval",
    )  # fmt: skip


def article(text: str, *links: str, slug: str = "economics") -> Article:
    return Article(slug, Document("d", "제목", text, "sample", headings=(Heading(0, 2, 1, "절"),)), links)


@pytest.mark.parametrize(
    ("stem", "negated"),
    [
        ("대동법에 대한 설명으로 옳지 않은 것은?", True),
        ("감사원의 권한에 해당하지 않는 것은?", True),
        ("이 제도가 적용되지 않는 사건은?", True),
        ("헌법 원칙에 어긋나는 것은?", True),
        ("화구가 보이지 않는 까닭은?", False),
        ("제품이 오래가지 않도록 손을 맞잡은 도시는?", False),
        ("대동법에 대한 설명으로 옳은 것은?", False),
    ],
)
def test_a_stem_that_asks_for_the_exception_is_negated(stem: str, negated: bool) -> None:
    assert is_negated(item(stem)) is negated


def test_the_last_row_counts_all_subjects_together() -> None:
    exam = [item(split="train"), item("옳지 않은 것은?"), item(subject="과학")]
    articles = [article("가" * 10, "제목"), article("나" * 30, slug="science")]
    stats = sample_stats(articles, exam, {"economics": "경제", "science": "과학"})
    assert [row.subject for row in stats.exam] == ["경제", "과학", ALL]
    assert [row.items["multiple_choice"]["test"] for row in stats.exam] == [1, 1, 2]
    assert [row.negated for row in stats.exam] == [1, 0, 1]
    assert [row.characters for row in stats.articles] == [10, 30, 40]
    assert [row.links for row in stats.articles] == [1, 0, 1]


def test_positions_are_counted_per_number_of_choices() -> None:
    assert answer_positions([item(answer=1), item(answer=3), item(answer=3)]) == {3: (1, 0, 2)}


def test_no_articles_have_zero_lengths() -> None:
    assert article_stats("경제", []).longest == 0


def test_json_is_one_object_with_the_counts_of_the_sample(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", "sample", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert sorted(printed) == sorted(SampleStats.__dataclass_fields__)
    assert printed["exam"][-1]["subject"] == ALL
    assert sum(printed["exam"][-1]["choices"].values()) >= 330


def test_the_tables_name_every_subject_and_where_the_files_lie(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats"]) == 0
    printed = capsys.readouterr().out
    for expected in ("한국사", "국어 지식", "two-hop", "<보기>", "corpora/sample/exam"):
        assert expected in printed


def test_another_corpus_has_no_such_counts() -> None:
    with pytest.raises(UserError, match="wiki"):
        main(["stats", "wiki"])
