"""What the tests of fine-tuning share: examples that can be learnt, and settings that take a second."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from configs import load
from configs.training import DpoSettings, SftSettings
from finetune.examples import Example, write_examples
from rag.tokens import Message


def examples_of(count: int, split: str) -> list[Example]:
    """Examples whose answer stands in the question."""
    return [
        Example(
            id=f"{split}{number}",
            messages=(
                Message("system", "지문을 읽고 질문의 답을 구하세요."),
                Message("user", f"질문: {number}번, 답은 {number % 4 + 1}이다. 1, 2, 3, 4 중에 고르세요.\n정답:"),
            ),
            answer=str(number % 4 + 1),
            reasoning="",
            channel="labels",
            question_id=f"{split}-q{number}",
            choices=("경기도", "충청도", "전라도", "강원도"),
            split=split,
            mode="closed",
            passages=(),
            gold_shown=False,
            template="base@1",
            source="test",
            subject="한국사",
        )
        for number in range(count)
    ]


def write(path: Path, examples: Sequence[Example]) -> Path:
    """A file of examples."""
    write_examples(path, examples, sources={}, settings={})
    return path


def settings_for(model: Path, *changes: str) -> SftSettings:
    """Eight steps of a tiny model, four looks at dev."""
    return load(None, [f"finetune.sft.{change}" for change in _changes(model, *changes)]).finetune.sft


def preference_settings_for(model: Path, *changes: str) -> DpoSettings:
    """The same for preferences."""
    return load(None, [f"finetune.dpo.{change}" for change in _changes(model, *changes)]).finetune.dpo


def _changes(model: Path, *changes: str) -> tuple[str, ...]:
    return (
        f"model={model}", "precision=fp32", "epochs=2", "learning_rate=0.01", "looks=2", "device=cpu",
        "gradient_checkpointing=false", "stop.patience=0", "unsloth=never", *changes,
    )  # fmt: skip
