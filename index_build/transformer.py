"""Any sentence-transformers model as an encoder: the only module of the index that imports torch."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from configs.dense import EncoderSettings
from configs.errors import UserError
from index_build.encoder import USE_EMBEDDED, Vectors, normalised

_LOG = logging.getLogger(__name__)
# models whose own settings do not carry the prompts that their cards ask for
_PROMPTS = {"multilingual-e5": ("query: ", "passage: "), "koe5": ("query: ", "passage: ")}
_MARGIN = 8  # tokens: a piece cut out of a text may be tokenised a little differently


class TransformerEncoder:
    """A sentence-transformers model with prompts, on a GPU in bf16 where there is one.

    A text beyond the model's limit is encoded in parts, whose vectors are averaged by their lengths; nothing
    is cut off. When memory runs out the batch is halved and the work goes on.

    Raises UserError for more dimensions than the model has.
    """

    def __init__(self, settings: EncoderSettings, model: SentenceTransformer) -> None:
        self._batch = settings.batch
        self._model = model
        own = self._model.get_embedding_dimension() or 0
        if settings.dimensions > own:
            raise UserError(f"dimensions: found {settings.dimensions}; {settings.model} has {own}")
        self.dimensions = settings.dimensions or own
        self._prompts = _prompts(settings, self._model)
        limit = self._model.max_seq_length or settings.max_tokens
        self._limit = int(min(limit, settings.max_tokens))

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of queries, in order; shape [texts, dimensions]."""
        return self._encode(texts, self._prompts[0])

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """Vectors of passages, in order; shape [texts, dimensions]."""
        return self._encode(texts, self._prompts[1])

    def parts(self, texts: Sequence[str]) -> list[int]:
        """In how many parts each passage is encoded: more than one when it is beyond the model's limit."""
        return [len(pieces) for pieces in self._pieces(texts, self._prompts[1])]

    def _encode(self, texts: Sequence[str], prompt: str) -> Vectors:
        pieces: list[str] = []
        owners: list[int] = []
        for number, parts in enumerate(self._pieces(texts, prompt)):
            pieces.extend(f"{prompt}{part}" for part in parts)
            owners.extend([number] * len(parts))
        lengths = np.array([len(piece) for piece in pieces], dtype=np.float32)
        vectors = self._vectors(pieces) * lengths[:, None]
        summed = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        np.add.at(summed, np.array(owners, dtype=np.int64), vectors)
        for number, text in enumerate(texts):
            if not text.strip():
                summed[number] = 0
        return normalised(summed)

    def _pieces(self, texts: Sequence[str], prompt: str) -> list[list[str]]:
        """Each text in pieces of so many tokens that prompt and special tokens find room beside them."""
        if not texts:
            return []
        tokenizer = self._model.tokenizer
        special = tokenizer.num_special_tokens_to_add() + len(tokenizer.encode(prompt, add_special_tokens=False))
        room = max(self._limit - special - _MARGIN, 1)
        encoded = tokenizer(list(texts), add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        return [
            [text[offsets[i][0] : offsets[min(i + room, len(offsets)) - 1][1]] for i in range(0, len(offsets), room)]
            if len(offsets) > room
            else [text]
            for text, offsets in zip(texts, encoded, strict=True)
        ]

    def _vectors(self, texts: Sequence[str]) -> Vectors:
        """Vectors of texts within the limit, longest first so that memory runs out at once or not at all."""
        order = sorted(range(len(texts)), key=lambda number: (-len(texts[number]), number))
        found = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        begin = 0
        while begin < len(order):
            rows = order[begin : begin + self._batch]
            try:
                vectors = self._model.encode(
                    [texts[row] for row in rows],
                    batch_size=self._batch,
                    prompt="",
                    show_progress_bar=False,
                    normalize_embeddings=False,
                    convert_to_tensor=True,
                )
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if self._batch == 1:
                    raise UserError(f"one text of {len(texts[rows[0]]):,} characters does not fit into memory; "
                                    "lower index_build.dense.encoder.max_tokens") from None  # fmt: skip
                self._batch = max(self._batch // 2, 1)
                _LOG.warning("out of memory: going on with batches of %d", self._batch)
                continue
            found[rows] = vectors[:, : self.dimensions].float().cpu().numpy()
            begin += len(rows)
        return normalised(found)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch ran out of memory: its own class on a GPU; the CPU's allocator only says so."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _device(name: str) -> str:
    if name != "auto":
        return name
    return "cuda" if torch.cuda.is_available() else "cpu"


def load_transformer(settings: EncoderSettings, model: str) -> TransformerEncoder:
    """The encoder of a folder or a hub name. Raises UserError when there is none to be loaded."""
    device = _device(settings.device)
    precision = settings.precision
    if precision == "auto":
        precision = "bf16" if device.startswith("cuda") else "fp32"
    kind = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[precision]
    try:
        loaded = SentenceTransformer(
            model, revision=settings.revision or None, device=device, model_kwargs={"dtype": kind}
        )
    except (OSError, ValueError, RuntimeError) as error:  # what huggingface_hub and transformers raise
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            f"{settings.model}: tried as a folder and as a hub model, neither could be loaded ({reason[:160]});"
            f" give a local folder (index_build.dense.encoder.model), or the bundled encoder: {USE_EMBEDDED}"
        ) from None
    return TransformerEncoder(settings, loaded)


def _prompts(settings: EncoderSettings, model: SentenceTransformer) -> tuple[str, str]:
    """(query, passage) prompts: those of the settings, else the model's own, else those its card asks for."""
    own = model.prompts or {}
    family = next((prompts for name, prompts in _PROMPTS.items() if name in settings.model.lower()), ("", ""))
    query = own.get("query") or family[0]
    passage = own.get("document") or own.get("passage") or family[1]
    return (
        query if settings.query_prompt is None else settings.query_prompt,
        passage if settings.passage_prompt is None else settings.passage_prompt,
    )
