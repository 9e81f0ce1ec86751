"""Questions that people wrote or judged -> blocks: boolq, NLI, HellaSwag, COPA, StrategyQA, the sample's own.

Train splits only, and of the sample the splits asked for. NLI becomes reading: several premises are a passage, and what
follows from one of them is the statement that agrees with it. So a statement must be recognised in other words.
"""

from __future__ import annotations

import csv
import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from configs.schema import LexicalSettings
from corpora.exams import load_exam, load_qrels
from corpora.jsonl import read_records
from corpora.normalize import normalize
from corpora.qrels import qrels_of
from corpora.records import Passage, Question, Skipped
from finetune.reader_blocks import Block
from finetune.reader_corpus import there
from rag.index import Index
from rag.pipeline import evidence_of
from rag.query import with_choices
from rag.reader import Evidence
from rag.retrieve import LexicalRetriever

_TOGETHER = 6  # questions of a block that share no passage
_PREMISES = 6  # of one passage
_AGREES = (
    "윗글의 내용과 일치하는 것은?",
    "다음 중 글의 내용으로 옳은 것은?",
    "참고 자료에 비추어 알맞은 것은?",
    "글에서 알 수 있는 것은?",
)
_DIFFERS = ("글의 내용과 일치하지 않는 것은?", "다음 중 글의 내용과 어긋나는 것은?")
_FOLLOWS = "윗글에 이어질 내용으로 가장 알맞은 것은?"
_COPA = {"결과": "윗글의 일이 낳은 결과로 알맞은 것은?", "원인": "윗글의 일이 일어난 까닭으로 알맞은 것은?"}
_YES = frozenset({"네", "예", "그렇습니다", "맞습니다"})


def human_blocks(folder: Path, *, seed: int) -> dict[str, list[Block]]:
    """Source -> its blocks, in the order of the files. Raises UserError naming the first file that is missing."""
    rng = random.Random(seed)
    raw = folder / "raw"
    nli = [*_kornli(raw / "kornlu" / "KorNLI"), *_klue(raw / "klue-small" / "klue-nli-v1.1_dev.json")]
    endings = [_hellaswag(raw / "kobest" / "HellaSwag" / "train.tsv"), _copa(raw / "kobest" / "COPA" / "train.tsv")]
    return {
        "boolq": list(_boolq(folder / "boolq-ko", rng)),
        "nli": list(_nli(nli, rng)),
        "endings": [block for blocks in endings for block in blocks],
        "strategyqa": list(_strategyqa(raw / "strategyqa-ko" / "task169_strategyqa_sentence_generation_ko.json", rng)),
    }


def exam_blocks(index: Index, questions: Sequence[Question], *, distractors: int) -> list[Block]:
    """A block per item of an exam that names its gold passages; they come first, then what our retriever finds."""
    by_doc: defaultdict[str, list[Passage]] = defaultdict(list)
    for row in range(len(index.store)):
        passage = index.store.passage(row)
        by_doc[passage.doc_id].append(passage)
    retriever = LexicalRetriever(index, LexicalSettings())
    blocks = []
    asked = [question for question in questions if question.gold and question.kind != "essay"]
    judged = qrels_of(asked, by_doc)
    for question in asked:
        gold, *more = evidence_of(index, sorted(judged[question.question_id]))
        hits = [hit.passage_id for hit in retriever.search(with_choices(question), distractors)]
        found = evidence_of(index, [name for name in hits if name not in judged[question.question_id]])
        blocks.append(Block(gold, (*more, *found), (question,)))
    return blocks


def _boolq(folder: Path, rng: random.Random) -> Iterator[Block]:
    corpus = {
        str(item.fields["_id"]): Evidence(f"{item.fields['_id']}#0", "", "", normalize(str(item.fields["text"])))
        for item in read_records(there(folder / "corpus.jsonl"))
        if not isinstance(item, Skipped)
    }
    judged = load_qrels(there(folder / "qrels" / "train.tsv"))
    questions = {question.question_id: question for question in load_exam(there(folder / "exam.train.jsonl"))}
    passages = sorted({doc_id for docs in judged.values() for doc_id in docs})
    for question_id, docs in judged.items():
        doc_id = min(docs)
        others = [corpus[other] for other in rng.sample(passages, 5) if other != doc_id]
        yield Block(corpus[doc_id], tuple(others), (questions[question_id],))


def _kornli(folder: Path) -> Iterator[tuple[str, str, str]]:
    for name in ("xnli.dev.ko.tsv", "xnli.test.ko.tsv"):
        for line in there(folder / name).read_text(encoding="utf-8").splitlines()[1:]:
            premise, hypothesis, label = line.split("\t")
            yield normalize(premise), normalize(hypothesis), label.strip()


def _klue(path: Path) -> Iterator[tuple[str, str, str]]:
    for record in json.loads(there(path).read_text(encoding="utf-8")):
        yield normalize(record["premise"]), normalize(record["hypothesis"]), record["gold_label"]


def _nli(rows: Sequence[tuple[str, str, str]], rng: random.Random) -> Iterator[Block]:
    groups: defaultdict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for premise, hypothesis, label in rows:
        groups[premise][label].append(hypothesis)
    premises = sorted(groups)
    rng.shuffle(premises)
    for number in range(0, len(premises), _PREMISES):
        chosen = premises[number : number + _PREMISES]
        true = [each for premise in chosen for each in groups[premise]["entailment"]]
        false = [each for premise in chosen for each in groups[premise]["contradiction"]]
        unsaid = [each for premise in chosen for each in groups[premise]["neutral"]]
        questions = [_pick(right, [*false, *unsaid], _AGREES, rng) for right in true]
        questions += [_pick(wrong, true, _DIFFERS, rng) for wrong in false[:2]]
        kept = tuple(question for question in questions if question is not None)
        if kept:
            yield Block(Evidence(f"nli-{number}#0", "", "", " ".join(chosen)), (), kept)


def _pick(right: str, wrong: Sequence[str], forms: Sequence[str], rng: random.Random) -> Question | None:
    others = [each for each in dict.fromkeys(wrong) if each != right]
    count = rng.choice((3, 4))
    if len(others) < count:
        return None
    return Question("", "multiple_choice", "", rng.choice(forms), (right, *rng.sample(others, count)), 1)


def _hellaswag(path: Path) -> Iterator[Block]:
    rows = _table(path)
    questions = [
        Question(
            "", "multiple_choice", "", _FOLLOWS, tuple(row[f"choice{number}"] for number in range(1, 5)),
            int(row["label"]) + 1, paragraph=row["context"],
        )
        for row in rows
    ]  # fmt: skip
    return _without_passages(questions)


def _copa(path: Path) -> Iterator[Block]:
    questions = [
        Question(
            "", "multiple_choice", "", _COPA[row["question"]], (row["1"], row["2"]), int(row["Answer"]),
            paragraph=row["sentence"],
        )
        for row in _table(path)
        if row["question"] in _COPA
    ]  # fmt: skip
    return _without_passages(questions)


def _without_passages(questions: Sequence[Question]) -> Iterator[Block]:
    sound = [question for question in questions if len(set(question.choices)) == len(question.choices)]
    for first in range(0, len(sound), _TOGETHER):
        yield Block(None, (), tuple(sound[first : first + _TOGETHER]))


def _strategyqa(path: Path, rng: random.Random) -> Iterator[Block]:
    for instance in json.loads(there(path).read_text(encoding="utf-8"))["Instances"]:
        found = re.search(r"질문\s*:\s*(.+?)\s*,?\s*(?:대답|답변|답)\s*:\s*(\w+)", instance["input"], re.DOTALL)
        facts = re.sub(r"\s*사실\s*\d+\s*:\s*", " ", instance["output"][0]).strip() if instance["output"] else ""
        if found is None or not 20 <= len(facts) <= 600:
            continue
        right = "예" if found[2] in _YES else "아니요"
        choices = ("예", "아니요") if rng.random() < 0.5 else ("아니요", "예")
        question = Question("", "multiple_choice", "", normalize(found[1]), choices, choices.index(right) + 1)
        yield Block(Evidence(f"{instance['id'][-6:]}#0", "", "", normalize(facts)), (), (question,))


def _table(path: Path) -> list[dict[str, str]]:
    with there(path).open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [{key: normalize(value or "") for key, value in row.items() if key} for row in rows]
