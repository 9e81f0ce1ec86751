"""An index, opened: verified, memory-mapped, with the analyser it was built with."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from configs.errors import UserError
from corpora.normalize import normalize
from corpora.records import Document, Passage, pages_of
from index_build.build import DICTIONARY
from index_build.lexical import FieldIndex
from index_build.manifest import check_analyser, read_manifest, repair, verify
from index_build.passages import PassageStore
from index_build.terms import Analyser, analyser_identity, bigram_text, bigrams, key_of
from rag.bm25 import QueryTerm, query_terms

_LONGEST_QUERY = 20_000  # characters; what is beyond adds time, not meaning


class Index:
    """Everything a search reads. Raises UserError when the folder holds no whole index of this version."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest = read_manifest(path)
        folder = verify(path, self.manifest)
        dictionary = folder / DICTIONARY
        self._dictionary = dictionary if dictionary.is_file() else None
        check_analyser(path, self.manifest, analyser_identity(self._dictionary))
        self.store = PassageStore(folder)
        self.morphemes = FieldIndex(folder, "morphemes")
        self.bigrams = FieldIndex(folder, "bigrams")
        if not len(self.store) == self.morphemes.passages == self.bigrams.passages:
            raise UserError(f"{path}: its parts do not belong together; rebuild: {repair(path)}")

    @cached_property
    def analyser(self) -> Analyser:
        """Kiwi with the index's user dictionary; takes two seconds to load, once."""
        return Analyser(self._dictionary)

    def morpheme_terms(self, query: str) -> list[QueryTerm]:
        """The content morphemes of a query; [] for one of particles, punctuation or emoji alone."""
        return query_terms((term, key_of(term)) for term in self.analyser.terms(_cut(query)))

    def bigram_terms(self, query: str) -> list[QueryTerm]:
        """The character bigrams of a query with its spaces removed."""
        codes, _ = bigrams([_cut(query)])
        return query_terms((bigram_text(code), code) for code in codes.tolist())


def row_of(index: Index, passage_id: str) -> int:
    """The row of a passage. Raises UserError for an id that is not in the index."""
    row = index.store.row(passage_id)
    if row is None:
        raise UserError(f"{index.path}: no passage {passage_id!r}; ids look like DOCUMENT#0, see: python -m rag search")
    return row


def page_of(index: Index, row: int) -> str:
    """The page or pages of the passage in a row; see `pages_in_print`."""
    return pages_in_print(index.store.document(row), index.store.passage(row))


def pages_in_print(document: Document, passage: Passage) -> str:
    """The page or pages of a passage as printed (or, where none is printed, as numbered in the file), or ""."""
    pages = pages_of(document.pages, passage.start, len(passage.text))
    labels = [page.label or str(page.number) for page in pages]
    return labels[0] if len(set(labels)) == 1 else f"{labels[0]}-{labels[-1]}" if labels else ""


def _cut(query: str) -> str:
    return normalize(query)[:_LONGEST_QUERY]
