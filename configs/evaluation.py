"""Settings of the evaluation and of the gate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from configs.strict import Strict

_ROOT = Path(__file__).resolve().parents[1]

ArmName = Literal["closed", "retrieved", "gated", "gold", "random", "distract"]
"""What passages a question is asked with: none, the retriever's, those if the gate lets them in, those that the
judgements name, random ones as long as the retriever's, the retriever's without those that the judgements name."""


class ScoreFloorGate(Strict):
    """Inject when the best passage scores at least `floor` per letter of the query."""

    kind: Literal["score_floor"] = "score_floor"
    floor: float = Field(0.0, ge=0)


class ParagraphLengthGate(Strict):
    """Inject when the item's own paragraph is no longer than this."""

    kind: Literal["paragraph_length"]
    longest: int = Field(900, ge=0, description="characters")


class SubjectsGate(Strict):
    """Inject for these subjects only."""

    kind: Literal["subjects"]
    subjects: tuple[str, ...]


class FittedGate(Strict):
    """Inject when a logistic regression, fitted by `python -m eval fit-gate`, says that it will help."""

    kind: Literal["fitted"] = "fitted"
    path: Path = _ROOT / "runs" / "gate.json"
    otherwise: ScoreFloorGate = Field(ScoreFloorGate(), description="used, and said so, where the file is absent")


GateSettings = Annotated[FittedGate | ScoreFloorGate | ParagraphLengthGate | SubjectsGate, Field(discriminator="kind")]


class LeakageSettings(Strict):
    """When an exam item counts as standing in the index."""

    length: int = Field(12, ge=4, le=64, description="of the compared runs of letters, spaces and signs left out")
    threshold: float = Field(0.5, gt=0, le=1, description="share of the item's runs that one passage holds")


class EvalSettings(Strict):
    """How results are judged."""

    out: Path = _ROOT / "runs"
    seed: int = Field(20260101, ge=0)
    resamples: int = Field(10_000, ge=100, description="of the paired bootstrap")
    arms: tuple[ArmName, ...] | None = Field(
        None, description="None: closed, retrieved, gated; gold and random too where there are judgements"
    )
    chunk: int = Field(16, ge=1, le=4096, description="questions asked at once, in all their arms")
    leakage: LeakageSettings = LeakageSettings()
