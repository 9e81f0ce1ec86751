"""Question + passages -> prompt: the one renderer of evaluation, the commands and training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from configs.errors import UserError
from configs.reader import Channel, PromptSettings
from corpora.records import Question
from rag.budget import distinct, within
from rag.reader import Evidence, LeftOut, Prompt, blind, digest_of
from rag.template import Template, bundled
from rag.tokens import Message, Rendered, Wording

_MARGIN = 8  # tokens that open a sequence, and those of a label


class PromptTooLongError(UserError):
    """A question that does not fit into a reader's window even without passages: questions are never cut."""


@dataclass(frozen=True, slots=True)
class _Draft:
    """Everything a prompt says but its passages."""

    template: Template
    question: Question
    shots: tuple[Question, ...]
    settings: PromptSettings
    wording: Wording

    def messages(self, evidence: Sequence[Evidence]) -> tuple[Message, ...]:
        turns = [Message("system", self.template.fill("system"))]
        for shot in self.shots:
            turns.append(Message("user", _body(self.template, shot, "", settings=self.settings)))
            turns.append(Message("assistant", expected(shot)))
        shown = _reference(self.template, evidence, settings=self.settings)
        turns.append(Message("user", _body(self.template, self.question, shown, settings=self.settings)))
        return tuple(turns)

    def render(self, evidence: Sequence[Evidence]) -> Rendered:
        return self.wording.render(self.messages(evidence))

    def cost(self, passage: Evidence) -> int:
        return self.wording.count(_passage(self.template, passage) + "\n\n")


def render(
    question: Question,
    evidence: Sequence[Evidence],
    *,
    settings: PromptSettings,
    channel: Channel,
    wording: Wording,
    shots: Sequence[Question] = (),
) -> Prompt:
    """The prompt of one question. Same arguments, same bytes.

    evidence: passages offered, best first; shown are those that are no near duplicates and fit the budget
    of tokens and the reader's window, the last of them perhaps shortened. The question is never cut.
    shots: answered questions to show before this one.

    Raises PromptTooLongError when the question alone exceeds the window, and UserError when the reader's
    chat template swallows the question or a choice, or when `reason` is asked to show shots.
    """
    channel = channel_for(question, channel)
    if shots and channel == "reason":
        raise UserError("rag.prompt.shots.count: examples carry no reasoning; set it to 0 for channel `reason`")
    template = bundled("cot_json" if channel == "reason" else settings.template)
    max_new_tokens = _answer_tokens(question, channel, settings)
    draft = _Draft(template, question, tuple(shots), settings, wording)
    kept, left_out = distinct(evidence, threshold=settings.near_duplicate, limit=settings.max_passages)
    room = max(max_new_tokens, *map(wording.count, ("", *question.choices))) + _MARGIN
    shown, without_room, rendered, tokens = _fitted(draft, kept, wording.window - room)
    _check(question, rendered, template)
    ordered = tuple(shown if settings.passages_order == "best_first" else reversed(shown))
    seen = {
        "text": rendered.text,
        "lead": rendered.lead,
        "kind": question.kind,
        "channel": channel,
        "choices": question.choices,
        "max_new_tokens": max_new_tokens,
    }
    return Prompt(
        question=blind(question),
        channel=channel,
        messages=draft.messages(shown),
        text=rendered.text,
        lead=rendered.lead,
        passages=ordered,
        left_out=(*without_room, *left_out),
        tokens=tokens,
        max_new_tokens=max_new_tokens,
        template=template.identity,
        digest=digest_of(seen),
    )


def channel_for(question: Question, wanted: Channel) -> Channel:
    """The channel through which a question can be answered: only multiple choice can be scored."""
    if question.kind == "multiple_choice" or wanted == "reason":
        return wanted
    return "generate"


def expected(question: Question) -> str:
    """The answer to a question as a reader is to write it: a label, or the first accepted text."""
    return str(question.answer) if question.kind == "multiple_choice" else question.answers[0]


def _fitted(draft: _Draft, kept: Sequence[Evidence], limit: int) -> tuple[list[Evidence], list[LeftOut], Rendered, int]:
    """(passages shown, passages left out, prompt, its tokens), with at most `limit` tokens."""
    rendered = draft.render(())
    tokens = draft.wording.count(rendered.text)
    if tokens > limit:
        raise PromptTooLongError(
            f"item {draft.question.question_id}: {tokens} tokens without passages, the reader takes {limit};"
            " questions are never cut: use a reader with a larger window, or fewer rag.prompt.shots"
        )
    frame = draft.wording.count(draft.template.fill("passages", passages="") + "\n\n") if kept else 0
    budget = min(draft.settings.max_passage_tokens, limit - tokens - frame)
    while True:
        shown, left_out = within(kept, budget, cost=draft.cost, settings=draft.settings)
        if not shown:
            return shown, left_out, rendered, tokens
        full = draft.render(shown)
        total = draft.wording.count(full.text)
        if total <= limit:
            return shown, left_out, full, total
        budget -= total - limit  # tokens do not add up exactly


def _answer_tokens(question: Question, channel: Channel, settings: PromptSettings) -> int:
    match channel:
        case "labels" | "texts" | "texts_per_character":
            return 0
        case "generate":
            return settings.max_reason_tokens if question.kind == "essay" else settings.max_answer_tokens
        case "reason":
            return settings.max_reason_tokens
        case _:
            assert_never(channel)


def _body(template: Template, question: Question, reference: str, *, settings: PromptSettings) -> str:
    """The user's turn: the blocks that the question has, a blank line between two."""
    blocks = [
        ("before_paragraph", reference),
        ("", template.fill("paragraph", paragraph=question.paragraph) if question.paragraph else ""),
        ("before_question", reference),
        ("", template.fill("question", question=question.question)),
        ("", template.fill("box", box=question.box) if question.box else ""),
        ("", _choices(template, question) if question.choices else ""),
        ("after_choices", reference),
        ("", _ask(template, question)),
    ]
    return "\n\n".join(text for place, text in blocks if text and place in ("", settings.passages_at))


def _choices(template: Template, question: Question) -> str:
    lines = [
        template.fill("choice", label=str(number), text=choice)
        for number, choice in enumerate(question.choices, start=1)
    ]
    return template.fill("choices", choices="\n".join(lines))


def _ask(template: Template, question: Question) -> str:
    if question.kind != "multiple_choice":
        return template.fill(question.kind)
    labels = ", ".join(str(number) for number in range(1, len(question.choices) + 1))
    return template.fill("multiple_choice", labels=labels)


def _reference(template: Template, evidence: Sequence[Evidence], *, settings: PromptSettings) -> str:
    if not evidence:
        return ""
    ordered = evidence if settings.passages_order == "best_first" else list(reversed(evidence))
    return template.fill("passages", passages="\n\n".join(_passage(template, passage) for passage in ordered))


def _passage(template: Template, passage: Evidence) -> str:
    page = template.fill("page", page=passage.page) if passage.page else ""
    return template.fill("passage", id=passage.passage_id, title=passage.title, page=page, text=passage.text)


def _check(question: Question, rendered: Rendered, template: Template) -> None:
    """Refuse a text in which the question or a choice cannot be read: a chat template may drop turns."""
    text = "".join(rendered.text.split())
    shown = [("question", question.question), ("box", question.box), ("paragraph", question.paragraph)]
    shown += [(f"choice {number}", choice) for number, choice in enumerate(question.choices, start=1)]
    for name, part in shown:
        if "".join(part.split()) not in text:
            raise UserError(
                f"item {question.question_id}: the rendered prompt ({template.identity}) does not show its {name};"
                " the reader's chat template drops it: try rag.reader.format=plain"
            )
