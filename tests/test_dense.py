"""Dense indexes: every kind finds what exact search finds, and equal input gives equal bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from configs.dense import DenseSettings, FaissKind, RerankSettings
from configs.errors import UserError
from configs.schema import LexicalSettings, RagSettings, SourceSettings
from index_build.build import build
from index_build.dense import RECORD, VECTORS, chosen_kind, passage_texts, read_record, write_dense
from index_build.encoder import Vectors
from rag.dense import DenseIndex, DenseRetriever
from rag.hybrid import retriever_for
from rag.index import Index
from rag.rerank import AlignmentReranker, reranked
from rag.retrieve import Filter, LexicalRetriever
from tests.conftest import Silence, settings_for, write_jsonl
from tests.test_build import data_digests, records

IDENTITY = {"model": "toy"}


class Toy:
    """An encoder whose vectors are chance, fixed by the text; counts what it encodes."""

    dimensions = 16

    def __init__(self, *, broken: bool = False) -> None:
        self.encoded = 0
        self._broken = broken

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors."""
        return self.encode_passages(texts)

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors; NaN when broken."""
        self.encoded += len(texts)
        rows = [np.random.default_rng(list(text.encode())).normal(size=self.dimensions) for text in texts]
        vectors = np.array(rows, dtype=np.float32).reshape(len(texts), self.dimensions)
        unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit * np.float32(np.nan) if self._broken else unit

    def parts(self, texts: Sequence[str]) -> list[int]:
        """Texts of more than five characters are too long."""
        return [1 + (len(text) > 5) for text in texts]


TEXTS = [f"글 {number}" for number in range(600)]


@pytest.mark.parametrize("kind", get_args(FaissKind))
def test_every_kind_is_repeatable_and_close_to_exact_search(tmp_path: Path, kind: FaissKind) -> None:
    settings = DenseSettings(kind=kind)
    written = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        manifest = write_dense(
            tmp_path / name,
            TEXTS,
            settings=settings,
            encoder=Toy(),
            identity=IDENTITY,
            cache=tmp_path / f"cache-{name}",
        )
        written.append((tmp_path / name / VECTORS).read_bytes())
    assert written[0] == written[1]
    assert read_record(tmp_path / "a") == manifest
    assert (manifest.kind, manifest.passages, manifest.empty) == (kind, 600, 0)
    assert manifest.recall10 >= 0.9


def test_only_passages_not_seen_before_are_encoded_and_damage_is_repaired(tmp_path: Path) -> None:
    toy, cache = Toy(), tmp_path / "cache"
    for texts, expected in ((TEXTS[:10], 10), (TEXTS[:12], 12), (TEXTS[:12], 12)):
        write_dense(tmp_path, texts, settings=DenseSettings(), encoder=toy, identity=IDENTITY, cache=cache)
        assert toy.encoded == expected
    before = (tmp_path / VECTORS).read_bytes()
    for path in cache.rglob("*.feather"):
        path.write_bytes(path.read_bytes()[:-3])
    write_dense(tmp_path, TEXTS[:12], settings=DenseSettings(), encoder=toy, identity=IDENTITY, cache=cache)
    assert (toy.encoded, (tmp_path / VECTORS).read_bytes()) == (24, before)


def test_vectors_that_are_not_finite_stop_the_build_with_the_passage(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no finite vector for 3 passages, first '글 0'.*model=embedded"):
        write_dense(
            tmp_path, TEXTS[:3], settings=DenseSettings(), encoder=Toy(broken=True), identity={}, cache=tmp_path
        )


class Short(Toy):
    """An encoder that says 16 dimensions and gives 15."""

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """Vectors that lack their last number."""
        return super().encode_passages(texts)[:, :-1]


def test_vectors_of_the_wrong_length_stop_the_build(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"shape \(3, 15\); expected \(3, 16\)"):
        write_dense(tmp_path, TEXTS[:3], settings=DenseSettings(), encoder=Short(), identity={}, cache=tmp_path)


def test_an_index_that_misses_neighbours_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    poor = DenseSettings(kind="ivf", nprobe=1)
    write_dense(tmp_path, TEXTS, settings=poor, encoder=Toy(), identity={}, cache=tmp_path)
    assert "of the ten nearest passages; fp16 finds all: --set index_build.dense.kind=fp16" in caplog.text


def test_a_record_of_another_version_is_refused_with_the_command(tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text('{"encoder": {}}', encoding="utf-8")
    with pytest.raises(UserError, match=rf"{RECORD}: made by another version, or damaged; rebuild: python -m"):
        read_record(tmp_path)


def test_no_passages_make_an_empty_index(tmp_path: Path) -> None:
    manifest = write_dense(tmp_path, [], settings=DenseSettings(), encoder=Toy(), identity={}, cache=tmp_path)
    assert (manifest.passages, manifest.recall10) == (0, 1.0)


def test_auto_is_exact_up_to_the_limit_and_lists_beyond() -> None:
    settings = DenseSettings(exact_up_to=16_000)
    assert chosen_kind(settings, 1_000, dimensions=16) == ("sq8", {})
    assert chosen_kind(settings, 1_000, dimensions=32)[0] == "ivf"
    assert chosen_kind(settings, 1_000_000, dimensions=16) == ("ivf", {"lists": 1024, "nprobe": 64})
    assert chosen_kind(DenseSettings(kind="ivf"), 0, dimensions=16) == ("ivf", {"lists": 1, "nprobe": 1})


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Three short documents from two corpora, with vectors."""
    folder = tmp_path_factory.mktemp("small")
    path = write_jsonl(folder / "c.jsonl", [
        {"id": "a", "title": "대동법", "text": "광해군 때 경기도에서 공납을 쌀로 내게 하였다.", "source": "one"},
        {"id": "b", "title": "균역법", "text": "영조 때 군포를 한 필로 줄였다.", "source": "two"},
        {"id": "c", "title": "섬진강", "text": "섬진강은 남해로 흐르는 강이다.", "source": "two"},
    ])  # fmt: skip
    build(settings_for(SourceSettings(kind="jsonl", path=path), folder / "index"), Silence())
    return Index(folder / "index")


def test_a_passage_is_encoded_with_its_title(small: Index) -> None:
    texts = list(passage_texts(small.path / small.manifest.folder))
    assert texts[0] == "대동법\n광해군 때 경기도에서 공납을 쌀로 내게 하였다."


def test_filters_hold_for_vectors_too(small: Index) -> None:
    dense = DenseIndex(small)
    found = DenseRetriever(small, dense, Filter(source="two")).search("공납을 쌀로 낸 법", 3)
    assert {hit.passage_id for hit in found} == {"b#0", "c#0"}


def test_cosines_read_back_are_those_of_the_search(small: Index) -> None:
    dense = DenseIndex(small)
    vector = dense.vector("영조의 군포")
    near = dense.nearest(vector, 3, None)
    assert dense.cosines(vector, list(near)) == pytest.approx(np.array(list(near.values())), abs=1e-5)


def test_an_encoder_changed_since_the_build_is_refused_with_the_command(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "c.jsonl", records(3))
    build(settings_for(SourceSettings(kind="jsonl", path=path), tmp_path / "i"), Silence())
    index = Index(tmp_path / "i")
    record = tmp_path / "i" / index.manifest.folder / RECORD
    weights = DenseIndex(index).record.encoder["weights"]
    record.write_text(record.read_text(encoding="utf-8").replace(weights, "0" * 32), encoding="utf-8")
    with pytest.raises(UserError, match=r"encoder weights 0{32}.*rebuild: python -m index_build"):
        DenseIndex(index)


def test_an_incremental_index_has_the_vectors_of_a_full_one(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "c.jsonl", records(6))
    source = SourceSettings(kind="jsonl", path=path)
    build(settings_for(source, tmp_path / "a" / "i"), Silence())
    write_jsonl(path, [*records(2, 100), *records(5)])
    for name in ("a", "b"):
        build(settings_for(source, tmp_path / name / "i"), Silence())
    assert data_digests(tmp_path / "a" / "i") == data_digests(tmp_path / "b" / "i")
    assert VECTORS in data_digests(tmp_path / "a" / "i")


def test_the_second_stage_keeps_the_hits_and_orders_them_again(small: Index) -> None:
    first = LexicalRetriever(small, LexicalSettings())
    again = reranked(first, RerankSettings(kind="alignment", weight=1.0), small)
    query = "군포를 줄인 왕, 공납을 쌀로 낸 때"
    assert {hit.passage_id for hit in again.search(query, 3)} == {hit.passage_id for hit in first.search(query, 3)}
    assert [hit.rank for hit in again.search(query, 2)] == [1, 2]
    floored = RerankSettings(kind="alignment", weight=1.0, floor=2.0)
    assert reranked(first, floored, small).search(query, 3) == []


def test_alignment_is_one_for_a_text_that_holds_the_query(small: Index) -> None:
    encoder = DenseIndex(small).encoder
    reranker = AlignmentReranker(encoder, weight=1.0)  # type: ignore[arg-type]
    same, other, empty = reranker.alignments("대동법", ["대동법", "섬진강", ""])
    assert same == pytest.approx(1, abs=1e-5)
    assert other < same
    assert empty == 0


def test_a_cross_encoder_must_be_named(small: Index) -> None:
    settings = RagSettings(rerank=RerankSettings(kind="cross-encoder"))
    with pytest.raises(UserError, match="name a cross-encoder"):
        retriever_for(settings, small)
