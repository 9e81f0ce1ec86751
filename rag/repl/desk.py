"""What a session has open: indexes, what searches them, the reader. Opened when first needed, kept while it serves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from configs.errors import UserError
from configs.schema import RagSettings
from corpora.records import Question
from index_build.manifest import NAME, read_manifest
from rag.dense import DenseIndex
from rag.index import Index
from rag.judgements import judgements_from_quotes
from rag.pipeline import Library, Pipeline
from rag.reader import Reader
from rag.readers import reader_for
from rag.retrieve import Filter
from rag.shots import Shots
from rag.trace import Engines, engines_for


@dataclass(frozen=True, slots=True)
class _Opened:
    """An index with the vectors it has."""

    index: Index
    dense: DenseIndex | None
    fault: str  # why it has no vectors that can be used; "" where it has, or was built without


class Desk:
    """Everything costly of a session. Nothing in it depends on what was asked before."""

    def __init__(self) -> None:
        self._opened: dict[Path, _Opened] = {}
        self._engines: dict[tuple[str, Filter], Engines] = {}
        self._readers: dict[str, Reader] = {}
        self._gold: dict[tuple[Path, str], tuple[str, ...]] = {}

    def index(self, path: Path) -> Index:
        """The index of a folder. Raises UserError when it cannot be opened."""
        return self._open(path).index

    def described(self, path: Path) -> str:
        """An index in a line: where it lies, how large it is, and why its vectors cannot be used, if so."""
        opened = self._open(path)
        size = f"{len(opened.index.store):,} passages of {opened.index.store.documents:,} documents"
        return f"{path}: {size}" + (f"; no dense search: {opened.fault}" if opened.fault else "")

    def engines(self, settings: RagSettings, only: Filter) -> Engines:
        """What the settings search with. Raises UserError when the index lacks what they need."""
        key = (settings.model_dump_json(exclude={"prompt", "reader", "channel", "gate"}), only)
        if key not in self._engines:
            opened = self._open(settings.index)
            self._engines[key] = engines_for(settings, opened.index, only, opened.dense)
        return self._engines[key]

    def reader(self, settings: RagSettings) -> Reader:
        """The reader of the settings, its model loaded with the first call. One is kept at a time: models are large."""
        key = settings.reader.model_dump_json()
        if key not in self._readers:
            self._readers = {key: reader_for(settings.reader)}
        return self._readers[key]

    def pipeline(self, settings: RagSettings, only: Filter) -> Pipeline:
        """The whole path under the settings, as an evaluation would open it, without examples to show."""
        engines = self.engines(settings, only)
        library = Library(engines.index, engines.retriever, settings.query)
        return Pipeline(settings, self.reader(settings), library, Shots((), settings.prompt.shots))

    def gold(self, settings: RagSettings, question: Question) -> tuple[str, ...]:
        """The passages that hold the quotes of an item; () where it names none or the index lacks them."""
        key = (settings.index, question.question_id)
        if key not in self._gold:
            self._gold[key] = judgements_from_quotes([question], self.index(settings.index).store).of(question)
        return self._gold[key]

    def staleness(self, path: Path) -> str:
        """What happened to an open index's folder since it was opened, in one sentence; "" for nothing."""
        opened = self._opened.get(path)
        if opened is None:
            return ""
        try:
            now = read_manifest(path)
        except UserError:
            gone = "is gone" if not (path / NAME).exists() else "cannot be read any more"
            return f"{path} {gone}; answers are still those of the index that was opened; :reload when it is back"
        if now.folder == opened.index.manifest.folder:
            return ""
        return f"{path} was rebuilt; answers are still those of the index that was opened; :reload opens the new one"

    def reload(self, path: Path) -> Index:
        """Open a folder anew. Raises UserError, and keeps what was open, when that fails."""
        fresh = _opened(path)
        self._opened[path] = fresh
        self._engines = {}
        self._gold = {}
        return fresh.index

    def _open(self, path: Path) -> _Opened:
        if path not in self._opened:
            self._opened[path] = _opened(path)
        return self._opened[path]


def _opened(path: Path) -> _Opened:
    """An index is worth debugging without its vectors too: why they cannot be had is said when it is opened."""
    index = Index(path)
    if not index.manifest.recipe.dense.enabled:
        return _Opened(index, None, "")
    try:
        return _Opened(index, DenseIndex(index), "")
    except UserError as error:
        return _Opened(index, None, str(error))
