"""The whole path as a Runnable: question -> passages -> prompt -> answer with citations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.documents import Document
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import run_in_executor
from pydantic import BaseModel, ConfigDict

from configs.errors import UserError
from configs.schema import RagSettings
from rag.answer import answer, probabilities, written
from rag.hits import Hit
from rag.langchain.asked import Asked, question_of
from rag.langchain.retriever import document_of
from rag.pipeline import Pipeline, open_pipeline
from rag.reader import Answer, Generation, Prompt

Ask = dict[str, Any]
"""question, and where there are any choices, paragraph, box: see `rag.langchain.asked.Asked`."""


class CitedAnswer(BaseModel):
    """An answer, or a piece of one that is still being written: pieces add up with `+`.

    `answer` is None, and so is `number`, where nothing could be parsed from what the reader wrote. Only written
    answers cite; where choices are scored, `documents` are what the reader has read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    documents: tuple[Document, ...] = ()  # shown in the prompt, in its order; a shortened one as it was shown
    text: str = ""  # as the reader wrote it; "" where it scored the choices
    answer: str | None = None  # the choice's text, or what was written for an open question
    number: int | None = None  # of the choice, from 1
    probabilities: tuple[float, ...] = ()  # one per choice; () where the answer was written
    cited: tuple[str, ...] = ()  # ids of the documents that the text names

    @property
    def citations(self) -> tuple[Document, ...]:
        """The documents that the text names, in the order of the prompt."""
        return tuple(document for document in self.documents if document.id in self.cited)

    def __add__(self, more: CitedAnswer) -> CitedAnswer:
        """This piece and the next."""
        return CitedAnswer(
            documents=self.documents + more.documents,
            text=self.text + more.text,
            answer=self.answer if more.answer is None else more.answer,
            number=self.number if more.number is None else more.number,
            probabilities=self.probabilities + more.probabilities,
            cited=self.cited + more.cited,
        )


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A question that is ready to be put to the reader."""

    prompt: Prompt
    documents: tuple[Document, ...]


class Answerer(Runnable[Ask, CitedAnswer]):
    """Answers questions through the project's path, as `python -m rag ask` does.

    A batch is one call of the reader. A stream begins with the documents, goes on with the text as it is written,
    and ends with what was understood; its pieces add up to what `invoke` gives.
    """

    def __init__(self, pipeline: Pipeline, *, with_passages: bool = True) -> None:
        self._pipeline = pipeline
        self._with_passages = with_passages

    @classmethod
    def open(cls, settings: RagSettings, *, with_passages: bool = True) -> Answerer:
        """The path that the settings describe; without passages, no index is opened.

        Raises UserError when the index or the reader cannot be opened.
        """
        return cls(open_pipeline(settings, with_index=with_passages), with_passages=with_passages)

    @property
    def InputType(self) -> Any:
        """The schema of the input."""
        return Asked

    def invoke(self, input: Ask, config: RunnableConfig | None = None, **kwargs: Any) -> CitedAnswer:
        """One answer. Raises UserError for what is no question, and PromptTooLongError."""
        return self.batch([input], config, **kwargs)[0]

    def batch(
        self,
        inputs: list[Ask],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[CitedAnswer]:
        """Answers in order. With return_exceptions, a UserError stands in the place of its question's answer."""
        return self._batch_with_config(self._answered, inputs, config, return_exceptions=return_exceptions, **kwargs)

    async def abatch(
        self,
        inputs: list[Ask],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[CitedAnswer]:
        """The same in a thread."""

        def all_at_once() -> list[CitedAnswer]:
            return self.batch(inputs, config, return_exceptions=return_exceptions, **kwargs)

        return await run_in_executor(None, all_at_once)

    def stream(self, input: Ask, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[CitedAnswer]:
        """The answer in pieces."""
        yield from self._transform_stream_with_config(iter([input]), self._pieces, config, **kwargs)

    async def astream(
        self, input: Ask, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[CitedAnswer]:
        """The same; the reader writes in a thread."""
        pieces = self.stream(input, config, **kwargs)
        while (piece := await run_in_executor(None, next, pieces, None)) is not None:
            yield piece

    def _answered(self, inputs: list[Ask]) -> list[CitedAnswer | Exception]:
        """An answer for each input, or the UserError that stood in its way."""
        found: dict[int, CitedAnswer | Exception] = {}
        ready: dict[int, _Prepared] = {}
        for row, given in enumerate(inputs):
            try:
                ready[row] = self._prepared(given)
            except UserError as error:
                found[row] = error
        answers = answer([one.prompt for one in ready.values()], self._pipeline.reader)
        for (row, one), given_answer in zip(ready.items(), answers, strict=True):
            read = CitedAnswer(documents=one.documents, text=given_answer.raw)
            found[row] = read + _understood(one.prompt, given_answer)
        return [found[row] for row in range(len(inputs))]

    def _prepared(self, given: Ask) -> _Prepared:
        question = question_of(given)
        hits = self._pipeline.search(question) if self._with_passages else []
        prompt = self._pipeline.prompt(question, [hit.passage_id for hit in hits])
        return _Prepared(prompt, self._shown(prompt, hits))

    def _shown(self, prompt: Prompt, hits: Sequence[Hit]) -> tuple[Document, ...]:
        if self._pipeline.library is None:
            return ()
        index = self._pipeline.library.index
        by_id = {hit.passage_id: hit for hit in hits}
        found = [document_of(index, by_id[passage.passage_id], is_cut=passage.is_cut) for passage in prompt.passages]
        texts = [passage.text for passage in prompt.passages]
        return tuple(one.model_copy(update={"page_content": text}) for one, text in zip(found, texts, strict=True))

    def _pieces(self, inputs: Iterator[Ask]) -> Iterator[CitedAnswer]:
        ready, reader = self._prepared(next(inputs)), self._pipeline.reader
        yield CitedAnswer(documents=ready.documents)
        if ready.prompt.channel not in ("generate", "reason"):
            yield _understood(ready.prompt, answer([ready.prompt], reader)[0])
            return
        text = ""
        for piece in reader.stream(ready.prompt):
            text += piece
            yield CitedAnswer(text=piece)
        generation = Generation(text, reader.wording.count(text), is_cut=False)
        yield _understood(ready.prompt, written(ready.prompt, generation))


def _understood(prompt: Prompt, given: Answer) -> CitedAnswer:
    """What is known when the answer is whole: the last piece."""
    chosen = prompt.question.choices[given.number - 1] if given.number is not None else given.text
    return CitedAnswer(
        answer=chosen, number=given.number, probabilities=probabilities(given.logprobs), cited=given.cited
    )
