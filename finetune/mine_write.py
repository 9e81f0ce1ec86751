"""Reasoning for chosen items: an endpoint is told the right answer and asked how to get there; checked, then kept."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from configs.reader import PromptSettings
from corpora.normalize import normalize
from corpora.records import Question
from finetune.mine_items import Mined
from finetune.reasoning import Reasoned, item_of
from finetune.verify import is_right
from finetune.written import Written, json_object
from rag.answer import written
from rag.prompt import expected, render
from rag.reader import Evidence, Generation, Prompt
from rag.tokens import Message, Wording

_TOLD = (
    "이 문제의 정답은 {answer}입니다. 자료와 선택지에서 출발하여 이 답에 이르는 풀이를 쓰세요."
    " 정답을 미리 알고 있었다는 말은 쓰지 마세요."
)
# reasoning that leans on the answer it was told teaches nothing
_LEANS = re.compile(r"정답[이은을]?\s*(?:미리|이미)?\s*(?:주어|제시|알려|알고)|주어진\s*정답|정답으로\s*주어")
_SHORTEST = 20  # characters


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of asking."""

    lines: tuple[Reasoned, ...]  # every item; "reasoning" is "" where what was written did not hold
    rejected: Counter[str]  # by reason


def items_to_write(
    mined: Mined, evidence: Mapping[str, Sequence[Evidence]], *, settings: PromptSettings, wording: Wording
) -> list[Reasoned]:
    """The chosen items as lines that wait for their reasoning. evidence: question id -> passages that answer it."""
    labels = mined.clustering.labels
    found = []
    for row in mined.chosen:
        mistake = mined.mistakes[row]
        shown = evidence.get(mistake.question.question_id, ())
        prompt = _asked(mistake.question, shown, settings=settings, wording=wording)
        facts = {
            "cluster": labels[row] + 1,
            "cause": mistake.cause,
            "given": mistake.outcome.answer,
            "text": prompt.messages[-1].content,
            "passages": tuple(passage.passage_id for passage in prompt.passages),
        }
        found.append(item_of(mistake.question).model_copy(update=facts))
    return found


def write_with(
    store: Written,
    lines: Sequence[Reasoned],
    questions: Mapping[str, Question],
    evidence: Mapping[str, Sequence[Evidence]],
    *,
    settings: PromptSettings,
    wording: Wording,
) -> Checked:
    """The lines with what a reader wrote, where it leads to the right answer and does not lean on being told it."""
    prompts = [
        told(
            _asked(questions[line.id], evidence.get(line.id, ()), settings=settings, wording=wording),
            questions[line.id],
        )
        for line in lines
    ]
    generations = store.generate(prompts, what="write")
    done, rejected = [], Counter[str]()
    for line, prompt, text in zip(lines, prompts, generations, strict=True):
        reasoning, fault = checked(text, prompt, questions[line.id])
        if fault:
            rejected[fault] += 1
        done.append(line.model_copy(update={"reasoning": reasoning}))
    return Checked(tuple(done), rejected)


def told(prompt: Prompt, question: Question) -> Prompt:
    """The prompt of channel `reason` with the right answer said at its end."""
    answer = expected(question)
    if question.kind == "multiple_choice":
        answer = f"{answer}번 ({question.choices[int(answer) - 1]})"
    last = prompt.messages[-1]
    turn = Message(last.role, f"{last.content}\n\n{_TOLD.format(answer=answer)}")
    return replace(prompt, messages=(*prompt.messages[:-1], turn))


def checked(text: Generation, prompt: Prompt, question: Question) -> tuple[str, str]:
    """(reasoning, "") of what was written, or ("", why it is not kept)."""
    said = json_object(text.text).get("풀이")
    reasoning = normalize(said).strip() if isinstance(said, str) else ""
    tests = (
        ("cut at the limit", text.is_cut),
        ("no JSON with 풀이", not reasoning),
        ("another answer", not is_right(question, written(prompt, text))),
        ("too short", len(reasoning) < _SHORTEST),
        ("leans on the answer it was told", _LEANS.search(reasoning) is not None),
    )
    fault = next((name for name, holds in tests if holds), "")
    return ("", fault) if fault else (reasoning, "")


def _asked(question: Question, shown: Sequence[Evidence], *, settings: PromptSettings, wording: Wording) -> Prompt:
    return render(question, shown, settings=settings, channel="reason", wording=wording)
