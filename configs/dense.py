"""Settings of dense retrieval: the encoder, its FAISS index, fusion with the lexical ranking, and reranking."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from configs.strict import Strict

EMBEDDED = "embedded"

FaissKind = Literal["flat", "fp16", "sq8", "ivf", "hnsw"]


class EncoderSettings(Strict):
    """Which model turns texts into vectors, and how it is fed. Prompts of None are the model's own."""

    model: str = Field(EMBEDDED, min_length=1, description="embedded, a sentence-transformers folder, or a hub name")
    revision: str = Field("", description="of a hub model; empty = its main branch")
    query_prompt: str | None = Field(None, description='put before each query, as in "query: "')
    passage_prompt: str | None = Field(None, description="put before each passage")
    dimensions: int = Field(0, ge=0, description="keep the first so many (Matryoshka); 0 = all")
    max_tokens: int = Field(512, ge=16, le=131_072, description="longer passages are encoded in parts, then averaged")
    precision: Literal["auto", "fp32", "fp16", "bf16"] = Field("auto", description="auto: bf16 on a GPU, else fp32")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1 ...")
    batch: int = Field(64, ge=1, le=65_536, description="halved when memory runs out")


class DenseSettings(Strict):
    """Vectors of passages and the FAISS index over them. `kind` auto: sq8 to `exact_up_to` numbers, then ivf."""

    enabled: bool = Field(True, description="false builds an index for lexical search alone")
    encoder: EncoderSettings = EncoderSettings()
    kind: Literal["auto", "flat", "fp16", "sq8", "ivf", "hnsw"] = "auto"
    exact_up_to: int = Field(
        12_800_000, ge=0, description="passages x dimensions that every search may scan; measured: docs/encoder.md"
    )
    nprobe: int = Field(64, ge=1, le=65_536, description="lists that a search in ivf visits")
    ef_search: int = Field(64, ge=8, le=4_096, description="candidates that a search in hnsw keeps")
    recall_queries: int = Field(200, ge=1, description="vectors by which recall against exact search is measured")


class FusionSettings(Strict):
    """How lexical and dense rankings become one. What `eval retrieval --tune` stored with the index goes first."""

    use_tuned: bool = True
    method: Literal["gated", "convex", "rrf", "distribution"] = Field(
        "gated", description="gated: convex, with less dense weight the surer the lexical ranking is"
    )
    dense_weight: float = Field(0.6, ge=0.0, le=1.0, description="the lexical ranking gets the rest")
    sure: float = Field(0.6, gt=0.0, le=1.0, description="gated: lead over the tenth document that leaves dense no say")
    rrf_k: int = Field(60, ge=0, le=10_000)
    depth: int = Field(50, ge=1, le=100_000, description="hits taken from each ranking, at least the hits asked for")


class RerankSettings(Strict):
    """A second look at the first hits. none | alignment (soft matching of token vectors) | cross-encoder."""

    kind: Literal["none", "alignment", "cross-encoder"] = "none"
    model: str = Field("", description="of the cross-encoder: a folder or a hub name")
    depth: int = Field(20, ge=1, le=1_000, description="hits that are looked at again")
    weight: float = Field(0.1, ge=0.0, le=1.0, description="of alignment against the score before")
    floor: float | None = Field(None, description="hits that a cross-encoder scores lower are dropped")
    max_tokens: int = Field(512, ge=16, le=131_072, description="of query and passage together")
    batch: int = Field(16, ge=1, le=4_096)


class EncoderTrainingSettings(Strict):
    """How `python -m finetune encoder` trains the embedded encoder."""

    vocabulary: int = Field(32_000, ge=500, le=500_000, description="tokens of a Unigram tokenizer")
    dimensions: int = Field(256, ge=8, le=4_096)
    matryoshka: tuple[int, ...] = Field((256, 128, 64), min_length=1, description="lengths that must work alone")
    steps: int = Field(2_000, ge=1)
    batch: int = Field(512, ge=4, le=65_536, description="pairs; the others of a batch are negatives")
    neighbours: int = Field(4, ge=1, le=64, description="pairs in a row from one place: hard negatives")
    bm25_negatives: tuple[str, ...] = Field(
        (),
        description="sources whose pairs get the foreign passage that BM25 ranks first; measured: docs/encoder.md",
    )
    learning_rate: float = Field(0.02, gt=0, le=1)
    noise: float = Field(1.0, ge=0, le=10, description="a token's own random direction beside its LSA vector")
    scale: float = Field(20.0, gt=0, le=1_000, description="of cosines in the softmax")
    drop_shared: float = Field(0.3, ge=0, le=1, description="share of pairs that lose the tokens both sides have")
    shares: dict[str, float] = Field(
        {
            "wiki-title": 0.28, "wiki-sentence": 0.24, "statutes": 0.14, "boolq": 0.16,
            "strategyqa": 0.06, "paraphrase": 0.04, "nli": 0.05, "sts": 0.03,
        },
        description="of the batches, by source of pairs",
    )  # fmt: skip
    every: int = Field(4, ge=1, description="tokenizer and first vectors are made from every so manieth pair")
    threads: int = Field(1, ge=1, le=256)
    seed: int = Field(20260101, ge=0)
    checkpoint: int = Field(400, ge=1, description="steps between checkpoints and looks at dev")


Builder = Literal["question", "choices", "per_choice", "paragraph", "keywords", "resolve"]


class QuerySettings(Strict):
    """How an exam item becomes one or several queries. Measured per builder: docs/encoder.md."""

    builder: Builder = "choices"
    keywords: int = Field(24, ge=1, le=1_000, description="terms of highest count * idf that stand for a long text")
    longest_paragraph: int = Field(300, ge=0, description="characters; a longer 지문 is cut down to its keywords")
    resolved: int = Field(2, ge=1, le=10, description="documents whose titles stand in for a masked referent")
    depth: int = Field(50, ge=1, le=1_000, description="hits per choice that are fused")
    rrf_k: int = Field(10, ge=0, le=10_000, description="of the fusion over choices")
