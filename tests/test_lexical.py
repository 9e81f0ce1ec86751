"""BM25: our engine gives rank_bm25's scores, explains them to the last digit, and orders ties by id."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_bm25 import BM25Okapi

from configs.schema import LexicalSettings
from index_build.lexical import BLOCK, FieldIndex, FieldWriter, counted
from rag.bm25 import Bm25Field, QueryTerm, RankBm25Field, query_terms
from rag.hits import rank

# an index has no empty passages; rank_bm25 divides 0 by 0 on one when b = 1
CORPORA = st.lists(st.lists(st.integers(1, 12), min_size=1, max_size=15), min_size=1, max_size=25)


def field_of(bags: list[list[int]], folder: Path) -> FieldIndex:
    """The bags of terms as a field on disk."""
    writer = FieldWriter()
    keys = np.array([key for bag in bags for key in bag], dtype=np.uint64)
    rows = np.array([row for row, bag in enumerate(bags) for _ in bag], dtype=np.int64)
    writer.add(counted(keys, rows, len(bags)))
    writer.write(folder, "morphemes")
    return FieldIndex(folder, "morphemes")


def terms(keys: list[int]) -> list[QueryTerm]:
    return query_terms((str(key), key) for key in keys)


def scored(field: Bm25Field | RankBm25Field, query: list[int]) -> list[float]:
    scores = np.zeros(field.index.passages)
    field.add_scores(terms(query), scores)
    return list(scores.tolist())


@given(CORPORA, st.lists(st.integers(1, 14), max_size=8), st.floats(0.1, 3), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_with_okapi_idf_our_scores_are_those_of_rank_bm25(
    tmp_path_factory: pytest.TempPathFactory, bags: list[list[int]], query: list[int], k1: float, b: float
) -> None:
    field = field_of(bags, tmp_path_factory.mktemp("field"))
    chosen = LexicalSettings(k1=k1, b=b, idf="okapi")
    reference = BM25Okapi(bags, k1=k1, b=b, epsilon=0.25).get_scores(query)
    assert scored(Bm25Field(field, chosen, weight=1.0), query) == pytest.approx(reference.tolist(), abs=1e-9)
    assert scored(RankBm25Field(field, chosen, weight=1.0), query) == pytest.approx(reference.tolist(), abs=1e-9)


@given(CORPORA, st.lists(st.integers(1, 14), max_size=8), st.sampled_from(["okapi", "lucene"]))
@settings(max_examples=60, deadline=None)
def test_the_explanation_of_every_passage_adds_up_to_its_score(
    tmp_path_factory: pytest.TempPathFactory, bags: list[list[int]], query: list[int], idf: str
) -> None:
    field = field_of(bags, tmp_path_factory.mktemp("field"))
    engine = Bm25Field(field, LexicalSettings.model_validate({"idf": idf}), weight=0.7)
    for row, score in enumerate(scored(engine, query)):
        assert sum(part.score for part in engine.explain(terms(query), row)) == pytest.approx(score, abs=1e-9)


def test_one_score_worked_by_hand(tmp_path: Path) -> None:
    # three passages of lengths 3, 1, 2 (mean 2); term 7 in two of them: idf = ln(1 + 1.5 / 2.5)
    engine = Bm25Field(field_of([[7, 7, 8], [9], [7, 9]], tmp_path), LexicalSettings(k1=1.0, b=0.5), weight=1.0)
    idf = np.log(1 + 1.5 / 2.5)
    assert scored(engine, [7]) == pytest.approx([idf * 2 * 2 / (2 + 1.25), 0.0, idf * 2 / (1 + 1.0)])


def test_a_field_of_several_blocks_scores_as_one(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    passages = BLOCK + 1000
    keys = generator.integers(1, 50, 4 * passages).astype(np.uint64)
    rows = np.repeat(np.arange(passages), 4)
    writer = FieldWriter()
    writer.add(counted(keys, rows, passages))
    writer.write(tmp_path, "morphemes")
    field = FieldIndex(tmp_path, "morphemes")
    assert field.document_frequencies([7]) == [len(set(rows[keys == 7].tolist()))]
    engine = Bm25Field(field, LexicalSettings(), weight=1.0)
    totals = scored(engine, [7, 9])
    for row in (0, BLOCK - 1, BLOCK, passages - 1):
        assert totals[row] == pytest.approx(sum(part.score for part in engine.explain(terms([7, 9]), row)))


@given(CORPORA, st.lists(st.integers(0, 25), max_size=5))
@settings(max_examples=60, deadline=None)
def test_a_field_does_not_depend_on_how_it_came_in_parts(
    tmp_path_factory: pytest.TempPathFactory, bags: list[list[int]], cuts: list[int]
) -> None:
    whole, folder = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("parts")
    field_of(bags, whole)
    writer = FieldWriter()
    for first, last in pairwise(sorted({0, len(bags), *(min(cut, len(bags)) for cut in cuts)})):
        keys = np.array([key for bag in bags for key in bag], dtype=np.uint64)
        rows = np.array([row for row, bag in enumerate(bags) for _ in bag], dtype=np.int64)
        writer.add(counted(keys, rows, len(bags)).cut(first, last))
    writer.write(folder, "morphemes")
    for file in sorted(whole.iterdir()):
        assert (folder / file.name).read_bytes() == file.read_bytes()


def test_frequencies_beyond_255_are_stored_as_255(tmp_path: Path) -> None:
    field = field_of([[3] * 1000, [3]], tmp_path)
    [postings] = field.postings(0, [3])
    assert postings is not None
    assert postings.frequencies.tolist() == [255, 1]
    assert field.lengths.tolist() == [1000, 1]


def test_an_unknown_term_scores_nothing(tmp_path: Path) -> None:
    assert scored(Bm25Field(field_of([[1], [2]], tmp_path), LexicalSettings(), weight=1.0), [5]) == [0.0, 0.0]


@given(st.dictionaries(st.text("ab#1", min_size=1, max_size=3), st.sampled_from([0.5, 1.0, 2.0])), st.integers(1, 9))
def test_hits_are_ordered_by_score_and_then_by_id(scores: dict[str, float], top_k: int) -> None:
    hits = rank(scores, top_k)
    assert [hit.rank for hit in hits] == list(range(1, min(top_k, len(scores)) + 1))
    assert [(-hit.score, hit.passage_id) for hit in hits] == sorted((-s, p) for p, s in scores.items())[:top_k]
