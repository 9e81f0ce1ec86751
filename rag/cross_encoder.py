"""Any sentence-transformers CrossEncoder as a reranker: the only module of retrieval that imports torch."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from sentence_transformers import CrossEncoder

from configs.dense import RerankSettings
from configs.errors import UserError
from index_build.transformer import is_out_of_memory

_LOG = logging.getLogger(__name__)


class CrossEncoderReranker:
    """Scores query and passage read together. When memory runs out the batch is halved and the work goes on.

    Raises UserError for a model that gives more than one score a pair.
    """

    def __init__(self, model: CrossEncoder, settings: RerankSettings) -> None:
        if model.num_labels != 1:
            raise UserError(f"{settings.model}: gives {model.num_labels} scores a pair; a reranker gives one")
        self._model = model
        self._batch = settings.batch

    def scores(self, query: str, texts: Sequence[str], before: Sequence[float]) -> list[float]:
        """The model's score of each text; the scores before are not looked at."""
        del before
        while True:
            try:
                found = self._model.predict(
                    [(query, text) for text in texts], batch_size=self._batch, show_progress_bar=False
                )
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if self._batch == 1:
                    raise UserError("one pair does not fit into memory; lower rag.rerank.max_tokens") from None
                self._batch = max(self._batch // 2, 1)
                _LOG.warning("out of memory: going on with batches of %d", self._batch)
                continue
            if not np.isfinite(found).all():
                raise UserError("the cross-encoder gave a score that is no number; choose another (rag.rerank.model)")
            return [float(score) for score in found]


def load_reranker(settings: RerankSettings) -> CrossEncoderReranker:
    """The cross-encoder that the settings name. Raises UserError when there is none to be loaded."""
    try:
        model = CrossEncoder(settings.model, max_length=settings.max_tokens)
    except (OSError, ValueError, RuntimeError) as error:  # what huggingface_hub and transformers raise
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            f"{settings.model}: tried as a folder and as a hub model, neither could be loaded ({reason[:160]});"
            " give a local folder (rag.rerank.model), or --set rag.rerank.kind=none"
        ) from None
    return CrossEncoderReranker(model, settings)
