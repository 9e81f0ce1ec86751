"""A passage, questions on it and settings small enough to train a reader within a test."""

from __future__ import annotations

from tokenizers import Tokenizer

from configs.reader_training import ReaderModelSettings, ReaderTrainingSettings
from corpora.records import Question
from finetune.reader_blocks import Block
from finetune.reader_tokenizer import train_tokenizer
from rag.reader import Evidence

SETTINGS = ReaderTrainingSettings(
    model=ReaderModelSettings(vocabulary=900, hidden=160, layers=7, heads=3, head_dim=48, mlp=64, window=1024),
    learning_rate=1e-4, batch_tokens=300, longest=500, steps=4, warmup=1, threads=1, precision="fp32", plain_tokens=8,
)  # fmt: skip
PASSAGE = (
    "대동법은 1608년 경기도에서 처음 실시되었다. 이원익이 광해군에게 시행을 건의하였다. "
    "충청도에는 1651년 김육의 주장으로 시행되었다. 이를 맡은 관청은 선혜청이다."
)
EVIDENCE = [
    Evidence("daedongbeop#0", "대동법", "", PASSAGE),
    Evidence("hanbok#3", "한복 > 저고리", "12", "저고리는 1930년대에 길이가 길어졌다. 고름은 넓어졌다."),
]
QUESTIONS = (
    Question("", "multiple_choice", "", "대동법이 처음 실시된 곳은?", ("충청도", "경기도", "강원도"), 2),
    Question(
        "", "multiple_choice", "", "대동법을 건의한 이는?", ("이원익", "김육", "광해군", "이이"), 1, box="ㄱ. 옛글"
    ),
    Question("", "short_answer", "", "대동법을 맡은 관청의 이름을 쓰시오.", answers=("선혜청",)),
    Question("", "multiple_choice", "", "윗글로 보아 옳은 것은?", ("참", "거짓"), 1, paragraph="비가 왔다."),
)
BLOCK = Block(EVIDENCE[0], (EVIDENCE[1],), QUESTIONS)
FACTS = {"경기도": "대동법이 처음 실시된", "선혜청": "이를 맡은 관청인", "고름": "저고리의 길이가 길어진 때에 넓어진"}


def small_tokenizer() -> Tokenizer:
    """One of the words of these tests."""
    texts = [PASSAGE, *(item.text for item in EVIDENCE), *(item.question for item in QUESTIONS), " ".join(["", *FACTS])]
    return train_tokenizer(texts * 3, SETTINGS.model)
