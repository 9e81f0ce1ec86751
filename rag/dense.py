"""Query -> hits by vectors: the FAISS index of an index folder, memory-mapped, and the encoder that made it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from configs.errors import UserError
from corpora.normalize import normalize
from index_build.dense import VECTORS, faiss, read_record
from index_build.encoder import Encoder, Vectors, encoder_for, identity_of
from index_build.manifest import repair
from rag.hits import Hit, rank
from rag.index import Index
from rag.retrieve import Filter

_LONGEST_QUERY = 20_000  # characters; as in the lexical search


class DenseIndex:
    """The vectors of an index. Raises UserError when it has none, or when its encoder is not the present one."""

    def __init__(self, index: Index) -> None:
        folder = index.path / index.manifest.folder
        record = read_record(folder)
        if record is None:
            raise UserError(f"{index.path}: built without vectors; rebuild: {repair(index.path)}")
        present = identity_of(record.settings.encoder)
        changed = [key for key in present if present[key] != record.encoder.get(key)]
        if changed:
            raise UserError(
                f"{index.path}: its vectors were made with encoder {changed[0]} {record.encoder.get(changed[0])},"
                f" here is {present[changed[0]]}; rebuild: {repair(index.path)}"
            )
        self.record = record
        self._faiss: Any = faiss.read_index(str(folder / VECTORS), faiss.IO_FLAG_MMAP_IFC)
        if not self._faiss.ntotal == record.passages == len(index.store) or self._faiss.d != record.dimensions:
            raise UserError(
                f"{index.path}: {self._faiss.ntotal} vectors of {self._faiss.d} dimensions, expected {len(index.store)}"
                f" of {record.dimensions}; rebuild: {repair(index.path)}"
            )

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder of the index, loaded when first asked for."""
        found = encoder_for(self.record.settings.encoder)
        if found.dimensions != self.record.dimensions:
            raise UserError(f"the encoder gives {found.dimensions} dimensions, the index has {self.record.dimensions}")
        return found

    def vector(self, query: str) -> Vectors:
        """The vector of a query; shape [dimensions]; zero for a query without known tokens."""
        vector: Vectors = self.encoder.encode_queries([normalize(query)[:_LONGEST_QUERY]])[0]
        return vector

    def nearest(self, vector: Vectors, top_k: int, allowed: NDArray[np.bool_] | None) -> dict[int, float]:
        """Row -> cosine of the top_k passages nearest to a vector, among the allowed ones (None = all)."""
        if not vector.any():
            return {}
        scores, rows = self._faiss.search(vector[None], min(top_k, len(self)), params=self._parameters(allowed))
        return {row: score for row, score in zip(rows[0].tolist(), scores[0].tolist(), strict=True) if row >= 0}

    def cosines(self, vector: Vectors, rows: Sequence[int]) -> Vectors:
        """The cosine of each of some passages to a vector; shape [rows]."""
        found: Vectors = self.stored(rows) @ vector
        return found

    def stored(self, rows: Sequence[int]) -> Vectors:
        """The vectors of some passages as the index holds them; shape [rows, dimensions]."""
        found: Vectors = self._faiss.reconstruct_batch(np.array(rows, dtype=np.int64))
        return found

    def _parameters(self, allowed: NDArray[np.bool_] | None) -> object:
        if allowed is None:
            return None
        selector = faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
        parameters = self.record.parameters
        match self.record.kind:
            case "ivf":
                return faiss.SearchParametersIVF(sel=selector, nprobe=parameters["nprobe"])
            case "hnsw":
                return faiss.SearchParametersHNSW(sel=selector, efSearch=parameters["ef_search"])
            case _:
                return faiss.SearchParameters(sel=selector)

    def __len__(self) -> int:
        return int(self._faiss.ntotal)


class DenseRetriever:
    """Hits by cosine. Only passages of which the encoder knows a token can be found."""

    def __init__(self, index: Index, dense: DenseIndex, only: Filter | None = None) -> None:
        self.dense = dense
        self._index = index
        only = only or Filter()
        filtered = only.source is not None or only.licence is not None
        self._allowed = index.store.mask(source=only.source, licence=only.licence) if filtered else None

    def search(self, query: str, top_k: int) -> list[Hit]:
        """The best top_k passages; [] for a query without known tokens."""
        found = self.nearest(self.dense.vector(query), top_k)
        return rank({self._index.store.passage_id(row): score for row, score in found.items()}, top_k)

    def nearest(self, vector: Vectors, top_k: int) -> dict[int, float]:
        """Row -> cosine of the top_k allowed passages nearest to a vector."""
        return self.dense.nearest(vector, top_k, self._allowed)
