"""Encoders: the bundled one, any sentence-transformers folder, what is refused, and a training run on toy data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from configs.dense import EncoderSettings, EncoderTrainingSettings
from configs.errors import UserError
from finetune.encoder import save
from finetune.encoder_pairs import Pair, law_part, load_pairs
from index_build.encoder import EMBEDDED_FOLDER, StaticEncoder, encoder_for, identity_of, load_static

TEXTS = [
    "대동법은 언제 실시되었나?",
    "광해군 때 경기도에서 대동법을 실시하였다.",
    "섬진강은 남해로 흐른다.",
    "A",
    "1608년",
]


@pytest.fixture(scope="module")
def embedded() -> StaticEncoder:
    """The encoder in the project."""
    return load_static(EMBEDDED_FOLDER)


def test_the_bundled_encoder_is_small_and_knows_what_belongs_together(embedded: StaticEncoder) -> None:
    assert sum(path.stat().st_size for path in EMBEDDED_FOLDER.rglob("*") if path.is_file()) <= 20_000_000
    question, answer, other = embedded.encode_passages(TEXTS[:3])
    assert question @ answer > question @ other + 0.2


@given(st.lists(st.text(max_size=30), max_size=8))
@settings(max_examples=40, deadline=None)
def test_a_vector_has_length_one_or_zero_and_does_not_depend_on_its_batch(
    embedded: StaticEncoder, texts: list[str]
) -> None:
    together = embedded.encode_passages(texts)
    lengths = np.linalg.norm(together, axis=1)
    assert np.all((np.abs(lengths - 1) < 1e-5) | (lengths == 0))
    for text, vector in zip(texts, together, strict=True):
        assert np.array_equal(embedded.encode_passages([text])[0], vector)


def test_fewer_dimensions_are_the_first_ones_normalised_again(embedded: StaticEncoder) -> None:
    short = load_static(EMBEDDED_FOLDER, dimensions=64).encode_queries(TEXTS)
    cut = embedded.encode_queries(TEXTS)[:, :64]
    assert short == pytest.approx(cut / np.linalg.norm(cut, axis=1, keepdims=True), abs=1e-6)
    with pytest.raises(UserError, match="found 999; the encoder has 256"):
        load_static(EMBEDDED_FOLDER, dimensions=999)


def test_our_arithmetic_equals_that_of_sentence_transformers(embedded: StaticEncoder) -> None:
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(EMBEDDED_FOLDER), device="cpu").encode(TEXTS)
    assert embedded.encode_passages(TEXTS) == pytest.approx(np.asarray(theirs, dtype=np.float32), abs=4e-3)


@pytest.mark.parametrize("model", ["/nowhere/at/all", "./nothing", "a/b/c"])
def test_a_folder_that_is_not_there_is_one_line_with_a_way_out(model: str) -> None:
    with pytest.raises(UserError, match=r"no encoder here.*model=embedded"):
        encoder_for(EncoderSettings(model=model))


def copy_of_embedded(folder: Path, weights: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> Path:
    """An encoder like the bundled one with other vectors."""
    part = EMBEDDED_FOLDER / "0_StaticEmbedding" / "tokenizer.json"
    save(folder, Tokenizer.from_file(str(part)), weights)
    return folder


def test_broken_vectors_are_refused_and_other_ones_have_another_identity(
    embedded: StaticEncoder, tmp_path: Path
) -> None:
    size = len(embedded.weights)
    good = copy_of_embedded(tmp_path / "good", np.ones((size, 8), dtype=np.float32))
    assert encoder_for(EncoderSettings(model=str(good))).dimensions == 8
    assert identity_of(EncoderSettings(model=str(good))) != identity_of(EncoderSettings())
    broken = copy_of_embedded(tmp_path / "nan", np.full((size, 8), np.nan, dtype=np.float32))
    with pytest.raises(UserError, match="not finite"):
        load_static(broken)
    short = copy_of_embedded(tmp_path / "short", np.ones((size - 1, 8), dtype=np.float32))
    with pytest.raises(UserError, match=f"{size} tokens but {size - 1} vectors"):
        load_static(short)
    (good / "0_StaticEmbedding" / "model.safetensors").write_bytes(b"none")
    with pytest.raises(UserError, match="not a static encoder"):
        load_static(good)


def test_toy_pairs_are_learned_and_an_interrupted_run_gives_the_same_vectors(tmp_path: Path) -> None:
    from finetune.encoder_train import Trainer, encode_pairs, first_vectors, sampled, train_tokenizer

    words = ["쌀", "군포", "토지", "강", "산", "왕", "법", "돈", "배", "말"]
    pairs = [Pair(f"{a} {b}", f"{b} 그리고 {a}", f"{a}{b}") for a in words for b in words if a != b]
    chosen = EncoderTrainingSettings(
        vocabulary=500, dimensions=8, matryoshka=(8, 4), steps=40, batch=16, checkpoint=20, shares={"toy": 1.0}
    )
    tokenizer = train_tokenizer((text for pair in pairs for text in (pair.anchor, pair.positive)), chosen)
    encoded = encode_pairs(tokenizer, {"toy": pairs, "none": []})
    start = first_vectors(sampled(encoded, 1), tokenizer.get_vocab_size(), chosen)
    assert np.isfinite(start).all()
    whole = Trainer(start, chosen, tmp_path / "a.safetensors")
    whole.run(encoded, lambda _step, _vectors: None)

    class Stop(Exception):
        pass

    def stop(step: int, _vectors: object) -> None:
        raise Stop

    with pytest.raises(Stop):
        Trainer(start, chosen, tmp_path / "b.safetensors").run(encoded, stop)
    resumed = Trainer(start, chosen, tmp_path / "b.safetensors")
    resumed.run(encoded, lambda _step, _vectors: None)
    assert np.array_equal(resumed.vectors, whole.vectors)
    assert not np.array_equal(whole.vectors, start)


def test_missing_training_data_are_named(tmp_path: Path) -> None:
    (tmp_path / "wiki").mkdir()
    (tmp_path / "wiki" / "w.jsonl").write_text(json.dumps({"id": "1", "title": "t", "text": "x"}), encoding="utf-8")
    with pytest.raises(UserError, match=r"articles\.jsonl\.gz: no such file.*docs/encoder\.md"):
        load_pairs(tmp_path)


def test_laws_keep_their_part() -> None:
    assert law_part("민법") == law_part("민법")
    assert {law_part(f"법 {n}") for n in range(200)} == set(range(10))
