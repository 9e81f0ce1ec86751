"""Texts -> vectors: the embedded static encoder, and any sentence-transformers model by folder or hub name.

Vectors are float32 of length 1; a text without any known token gets the zero vector, which is like nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np
import xxhash
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file
from scipy.sparse import csr_array
from tokenizers import Tokenizer

from configs.dense import EMBEDDED, EncoderSettings
from configs.errors import UserError
from configs.schema import ROOT
from corpora.files import fingerprint

EMBEDDED_FOLDER = ROOT / "models" / "encoder"
USE_EMBEDDED = f"--set index_build.dense.encoder.model={EMBEDDED}"
_BATCH = 2_048  # texts per sparse product

Vectors = NDArray[np.float32]


class Encoder(Protocol):
    """What turns texts into vectors."""

    @property
    def dimensions(self) -> int:
        """Length of a vector."""

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of queries, in order; shape [texts, dimensions]."""

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """Vectors of passages, in order; shape [texts, dimensions]."""

    def parts(self, texts: Sequence[str]) -> list[int]:
        """In how many parts each passage is encoded: more than one when it is beyond the encoder's limit."""


class StaticEncoder:
    """The mean of trained token vectors, normalised: what sentence-transformers calls StaticEmbedding.

    Computed here without torch, so that a search starts in milliseconds; equal to sentence-transformers
    within rounding. A vector does not depend on the texts it is encoded with.
    """

    def __init__(self, tokenizer: Tokenizer, weights: Vectors, *, dimensions: int = 0) -> None:
        if dimensions > weights.shape[1]:
            raise UserError(f"dimensions: found {dimensions}; the encoder has {weights.shape[1]}")
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self.weights: Vectors = np.ascontiguousarray(weights[:, : dimensions or None], dtype=np.float32)

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return int(self.weights.shape[1])

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of queries, in order; shape [texts, dimensions]."""
        return self.encode_passages(texts)

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """Vectors of passages, in order; shape [texts, dimensions]."""
        found = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for begin in range(0, len(texts), _BATCH):
            ids = self.tokens(texts[begin : begin + _BATCH])
            found[begin : begin + len(ids)] = self.pooled(ids)
        return found

    def parts(self, texts: Sequence[str]) -> list[int]:
        """One each: a static encoder has no limit."""
        return [1] * len(texts)

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of each text, in order as they stand there."""
        encodings = self._tokenizer.encode_batch_fast([_encodable(text) for text in texts], add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def pooled(self, ids: Sequence[Sequence[int]]) -> Vectors:
        """The normalised sums of the tokens' vectors; shape [texts, dimensions]."""
        ends = np.zeros(len(ids) + 1, dtype=np.int64)
        np.cumsum([len(row) for row in ids], out=ends[1:])
        columns = np.fromiter((token for row in ids for token in row), dtype=np.int32, count=int(ends[-1]))
        counts = csr_array((np.ones(len(columns), np.float32), columns, ends), shape=(len(ids), len(self.weights)))
        return normalised(counts @ self.weights)


def normalised(vectors: Vectors) -> Vectors:
    """Each row at length 1; a zero row stays zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return unit


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")  # a lone surrogate stops the tokenizer


def encoder_for(settings: EncoderSettings) -> Encoder:
    """The encoder that the settings name, loaded.

    Raises UserError for a model that cannot be found or read, and for dimensions it does not have.
    """
    folder = folder_of(settings)
    if folder is not None and _is_static(folder):
        return load_static(folder, dimensions=settings.dimensions)
    from index_build.transformer import load_transformer  # torch: only for models that need it

    return load_transformer(settings, str(folder or settings.model))


def folder_of(settings: EncoderSettings) -> Path | None:
    """Where the model lies; None for a hub name. Raises UserError for a path at which there is nothing."""
    if settings.model == EMBEDDED:
        folder = EMBEDDED_FOLDER
    else:
        folder = Path(settings.model).expanduser()
        # a hub name is NAME or OWNER/NAME; anything else can only be a path
        if not folder.is_dir() and not settings.model.startswith((".", "/", "~")) and settings.model.count("/") <= 1:
            return None
    if not folder.is_dir():
        raise UserError(f"{folder}: no encoder here (index_build.dense.encoder.model); the bundled one: {USE_EMBEDDED}")
    return folder


def load_static(folder: Path, *, dimensions: int = 0) -> StaticEncoder:
    """The static encoder of a sentence-transformers folder. Raises UserError when its files are broken."""
    part = _static_part(folder)
    try:
        weights = load_file(part / "model.safetensors")["embedding.weight"].astype(np.float32)
        tokenizer = Tokenizer.from_str((part / "tokenizer.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, KeyError, ValueError, SafetensorError) as error:
        raise UserError(f"{part}: not a static encoder ({error}); the bundled one: {USE_EMBEDDED}") from None
    if not np.isfinite(weights).all():
        raise UserError(f"{part / 'model.safetensors'}: holds numbers that are not finite; fetch it again")
    if tokenizer.get_vocab_size() != len(weights):
        raise UserError(f"{part}: {tokenizer.get_vocab_size()} tokens but {len(weights)} vectors; fetch it again")
    return StaticEncoder(tokenizer, weights, dimensions=dimensions)


def _modules(folder: Path) -> list[dict[str, str]]:
    try:
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return []
    return [module for module in modules if isinstance(module, dict)] if isinstance(modules, list) else []


def _is_static(folder: Path) -> bool:
    kinds = [module.get("type", "").rpartition(".")[2] for module in _modules(folder)]
    return kinds in (["StaticEmbedding"], ["StaticEmbedding", "Normalize"])


def _static_part(folder: Path) -> Path:
    return folder / (_modules(folder)[0].get("path", "") if _modules(folder) else "")


def identity_of(settings: EncoderSettings) -> dict[str, str]:
    """What determines the vectors of a text: compared between an index and the encoder that would read the query.

    A local model is known by the digest of its files, one of the hub by its name and revision.
    """
    folder = folder_of(settings)
    fields = {
        "model": settings.model if folder is None or settings.model == EMBEDDED else folder.resolve().name,
        "weights": _digest(folder) if folder is not None else settings.revision or "main",
        "dimensions": str(settings.dimensions or "all"),
    }
    if folder is not None and _is_static(folder):
        return fields  # prompts, limits and precision do not concern it
    prompts = {name: getattr(settings, name) for name in ("query_prompt", "passage_prompt")}
    return fields | {
        "prompts": json.dumps(prompts, ensure_ascii=False),
        "max_tokens": str(settings.max_tokens),
        "precision": settings.precision,
        "sentence-transformers": version("sentence-transformers"),
    }


def _digest(folder: Path) -> str:
    """One digest over the names and bytes of a model's files; model cards do not count."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".md")
    return _digest_of(tuple((path, path.stat().st_size, path.stat().st_mtime_ns) for path in paths), folder)


@lru_cache(maxsize=8)
def _digest_of(files: tuple[tuple[Path, int, int], ...], folder: Path) -> str:
    joined = "".join(f"{path.relative_to(folder)}:{fingerprint(path)}\n" for path, _, _ in files)
    return xxhash.xxh3_128_hexdigest(joined.encode())
