"""Query -> passages as LangChain documents, with scores, pages and the account of every score."""

from __future__ import annotations

from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.prompts import PromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import ConfigurableField, RunnableSerializable
from langchain_core.runnables.config import run_in_executor
from langchain_core.tools import BaseTool, create_retriever_tool
from pydantic import Field

from configs.errors import UserError
from configs.schema import RagSettings
from rag.hits import Hit
from rag.hybrid import HybridRetriever, retriever_for
from rag.index import Index, page_of, row_of
from rag.retrieve import Filter, LexicalRetriever, Retriever

_FILTERS = 16  # retrievers kept open at once
_TOOL = (
    "한국어 문서에서 질문과 관련된 단락을 찾는다. 찾을 내용을 한국어 질문이나 핵심어로 넣으면, 각 단락의 번호, 제목과"
    " 본문을 돌려준다."
)


class Shelf:
    """An open index, and a retriever for every filter that was asked for. Copies of a PassageRetriever share it."""

    def __init__(self, index: Index, settings: RagSettings) -> None:
        self.index = index
        self.settings = settings
        self.retriever = lru_cache(maxsize=_FILTERS)(self._opened)

    def _opened(self, only: Filter) -> Retriever:
        return retriever_for(self.settings, self.index, only)


class PassageRetriever(BaseRetriever):
    """The passages of an index for a query, best first: fewer than k where fewer match, [] where none does.

    A document's id is the passage's, and so is `metadata["passage_id"]` (the `id_key` of an EnsembleRetriever).
    The other metadata are JSON-able: doc_id, title, headings, page (as printed, None without pages), start (offset
    in the document, in characters), source, licence, rank (from 1), score, and with `explain` an explanation:
    `terms`, each with what it adds to a lexical score, or `shares`, what each ranking gives to a fused one.
    """

    shelf: Shelf
    k: int = Field(10, ge=1, description="passages")
    source: str | None = Field(None, description="only passages of this corpus (wiki, statutes, sample ...)")
    licence: str | None = Field(None, description="only passages under this licence")
    explain: bool = Field(False, description="put an explanation into the metadata")

    @classmethod
    def open(cls, settings: RagSettings, index: Path | None = None) -> PassageRetriever:
        """The retriever that the settings name, over `index` or else over the settings' own.

        Raises UserError when there is no whole index, or no vectors where the mode needs them.
        """
        shelf = Shelf(Index(index or settings.index), settings)
        shelf.retriever(Filter())
        return cls(shelf=shelf, k=settings.top_k)

    def configurable(self) -> RunnableSerializable[str, list[Document]]:
        """The same, with k, source, licence and explain to be set by a chain's `config={"configurable": {...}}`."""
        fields = {name: ConfigurableField(id=name) for name in ("k", "source", "licence", "explain")}
        return self.configurable_fields(**fields)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        del run_manager  # nothing inside reports to callbacks
        return self._documents(query, self.k if k is None else k)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        del run_manager
        return await run_in_executor(None, self._documents, query, self.k if k is None else k)

    def _documents(self, query: str, k: int) -> list[Document]:
        if k < 1:
            raise UserError(f"k: found {k}; expected at least one passage")
        retriever = self.shelf.retriever(Filter(self.source, self.licence))
        if not self.explain:
            return [document_of(self.shelf.index, hit) for hit in retriever.search(query, k)]
        return [
            document_of(self.shelf.index, hit, explanation=account) for hit, account in explained(retriever, query, k)
        ]


def document_of(index: Index, hit: Hit, **more: object) -> Document:
    """A hit's passage as a document; more: further metadata. Raises UserError for an id that is not there."""
    row = row_of(index, hit.passage_id)
    passage, document = index.store.passage(row), index.store.document(row)
    metadata = {
        "passage_id": passage.passage_id,
        "doc_id": passage.doc_id,
        "title": document.title,
        "headings": list(passage.heading_path),
        "page": page_of(index, row) or None,
        "start": passage.start,
        "source": document.source,
        "licence": document.licence,
        "rank": hit.rank,
        "score": hit.score,
    }
    return Document(id=passage.passage_id, page_content=passage.text, metadata={**metadata, **more})


def explained(retriever: Retriever, query: str, top_k: int) -> list[tuple[Hit, dict[str, Any]]]:
    """The best top_k passages, each with the account of its score; {} where the retriever keeps none."""
    if isinstance(retriever, HybridRetriever):
        fused = retriever.search_explained(query, top_k)
        return [(one.hit, {"shares": [asdict(share) for share in one.shares]}) for one in fused]
    hits = retriever.search(query, top_k)
    if isinstance(retriever, LexicalRetriever):
        terms = [[asdict(part) for part in retriever.explain(query, hit.passage_id)] for hit in hits]
        return [(hit, {"terms": parts}) for hit, parts in zip(hits, terms, strict=True)]
    return [(hit, {}) for hit in hits]


def search_tool(retriever: BaseRetriever, *, name: str = "search_passages", description: str = _TOOL) -> BaseTool:
    """A tool with which an agent searches: it reads ids, titles and texts, the caller gets the documents too."""
    return create_retriever_tool(
        retriever,
        name,
        description,
        document_prompt=PromptTemplate.from_template("[{passage_id}] {title}\n{page_content}"),
        response_format="content_and_artifact",
    )
