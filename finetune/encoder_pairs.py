"""Open Korean data -> pairs of texts that should lie close together, for the training of the embedded encoder.

Self-supervised: title and section -> passage, sentence -> the rest of its paragraph (wiki, statutes). Supervised:
question -> passage (boolq train), question -> facts (strategyqa), paraphrases (parakqc, question-pair), entailment
with a contradiction as its hard negative (KorNLI's and KLUE's dev sets), similar sentences (KorSTS train).

Never read: boolq's dev and test questions, KorSTS's dev and test sets, and the statutes of the held-out laws.
"""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import xxhash

from configs.errors import UserError
from corpora import wiki
from corpora.exams import load_qrels, load_queries
from corpora.jsonl import read_records
from corpora.normalize import normalize
from corpora.records import Document, Skipped

LAW_PARTS = 10  # of the laws, by digest of their names: part 0 is for choosing, part 1 for reporting
_SENTENCE = re.compile(r"(?<=[다요까])\.\s+|(?<=[.!?])\s+|\n+")
_SHORTEST, _LONGEST = 40, 700  # characters of a passage
_CHATTER = re.compile(r"번역|죄송|도와드릴|As an|AI ")  # what the translators of strategyqa left behind


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts that belong together. Pairs of one group are never taken as each other's negatives."""

    anchor: str
    positive: str
    group: str
    negative: str = ""  # "" = none but the others of its batch


def law_part(law: str) -> int:
    """Which of the ten parts a law is in; the same on every machine."""
    return xxhash.xxh3_64_intdigest(law.encode()) % LAW_PARTS


def load_pairs(folder: Path) -> dict[str, list[Pair]]:
    """Source -> its pairs, in the order of the files.

    Raises UserError naming the first file that is missing: the sets of the folder are in docs/encoder.md.
    """
    return {
        "wiki-title": list(_wiki_titles(folder / "wiki")),
        "wiki-sentence": list(_wiki_sentences(folder / "wiki")),
        "statutes": list(_statutes(folder / "statutes" / "articles.jsonl.gz")),
        "boolq": list(_boolq(folder / "boolq-ko")),
        "strategyqa": list(_strategyqa(folder / "raw" / "strategyqa-ko")),
        "paraphrase": [*_parakqc(folder / "raw" / "parakqc"), *_question_pairs(folder / "raw" / "question-pair")],
        "nli": [*_kornli(folder / "raw" / "kornlu" / "KorNLI"), *_klue_nli(folder / "raw" / "klue-small")],
        "sts": list(_sts_pairs(folder / "raw" / "kornlu" / "KorSTS" / "sts-train.tsv")),
    }


def statute_text(record: dict[str, object]) -> tuple[str, str, str]:
    """(law, what a person would ask for, text without its title) of one article of the statutes."""
    law, title, text = (str(record.get(key) or "") for key in ("law", "title", "text"))
    body = re.sub(r"^제\d+조(의\d+)?\s*\([^)]*\)\s*", "", normalize(text))
    body = re.sub(r"<[^>]*>|\[[^\]]*\]", "", body).strip()
    return normalize(law), " ".join(f"{law} {title}".split()), body


def _documents(folder: Path) -> Iterator[Document]:
    for file in wiki.files(folder):
        for item in wiki.read(file, source="wiki", licence=""):
            if not isinstance(item, Skipped) and len(item.text) >= 150:
                yield item


def _paragraphs(document: Document) -> Iterator[tuple[str, str]]:
    """(section, paragraph) of the paragraphs of a useful length, short neighbours joined."""
    starts = {heading.start: heading for heading in document.headings if heading.length}
    section, held, offset = "", "", 0
    for line in document.text.split("\n"):
        if offset in starts:
            if len(held) >= _SHORTEST:
                yield section, held
            section, held = starts[offset].title, ""
        elif len(held) + len(line) < 400:
            held = f"{held} {line}".strip()
        else:
            if len(held) >= _SHORTEST:
                yield section, held
            held = line[:_LONGEST]
        offset += len(line) + 1
    if len(held) >= _SHORTEST:
        yield section, held


def _wiki_titles(folder: Path) -> Iterator[Pair]:
    for document in _documents(folder):
        for section, paragraph in list(_paragraphs(document))[:4]:
            yield Pair(f"{document.title} {section}".strip(), paragraph, f"wiki {document.doc_id}")


def _wiki_sentences(folder: Path) -> Iterator[Pair]:
    for document in _documents(folder):
        for number, (_, paragraph) in enumerate(list(_paragraphs(document))[:4]):
            found = _held_out_sentence(paragraph)
            if found is not None:
                yield Pair(*found, f"wiki {document.doc_id} {number}")


def _held_out_sentence(paragraph: str) -> tuple[str, str] | None:
    """(sentence, the paragraph without it), the sentence chosen by the paragraph's digest; None for short ones."""
    sentences = [sentence for sentence in _SENTENCE.split(paragraph) if sentence.strip()]
    if len(sentences) < 3:
        return None
    chosen = xxhash.xxh3_64_intdigest(paragraph.encode()) % len(sentences)
    rest = " ".join(sentence for number, sentence in enumerate(sentences) if number != chosen)
    return (sentences[chosen], rest) if len(sentences[chosen]) >= 12 else None


def _statutes(path: Path) -> Iterator[Pair]:
    for record in _records(path):
        law, query, body = statute_text(record)
        if law_part(law) >= 2 and len(body) >= _SHORTEST and record.get("title"):
            yield Pair(query, body[:_LONGEST], query)


def _boolq(folder: Path) -> Iterator[Pair]:
    corpus = {str(record["_id"]): normalize(str(record["text"])) for record in _records(folder / "corpus.jsonl")}
    queries = load_queries(_there(folder / "queries.jsonl"))
    for query_id, judged in load_qrels(_there(folder / "qrels" / "train.tsv")).items():
        for doc_id in judged:
            yield Pair(queries[query_id], corpus[doc_id], doc_id)


def _strategyqa(folder: Path) -> Iterator[Pair]:
    path = _there(folder / "task169_strategyqa_sentence_generation_ko.json")
    for instance in json.loads(path.read_text(encoding="utf-8"))["Instances"]:
        found = re.search(r"질문\s*:\s*(.+?)\s*,?\s*(?:대답|답변|답)\s*:", instance["input"], re.DOTALL)
        facts = re.sub(r"사실\s*\d+\s*:", " ", instance["output"][0]) if instance["output"] else ""
        if found and 20 <= len(facts) <= 1000 and not _CHATTER.search(facts):
            question = normalize(found[1])
            yield Pair(question, " ".join(normalize(facts).split()), question)


def _parakqc(folder: Path) -> Iterator[Pair]:
    """Each utterance with the next of the same paraphrase set; a set is ten lines of the file."""
    lines = _there(folder / "paraKQC_v1.txt").read_text(encoding="utf-8").splitlines()
    texts = [line.split("\t")[-1].strip() for line in lines if line.strip()]
    for begin in range(0, len(texts) - 9, 10):
        for number in range(10):
            yield Pair(texts[begin + number], texts[begin + (number + 1) % 10], f"parakqc {begin}")


def _question_pairs(folder: Path) -> Iterator[Pair]:
    with _there(folder / "kor_pair_train.csv").open(encoding="utf-8-sig", newline="") as stream:
        for row in csv.DictReader(stream):
            if row.get("is_duplicate") == "1" and row["question1"] and row["question2"]:
                yield Pair(row["question1"], row["question2"], row["id"])


def _kornli(folder: Path) -> Iterator[Pair]:
    for name in ("xnli.dev.ko.tsv", "xnli.test.ko.tsv"):
        rows = [line.split("\t") for line in _there(folder / name).read_text(encoding="utf-8").splitlines()[1:]]
        yield from _entailed([(row[0], row[1], row[2]) for row in rows if len(row) == 3])


def _klue_nli(folder: Path) -> Iterator[Pair]:
    records = json.loads(_there(folder / "klue-nli-v1.1_dev.json").read_text(encoding="utf-8"))
    yield from _entailed([(r["premise"], r["hypothesis"], r["gold_label"]) for r in records])


def _entailed(rows: Sequence[tuple[str, str, str]]) -> Iterator[Pair]:
    """Premise -> what follows from it, with what contradicts it as the hard negative where there is one."""
    by_premise: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for premise, hypothesis, label in rows:
        by_premise[premise][label.strip()] = hypothesis
    for premise, hypotheses in by_premise.items():
        if "entailment" in hypotheses:
            yield Pair(premise, hypotheses["entailment"], premise, hypotheses.get("contradiction", ""))


def _sts_pairs(path: Path) -> Iterator[Pair]:
    for one, other, score in read_sts(path):
        if score >= 4 and one != other:
            yield Pair(one, other, one)


def read_sts(path: Path) -> list[tuple[str, str, float]]:
    """(sentence, sentence, similarity 0..5) of a KorSTS file. Raises UserError when it is missing."""
    rows = [line.split("\t") for line in _there(path).read_text(encoding="utf-8").splitlines()[1:]]
    return [(row[5], row[6], float(row[4])) for row in rows if len(row) >= 7]


def _records(path: Path) -> Iterator[dict[str, object]]:
    for item in read_records(_there(path)):
        if not isinstance(item, Skipped):
            yield item.fields


def _there(path: Path) -> Path:
    if not path.is_file():
        raise UserError(f"{path}: no such file; what the training data folder holds: docs/encoder.md")
    return path
