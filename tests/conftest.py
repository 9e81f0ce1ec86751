"""What several tests need: the real corpora where they are, and small indexes built once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from configs.schema import CorporaSettings, IndexBuildSettings, RagSettings, Settings, SourceSettings
from index_build.build import build
from rag.hybrid import retriever_for
from rag.index import Index
from rag.pipeline import Library

if TYPE_CHECKING:
    from tests.training_world import Make, Only

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test needs a model hub, and asking one for nothing takes minutes

ROOT = Path(__file__).resolve().parents[1]
REAL = ROOT.parent / "shared" / "data"


class Silence:
    """Progress that nobody watches."""

    def expect(self, documents: int) -> None:
        """Nothing."""

    def advance(self, documents: int) -> None:
        """Nothing."""

    def assembled(self, documents: int) -> None:
        """Nothing."""


def settings_for(source: SourceSettings, out: Path, **chunk: int) -> Settings:
    """Settings that build one source into a folder, with a cache beside it."""
    defaults = Settings()
    return defaults.model_copy(
        update={
            "corpora": CorporaSettings(sources=(source,)),
            "index_build": IndexBuildSettings(out=out, cache=out.parent / "cache", workers=1),
        }
    )


def write_jsonl(path: Path, records: Sequence[dict[str, object]]) -> Path:
    """A JSON-lines file of some records."""
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), encoding="utf-8")
    return path


def run(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """A command of the project, as a user runs it."""
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real corpora; the test is skipped where it is absent."""
    if not REAL.is_dir():
        pytest.skip(f"no real corpora at {REAL}")
    return REAL


@pytest.fixture(scope="session")
def sample_index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """The bundled sample, indexed."""
    out = tmp_path_factory.mktemp("sample") / "index"
    build(settings_for(SourceSettings(kind="sample"), out), Silence())
    return Index(out)


@pytest.fixture(scope="session")
def little_world(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """The nine documents of `tests.training_world`, indexed."""
    from tests.training_world import little_index

    return little_index(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def little_library(little_world: Index) -> Library:
    """Its index, with lexical search."""
    settings = RagSettings()
    return Library(little_world, retriever_for(settings, little_world), settings.query)


@pytest.fixture
def make_all(little_library: Library, tmp_path: Path) -> Make:
    """`python -m finetune examples` on the exam of that world: everything that came of a source."""
    from tests.training_world import make_examples

    return make_examples(little_library, tmp_path)


@pytest.fixture
def make(make_all: Make) -> Only:
    """The examples alone."""
    return lambda *arguments, **rest: make_all(*arguments, **rest).examples
