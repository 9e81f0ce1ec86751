"""The training of the encoder from a folder of toy data: held-out data stay out, hard negatives are foreign."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.dense import EncoderTrainingSettings
from finetune.encoder import main_encoder
from finetune.encoder_negatives import with_hard_negatives
from finetune.encoder_pairs import law_part, load_pairs
from finetune.encoder_train import Encoded, Ragged, Trainer
from index_build.encoder import load_static
from tests.conftest import write_jsonl

WORDS = ["쌀", "군포", "토지", "강물", "산맥", "임금", "법률", "돈", "배", "말", "관청", "백성", "시장", "포구", "세금"]
LAWS = [f"{a} {b}법" for a in WORDS for b in WORDS if a != b]


def sentence(*numbers: int) -> str:
    """A sentence of some of the words."""
    return " ".join(WORDS[number % len(WORDS)] for number in numbers) + "에 관하여 정한다."


def toy_data(folder: Path) -> Path:
    """Every file that training reads, with a few records each."""
    for name in ("wiki", "statutes", "boolq-ko/qrels", "raw/strategyqa-ko", "raw/parakqc", "raw/question-pair",
                 "raw/kornlu/KorNLI", "raw/kornlu/KorSTS", "raw/klue-small"):  # fmt: skip
        (folder / name).mkdir(parents=True)
    text = "\n".join(" ".join(sentence(n, n + 1, n + 2) for n in range(start, start + 9)) for start in range(6))
    write_jsonl(folder / "wiki" / "w.jsonl", [
        {"id": str(number), "title": f"{word} 이야기", "text": text} for number, word in enumerate(WORDS)
    ])  # fmt: skip
    with gzip.open(folder / "statutes" / "articles.jsonl.gz", "wt", encoding="utf-8") as stream:
        for number, law in enumerate(LAWS):
            body = f"제1조(목적) {sentence(number, number + 3)} " * 3
            stream.write(json.dumps({"law": law, "article": "제1조", "title": "목적", "text": body}) + "\n")
    beir = folder / "boolq-ko"
    write_jsonl(beir / "corpus.jsonl", [{"_id": f"d{n}", "title": "", "text": sentence(n, n + 5)} for n in range(15)])
    write_jsonl(beir / "queries.jsonl", [{"_id": f"q{n}", "text": f"{WORDS[n]} 질문 {n}?"} for n in range(15)])
    for split, numbers in (("train", range(9)), ("dev", range(9, 12)), ("test", range(12, 15))):
        lines = "".join(f"q{n}\td{n}\t1\n" for n in numbers)
        (beir / "qrels" / f"{split}.tsv").write_text(f"query-id\tcorpus-id\tscore\n{lines}", encoding="utf-8")
    instances = [
        {"input": f"질문: {WORDS[n]}은 무엇인가? 답변: 예", "output": [f"사실 1: {sentence(n, n + 1, n + 2)}"]}
        for n in range(9)
    ]
    task = folder / "raw/strategyqa-ko/task169_strategyqa_sentence_generation_ko.json"
    task.write_text(json.dumps({"Instances": instances}), encoding="utf-8")
    lines = "".join(f"0\t{sentence(n // 10, n)}\n" for n in range(30))
    (folder / "raw/parakqc/paraKQC_v1.txt").write_text(lines, encoding="utf-8")
    rows = "".join(f"{n},{WORDS[n]} 사요?,{WORDS[n]} 팔아요?,1\n" for n in range(9))
    (folder / "raw/question-pair/kor_pair_train.csv").write_text(
        f"id,question1,question2,is_duplicate\n{rows}", encoding="utf-8"
    )
    for name in ("xnli.dev.ko.tsv", "xnli.test.ko.tsv"):
        rows = "".join(
            f"{sentence(n)}\t{sentence(n + k)}\t{label}\n"
            for n in range(5)
            for k, label in enumerate(("entailment", "contradiction"))
        )
        (folder / "raw/kornlu/KorNLI" / name).write_text(f"sentence1\tsentence2\tgold_label\n{rows}", encoding="utf-8")
    for split in ("train", "dev", "test"):
        rows = "".join(f"g\tf\ty\t{n}\t{n % 6}\t{sentence(n)} {split}\t{sentence(n, n + n % 6)}\n" for n in range(12))
        (folder / "raw/kornlu/KorSTS" / f"sts-{split}.tsv").write_text(f"header\n{rows}", encoding="utf-8")
    (folder / "raw/klue-small/klue-nli-v1.1_dev.json").write_text("[]", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Toy data."""
    return toy_data(tmp_path_factory.mktemp("toy") / "data")


SETTINGS = [
    f"--set=finetune.encoder.{setting}"
    for setting in (
        "vocabulary=500",
        "dimensions=8",
        "matryoshka=[8,4]",
        "steps=4",
        "batch=16",
        "checkpoint=2",
        "bm25_negatives=[statutes,boolq]",
    )
]


def test_the_command_trains_an_encoder_and_the_same_command_the_same_one(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights: list[bytes] = []
    for name in ("one", "two"):
        out = tmp_path / name
        assert main_encoder(["--data", str(data), "--out", str(out), *SETTINGS]) == 0
        figures = json.loads(capsys.readouterr().out.splitlines()[0])
        assert set(figures) == {"boolq_ndcg10", "boolq_recall100", "statutes_ndcg10", "sts_spearman"}
        assert load_static(out).dimensions == 8
        assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"][: len(weights) + 1]
        weights.append((out / "0_StaticEmbedding" / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]
    assert main_encoder(["--data", str(data), "--out", str(tmp_path / "one"), "--report"]) == 0
    assert 0 <= json.loads(capsys.readouterr().out)["boolq_ndcg10"] <= 1


def test_held_out_questions_laws_and_sentences_are_in_no_pair(data: Path) -> None:
    pairs = load_pairs(data)
    assert [len(found) > 0 for found in pairs.values()] == [True] * len(pairs)
    read = {text for found in pairs.values() for pair in found for text in (pair.anchor, pair.positive, pair.negative)}
    assert {f"{WORDS[n]} 질문 {n}?" in read for n in range(9)} == {True}
    assert {f"{WORDS[n]} 질문 {n}?" in read for n in range(9, 15)} == {False}
    for law in LAWS:
        assert (f"{law} 목적" in read) == (law_part(law) >= 2)
    assert not any(text.endswith((" dev", " test")) for text in read)


def ragged(rows: Sequence[Sequence[int]]) -> Ragged:
    """Rows of token ids."""
    ids = np.array([token for row in rows for token in row], dtype=np.int32)
    return Ragged(ids, np.cumsum([0, *(len(row) for row in rows)]).astype(np.int64))


def encoded(anchors: Sequence[Sequence[int]], positives: Sequence[Sequence[int]], groups: Sequence[int]) -> Encoded:
    """Pairs without negatives."""
    none = np.full(len(groups), -1, dtype=np.int64)
    return Encoded(ragged(anchors), ragged(positives), ragged([[]] * len(groups)), np.array(groups), none)


def row_of(texts: Ragged, row: int) -> list[int]:
    found: list[int] = texts.ids[texts.offsets[row] : texts.offsets[row + 1]].tolist()
    return found


def test_a_hard_negative_is_the_foreign_passage_that_shares_most() -> None:
    pairs = encoded([[1, 2], [3], [9]], [[1, 2, 2], [1, 4], [2, 2, 5]], [0, 1, 2])
    found = with_hard_negatives(pairs, 10)
    # token 2 stands twice in the third passage, token 1 once in the second: saturated, once of the shorter is less
    assert row_of(found.negatives, 0) == [2, 2, 5]
    assert found.negative_groups.tolist() == [2, -1, -1]
    assert [row_of(found.negatives, row) for row in (1, 2)] == [[], []]


@given(st.lists(st.tuples(*[st.lists(st.integers(0, 7), min_size=1, max_size=4)] * 2, st.integers(0, 3)), max_size=12))
def test_no_hard_negative_is_of_its_own_group_and_given_ones_are_kept(
    rows: list[tuple[list[int], list[int], int]],
) -> None:
    pairs = encoded([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])
    found = with_hard_negatives(pairs, 8)
    for row, group in enumerate(found.negative_groups.tolist()):
        assert group != pairs.groups[row]
        assert (group >= 0) == bool(row_of(found.negatives, row))
    again = with_hard_negatives(found, 8)
    assert np.array_equal(again.negatives.ids, found.negatives.ids)


def test_training_with_hard_negatives_drives_them_away(tmp_path: Path) -> None:
    pairs = encoded([[0], [2]], [[1], [3]], [0, 1])
    hard = Encoded(pairs.anchors, pairs.positives, ragged([[4], [5]]), pairs.groups, np.array([2, 3]))
    start = np.random.default_rng(1).normal(size=(6, 8)).astype(np.float32)
    settings = EncoderTrainingSettings(
        dimensions=8, matryoshka=(8,), steps=60, batch=4, neighbours=2, checkpoint=60, shares={"toy": 1.0},
        drop_shared=0,
    )  # fmt: skip
    cosines = []
    for name, chosen in (("without", pairs), ("with", hard)):
        trainer = Trainer(start, settings, tmp_path / f"{name}.safetensors")
        trainer.run({"toy": chosen}, lambda _step, _vectors: None)
        unit = trainer.vectors / np.linalg.norm(trainer.vectors, axis=1, keepdims=True)
        cosines.append(float(unit[0] @ unit[4]))
    assert cosines[1] < cosines[0] - 0.2
