"""Settings of the embedded reader's training: its corpus, its size, its lessons, its pace."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from configs.strict import Strict


class ReaderCorpusSettings(Strict):
    """How much text of each source questions are made from."""

    wiki_characters: int = Field(5_000_000, ge=0, description="of articles spread over the dump")
    statutes_characters: int = Field(700_000, ge=0, description="of articles (조) spread over the Acts")
    textbook_characters: int = Field(500_000, ge=0, description="of chapters spread over the textbooks")
    shortest: int = Field(400, ge=0, description="characters; shorter wiki articles are passed over")
    questions: int = Field(8, ge=1, le=64, description="at most, on one passage")
    distractors: int = Field(6, ge=0, le=50, description="passages kept beside the gold one, best ranked first")
    workers: int = Field(2, ge=1, le=256)


class ReaderModelSettings(Strict):
    """The shape of the model; Qwen3 with tied embeddings."""

    vocabulary: int = Field(
        12_000, ge=400, le=200_000, description="tokens of the byte-level BPE, special ones included"
    )
    hidden: int = Field(320, ge=32, le=8_192)
    layers: int = Field(7, ge=4, le=128)
    heads: int = Field(5, ge=1, le=128)
    head_dim: int = Field(176, ge=8, le=512)
    mlp: int = Field(64, ge=16, le=65_536)
    window: int = Field(4_096, ge=128, le=131_072)
    rope_theta: float = Field(
        1e15, gt=1, description="high: the slower half of every head can match words at any distance"
    )
    first_weights: Literal["wired", "random"] = Field("wired", description="docs/reader.md says what is wired")


class ReaderTrainingSettings(Strict):
    """How `python -m finetune reader` trains the embedded reader."""

    corpus: ReaderCorpusSettings = ReaderCorpusSettings()
    model: ReaderModelSettings = ReaderModelSettings()
    steps: int = Field(60, ge=1, description="in all; may be changed for a run that is gone on with")
    decay: float = Field(0.3, gt=0, le=1, description="share of the steps over which the rates fall to nothing")
    minutes_per_run: float = Field(100_000.0, gt=0, description="a run stops after so many, to be gone on with")
    batch_tokens: int = Field(6_000, ge=64, description="of one step, at least")
    pass_tokens: int = Field(3_000, ge=64, description="of one pass through the model, padding included")
    review: float = Field(0.25, ge=0, le=1, description="share of blocks shown as an earlier stage shows them")
    longest: int = Field(2_000, ge=128, description="tokens of one block: passages and all questions on them")
    learning_rate: float = Field(0.0, ge=0, le=1, description="of matrices; 0: they stay as they are")
    norm_rate: float = Field(3e-4, ge=0, le=1, description="of the gains of norms; 0: they stay as they are")
    embedding_rate: float = Field(0.0, ge=0, le=1, description="of token vectors; 0: they stay as they are")
    epsilon: float = Field(1e-6, gt=0, le=1, description="AdamW's")
    warmup: int = Field(10, ge=1, description="steps")
    choices_only: bool = Field(
        True, description="a label's loss is taken among its question's labels, not among all tokens"
    )
    text_weight: float = Field(0.0, ge=0, description="of the loss on answers that are written out, beside labels")
    plain_weight: float = Field(0.0, ge=0, description="of the loss on passages as plain text")
    plain_tokens: int = Field(64, ge=0, description="positions of a block's passages that the plain loss looks at")
    first_stage: int = Field(2, ge=0, le=2, description="of the lessons: sentences, one passage, several passages")
    mastered: float = Field(0.6, gt=0, le=1, description="accuracy on a stage's last answers that opens the next stage")
    shares: dict[str, float] = Field(
        {"rules": 0.34, "nli": 0.0, "sample": 0.33, "lessons": 0.33, "boolq": 0.0, "strategyqa": 0.0, "endings": 0.0},
        description="of the blocks drawn, by source",
    )
    passages: tuple[int, ...] = Field((1, 2, 3, 5), min_length=1, description="numbers of passages in the last stage")
    without_gold: float = Field(0.0, ge=0, le=1, description="share of blocks whose passages do not hold the answer")
    closed_book: float = Field(0.0, ge=0, le=1, description="share of blocks without passages")
    checkpoint_minutes: float = Field(6.0, gt=0)
    dev_blocks: int = Field(16, ge=1, description="looked at beside every checkpoint")
    dev_lessons: int = Field(8, ge=1, description="of the bundled lessons' dev questions, one of so many is looked at")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="of the matrix products; weights stay fp32")
    threads: int = Field(2, ge=1, le=256)
    seed: int = Field(20260101, ge=0)
