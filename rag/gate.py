"""The gate: whether a question's passages go into its prompt, decided before the question is answered with them."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from math import exp, fsum
from pathlib import Path
from typing import Protocol, assert_never

from pydantic import BaseModel, ConfigDict, ValidationError

from configs.errors import UserError
from configs.evaluation import FittedGate, GateSettings, ParagraphLengthGate, ScoreFloorGate, SubjectsGate
from corpora.records import Question
from rag.gate_features import NAMES, Features

_FIT = "python -m eval fit-gate"
_LOG = logging.getLogger(__name__)


class StaleGateError(UserError):
    """A fitted gate that belongs to another index, reader or way of retrieving."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to inject, and by what it was decided: higher = rather inject."""

    inject: bool
    value: float


@dataclass(frozen=True, slots=True)
class Case:
    """What a gate decides on."""

    question: Question
    features: Features


class Gate(Protocol):
    """What decides."""

    @property
    def name(self) -> str:
        """What it goes by, for reports."""

    @property
    def seen(self) -> frozenset[str]:
        """Ids of the questions it was fitted on."""

    @property
    def asks_index(self) -> bool:
        """Whether it looks at what the index has to say; a search less where it does not."""

    def decide(self, case: Case) -> Decision:
        """Whether this question's passages go into its prompt."""


class GateFile(BaseModel):
    """A fitted gate on disk: a logistic regression over standardised features, and what it was fitted on."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: int = 1
    features: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    coefficients: tuple[float, ...]
    intercept: float
    index: str  # digests
    reader: str
    retrieval: str  # of mode, weights, depth and prompt settings
    splits: tuple[str, ...]
    items: tuple[str, ...]  # ids: what the gate has seen is told apart in reports
    flips: int  # items that passages fixed or broke: what it learnt from
    fixed: int
    penalty: float  # C of scikit-learn


class FittedDecider:
    """P(passages fix | passages change the answer) by logistic regression; injects from one half on."""

    def __init__(self, file: GateFile, path: Path) -> None:
        self._file = file
        self.name = f"fitted ({path.name}: {file.flips} flips of {len(file.items)} items)"
        self.seen = frozenset(file.items)
        self.asks_index = True

    def decide(self, case: Case) -> Decision:
        """1 / (1 + exp(-(intercept + sum of coefficient * (feature - mean) / scale)))."""
        file = self._file
        terms = [
            coefficient * (value - mean) / scale
            for coefficient, value, mean, scale in zip(
                file.coefficients, case.features.as_row(), file.means, file.scales, strict=True
            )
        ]
        probability = 1 / (1 + exp(-max(-700.0, min(700.0, file.intercept + fsum(terms)))))
        return Decision(probability >= 0.5, probability)


@dataclass(frozen=True, slots=True)
class ScoreFloor:
    """Injects where the index has enough to say."""

    floor: float
    name: str
    seen: frozenset[str] = frozenset()

    @property
    def asks_index(self) -> bool:
        """Any score reaches a floor of 0."""
        return self.floor > 0

    def decide(self, case: Case) -> Decision:
        """By the best passage's score per letter."""
        return Decision(case.features.top_score >= self.floor, case.features.top_score)


@dataclass(frozen=True, slots=True)
class ParagraphLength:
    """Injects where the item does not bring a long text of its own."""

    longest: int
    name: str
    seen: frozenset[str] = frozenset()
    asks_index: bool = False

    def decide(self, case: Case) -> Decision:
        """By the paragraph's characters."""
        return Decision(len(case.question.paragraph) <= self.longest, -float(len(case.question.paragraph)))


@dataclass(frozen=True, slots=True)
class Subjects:
    """Injects for named subjects."""

    subjects: frozenset[str]
    name: str
    seen: frozenset[str] = frozenset()
    asks_index: bool = False

    def decide(self, case: Case) -> Decision:
        """By the subject's name."""
        return Decision(case.question.subject in self.subjects, float(case.question.subject in self.subjects))


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Digests of what a fitted gate belongs to."""

    index: str
    reader: str
    retrieval: str


def gate_for(settings: GateSettings, here: Circumstances) -> Gate:
    """The gate that the settings name; for a fitted one that does not exist yet, its rule, and a warning.

    Raises StaleGateError when the fitted gate belongs to another index, reader or way of retrieving.
    """
    match settings:
        case FittedGate():
            if not settings.path.is_file():
                _LOG.warning("%s: no gate fitted yet; using the rule score_floor; fit one: %s", settings.path, _FIT)
                return _score_floor(settings.otherwise, "rule, as no gate is fitted: ")
            return FittedDecider(_load(settings.path, here), settings.path)
        case ScoreFloorGate():
            return _score_floor(settings, "rule: ")
        case ParagraphLengthGate():
            return ParagraphLength(settings.longest, f"rule: paragraph of at most {settings.longest} characters")
        case SubjectsGate():
            return Subjects(frozenset(settings.subjects), f"rule: subjects {', '.join(settings.subjects)}")
        case _:
            assert_never(settings)


def _score_floor(settings: ScoreFloorGate, prefix: str) -> ScoreFloor:
    return ScoreFloor(settings.floor, f"{prefix}best score per letter at least {settings.floor:g}")


def _load(path: Path, here: Circumstances) -> GateFile:
    try:
        file = GateFile.model_validate_json(path.read_bytes())
    except ValidationError as error:
        fault = error.errors()[0]
        raise UserError(f"{path}: not a gate ({fault['loc']}: {fault['msg']}); fit one: {_FIT}") from None
    if file.features != NAMES:
        raise StaleGateError(f"{path}: fitted on the features {', '.join(file.features)}; fit again: {_FIT}")
    for what, fitted, found in (
        ("index", file.index, here.index),
        ("reader", file.reader, here.reader),
        ("retrieval settings", file.retrieval, here.retrieval),
    ):
        if fitted != found:
            raise StaleGateError(
                f"{path}: fitted for {what} {fitted:.8}, found {found:.8}; fit again: {_FIT},"
                " or take a rule: --set rag.gate.kind=score_floor"
            )
    return file


def write_gate(path: Path, file: GateFile) -> None:
    """Write a fitted gate under a temporary name and rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(json.dumps(file.model_dump(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)
