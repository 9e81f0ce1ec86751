"""What a run of `python -m eval --rag` says of its items: the part of its items.jsonl that explains an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from configs.errors import UserError

ITEMS, RECORD = "items.jsonl", "record.json"


class RunOutcome(BaseModel):
    """One arm's answer to an item."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    arm: str
    answer: str | None  # None: unparsed
    is_right: bool
    confidence: float | None = None
    cause: str | None = None  # why it is wrong, as eval.triage says


class RunTraits(BaseModel):
    """What an item is like."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    kind: str


class RunItem(BaseModel):
    """One item with what the arms answered. What else the file holds is for reports."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    question_id: str
    traits: RunTraits
    outcomes: tuple[RunOutcome, ...]

    def outcome(self, arm: str) -> RunOutcome | None:
        """What this arm answered; None when it was not asked."""
        return next((outcome for outcome in self.outcomes if outcome.arm == arm), None)

    @property
    def is_wrong(self) -> bool:
        """Whether the arm with retrieved passages failed (without one, the closed arm); essays are never wrong."""
        outcome = self.outcome("retrieved") or self.outcome("closed")
        return outcome is not None and not outcome.is_right and self.traits.kind != "essay"


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run's items, by id, in the order of the exam."""

    folder: Path
    items: Mapping[str, RunItem]

    @property
    def wrong(self) -> list[str]:
        """The ids of the items that were answered wrong."""
        return [name for name, item in self.items.items() if item.is_wrong]


def read_run(folder: Path) -> Run:
    """The items of a run. Raises UserError where there is no finished run, or a file of another form."""
    path = folder / ITEMS
    if not (folder / RECORD).is_file():
        raise UserError(f"{folder}: no finished run here; make one: python -m eval --rag --out {folder}")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        items = [RunItem.model_validate_json(line) for line in lines]
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run again: python -m eval --rag --out {folder}") from None
    except (ValidationError, UnicodeDecodeError):
        raise UserError(f"{path}: not the items of a run; run again: python -m eval --rag --out {folder}") from None
    return Run(folder, {item.question_id: item for item in items})


def finished_runs(folder: Path) -> list[Path]:
    """The finished runs below a folder, newest first, ties by name."""
    found = [(-(run / RECORD).stat().st_mtime, run) for run in sorted(folder.glob("*")) if (run / RECORD).is_file()]
    return [run for _, run in sorted(found)]
