"""The record of a run: what was measured, of what, with what. Written last: where it is, the run is whole."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from configs.errors import UserError
from configs.evaluation import ArmName
from configs.schema import ROOT
from corpora.writing import write_text
from eval.gate_report import GateReport
from eval.positions import Positions
from eval.summary import ArmScore, Comparison, Group
from eval.triage import HitTable, Share

NAME = "record.json"
_PACKAGES = ("numpy", "pydantic", "kiwipiepy", "kiwipiepy_model", "scikit-learn", "torch", "transformers", "peft")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Machine(_Strict):
    """Where a run ran."""

    python: str
    platform: str
    cores: int
    gpu: str  # "" without, or where no reader asked for one
    packages: dict[str, str]
    commit: str  # of this project; "" outside a repository
    is_dirty: bool


class Digests(_Strict):
    """What went in."""

    exam: str
    index: str  # "" closed book
    reader: str
    retrieval: str


class Cost(_Strict):
    """What a run took; seconds are of this machine, and only of what the journal did not hold."""

    wall_seconds: float
    search_seconds: float
    reader_seconds: float
    asked: int  # prompts answered
    reused: int  # answers taken from the journal, or from an arm with the same prompt
    too_long: int  # prompts that did not fit; counted as unparsed
    peak_memory: int  # bytes, of the reader where it tells, else of this process
    tokens_added: float | None  # by retrieval to a question's prompt, mean; None without both arms


class RunRecord(_Strict):
    """Everything a reader of the results needs; the items themselves lie beside it."""

    format: int = 1
    verdict: str
    warnings: tuple[str, ...]
    exam: str
    n: int  # items asked
    judged: int  # items with judgements
    unusable: dict[str, str]  # items whose judgements do not fit the index, and why
    reader: dict[str, object]
    channel: str
    gate: str  # "" without
    settings: dict[str, JsonValue]  # in effect; read by people, so that later versions can read old records
    index: str  # its folder; "" closed book
    retrieval: str  # "lexical, top 10"
    resamples: int
    seed: int
    machine: Machine
    digests: Digests
    cost: Cost
    arms: dict[ArmName, ArmScore]
    comparisons: tuple[Comparison, ...]
    groups: tuple[Group, ...]
    hits: dict[ArmName, HitTable]
    triage: dict[ArmName, tuple[Share, ...]]
    positions: dict[ArmName, Positions]
    gate_report: GateReport | None


def write_record(folder: Path, record: RunRecord) -> Path:
    """Write record.json and return its path."""
    path = folder / NAME
    write_text(path, record.model_dump_json(indent=1) + "\n")
    return path


def read_record(folder: Path) -> RunRecord:
    """The record of a run. Raises UserError where there is none, or one of another version."""
    path = folder / NAME
    try:
        return RunRecord.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path}: no such file; {folder} is no finished run of: python -m eval --rag") from None
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(map(str, fault["loc"]))
        raise UserError(f"{path}: {key}: {fault['msg']}; made by another version: run it again") from None


def this_machine() -> Machine:
    """Where we are."""
    commit = _git("rev-parse", "HEAD")
    return Machine(
        python=platform.python_version(),
        platform=platform.platform(),
        cores=os.cpu_count() or 1,
        gpu=_gpu(),
        packages={name: found for name in _PACKAGES if (found := _version(name))},
        commit=commit,
        is_dirty=bool(commit and _git("status", "--porcelain")),
    )


def peak_memory(of_reader: int | None) -> int:
    """Bytes: as the reader tells, else the largest this process has been."""
    if of_reader is not None:
        return of_reader
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def tokens_added(arms: Mapping[ArmName, ArmScore]) -> float | None:
    """Mean prompt tokens of the retrieved arm less those of the closed one."""
    if "closed" not in arms or "retrieved" not in arms:
        return None
    return arms["retrieved"].prompt_tokens - arms["closed"].prompt_tokens


def _gpu() -> str:
    """The GPU's name where a reader has loaded torch; torch is not loaded for this."""
    torch = sys.modules.get("torch")
    return str(torch.cuda.get_device_name(0)) if torch is not None and torch.cuda.is_available() else ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
