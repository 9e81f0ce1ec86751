"""The whole path on one page: question -> query -> hits -> passages -> prompt -> answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from configs.dense import QuerySettings
from configs.schema import RagSettings
from corpora.records import Document, Question
from rag.answer import answer, offered
from rag.hits import Hit
from rag.hybrid import retriever_for
from rag.index import Index, pages_in_print, row_of
from rag.prompt import render
from rag.query import QueryBuilder
from rag.reader import Answer, Evidence, Prompt, Reader
from rag.readers import reader_for
from rag.retrieve import Retriever
from rag.shots import Shots


@dataclass(frozen=True, slots=True)
class Answered:
    """One question's way through the path."""

    question: Question
    hits: tuple[Hit, ...]  # () closed book
    prompt: Prompt
    answer: Answer


@dataclass(frozen=True, slots=True)
class Library:
    """An index, what searches it, and how questions become queries."""

    index: Index
    retriever: Retriever
    query: QuerySettings

    def search(self, question: Question, top_k: int) -> list[Hit]:
        """The best `top_k` passages for a question: the only way from a question to hits."""
        return QueryBuilder(self.index, self.retriever, self.query).search(question, top_k)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A reader, with or without a library. Nothing here depends on the order of the questions."""

    settings: RagSettings
    reader: Reader
    library: Library | None
    shots: Shots

    def search(self, question: Question) -> list[Hit]:
        """The best `top_k` passages for a question; [] without a library."""
        if self.library is None:
            return []
        return self.library.search(question, self.settings.top_k)

    def prompt(self, question: Question, passage_ids: Sequence[str]) -> Prompt:
        """The prompt that offers these passages, best first. Any arm of an evaluation is made of this."""
        evidence = evidence_of(self.library.index, passage_ids) if self.library is not None else []
        return render(
            question,
            evidence,
            settings=self.settings.prompt,
            channel=offered(self.settings.channel, self.reader),
            wording=self.reader.wording,
            shots=self.shots.choose(question),
        )

    def ask(self, questions: Sequence[Question], *, with_passages: bool) -> list[Answered]:
        """The questions answered, in order: with retrieved passages or closed book."""
        hits = [self.search(question) if with_passages else [] for question in questions]
        prompts = [
            self.prompt(question, [hit.passage_id for hit in found])
            for question, found in zip(questions, hits, strict=True)
        ]
        answers = answer(prompts, self.reader)
        return [
            Answered(question, tuple(found), prompt, given)
            for question, found, prompt, given in zip(questions, hits, prompts, answers, strict=True)
        ]


def open_pipeline(settings: RagSettings, *, with_index: bool, pool: Sequence[Question] = ()) -> Pipeline:
    """The path that the settings describe. pool: answered questions to take few-shot examples from.

    Raises UserError when the index or the reader cannot be opened.
    """
    shots = Shots(pool, settings.prompt.shots)
    library = None
    if with_index:
        index = Index(settings.index)
        library = Library(index, retriever_for(settings, index), settings.query)
    return Pipeline(settings, reader_for(settings.reader), library, shots)


def evidence_of(index: Index, passage_ids: Sequence[str]) -> list[Evidence]:
    """Passages of an index as a prompt shows them. Raises UserError for an id that is not there."""
    found: list[Evidence] = []
    documents: dict[str, Document] = {}  # several passages are often of one document
    for passage_id in passage_ids:
        row = row_of(index, passage_id)
        passage = index.store.passage(row)
        document = documents.get(passage.doc_id) or documents.setdefault(passage.doc_id, index.store.document(row))
        found.append(
            Evidence(
                passage_id=passage_id,
                title=" > ".join((document.title, *passage.heading_path)),
                page=pages_in_print(document, passage),
                text=passage.text,
            )
        )
    return found
