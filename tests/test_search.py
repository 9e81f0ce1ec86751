"""Search as a user meets it: the commands, their JSON, and queries that are no questions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.schema import LexicalSettings, SourceSettings
from index_build.build import build
from rag.__main__ import main
from rag.index import Index
from rag.retrieve import Filter, LexicalRetriever
from tests.conftest import Silence, run, settings_for, write_jsonl


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Four short documents from two corpora under two licences."""
    folder = tmp_path_factory.mktemp("small")
    write_jsonl(
        folder / "c.jsonl",
        [
            {"id": "a", "title": "대동법", "text": "광해군 때 경기도에서 공납을 쌀로 내게 하였다.", "licence": "L1"},
            {"id": "b", "title": "균역법", "text": "영조 때 군포를 한 필로 줄였다.", "licence": "L2"},
            {"id": "c", "title": "왕", "text": "왕은 나라를 다스린다.", "source": "other", "licence": "L1"},
            {"id": "d", "title": "왕", "text": "왕은 나라를 다스린다. ", "source": "third", "licence": "L1"},
        ],
    )
    chosen = settings_for(SourceSettings(kind="jsonl", path=folder / "c.jsonl"), folder / "index")
    corpora = chosen.corpora.model_copy(
        update={"dedup": chosen.corpora.dedup.model_copy(update={"exact": False, "near": False})}
    )
    build(chosen.model_copy(update={"corpora": corpora}), Silence())
    return Index(folder / "index")


def test_the_passage_that_answers_comes_first_and_is_explained_to_the_last_digit(small: Index) -> None:
    retriever = LexicalRetriever(small, LexicalSettings())
    query = "경기도에서 공납을 쌀로 바꾼 것은?"
    hits = retriever.search(query, 3)
    assert hits[0].passage_id == "a#0"
    for hit in hits:
        assert sum(part.score for part in retriever.explain(query, hit.passage_id)) == pytest.approx(hit.score)


def test_a_title_is_searched_with_every_passage(small: Index) -> None:
    assert LexicalRetriever(small, LexicalSettings()).search("균역법", 1)[0].passage_id == "b#0"


def test_equal_scores_are_ordered_by_id_wherever_the_cut_falls(small: Index) -> None:
    retriever = LexicalRetriever(small, LexicalSettings())
    assert [hit.passage_id for hit in retriever.search("왕", 2)] == ["c#0", "d#0"]
    assert [hit.passage_id for hit in retriever.search("왕", 1)] == ["c#0"]


def test_filters_keep_passages_of_a_source_or_a_licence_only(small: Index) -> None:
    def found(only: Filter) -> list[str]:
        return [hit.passage_id for hit in LexicalRetriever(small, LexicalSettings(), only).search("왕은 나라를", 9)]

    assert found(Filter(source="other")) == ["c#0"]
    assert found(Filter(licence="L2")) == []
    assert found(Filter(source="nowhere")) == []


def test_both_engines_find_the_same_passages_with_the_same_scores(small: Index) -> None:
    hits = {}
    for engine in ("csc", "rank_bm25"):
        chosen = LexicalSettings.model_validate({"engine": engine, "idf": "okapi"})
        hits[engine] = [
            (h.passage_id, round(h.score, 9)) for h in LexicalRetriever(small, chosen).search("군포를 줄인 왕", 4)
        ]
    assert hits["csc"] == hits["rank_bm25"] != []


@pytest.mark.parametrize(
    "query", ["", "   ", "은 는 이 가", "😀😀", "?!.,", "\ud800", "\0", "가" * 100_000, "대동법 " * 20_000]
)
def test_queries_that_are_no_questions_do_not_fail(small: Index, query: str) -> None:
    assert len(LexicalRetriever(small, LexicalSettings()).search(query, 5)) <= 4


@given(st.text(max_size=60))
@settings(max_examples=60, deadline=None)
def test_any_query_gives_ranked_hits(small: Index, query: str) -> None:
    hits = LexicalRetriever(small, LexicalSettings()).search(query, 4)
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    assert all(hit.score > 0 for hit in hits)


def test_search_prints_one_json_object_of_the_contract(small: Index, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "대동법", "--index", str(small.path), "--top-k", "2", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert set(printed) == {"query", "mode", "hits", "seconds"}
    assert set(printed["hits"][0]) == {
        "rank", "passage_id", "doc_id", "title", "page", "score", "lexical_rank", "dense_rank", "text",
    }  # fmt: skip
    assert printed["hits"][0]["title"] == "대동법"


def test_explain_prints_contributions_that_add_up(small: Index, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "공납을 쌀로", "a#0", "--index", str(small.path), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert sum(term["score"] for term in printed["terms"]) == pytest.approx(printed["score"])
    assert {"공납", "쌀"} <= {term["term"] for term in printed["terms"]}


def test_the_commands_print_tables_for_people(small: Index, capsys: pytest.CaptureFixture[str]) -> None:
    main(["search", "광해군 때의 공납", "--index", str(small.path)])
    main(["explain", "광해군 때의 공납", "a#0", "--index", str(small.path)])
    main(["search", "😀", "--index", str(small.path)])
    printed = capsys.readouterr().out
    assert "a#0" in printed
    assert "the sum of" in printed
    assert "no passage shares a term" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "x", "--index", "/nowhere"], "no index here"),
        (["search", "x", "--top-k", "0"], "rag.top_k"),
        (["search", "x", "--set", "rag.nothing=1"], "unknown key"),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_status_2(arguments: list[str], message: str) -> None:
    done = run("rag", *arguments)
    assert (done.returncode, done.stdout, message in done.stderr) == (2, "", True)
    assert done.stderr.count("\n") == 1


def test_an_unknown_passage_is_named(small: Index) -> None:
    done = run("rag", "explain", "x", "z#9", "--index", small.path)
    assert (done.returncode, "'z#9'" in done.stderr) == (2, True)


def test_the_bundled_sample_is_searched_and_a_passage_knows_its_neighbours(sample_index: Index) -> None:
    store = sample_index.store
    hits = LexicalRetriever(sample_index, LexicalSettings()).search("대동법을 처음 실시한 지역", 5)
    assert hits[0].passage_id.startswith("daedongbeop#")
    rows = store.rows_of("daedongbeop")
    assert [store.passage(row).passage_id for row in rows] == [f"daedongbeop#{n}" for n in range(len(rows))]
    assert store.row("daedongbeop#999") is None
    assert store.row("nothing") is None


def test_help_shows_an_example(tmp_path: Path) -> None:
    for command in ("index_build", "rag", "eval", "configs"):
        done = run(command, "--help", cwd=Path(__file__).resolve().parents[1])
        assert (done.returncode, "Example: python -m" in done.stdout) == (0, True)
