"""LangChain: the whole path as a Runnable."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any

import pytest
from langchain_core.runnables import RunnablePassthrough

from configs.errors import UserError
from configs.reader import PromptSettings, ScriptedSettings
from configs.schema import RagSettings
from rag.index import Index
from rag.langchain import Answerer, CitedAnswer
from rag.pipeline import Library, Pipeline, open_pipeline
from rag.reader import Generation, Prompt
from rag.reader_scripted import ScriptedReader
from rag.retrieve import LexicalRetriever
from rag.shots import Shots

QUESTION = "대동법이 처음 실시된 곳은?"
CHOICES = ["경기도", "충청도", "전라도"]


def scripted(index: Index, otherwise: str, *, with_passages: bool = True) -> Answerer:
    """The path over an open index, with a reader that always writes the same."""
    settings = RagSettings()
    library = Library(index, LexicalRetriever(index, settings.lexical), settings.query)
    reader = ScriptedReader(ScriptedSettings(kind="scripted", otherwise=otherwise))
    return Answerer(Pipeline(settings, reader, library, Shots((), settings.prompt.shots)), with_passages=with_passages)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"question": "?", "docs": []}, "docs: Extra inputs"),
        ({"question": 3}, "question: Input should be a valid string"),
        ({"question": "?", "choices": ["가"]}, "2 to 10 choices"),
        ({"question": " "}, "question is empty"),
        ("대동법은?", "expected a dictionary of question, choices"),
    ],
)
def test_what_is_no_question_is_refused_in_one_line(sample_index: Index, given: Any, said: str) -> None:
    with pytest.raises(UserError, match=said) as refused:
        scripted(sample_index, "1").invoke(given)
    assert "\n" not in str(refused.value)


def test_choices_are_answered_with_probabilities_and_the_documents_read(sample_index: Index) -> None:
    found = scripted(sample_index, "3").invoke({"question": QUESTION, "choices": CHOICES})
    assert (found.number, found.answer) == (3, "전라도")
    assert sum(found.probabilities) == pytest.approx(1)
    assert len(found.documents) == PromptSettings().max_passages
    assert found.citations == ()
    closed = scripted(sample_index, "3", with_passages=False).invoke({"question": QUESTION, "choices": CHOICES})
    assert closed == found.model_copy(update={"documents": ()})


def test_a_written_answer_cites_and_its_pieces_add_up(sample_index: Index) -> None:
    answerer = scripted(sample_index, "경기도에서 [daedongbeop#0] 시작되었다")
    pieces = list(answerer.stream({"question": QUESTION}))
    whole = answerer.invoke({"question": QUESTION})
    assert pieces[0].documents
    assert not pieces[0].text
    assert len(pieces) == len(whole.text) + 2
    assert reduce(add, pieces) == whole
    assert [one.id for one in whole.citations] == ["daedongbeop#0"]
    assert whole.citations[0].metadata["rank"] >= 1

    async def collected() -> list[CitedAnswer]:
        return [piece async for piece in answerer.astream({"question": QUESTION})]

    assert asyncio.run(collected()) == pieces
    assert asyncio.run(answerer.ainvoke({"question": QUESTION})) == whole


class _Counted(ScriptedReader):
    """A scripted reader that notes how many prompts came with each call."""

    def __init__(self, otherwise: str) -> None:
        super().__init__(ScriptedSettings(kind="scripted", otherwise=otherwise))
        self.calls: list[int] = []

    def label_logprobs(self, prompts: Sequence[Prompt]) -> list[tuple[float, ...]]:
        self.calls.append(len(prompts))
        return super().label_logprobs(prompts)

    def generate(self, prompts: Sequence[Prompt]) -> list[Generation]:
        self.calls.append(len(prompts))
        return super().generate(prompts)


def test_a_batch_is_one_call_of_the_reader_and_a_bad_question_spoils_only_itself() -> None:
    reader = _Counted("2")
    pipeline = replace(open_pipeline(RagSettings(), with_index=False), reader=reader)
    answerer = Answerer(pipeline, with_passages=False)
    asked: list[dict[str, Any]] = [{"question": QUESTION, "choices": CHOICES}, {"question": ""}, {"question": "왜?"}]
    found: Sequence[object] = answerer.batch(asked, return_exceptions=True)
    assert isinstance(found[0], CitedAnswer)
    assert found[0].number == 2
    assert isinstance(found[1], UserError)
    assert isinstance(found[2], CitedAnswer)
    assert found[2].answer == "2"
    assert reader.calls == [1, 1]  # one for each channel
    answerer.batch([asked[0]] * 5)
    assert reader.calls[2:] == [5]
    with pytest.raises(UserError, match="question is empty"):
        answerer.batch(asked)
    assert asyncio.run(answerer.abatch([asked[0]] * 2)) == answerer.batch([asked[0]] * 2)
    assert answerer.batch([]) == []


def test_the_answerer_joins_a_chain_and_shows_its_schema(sample_index: Index) -> None:
    answerer = scripted(sample_index, "경기도")
    chain = {"question": RunnablePassthrough()} | answerer | (lambda found: found.answer)
    assert chain.invoke(QUESTION) == "경기도"
    assert set(answerer.get_input_jsonschema()["properties"]) == {"question", "choices", "paragraph", "box"}
    assert {"answer", "documents", "cited"} <= set(answerer.get_output_jsonschema()["properties"])


def test_the_path_of_the_settings_opens_with_its_index(sample_index: Index) -> None:
    found = Answerer.open(RagSettings(index=sample_index.path)).invoke({"question": QUESTION})
    assert found.answer
    assert found.documents[0].metadata["doc_id"] == "daedongbeop"
