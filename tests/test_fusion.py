"""Fusion: what is always true of it, each formula by hand, and that one ranking's passages never get lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.dense import FusionSettings
from configs.errors import UserError
from configs.schema import RagSettings, SourceSettings
from index_build.build import build
from rag.hits import FusedHit, Hit, Rankings, fuse_distributions, fuse_ranks, fuse_scores, lead, rank
from rag.hybrid import TUNED, fuse, fusion_for, retriever_for, store_tuned
from rag.index import Index
from rag.retrieve import best_rows
from tests.conftest import Silence, settings_for, write_jsonl

WEIGHTS = {"lexical": 0.75, "dense": 0.25}
FLOORS = {"lexical": 0.0, "dense": -1.0}

METHODS: Sequence[Callable[[Rankings, int], list[FusedHit]]] = [
    lambda rankings, top_k: fuse_ranks(rankings, top_k, weights=WEIGHTS),
    lambda rankings, top_k: fuse_scores(rankings, top_k, weights=WEIGHTS, floors=FLOORS),
    lambda rankings, top_k: fuse_distributions(rankings, top_k, weights=WEIGHTS),
    lambda rankings, top_k: fuse(rankings, top_k, FusionSettings(method="gated")),
]

# hundredths: scores that differ by less than a float can tell apart after scaling are a tie
scores = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 100).map(lambda n: n / 100), max_size=8)


@pytest.mark.parametrize("method", METHODS)
@given(lexical=scores, dense=scores, top_k=st.integers(1, 10))
def test_every_passage_comes_once_ranked_and_its_shares_make_its_score(
    method: Callable[[Rankings, int], list[FusedHit]], lexical: dict[str, float], dense: dict[str, float], top_k: int
) -> None:
    rankings = {"lexical": rank(lexical, 9), "dense": rank(dense, 9)}
    fused = method(rankings, top_k)
    names = [found.hit.passage_id for found in fused]
    assert len(names) == len(set(names)) == min(top_k, len({*lexical, *dense}))
    assert [found.hit.rank for found in fused] == list(range(1, len(fused) + 1))
    for found in fused:
        assert found.hit.score == pytest.approx(sum(share.share for share in found.shares))
        assert 0 <= found.hit.score <= 1
    assert method({"dense": rankings["dense"], "lexical": rankings["lexical"]}, top_k) == [
        FusedHit(found.hit, found.shares[::-1]) for found in fused
    ]


@pytest.mark.parametrize("method", METHODS)
@given(lexical=scores)
def test_a_ranking_without_hits_changes_no_order(
    method: Callable[[Rankings, int], list[FusedHit]], lexical: dict[str, float]
) -> None:
    fused = method({"lexical": rank(lexical, 9), "dense": []}, 9)
    wanted = rank(lexical, 9)
    order = {hit.passage_id: hit.score for hit in wanted}
    got = [order[found.hit.passage_id] for found in fused]
    assert got == sorted(got, reverse=True)


def test_reciprocal_ranks_worked_by_hand() -> None:
    rankings = {"lexical": rank({"a": 9.0, "b": 5.0}, 9), "dense": rank({"b": 0.9, "c": 0.1}, 9)}
    fused = fuse_ranks(rankings, 9, weights=WEIGHTS, rrf_k=60)
    assert [found.hit.passage_id for found in fused] == ["b", "a", "c"]
    assert [found.hit.score for found in fused] == pytest.approx([0.75 / 62 + 0.25 / 61, 0.75 / 61, 0.25 / 62])
    assert [(share.part, share.rank, share.score) for share in fused[0].shares] == [
        ("lexical", 2, 5.0),
        ("dense", 1, 0.9),
    ]
    assert (fused[1].shares[1].rank, fused[1].shares[1].share) == (None, 0.0)


def test_the_convex_combination_worked_by_hand() -> None:
    rankings = {"lexical": rank({"a": 8.0, "b": 4.0}, 9), "dense": rank({"b": 0.5, "a": -0.25}, 9)}
    fused = fuse_scores(rankings, 9, weights=WEIGHTS, floors=FLOORS)
    assert [found.hit.passage_id for found in fused] == ["a", "b"]
    assert [found.hit.score for found in fused] == pytest.approx([0.75 + 0.25 * 0.75 / 1.5, 0.75 * 0.5 + 0.25])


def ranking(*values: float) -> list[Hit]:
    """A ranking of documents d0, d1, ... with one passage each."""
    return rank({f"d{number}#0": value for number, value in enumerate(values)}, len(values))


def test_the_lead_is_the_share_of_the_best_score_that_the_tenth_document_lacks() -> None:
    assert lead(ranking(8.0, *[6.0] * 9)) == 0.25
    assert lead(ranking(8.0, *[6.0] * 8)) == 1.0  # nine documents: the tenth has nothing
    assert lead([]) == 0.0
    two = rank({f"d{n % 2}#{n}": 8.0 - n for n in range(8)}, 8)  # many passages, two documents
    assert lead(two) == 1.0
    assert lead(two, over=2) == pytest.approx(1 / 8)


@given(st.lists(st.integers(1, 100), min_size=1, max_size=15), st.integers(1, 12))
def test_the_lead_lies_between_zero_and_one_and_does_not_depend_on_the_unit(values: list[int], over: int) -> None:
    found = lead(ranking(*map(float, values)), over=over)
    assert 0 <= found <= 1
    assert lead(ranking(*(7.0 * value for value in values)), over=over) == pytest.approx(found)


def test_gated_fusion_listens_to_dense_search_where_the_lexical_ranking_is_flat() -> None:
    dense = rank({"d1#0": 0.9} | {f"d{n}#0": 0.1 for n in range(10) if n != 1}, 10)
    gated, convex = FusionSettings(method="gated"), FusionSettings(method="convex")
    flat = {"lexical": ranking(8.0, *[7.9] * 9), "dense": dense}
    sure = {"lexical": ranking(8.0, *[7.5] * 8, 2.0), "dense": dense}
    assert fuse(flat, 1, gated)[0].hit.passage_id == "d1#0"
    assert fuse(sure, 1, gated)[0].hit.passage_id == "d0#0"
    assert fuse(sure, 1, convex)[0].hit.passage_id == "d1#0"
    level = {"lexical": ranking(*[8.0] * 10), "dense": dense}
    assert fuse(level, 3, gated) == fuse(level, 3, convex)


def test_gated_fusion_orders_what_only_dense_search_found_even_beside_a_sure_ranking() -> None:
    found = fuse({"lexical": ranking(5.0), "dense": rank({"x#0": 0.2, "y#0": 0.7}, 2)}, 3, FusionSettings())
    assert [one.hit.passage_id for one in found] == ["d0#0", "y#0", "x#0"]


def test_scores_that_are_all_equal_or_at_their_floor_divide_nothing_by_zero() -> None:
    flat = {"lexical": rank({"a": 0.0, "b": 0.0}, 9), "dense": rank({"a": -1.0, "b": -1.0}, 9)}
    assert [found.hit.score for found in fuse_scores(flat, 9, weights=WEIGHTS, floors=FLOORS)] == [0.0, 0.0]
    assert [found.hit.score for found in fuse_distributions(flat, 9, weights=WEIGHTS)] == [0.5, 0.5]


def test_a_passage_that_a_ranking_holds_twice_counts_where_it_stands_first() -> None:
    twice = {"lexical": [Hit("a", 3.0, 1), Hit("b", 2.0, 2), Hit("a", 1.0, 3)], "dense": []}
    fused = fuse_ranks(twice, 9, weights=WEIGHTS)
    assert [(found.hit.passage_id, found.shares[0].rank) for found in fused] == [("a", 1), ("b", 2)]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Three short documents with vectors."""
    folder = tmp_path_factory.mktemp("small")
    path = write_jsonl(folder / "c.jsonl", [
        {"id": "a", "title": "대동법", "text": "광해군 때 경기도에서 공납을 쌀로 내게 하였다."},
        {"id": "b", "title": "균역법", "text": "영조 때 군포를 한 필로 줄였다."},
        {"id": "c", "title": "섬진강", "text": "섬진강은 남해로 흐르는 강이다."},
    ])  # fmt: skip
    build(settings_for(SourceSettings(kind="jsonl", path=path), folder / "index"), Silence())
    return Index(folder / "index")


@pytest.mark.parametrize("mode", ["lexical", "dense", "hybrid"])
def test_every_mode_finds_the_passage_that_answers(small: Index, mode: str) -> None:
    retriever = retriever_for(RagSettings.model_validate({"mode": mode}), small)
    hits = retriever.search("군포를 줄인 임금은?", 3)
    assert hits[0].passage_id == "b#0"
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))


@pytest.mark.parametrize("mode", ["dense", "hybrid"])
@pytest.mark.parametrize("query", ["", "   ", "\ud800", "\0", "가" * 30_000])
def test_queries_that_are_no_questions_do_not_fail(small: Index, mode: str, query: str) -> None:
    assert len(retriever_for(RagSettings.model_validate({"mode": mode}), small).search(query, 5)) <= 3


@pytest.mark.parametrize("method", ["gated", "convex", "rrf", "distribution"])
def test_hybrid_with_no_dense_weight_orders_as_lexical_search_does(small: Index, method: str) -> None:
    fusion = FusionSettings.model_validate({"method": method, "dense_weight": 0.0})
    lexical = retriever_for(RagSettings(mode="lexical"), small).search("영조 때의 공납", 3)
    hybrid = retriever_for(RagSettings(mode="hybrid", fusion=fusion), small).search("영조 때의 공납", 3)
    assert [hit.passage_id for hit in hybrid][: len(lexical)] == [hit.passage_id for hit in lexical]


def test_what_was_tuned_is_used_until_the_index_is_rebuilt(small: Index) -> None:
    chosen = FusionSettings(method="rrf", dense_weight=0.35)
    path = store_tuned(small, chosen, chosen_on="dev", figures={"ndcg@10": 0.5})
    assert fusion_for(FusionSettings(), small) == chosen
    assert fusion_for(FusionSettings(use_tuned=False), small) == FusionSettings(use_tuned=False)
    path.write_text(path.read_text(encoding="utf-8").replace(small.manifest.folder, "data-other"), encoding="utf-8")
    assert fusion_for(FusionSettings(), small) == FusionSettings()
    path.write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match=f"{TUNED}: damaged"):
        fusion_for(FusionSettings(), small)
    path.unlink()


def test_an_index_without_vectors_is_searched_lexically_and_refused_otherwise(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "c.jsonl", [{"id": "a", "text": "대동법을 실시하였다."}])
    settings = settings_for(SourceSettings(kind="jsonl", path=path), tmp_path / "i")
    without = settings.index_build.dense.model_copy(update={"enabled": False})
    build(
        settings.model_copy(update={"index_build": settings.index_build.model_copy(update={"dense": without})}),
        Silence(),
    )
    index = Index(tmp_path / "i")
    assert retriever_for(RagSettings(mode="lexical"), index).search("대동법", 1)
    with pytest.raises(UserError, match=r"without vectors.*python -m index_build"):
        retriever_for(RagSettings(mode="hybrid"), index)


@given(
    st.integers(0, 2**32 - 1).map(np.random.default_rng),
    st.sampled_from([0, 1, 5, 255, 256, 600, 9_000]),
    st.integers(1, 20),
)
def test_the_best_rows_are_all_that_reach_the_score_of_the_last_place(
    generator: np.random.Generator, size: int, top_k: int
) -> None:
    scores = generator.integers(0, generator.integers(1, 300), size).astype(np.float64)
    positive = sorted((score for score in scores.tolist() if score > 0), reverse=True)
    last = positive[min(top_k, len(positive)) - 1] if positive else 0
    assert best_rows(scores, top_k) == [row for row, score in enumerate(scores.tolist()) if score >= last and score > 0]
