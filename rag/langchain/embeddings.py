"""Our encoders as LangChain embeddings."""

from __future__ import annotations

from langchain_core.embeddings import Embeddings

from configs.dense import EncoderSettings
from corpora.normalize import normalize
from index_build.encoder import Encoder, encoder_for


class EncoderEmbeddings(Embeddings):
    """Vectors of length 1 of an encoder, the same that an index stores and its dense search compares.

    A text without any known token gets the zero vector, which is like nothing.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    @classmethod
    def open(cls, settings: EncoderSettings) -> EncoderEmbeddings:
        """The embeddings of the encoder that the settings name. Raises UserError when it cannot be loaded."""
        return cls(encoder_for(settings))

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Vectors of passages, in order; [] for []."""
        vectors: list[list[float]] = self._encoder.encode_passages([normalize(text) for text in texts]).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """The vector of a query."""
        vector: list[float] = self._encoder.encode_queries([normalize(text)])[0].tolist()
        return vector
