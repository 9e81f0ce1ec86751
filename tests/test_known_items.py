"""The known-item task over statutes: held-out laws alone, articles without their titles, our own questions."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from benchmarks.known_items import write_task
from corpora.exams import load_qrels, load_queries
from corpora.jsonl import read_records
from corpora.records import Skipped
from finetune.encoder_pairs import law_part
from tests.conftest import ROOT, write_jsonl

QUESTIONS = [
    item.fields
    for item in read_records(ROOT / "benchmarks" / "statute_questions.jsonl")
    if not isinstance(item, Skipped)
]


def test_sixty_questions_of_ours_ask_for_articles_of_each_held_out_part_and_none_twice() -> None:
    assert Counter(law_part(str(question["law"])) for question in QUESTIONS) == {0: 60, 1: 60}
    assert len({(question["law"], question["article"]) for question in QUESTIONS}) == 120
    assert len({question["question"] for question in QUESTIONS}) == 120


def test_titles_and_questions_look_for_articles_that_lack_their_titles(tmp_path: Path) -> None:
    asked = QUESTIONS[0]
    trained = next(f"{n}번 법" for n in range(50) if law_part(f"{n}번 법") >= 2)
    articles = [
        {"law": law, "article": asked["article"], "title": "발전계획", "text": f"{asked['article']}(발전계획) {text}"}
        for law, text in ((asked["law"], "시ㆍ도지사는 다섯 해마다 " * 4), (trained, "국가는 " * 20))
    ]
    counts = write_task(write_jsonl(tmp_path / "a.jsonl", articles), tmp_path / "task", per_split=10)
    assert counts == {"dev": 1, "paraphrase-dev": 1}
    queries = load_queries(tmp_path / "task" / "queries.jsonl")
    assert queries == {"qs0": f"{asked['law']} 발전계획", "ps0": asked["question"]}
    assert load_qrels(tmp_path / "task" / "qrels" / "paraphrase-dev.tsv") == {"ps0": {"s0": 1}}
    [document] = [item for item in read_records(tmp_path / "task" / "corpus.jsonl") if not isinstance(item, Skipped)]
    assert "발전계획" not in str(document.fields["text"])
