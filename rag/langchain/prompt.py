"""The project's prompt as a LangChain prompt template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.prompts.chat import BaseChatPromptTemplate
from pydantic import Field, SkipValidation

from configs.errors import UserError
from configs.reader import Channel, PromptSettings
from rag.langchain.asked import Asked, question_of
from rag.prompt import render
from rag.reader import Evidence
from rag.tokens import EstimatedWording, Message, Wording

_WINDOW = 8_192  # as rag.reader.window of an endpoint
_OPTIONAL = [*(name for name in Asked.model_fields if name != "question"), "documents"]


class ExamPrompt(BaseChatPromptTemplate):
    """Question and documents -> the messages that `rag.prompt.render` makes of them, for any chat model.

    Variables: question; and, where there are any, choices, paragraph, box, and documents, best first, of this
    retriever or another. What does not fit the budget of the settings is shortened or left out; the question is
    never cut. Raises UserError for a variable it does not know, and PromptTooLongError.
    """

    input_variables: list[str] = Field(["question"])
    optional_variables: list[str] = Field(_OPTIONAL)
    settings: PromptSettings = PromptSettings()
    channel: Channel = Field("generate", description="reason: think first, then answer in JSON")
    wording: SkipValidation[Wording] = Field(EstimatedWording(_WINDOW), description="how tokens are counted")

    @property
    def _prompt_type(self) -> str:
        return "geungeo-exam"

    def format_messages(self, **kwargs: Any) -> list[BaseMessage]:
        """The messages of one question."""
        documents = kwargs.pop("documents", None) or []
        prompt = render(
            question_of(kwargs),
            [evidence_from(document) for document in documents],
            settings=self.settings,
            channel=self.channel,
            wording=self.wording,
        )
        return as_messages(prompt.messages)

    def pretty_repr(self, html: bool = False) -> str:
        """The messages with every variable's name in its place."""
        shown = self.format_messages(question="{question}")
        return "\n\n".join(message.pretty_repr(html=html) for message in shown)


def evidence_from(document: Document) -> Evidence:
    """A document as a prompt shows it. One of another retriever is cited by its `id`, and titled by `title` if any.

    Raises UserError for a document with neither: an answer could not name it.
    """
    facts = document.metadata
    passage_id = str(facts.get("passage_id") or document.id or "")
    if not passage_id:
        raise UserError(f"document {document.page_content[:40]!r}: has no id to be cited by; set Document(id=...)")
    titles = [str(facts.get("title") or ""), *map(str, facts.get("headings", ()))]
    return Evidence(
        passage_id=passage_id,
        title=" > ".join(title for title in titles if title),
        page=str(facts.get("page") or ""),
        text=document.page_content,
    )


def as_messages(messages: Sequence[Message]) -> list[BaseMessage]:
    """The project's messages as LangChain's."""
    kinds: dict[str, type[BaseMessage]] = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}
    return [kinds[message.role](content=message.content) for message in messages]
