"""Questions that a language model writes: paraphrases of items, and items about passages; read back and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from configs.reader import PromptSettings
from corpora.normalize import normalize
from corpora.records import Gold, Passage, Question
from finetune.written import json_object
from rag.gate_features import is_negated
from rag.prompt import render
from rag.reader import Generation, Prompt
from rag.tokens import Message, Wording

_PARAPHRASE = (
    "다음 시험 문제의 질문을 뜻은 그대로 두고 다른 말로 다시 쓰세요. 이름과 수, 묻는 바와 부정 표현은 바꾸지 말고,"
    ' 답이나 풀이는 쓰지 마세요. 다음과 같은 JSON 하나로만 답하세요.\n{{"질문": "다시 쓴 질문"}}\n\n질문:\n{question}'
)
_ASK = (
    "다음 글만 읽고 풀 수 있는 {choices}지선다 문제 {count}개를 만드세요. 질문은 글을 보지 않은 사람도 무엇을 묻는지"
    " 알 수 있게 쓰고, ‘위 글’이나 ‘다음 글’이라는 말은 쓰지 마세요. 정답의 근거가 되는 문장을 글에서 그대로"
    " 옮겨 적으세요."
    " 다음과 같은 JSON 하나로만 답하세요.\n"
    '{{"문제": [{{"질문": "…", "선택지": ["…", "…"], "정답": 1, "근거": "글에 있는 문장"}}]}}\n\n'
    "제목: {title}\n\n글:\n{text}"
)
_SHORTEST = 8  # letters of a quote: less stands in many places


@dataclass(frozen=True, slots=True)
class Asked:
    """A passage that questions are to be written about."""

    passage: Passage
    title: str  # of its document, with the headings it stands under


def paraphrase_prompt(question: Question, *, settings: PromptSettings, wording: Wording) -> Prompt:
    """What asks for another wording of a question."""
    return _said(question, _PARAPHRASE.format(question=question.question), settings=settings, wording=wording)


def paraphrased(question: Question, text: Generation, *, new_id: str) -> tuple[Question | None, str]:
    """(the item with its new wording, "") or (None, why not)."""
    said = json_object(text.text).get("질문")
    new = normalize(said).strip() if isinstance(said, str) else ""
    made = replace(question, question_id=new_id, question=new)
    tests = (
        ("cut at the limit", text.is_cut),
        ("no JSON with 질문", not new),
        ("the same words", _letters(new) == _letters(question.question)),
        ("negation lost or gained", is_negated(made) != is_negated(question)),
    )
    fault = next((name for name, holds in tests if holds), "")
    return (None, fault) if fault else (made, "")


def questions_prompt(asked: Asked, *, choices: int, count: int, settings: PromptSettings, wording: Wording) -> Prompt:
    """What asks for items about a passage."""
    text = _ASK.format(choices=choices, count=count, title=asked.title, text=asked.passage.text)
    stand_in = Question(asked.passage.passage_id, "short_answer", "", asked.title, answers=("",))
    return _said(stand_in, text, settings=settings, wording=wording)


def questions_in(text: Generation, asked: Asked, *, choices: int, split: str) -> tuple[list[Question], list[str]]:
    """(items that hold, why the others do not) of what was written about a passage; ids `passage~q1`, `passage~q2`."""
    entries = json_object(text.text).get("문제")
    if text.is_cut or not isinstance(entries, list) or not entries:
        return [], ["cut at the limit" if text.is_cut else "no JSON with 문제"]
    made: list[Question] = []
    faults: list[str] = []
    for number, entry in enumerate(entries, start=1):
        fields = entry if isinstance(entry, dict) else {}
        question, fault = _question(fields, asked, number=number, choices=choices, split=split)
        if question is None:
            faults.append(fault)
        else:
            made.append(question)
    return made, faults


def _question(
    fields: dict[str, object], asked: Asked, *, number: int, choices: int, split: str
) -> tuple[Question | None, str]:
    stem, quote, answer, offered = (fields.get(name) for name in ("질문", "근거", "정답", "선택지"))
    if not (isinstance(stem, str) and isinstance(quote, str) and isinstance(answer, int) and isinstance(offered, list)):
        return None, "a key is missing"
    texts = [normalize(choice).strip() for choice in offered if isinstance(choice, str)]
    quote = normalize(quote).strip()
    tests = (
        ("another number of choices", len(texts) != choices or len(set(map(_letters, texts))) != choices),
        ("an answer that is no choice", not 1 <= answer <= len(texts)),
        ("no question", not stem.strip()),
        ("a quote that the passage does not hold", not _holds(asked.passage.text, quote)),
    )
    fault = next((name for name, holds in tests if holds), "")
    if fault:
        return None, fault
    return Question(
        question_id=f"{asked.passage.passage_id}~q{number}",
        kind="multiple_choice",
        subject=asked.title.partition(" > ")[0],
        question=normalize(stem).strip(),
        choices=tuple(texts),
        answer=answer,
        split=split,
        needs_knowledge="retrieval",
        gold=(Gold(asked.passage.doc_id, quote),),
    ), ""


def _holds(passage: str, quote: str) -> bool:
    return len(_letters(quote)) >= _SHORTEST and "".join(quote.split()) in "".join(passage.split())


def _said(question: Question, text: str, *, settings: PromptSettings, wording: Wording) -> Prompt:
    """A prompt that says this and nothing else; lengths are those of channel `reason`."""
    prompt = render(question, (), settings=settings, channel="reason", wording=wording)
    messages: Sequence[Message] = (Message("user", text),)
    rendered = wording.render(messages)
    return replace(prompt, messages=tuple(messages), text=rendered.text, lead=rendered.lead)


def _letters(text: str) -> str:
    return "".join(text.split()).casefold()
