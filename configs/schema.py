"""Every setting of the project: its default, its limits, its unit. YAML files hold only what differs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from configs.dense import DenseSettings, FusionSettings, QuerySettings, RerankSettings
from configs.evaluation import EvalSettings, FittedGate, GateSettings
from configs.finetune import FinetuneSettings
from configs.pdf import PdfSettings
from configs.reader import Channel, PromptSettings, ReaderSettings, SolverSettings
from configs.strict import Strict

ROOT = Path(__file__).resolve().parents[1]

SourceKind = Literal["sample", "wiki", "pdf", "text", "statutes", "jsonl", "beir"]


class SourceSettings(Strict):
    """One corpus: what it is and where it lies. `sample` is bundled and takes no path."""

    kind: SourceKind
    path: Path | None = None
    licence: str = Field("", description="of the documents, where the source itself does not say")


class DedupSettings(Strict):
    """Which documents are dropped as copies of an earlier one. BEIR documents never are: qrels name them."""

    exact: bool = True
    near: bool = True
    threshold: float = Field(0.9, ge=0.5, le=1.0, description="Jaccard similarity of character 6-grams")
    min_chars: int = Field(200, ge=20, description="shorter documents are never near duplicates")


class CorporaSettings(Strict):
    """Which documents there are."""

    sources: tuple[SourceSettings, ...] = (SourceSettings(kind="sample"),)
    strict: bool = Field(False, description="stop at the first record that cannot be read")
    dedup: DedupSettings = DedupSettings()
    pdf: PdfSettings = PdfSettings()


class ChunkSettings(Strict):
    """How documents become passages. Lengths are in characters, or in a reader's tokens if `tokenizer` is set."""

    target: int = Field(500, ge=40, le=20_000, description="a passage grows by sentences up to this")
    hard_limit: int = Field(1000, ge=60, le=40_000, description="a longer sentence is cut at a space")
    tokenizer: Path | None = Field(None, description="a tokenizer.json, or a folder that holds one")


class IndexBuildSettings(Strict):
    """How an index is made."""

    out: Path = ROOT / "indexes" / "default"
    cache: Path = ROOT / "indexes" / ".cache"
    workers: int = Field(0, ge=0, le=256, description="Kiwi processes; 0 = one per core")
    user_dictionary: Path | None = Field(None, description="Kiwi's form: word<TAB>tag[<TAB>score] per line")
    chunk: ChunkSettings = ChunkSettings()
    dense: DenseSettings = DenseSettings()


class LexicalSettings(Strict):
    """BM25 over two fields: content morphemes and character bigrams."""

    engine: Literal["csc", "rank_bm25"] = "csc"
    k1: float = Field(0.8, ge=0.0, le=10.0)
    b: float = Field(0.75, ge=0.0, le=1.0)
    idf: Literal["lucene", "okapi"] = Field("lucene", description="okapi = rank_bm25's, with its floor")
    bigram_weight: float = Field(0.4, ge=0.0, le=10.0, description="0 leaves the bigram field out")


class RagSettings(Strict):
    """How questions are answered from an index."""

    index: Path = ROOT / "indexes" / "default"
    mode: Literal["lexical", "dense", "hybrid"] = "lexical"
    top_k: int = Field(10, ge=1, le=10_000)
    lexical: LexicalSettings = LexicalSettings()
    fusion: FusionSettings = FusionSettings()
    rerank: RerankSettings = RerankSettings()
    query: QuerySettings = QuerySettings()
    prompt: PromptSettings = PromptSettings()
    reader: ReaderSettings = SolverSettings()
    channel: Channel = Field("labels", description="how an answer is got from the reader")
    gate: GateSettings = FittedGate()


class Settings(Strict):
    """One section per package."""

    corpora: CorporaSettings = CorporaSettings()
    index_build: IndexBuildSettings = IndexBuildSettings()
    rag: RagSettings = RagSettings()
    finetune: FinetuneSettings = FinetuneSettings()
    eval: EvalSettings = EvalSettings()
