"""The project's parts for LangChain, on langchain-core alone: retriever, embeddings, prompt, and the whole path.

What is not here, and why: docs/decisions/0014-langchain.md. How to use it: docs/langchain.md.
"""

from rag.langchain.answerer import Answerer, CitedAnswer
from rag.langchain.embeddings import EncoderEmbeddings
from rag.langchain.prompt import ExamPrompt
from rag.langchain.retriever import PassageRetriever, search_tool

__all__ = ["Answerer", "CitedAnswer", "EncoderEmbeddings", "ExamPrompt", "PassageRetriever", "search_tool"]
