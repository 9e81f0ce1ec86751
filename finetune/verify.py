"""Questions that were made, asked of a reader without and with the passages that answer them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from configs.errors import UserError
from configs.reader import PromptSettings, ReaderSettings, SolverSettings
from corpora.records import Question
from finetune.written import Written
from rag.answer import written
from rag.prompt import PromptTooLongError, render
from rag.reader import Answer, Evidence, Prompt, Reader


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a reader answered a made question."""

    closed: bool  # right without passages
    gold: bool  # right with the passages that answer it


def verify(
    questions: Sequence[Question],
    evidence: Mapping[str, Sequence[Evidence]],
    *,
    reader: Reader,
    store: Written,
    settings: PromptSettings,
) -> list[Verdict]:
    """Each question's verdict, in order; by written answers. evidence: question id -> the passages that answer it.

    A question without such passages, answered by its own 지문, is asked once: both verdicts are the same. One
    that does not fit the reader's window is answered wrong.
    """
    closed = _right(questions, [() for _ in questions], reader=reader, store=store, settings=settings)
    shown = [evidence.get(question.question_id, ()) for question in questions]
    gold = _right(questions, shown, reader=reader, store=store, settings=settings)
    return [Verdict(*pair) for pair in zip(closed, gold, strict=True)]


def _right(
    questions: Sequence[Question],
    shown: Sequence[Sequence[Evidence]],
    *,
    reader: Reader,
    store: Written,
    settings: PromptSettings,
) -> list[bool]:
    prompts: dict[int, Prompt] = {}
    for row, (question, passages) in enumerate(zip(questions, shown, strict=True)):
        try:
            prompts[row] = render(question, passages, settings=settings, channel="generate", wording=reader.wording)
        except PromptTooLongError:
            continue
    generations = store.generate(list(prompts.values()), what="verify")
    answers = {row: written(prompt, text) for (row, prompt), text in zip(prompts.items(), generations, strict=True)}
    return [row in answers and is_right(question, answers[row]) for row, question in enumerate(questions)]


def is_right(question: Question, found: Answer) -> bool:
    """Whether an answer is the question's: the same number, or the letters of an accepted text."""
    if question.kind == "multiple_choice":
        return found.number is not None and found.number == question.answer
    return found.text is not None and _letters(found.text) in {_letters(answer) for answer in question.answers}


def check_writes(settings: ReaderSettings, *, purpose: str) -> None:
    """Raise UserError for a reader that is no language model."""
    if isinstance(settings, SolverSettings):
        raise UserError(
            f"rag.reader.kind: 'solver' cannot {purpose}; name a language model, for example with"
            " --config configs/readers/endpoint.yaml"
        )


def _letters(text: str) -> str:
    return "".join(text.split()).casefold()
