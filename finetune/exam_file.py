"""Questions -> an exam file in our own form, that `corpora.exams.load_exam` reads back as the same questions."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from configs.errors import UserError
from corpora.records import Question
from corpora.writing import replaced


def write_exam(path: Path, questions: Iterable[Question]) -> int:
    """Write the whole file, or nothing; returns how many there are. Raises UserError for none."""
    lines = [json.dumps(_line(question), ensure_ascii=False) + "\n" for question in questions]
    if not lines:
        raise UserError(f"{path}: no questions to write; every one was dropped")
    with replaced(path) as stream:
        stream.writelines(lines)
    return len(lines)


def _line(question: Question) -> dict[str, object]:
    """The keys that differ from their defaults; the order is that of the bundled exam."""
    line: dict[str, object] = {
        "id": question.question_id,
        "kind": question.kind,
        "subject": question.subject,
        "split": question.split,
        "needs_knowledge": question.needs_knowledge,
        "hops": question.hops,
        "paragraph": question.paragraph,
        "box": question.box,
        "question": question.question,
        "choices": list(question.choices),
        "answer": question.answer,
        "answers": list(question.answers),
        "gold": [{"doc_id": gold.doc_id, "quote": gold.quote} for gold in question.gold],
    }
    return {name: value for name, value in line.items() if value not in ("", None, [])}
