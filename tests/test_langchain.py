"""LangChain: what our parts give, alone and joined to LangChain's own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnablePassthrough
from langchain_core.vectorstores import InMemoryVectorStore
from pydantic import ValidationError

from configs.dense import EncoderSettings
from configs.errors import UserError
from configs.reader import PromptSettings
from configs.schema import RagSettings
from corpora.records import Question
from rag.index import Index
from rag.langchain import EncoderEmbeddings, ExamPrompt, PassageRetriever, search_tool
from rag.langchain.retriever import Shelf
from rag.pipeline import evidence_of
from rag.prompt import PromptTooLongError, render
from rag.retrieve import Filter
from rag.tokens import EstimatedWording
from tests.conftest import ROOT

QUESTION = "대동법이 처음 실시된 곳은?"
CHOICES = ["경기도", "충청도", "전라도"]


@pytest.fixture(scope="module")
def retriever(sample_index: Index) -> PassageRetriever:
    return PassageRetriever.open(RagSettings(top_k=4), sample_index.path)


def test_the_parts_need_langchain_core_alone() -> None:
    heavy = "{'langchain', 'langchain_classic', 'langchain_community', 'langgraph', 'torch'}"
    code = f"import sys, rag.langchain; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_documents_are_the_hits_with_all_that_is_known_of_them(
    retriever: PassageRetriever, sample_index: Index
) -> None:
    hits = retriever.shelf.retriever(Filter()).search(QUESTION, 4)
    documents = retriever.invoke(QUESTION)
    assert [one.id for one in documents] == [hit.passage_id for hit in hits]
    assert [(one.metadata["rank"], one.metadata["score"]) for one in documents] == [(h.rank, h.score) for h in hits]
    first = documents[0]
    row = sample_index.store.row(hits[0].passage_id)
    assert row is not None
    passage = sample_index.store.passage(row)
    assert first.page_content == passage.text
    assert first.metadata["passage_id"] == first.id
    assert first.metadata["doc_id"] == "daedongbeop"
    assert first.metadata["start"] == passage.start
    assert first.metadata["source"] == "sample"
    assert "explanation" not in first.metadata
    json.dumps(first.metadata)


def test_a_passage_of_a_pdf_carries_its_page_and_one_of_an_article_none(retriever: PassageRetriever) -> None:
    found = retriever.invoke(QUESTION, k=200)
    pages = {one.metadata["page"] for one in found if one.metadata["doc_id"].startswith("textbook")}
    assert pages
    assert all(page and page.replace("-", "").isdigit() for page in pages)
    assert {one.metadata["page"] for one in found if one.metadata["doc_id"] == "daedongbeop"} == {None}


@pytest.mark.parametrize(("mode", "part", "value"), [("lexical", "terms", "score"), ("hybrid", "shares", "share")])
def test_an_explanation_adds_up_to_the_score(sample_index: Index, mode: str, part: str, value: str) -> None:
    shelf = Shelf(sample_index, RagSettings.model_validate({"mode": mode}))
    found = PassageRetriever(shelf=shelf, explain=True).invoke(QUESTION)
    assert len(found) == 10
    for one in found:
        parts = one.metadata["explanation"][part]
        assert sum(each[value] for each in parts) == pytest.approx(one.metadata["score"])
        json.dumps(one.metadata)


def test_sync_async_and_batch_give_the_same(retriever: PassageRetriever) -> None:
    queries = [QUESTION, "훈민정음을 만든 왕은?", "광합성이 일어나는 곳", "지진의 규모"]
    one_by_one = [retriever.invoke(query) for query in queries]
    assert retriever.batch(queries) == one_by_one
    assert asyncio.run(retriever.abatch(queries)) == one_by_one
    assert asyncio.run(retriever.ainvoke(QUESTION, k=2)) == one_by_one[0][:2]


@pytest.mark.parametrize("query", ["", " \n", "?!", "은는이가", "🙂", "\ud800", "가" * 100_000])
def test_a_query_that_says_nothing_finds_nothing_and_breaks_nothing(retriever: PassageRetriever, query: str) -> None:
    assert all(isinstance(one, Document) for one in retriever.invoke(query))


def test_fewer_than_one_passage_is_refused(retriever: PassageRetriever) -> None:
    with pytest.raises(UserError, match="k: found 0; expected at least one"):
        retriever.invoke(QUESTION, k=0)
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        PassageRetriever(shelf=retriever.shelf, k=0)


def test_a_chain_sets_k_and_filters_through_its_config(retriever: PassageRetriever) -> None:
    chain = retriever.configurable() | (lambda documents: [one.id for one in documents])
    everything = chain.invoke(QUESTION)
    assert len(everything) == 4
    assert chain.invoke(QUESTION, {"configurable": {"k": 2, "source": "sample"}}) == everything[:2]
    assert chain.invoke(QUESTION, {"configurable": {"source": "no such corpus"}}) == []
    assert chain.invoke(QUESTION) == everything


def test_a_missing_index_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no index here"):
        PassageRetriever.open(RagSettings(), tmp_path / "none")


def test_embeddings_are_the_encoders_and_serve_langchains_own_vector_store() -> None:
    embeddings = EncoderEmbeddings.open(EncoderSettings())
    texts = ["대동법은 공물을 쌀로 내게 한 법이다.", "광합성은 빛으로 양분을 만드는 일이다."]
    store = InMemoryVectorStore.from_texts(texts, embeddings)
    assert [one.page_content for one in store.similarity_search("공물을 쌀로 바치는 제도", k=1)] == texts[:1]
    vector = embeddings.embed_query(texts[0])
    assert vector == pytest.approx(embeddings.embed_documents(texts)[0])
    assert sum(value * value for value in vector) == pytest.approx(1)
    assert embeddings.embed_documents([]) == []


def test_the_prompt_is_the_projects_own_for_our_documents(retriever: PassageRetriever, sample_index: Index) -> None:
    documents = retriever.invoke(QUESTION)
    wording = EstimatedWording(8_192)
    item = Question("q", "multiple_choice", "", QUESTION, tuple(CHOICES))
    ours = render(
        item, evidence_of(sample_index, [str(one.id) for one in documents]),
        settings=PromptSettings(), channel="generate", wording=wording,
    )  # fmt: skip
    value = ExamPrompt().invoke({"question": QUESTION, "choices": CHOICES, "documents": documents})
    messages = value.to_messages()
    assert [message.content for message in messages] == [message.content for message in ours.messages]
    assert [type(message) for message in messages] == [SystemMessage, HumanMessage]


def test_foreign_documents_are_cited_by_their_id_and_refused_without_one() -> None:
    foreign = Document(id="note-7", page_content="대동법은 경기도에서 처음 실시되었다.", metadata={"source": "notes"})
    shown = ExamPrompt().format(question=QUESTION, documents=[foreign])
    assert "note-7" in shown
    with pytest.raises(UserError, match="has no id to be cited by"):
        ExamPrompt().format(question=QUESTION, documents=[Document(page_content="이름 없는 글")])


def test_a_chain_of_retriever_prompt_and_model(retriever: PassageRetriever) -> None:
    asked = {"documents": retriever, "question": RunnablePassthrough()} | ExamPrompt()
    chain = asked | FakeListChatModel(responses=["경기도"]) | StrOutputParser()
    assert chain.invoke(QUESTION) == "경기도"
    assert "".join(chain.stream(QUESTION)) == "경기도"
    seen = asked.invoke(QUESTION).to_string()
    assert "daedongbeop#" in seen
    assert QUESTION in seen


def test_a_question_beyond_the_window_is_refused() -> None:
    prompt = ExamPrompt(wording=EstimatedWording(100))
    with pytest.raises(PromptTooLongError):
        prompt.format(question="대동법" * 100)


def test_our_retriever_and_another_in_an_ensemble(retriever: PassageRetriever) -> None:
    classic = pytest.importorskip("langchain_classic.retrievers", reason="pip install langchain-classic")
    ours = retriever.invoke(QUESTION)
    theirs = Document(id="other#0", page_content="다른 글", metadata={"passage_id": "other#0"})

    class Other(BaseRetriever):
        def _get_relevant_documents(self, query: str, **_: object) -> list[Document]:
            return [ours[2].model_copy(), theirs] if query == QUESTION else []

    ensemble = classic.EnsembleRetriever(retrievers=[retriever, Other()], weights=[0.5, 0.5], id_key="passage_id")
    found = [one.id for one in ensemble.invoke(QUESTION)]
    assert found[0] == ours[2].id  # both have it
    assert len(found) == len(set(found)) == len(ours) + 1


class _Caller(GenericFakeChatModel):
    """A model that calls the tools it is given as its script says."""

    def bind_tools(self, tools: Sequence[Any], **_: object) -> _Caller:
        assert [tool.name for tool in tools] == ["search_passages"]
        return self


def test_an_agent_searches_with_our_tool(retriever: PassageRetriever) -> None:
    agents = pytest.importorskip("langchain.agents", reason="pip install langchain")
    call = {"name": "search_passages", "args": {"query": QUESTION}, "id": "1", "type": "tool_call"}
    script = iter([AIMessage("", tool_calls=[call]), AIMessage("경기도입니다. [daedongbeop#0]")])
    agent = agents.create_agent(_Caller(messages=script), tools=[search_tool(retriever)])
    messages = agent.invoke({"messages": [HumanMessage(QUESTION)]})["messages"]
    (result,) = [message for message in messages if isinstance(message, ToolMessage)]
    assert result.text.startswith(f"[{retriever.invoke(QUESTION)[0].id}] ")
    assert [one.id for one in result.artifact] == [one.id for one in retriever.invoke(QUESTION)]
    assert messages[-1].text.startswith("경기도")
