"""Transformers as encoders and rerankers, with tiny random models made on the spot: nothing is cut, nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, BertModel, PreTrainedTokenizerFast

from configs.dense import DenseSettings, EncoderSettings, RerankSettings
from configs.errors import UserError
from index_build.dense import read_record, write_dense
from index_build.encoder import encoder_for, identity_of
from index_build.transformer import TransformerEncoder, load_transformer
from rag.cross_encoder import CrossEncoderReranker, load_reranker

WORDS = ["대동법", "균역법", "영조", "광해군", "쌀", "군포", "토지", "강", "query", "passage", ":"]
SHORT = ["대동법 쌀", "균역법 군포 영조", "강"]
LIMIT = 24  # tokens that the tiny models take
LONG = " ".join(WORDS[:8] * 5)


def save(folder: Path, *, labels: int = 0, seed: int = 0) -> Path:
    """A BERT of two small layers: an encoder, or a classifier of pairs where labels are asked for."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer = Tokenizer(models.WordLevel({w: n for n, w in enumerate([*special, *WORDS])}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast: Any = PreTrainedTokenizerFast
    fast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        model_max_length=LIMIT,
    ).save_pretrained(folder)  # fmt: skip
    config: Any = BertConfig
    sizes = config(
        vocab_size=len(special) + len(WORDS), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=LIMIT, num_labels=labels or 2, initializer_range=0.5,
    )  # fmt: skip
    torch.manual_seed(seed)
    made: Any = BertForSequenceClassification if labels else BertModel
    made(sizes).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder."""
    return save(tmp_path_factory.mktemp("tiny"))


def settings_of(folder: Path, **changes: Any) -> EncoderSettings:
    return EncoderSettings.model_validate({"model": str(folder), "device": "cpu", **changes})


def test_vectors_have_length_one_keep_the_order_and_equal_the_plain_model(folder: Path) -> None:
    encoder = encoder_for(settings_of(folder, batch=2))
    vectors = encoder.encode_passages(SHORT)
    theirs = SentenceTransformer(str(folder), device="cpu").encode(SHORT, normalize_embeddings=True)
    assert vectors == pytest.approx(np.asarray(theirs), abs=1e-5)
    assert encoder.encode_passages(SHORT[::-1])[::-1] == pytest.approx(vectors, abs=1e-5)
    assert encoder.dimensions == vectors.shape[1] == 16


def test_an_empty_passage_is_a_zero_vector_and_no_passages_are_none(folder: Path) -> None:
    encoder = encoder_for(settings_of(folder))
    vectors = encoder.encode_passages(["", "강", "  \n"])
    assert not vectors[[0, 2]].any()
    assert vectors[1].any()
    assert encoder.encode_passages([]).shape == (0, 16)


def test_a_text_beyond_the_limit_is_encoded_to_its_end_and_counted(folder: Path, tmp_path: Path) -> None:
    encoder = encoder_for(settings_of(folder))
    changed = LONG[: -len("강")] + "쌀"
    one, other = encoder.encode_passages([LONG, changed])
    assert np.abs(one - other).max() > 1e-4
    assert [count > 1 for count in encoder.parts(["강", LONG, changed])] == [False, True, True]
    texts = ["강", LONG, "쌀", changed]
    cache = tmp_path / "cache"
    for _ in range(2):  # made now, then remembered
        manifest = write_dense(
            tmp_path, texts, settings=DenseSettings(), encoder=encoder, identity={"model": "tiny"}, cache=cache
        )
        assert (manifest.split, read_record(tmp_path)) == (2, manifest)


def test_the_parts_of_a_text_count_by_their_lengths(folder: Path) -> None:
    encoder = encoder_for(settings_of(folder))
    words = LONG.split()
    room = LIMIT - 2 - 8  # beside [CLS], [SEP] and the margin
    pieces = [" ".join(words[start : start + room]) for start in range(0, len(words), room)]
    assert encoder.parts([LONG]) == [len(pieces)] == [3]
    lengths = np.array([[len(piece)] for piece in pieces])
    mean = (encoder.encode_passages(pieces) * lengths).sum(axis=0)
    assert encoder.encode_passages([LONG])[0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


def test_prompts_go_before_queries_and_passages(folder: Path) -> None:
    plain = encoder_for(settings_of(folder))
    prompted = encoder_for(settings_of(folder, query_prompt="query: ", passage_prompt="passage: "))
    assert prompted.encode_queries(SHORT) == pytest.approx(
        plain.encode_passages([f"query: {text}" for text in SHORT]), abs=1e-5
    )
    assert prompted.encode_passages(SHORT) == pytest.approx(
        plain.encode_passages([f"passage: {text}" for text in SHORT]), abs=1e-5
    )


def test_models_that_do_not_carry_their_prompts_get_those_of_their_cards(folder: Path, tmp_path: Path) -> None:
    named = tmp_path / "multilingual-e5-tiny"
    named.symlink_to(folder)
    assert encoder_for(settings_of(named)).encode_queries(SHORT) == pytest.approx(
        encoder_for(settings_of(folder, query_prompt="query: ")).encode_queries(SHORT), abs=1e-6
    )


def test_what_changes_the_vectors_changes_the_identity(folder: Path) -> None:
    known = identity_of(settings_of(folder))
    for change in ({"query_prompt": "query: "}, {"max_tokens": 16}, {"precision": "bf16"}, {"dimensions": 8}):
        assert identity_of(settings_of(folder, **change)) != known
    assert identity_of(settings_of(folder, batch=1)) == known


def test_fewer_dimensions_are_the_first_ones_and_more_than_there_are_is_an_error(folder: Path) -> None:
    short = encoder_for(settings_of(folder, dimensions=8)).encode_passages(SHORT)
    cut = encoder_for(settings_of(folder)).encode_passages(SHORT)[:, :8]
    assert short == pytest.approx(cut / np.linalg.norm(cut, axis=1, keepdims=True), abs=1e-5)
    with pytest.raises(UserError, match=r"found 32; .* has 16"):
        encoder_for(settings_of(folder, dimensions=32))


class Cramped(SentenceTransformer):
    """An encoder in a memory that holds so many texts at a time."""

    fits = 2

    def encode(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The vectors of texts that fit."""
        if len(inputs) > self.fits:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
        return super().encode(inputs, *args, **kwargs)


def test_when_memory_runs_out_the_batch_is_halved_and_the_vectors_are_the_same(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cramped = Cramped(str(folder), device="cpu")
    encoder = TransformerEncoder(settings_of(folder, batch=8), cramped)
    whole = encoder_for(settings_of(folder)).encode_passages(SHORT * 3)
    assert encoder.encode_passages(SHORT * 3) == pytest.approx(whole, abs=1e-5)
    assert [record.args for record in caplog.records] == [(4,), (2,)]
    cramped.fits = 0
    with pytest.raises(UserError, match=r"one text of 9 characters does not fit.*max_tokens"):
        encoder.encode_passages(SHORT)


class Failing(SentenceTransformer):
    """An encoder with a fault that is not a lack of memory."""

    def encode(self, *_: Any, **__: Any) -> Any:
        """No vectors."""
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


def test_other_failures_of_a_model_are_not_taken_for_a_lack_of_memory(folder: Path) -> None:
    encoder = TransformerEncoder(settings_of(folder), Failing(str(folder), device="cpu"))
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        encoder.encode_passages(SHORT)


@pytest.mark.parametrize("name", ["nobody/no-such-model", "no-such-model"])
def test_an_unknown_model_is_one_line_with_two_ways_out(name: str) -> None:
    with pytest.raises(UserError, match=rf"^{name}: tried as a folder and as a hub model.*local folder.*=embedded$"):
        load_transformer(EncoderSettings(model=name, device="cpu"), name)


def test_a_cross_encoder_scores_each_pair_as_it_stands(tmp_path: Path) -> None:
    model = save(tmp_path / "pairs", labels=1)
    reranker = load_reranker(RerankSettings(kind="cross-encoder", model=str(model), batch=2))
    scores = reranker.scores("쌀", SHORT, [3.0, 2.0, 1.0])
    assert len(set(scores)) == 3
    assert reranker.scores("쌀", SHORT[::-1], [3.0, 2.0, 1.0])[::-1] == pytest.approx(scores, abs=1e-5)


def test_a_model_that_is_no_reranker_is_refused(tmp_path: Path) -> None:
    model = save(tmp_path / "classes", labels=3)
    with pytest.raises(UserError, match="gives 3 scores a pair"):
        load_reranker(RerankSettings(kind="cross-encoder", model=str(model)))
    with pytest.raises(UserError, match=r"no-such-model: tried.*rag\.rerank\.kind=none"):
        load_reranker(RerankSettings(kind="cross-encoder", model="no-such-model"))


class CrampedPairs(CrossEncoder):
    """A cross-encoder in a memory that holds so many pairs at a time; it gives every pair the same score."""

    fits = 1
    value = 0.5

    def predict(self, inputs: Any, batch_size: int = 32, **_: Any) -> Any:  # type: ignore[override]
        """The same score for every pair."""
        if batch_size > self.fits:
            raise torch.OutOfMemoryError
        return np.full(len(inputs), self.value)


def test_a_cross_encoder_goes_on_in_smaller_batches_and_no_number_is_an_error(tmp_path: Path) -> None:
    settings = RerankSettings(kind="cross-encoder", model=str(save(tmp_path / "pairs", labels=1)), batch=4)
    model = CrampedPairs(settings.model)
    reranker = CrossEncoderReranker(model, settings)
    assert reranker.scores("쌀", SHORT, [0.0] * 3) == [0.5] * 3
    model.value = float("nan")
    with pytest.raises(UserError, match="no number"):
        reranker.scores("쌀", SHORT, [0.0] * 3)
    model.fits = 0
    with pytest.raises(UserError, match=r"one pair does not fit.*max_tokens"):
        reranker.scores("쌀", SHORT, [0.0] * 3)
