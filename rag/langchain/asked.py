"""What a chain hands over -> a question, checked at the border."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from configs.errors import UserError
from corpora.records import Question
from rag.ask import question_from


class Asked(BaseModel):
    """The keys of a chain's dictionary that make a question. With choices it is a multiple-choice item."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    question: str
    choices: tuple[str, ...] = ()
    paragraph: str = Field("", description="the 지문 that the question is about")
    box: str = Field("", description="the statements of its <보기>")


def question_of(given: Mapping[str, object]) -> Question:
    """The question of a dictionary with the keys of `Asked`.

    Raises UserError naming the key that is missing, unknown or of the wrong type, and as `question_from` does.
    """
    try:
        asked = Asked.model_validate(given)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"])) or "input"
        raise UserError(
            f"{place}: {fault['msg']}, found {fault['input']!r};"
            f" expected a dictionary of {', '.join(Asked.model_fields)}, like {{'question': '대동법은?'}}"
        ) from None
    return question_from(asked.question, choices=asked.choices, paragraph=asked.paragraph, box=asked.box)
