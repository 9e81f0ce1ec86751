"""Settings of what readers are trained on: examples, mined mistakes, and questions made from others."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from configs.evaluation import ArmName, LeakageSettings
from configs.reader import ReaderSettings
from configs.strict import Strict

_ROOT = Path(__file__).resolve().parents[1]


class ExampleSourceSettings(Strict):
    """One exam and how its items become examples. Several are mixed by their weights."""

    exam: str = Field("sample", description="sample, or KIND:PATH as for python -m eval --exam")
    split: str = Field("train", description="of the items to learn from")
    dev_split: str = Field("dev", description="of the items to choose checkpoints by; '' = none")
    kinds: tuple[Literal["multiple_choice", "short_answer", "essay"], ...] = Field(
        ("multiple_choice", "short_answer", "essay"), min_length=1, description="of the items that are used"
    )
    mode: Literal["closed", "retrieved", "raft"] = Field("retrieved", description="which passages are shown")
    weight: float = Field(1.0, gt=0, le=100, description="how often each item is used; 0.5 = every other one")
    qrels: Path | None = Field(None, description="judgements for raft; None: the gold quotes of the exam")
    reasoning: Path | None = Field(None, description="a file of written reasoning: items without it are dropped")


class RaftSettings(Strict):
    """What a raft prompt shows. Source: Zhang et al., RAFT, 2024; its P is `p_gold`."""

    p_gold: float = Field(0.8, ge=0, le=1, description="share of examples with the gold passages among the wrong ones")
    passages: int | None = Field(None, ge=1, le=100, description="shown; None: as many as rag.prompt.max_passages")
    depth: int = Field(50, ge=1, le=10_000, description="hits from which the wrong passages are taken, best first")
    trust_qrels: bool = Field(False, description="believe judgements without quotes: 예 and 아니요 stand in no passage")


class ExamplesSettings(Strict):
    """How `python -m finetune examples` makes examples."""

    out: Path = _ROOT / "runs" / "examples.jsonl"
    sources: tuple[ExampleSourceSettings, ...] = Field((ExampleSourceSettings(),), min_length=1)
    raft: RaftSettings = RaftSettings()
    shuffle: bool = Field(True, description="other orders of the choices, so that every place is right equally often")
    weak: Path | None = Field(None, description="a run of python -m eval: subjects it got wrong are used more often")
    weak_arm: ArmName = "retrieved"
    evaluated: tuple[str, ...] = Field((), description="exams (KIND:PATH) no item of which may be learnt from")
    evaluated_splits: tuple[str, ...] = Field(("test",), description="splits that may not be learnt from")
    leaked: Literal["refuse", "drop"] = Field("refuse", description="what to do with items that stand in another split")
    leakage: LeakageSettings = LeakageSettings()
    shown: int = Field(20, ge=0, le=10_000, description="examples printed as the model sees them")
    seed: int = Field(20260101, ge=0)


class MineSettings(Strict):
    """How `python -m finetune mine` groups a reader's mistakes."""

    split: str = Field("train", description="the only one whose mistakes may be learnt from")
    arm: ArmName = "retrieved"
    clusters: int | Literal["silhouette"] = Field("silhouette", description="k of k-means, or chosen by silhouette")
    most_clusters: int = Field(20, ge=2, le=1_000, description="tried by silhouette")
    per_cluster: int = Field(2, ge=1, le=1_000, description="items nearest to a cluster's centre, to write for")
    seed: int = Field(20260101, ge=0)


class AugmentSettings(Strict):
    """How `python -m finetune augment` makes questions."""

    copies: int = Field(1, ge=1, le=20, description="new items per item")
    choices: int = Field(4, ge=2, le=10, description="of an item that gets new ones")
    depth: int = Field(20, ge=1, le=1_000, description="hits whose words may become wrong choices")
    per_passage: int = Field(1, ge=1, le=10, description="questions written about one passage")
    min_chars: int = Field(200, ge=1, description="shorter passages are not asked about")
    keep_known: bool = Field(True, description="keep questions that the verifier answers without the passage too")
    verifier: ReaderSettings | None = Field(
        None, description="answers what was written; None: the reader that wrote it"
    )
    evaluated: tuple[str, ...] = Field((), description="exams (KIND:PATH) that nothing made may resemble")
    evaluated_splits: tuple[str, ...] = Field(("test",), description="splits from which nothing is made")
    leakage: LeakageSettings = LeakageSettings()
    seed: int = Field(20260101, ge=0)
