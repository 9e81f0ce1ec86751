"""The bundled exam is neither hopeless nor trivial for lexical retrieval."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from configs import load
from corpora import sample
from corpora.exams import load_exam
from corpora.qrels import qrels_of
from corpora.records import Passage, Question
from index_build.build import build
from rag.index import Index
from rag.retrieve import LexicalRetriever, Retriever


class Silent:
    """No progress bars."""

    def expect(self, documents: int) -> None: ...
    def advance(self, documents: int) -> None: ...
    def assembled(self, documents: int) -> None: ...


def recall_at_5(retriever: Retriever, queries: dict[str, str], relevant: dict[str, set[str]]) -> float:
    """Mean over the queries of the share of relevant passages among the first five hits."""
    shares = [
        len(relevant[name] & {hit.passage_id for hit in retriever.search(query, 5)}) / len(relevant[name])
        for name, query in queries.items()
    ]
    return sum(shares) / len(shares)


def query_of(question: Question) -> str:
    return " ".join([question.question, *question.choices])


def test_lexical_retrieval_finds_three_quarters_of_the_gold_passages_but_not_all(tmp_path: Path) -> None:
    settings = load(None, [f"index_build.out={tmp_path}/index", f"index_build.cache={tmp_path}/cache"])
    build(settings, Silent())
    index = Index(tmp_path / "index")
    by_doc: defaultdict[str, list[Passage]] = defaultdict(list)
    for row in range(len(index.store)):
        passage = index.store.passage(row)
        by_doc[passage.doc_id].append(passage)
    exam = [question for question in load_exam(sample.EXAM) if question.needs_knowledge == "retrieval"]
    relevant = {name: set(judged) for name, judged in qrels_of(exam, by_doc).items()}
    retriever = LexicalRetriever(index, settings.rag.lexical)
    alone = recall_at_5(retriever, {q.question_id: q.question for q in exam}, relevant)
    with_choices = recall_at_5(retriever, {q.question_id: query_of(q) for q in exam}, relevant)
    print(f"recall@5, n = {len(exam)}: question {alone:.3f}, question + choices {with_choices:.3f}")
    assert 0.75 <= alone <= 0.97
    assert 0.75 <= with_choices <= 0.97
