"""A world small enough to index in a test: nine documents, an exam on them in three splits, and runs of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from configs.schema import SourceSettings
from corpora.exams import load_exam
from corpora.records import Question
from finetune.examples import Example
from finetune.examples_command import parser, settings_of
from finetune.examples_make import Bench, Made
from finetune.examples_sources import make_all, read_sources
from index_build.build import build
from rag.index import Index
from rag.pipeline import Library
from rag.reader import item_digest
from rag.tokens import EstimatedWording
from tests.conftest import Silence, settings_for, write_jsonl

DOCUMENTS: Mapping[str, tuple[str, str]] = {
    "goryeo": ("고려의 건국", "송악의 호족이던 왕건은 918년에 임금이 되어 나라 이름을 고려라 하였다. 이듬해 도읍을 송악으로 옮겼다."),
    "joseon": ("조선의 건국", "위화도에서 군사를 돌린 이성계는 1392년에 새 왕조를 열었고, 두 해 뒤 한양으로 도읍을 옮겼다."),
    "balhae": ("발해의 건국", "대조영은 698년에 동모산에서 발해를 세웠다. 뒤에 도읍은 상경으로 옮겨졌다."),
    "silla": ("신라의 통일", "문무왕은 676년에 기벌포에서 당의 수군을 물리치고 통일을 이루었다. 도읍은 금성이었다."),
    "baekje": ("백제의 천도", "성왕은 538년에 도읍을 웅진에서 사비로 옮기고 나라 이름을 남부여로 고쳤다."),
    "gaya": ("가야의 멸망", "이사부는 562년에 대가야를 쳐서 무너뜨렸다. 사다함이 앞장을 섰다."),
    "market": ("시장의 균형", "수요와 공급이 만나는 곳에서 값이 정해진다. 값이 균형보다 높으면 물건이 남는다."),
    "river": ("한강의 물줄기", "남한강과 북한강은 양수리에서 만나 서쪽으로 흐른다. 길이는 494킬로미터이다."),
    "volcano": ("울릉도의 화산", "울릉도의 나리 분지는 화산이 무너져 생긴 칼데라이다. 성인봉은 높이가 984미터이다."),
}  # fmt: skip


def _item(name: str, split: str, question: str, **rest: object) -> dict[str, object]:
    return {"id": name, "subject": "한국사", "split": split, "question": question, **rest}


def _gold(doc_id: str, quote: str) -> list[dict[str, str]]:
    return [{"doc_id": doc_id, "quote": quote}]


ITEMS: Sequence[dict[str, object]] = (
    _item("goryeo-year", "train", "송악의 호족이 고려를 세워 임금이 된 해는 언제인가?", choices=["698년", "918년", "936년", "1392년"],
          answer=2, gold=_gold("goryeo", "왕건은 918년에 임금이 되어")),
    _item("joseon-founder", "train", "위화도에서 군사를 돌려 새 왕조를 연 사람의 이름을 쓰시오.", answers=["이성계", "태조"],
          gold=_gold("joseon", "이성계는 1392년에 새 왕조를 열었고")),
    _item("baekje-box", "train", "백제의 천도에 대한 설명으로 옳은 것만을 <보기>에서 고른 것은?",
          box="ㄱ. 웅진에서 도읍을 옮겼다.\nㄴ. 문무왕이 옮겼다.\nㄷ. 나라 이름을 고쳤다.", choices=["ㄱ, ㄴ", "ㄱ, ㄷ", "ㄴ, ㄷ", "ㄱ, ㄴ, ㄷ"],
          answer=2, gold=_gold("baekje", "도읍을 웅진에서 사비로 옮기고 나라 이름을 남부여로")),
    _item("places", "train", "대가야를 무너뜨린 장수로 알맞은 것은?", choices=["이사부", "장보고", "①과 ② 모두", "정답 없음"], answer=1,
          gold=_gold("gaya", "이사부는 562년에 대가야를 쳐서")),
    _item("market-price", "train", "윗글에서 값이 균형보다 높을 때 벌어지는 일은?", subject="경제",
          paragraph="물건 값이 사고파는 뜻이 맞는 자리보다 위에 있으면 팔려는 양이 사려는 양을 넘는다.",
          choices=["물건이 남는다", "물건이 모자란다", "값이 더 오른다", "아무 일도 없다"], answer=1),
    _item("volcano-height", "train", "울릉도에서 가장 높은 성인봉의 높이를 쓰시오.", subject="한국지리", answers=["984미터"],
          gold=_gold("volcano", "성인봉은 높이가 984미터이다")),
    _item("silla-where", "dev", "문무왕이 당의 수군을 물리친 곳은 어디인가?", choices=["기벌포", "동모산", "위화도", "양수리"], answer=1,
          gold=_gold("silla", "676년에 기벌포에서 당의 수군을")),
    _item("balhae-founder", "test", "동모산에서 나라를 열어 발해의 첫 임금이 된 사람은 누구인가?",
          choices=["대조영", "왕건", "성왕", "이사부"], answer=1, gold=_gold("balhae", "대조영은 698년에 동모산에서")),
)  # fmt: skip


def little_index(folder: Path) -> Index:
    """The documents, indexed without vectors."""
    records: list[dict[str, object]] = [
        {"id": name, "title": title, "text": text} for name, (title, text) in DOCUMENTS.items()
    ]
    source = SourceSettings(kind="jsonl", path=write_jsonl(folder / "documents.jsonl", records))
    settings = settings_for(source, folder / "index")
    build(settings, Silence())
    return Index(folder / "index")


def exam_file(folder: Path, items: Sequence[dict[str, object]] = ITEMS) -> Path:
    """The exam as a file."""
    return write_jsonl(folder / "exam.jsonl", list(items))


def questions(folder: Path) -> dict[str, Question]:
    """The exam's questions by their ids."""
    return {question.question_id: question for question in load_exam(exam_file(folder))}


Make = Callable[..., Made]
Only = Callable[..., list[Example]]


def make_examples(library: Library, folder: Path) -> Make:
    """What `python -m finetune examples ARGUMENTS` makes of these items, with the index opened beforehand."""

    def run(*arguments: str, items: Sequence[dict[str, object]] = ITEMS) -> Made:
        exam = exam_file(folder, items)
        source = [] if "--config" in arguments else ["--exam", f"jsonl:{exam}"]
        settings = settings_of(parser().parse_args([*source, *arguments]))
        wanted = settings.finetune.examples
        bench = Bench(settings.rag, wanted, EstimatedWording(1 << 16), library)
        return make_all(read_sources(wanted), bench)

    return run


def question(name: str = "q", *choices: str, answer: int = 1, **rest: Any) -> Question:
    """A question of which nothing matters but what is given."""
    return Question(name, "multiple_choice", "한국사", "옳은 것은?", choices or ("가", "나", "다"), answer, **rest)


def run_folder(folder: Path, asked: Sequence[Question], right: Mapping[str, bool], *, arm: str = "retrieved") -> Path:
    """The files of an evaluation that training reads; items not named in `right` were answered wrong."""
    folder.mkdir(parents=True)
    lines: list[dict[str, object]] = [
        {
            "question_id": question.question_id,
            "digest": item_digest(question),
            "answer": question.answer,
            "traits": {"kind": question.kind, "subject": question.subject, "split": question.split, "hops": 1},
            "outcomes": [
                {
                    "arm": arm,
                    "answer": "1",
                    "is_right": right.get(question.question_id, False),
                    "shows_gold": True,
                    "cause": None if right.get(question.question_id, False) else "reader ignored",
                }
            ],
        }
        for question in asked
    ]
    write_jsonl(folder / "items.jsonl", lines)
    (folder / "record.json").write_text(json.dumps({}), encoding="utf-8")
    return folder
