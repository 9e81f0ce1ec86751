"""LangChain's own standard tests, for what our parts claim to be: a retriever and embeddings."""

from __future__ import annotations

from typing import Any

import pytest

from configs.schema import RagSettings
from index_build.encoder import EMBEDDED_FOLDER, load_static
from rag.index import Index
from rag.langchain import EncoderEmbeddings, PassageRetriever
from rag.langchain.retriever import Shelf

pytest.importorskip("langchain_tests", reason="needs langchain-tests: pip install -r requirements-dev.txt")
from langchain_tests.integration_tests import EmbeddingsIntegrationTests, RetrieversIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

ENCODER = load_static(EMBEDDED_FOLDER)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
class TestRetriever(RetrieversIntegrationTests):
    """Constructor and invoke take k; documents come back, sync and async."""

    shelf: Shelf

    @pytest.fixture(autouse=True)
    def _opened(self, sample_index: Index) -> None:
        self.shelf = Shelf(sample_index, RagSettings())

    @property
    def retriever_constructor(self) -> type[PassageRetriever]:
        return PassageRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"shelf": self.shelf}

    @property
    def retriever_query_example(self) -> str:
        return "대동법이 처음 실시된 곳은?"


class _Embedded:
    """What the standard tests are about."""

    @property
    def embeddings_class(self) -> type[EncoderEmbeddings]:
        return EncoderEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"encoder": ENCODER}


class TestEmbeddingsUnit(_Embedded, EmbeddingsUnitTests):
    """They can be made."""


@pytest.mark.anyio
class TestEmbeddings(_Embedded, EmbeddingsIntegrationTests):
    """Vectors of one length, for a query and for documents, sync and async."""
