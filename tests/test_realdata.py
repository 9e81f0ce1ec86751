"""The main job on real corpora: statutes, encyclopedia paragraphs with judgements, textbook Markdown."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from configs.schema import LexicalSettings, SourceSettings
from corpora.records import Document, Skipped
from corpora.sources import read
from eval.retrieval import Task, bootstrap, load_task, run_queries, scores
from index_build.build import build
from index_build.manifest import read_manifest
from rag.index import Index
from rag.retrieve import LexicalRetriever
from tests.conftest import Silence, settings_for, write_jsonl

pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module")
def encyclopedia(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Index:
    """The passages of boolq-ko."""
    out = tmp_path_factory.mktemp("boolq") / "index"
    settings = settings_for(SourceSettings(kind="beir", path=real / "boolq-ko"), out)
    index_build = settings.index_build.model_copy(update={"workers": 0})
    build(settings.model_copy(update={"index_build": index_build}), Silence())
    return Index(out)


def test_all_sources_are_read_whole(real: Path) -> None:
    expected = {"wiki": 100_594, "statutes": 83_575}
    for kind, path in (("wiki", real / "wiki"), ("statutes", real / "statutes")):
        items = list(read(SourceSettings.model_validate({"kind": kind, "path": path})))
        assert len(items) == expected[kind]
        assert not [item for item in items if isinstance(item, Skipped)]


def test_textbook_markdown_becomes_passages_under_headings(real: Path, tmp_path: Path) -> None:
    out = tmp_path / "index"
    chapter = real / "textbook-md" / "d2l-ko" / "chapter_linear-networks"
    build(settings_for(SourceSettings(kind="text", path=chapter, licence="CC BY-SA 4.0"), out), Silence())
    index = Index(out)
    hit = LexicalRetriever(index, LexicalSettings()).search("선형 회귀의 손실 함수", 1)[0]
    row = index.store.row(hit.passage_id)
    assert row is not None
    assert index.store.passage(row).heading_path
    assert read_manifest(out).counts.licences == {"CC BY-SA 4.0": index.store.documents}


def test_the_bigram_field_earns_its_size_on_dev_questions(real: Path, encyclopedia: Index) -> None:
    task = load_task(real / "boolq-ko", "dev")
    both = scores(task, run_queries(LexicalRetriever(encyclopedia, LexicalSettings()), task.queries))
    alone = LexicalRetriever(encyclopedia, LexicalSettings(bigram_weight=0))
    difference = both["ndcg@10"] - scores(task, run_queries(alone, task.queries))["ndcg@10"]
    assert len(difference) == 700
    assert both["ndcg@10"].mean() > 0.93
    assert bootstrap(difference, resamples=5000, seed=1)[0] > 0


def test_an_article_is_found_by_its_law_and_title(real: Path, tmp_path: Path) -> None:
    with gzip.open(real / "statutes" / "articles.jsonl.gz", "rt", encoding="utf-8") as stream:
        articles = [
            a for a in map(json.loads, stream) if a["law"] in ("형법", "민법", "형사소송법", "상법", "민사소송법")
        ]
    path = write_jsonl(tmp_path / "articles.jsonl", articles)
    build(settings_for(SourceSettings(kind="statutes", path=path), tmp_path / "index"), Silence())
    index = Index(tmp_path / "index")
    titled = [
        a
        for a in articles
        if a["title"] and [b["title"] for b in articles if b["law"] == a["law"]].count(a["title"]) == 1
    ]
    chosen = titled[:: max(len(titled) // 200, 1)]
    queries = {str(n): f"{a['law']}에서 {a['title']}" for n, a in enumerate(chosen)}
    qrels = {str(n): {f"{a['law']} {a['article']}": 1} for n, a in enumerate(chosen)}
    found = scores(Task(queries, qrels), run_queries(LexicalRetriever(index, LexicalSettings()), queries))
    assert found["recall@10"].mean() > 0.95


def test_passages_are_slices_of_real_articles(real: Path, tmp_path: Path) -> None:
    source = SourceSettings(kind="wiki", path=real / "wiki" / "wiki_03.jsonl.gz")
    documents = [d for d in read(source) if isinstance(d, Document)][:300]
    records: list[dict[str, object]] = [{"id": d.doc_id, "title": d.title, "text": d.text} for d in documents]
    build(
        settings_for(SourceSettings(kind="jsonl", path=write_jsonl(tmp_path / "c.jsonl", records)), tmp_path / "i"),
        Silence(),
    )
    store = Index(tmp_path / "i").store
    kept = [document for document in documents if store.rows_of(document.doc_id)]
    assert len(kept) > 290
    for document in kept:
        passages = [store.passage(row) for row in store.rows_of(document.doc_id)]
        assert all(document.text[p.start : p.start + len(p.text)] == p.text for p in passages)
        assert sum(len("".join(p.text.split())) for p in passages) == len("".join(document.text.split()))
