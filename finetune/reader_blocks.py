"""The index of the training text -> blocks: a passage, hard distractors from our own retriever, questions on it."""

from __future__ import annotations

import json
import multiprocessing
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from kiwipiepy import Kiwi
from tqdm import tqdm

from configs.reader_training import ReaderCorpusSettings
from configs.schema import LexicalSettings
from corpora.records import Gold, Question
from finetune.reader_questions import Maker, Text
from finetune.reader_sentences import Sentence, sentences
from rag.index import Index
from rag.pipeline import evidence_of
from rag.query import with_choices
from rag.reader import Evidence
from rag.retrieve import LexicalRetriever

_CHUNK = 200  # passages that a process takes at once


@dataclass(frozen=True, slots=True)
class Block:
    """Questions that one passage answers, and passages that resemble it, best ranked first.

    `gold` is None for questions that bring their own text (지문) or need none.
    """

    gold: Evidence | None
    others: tuple[Evidence, ...]
    questions: tuple[Question, ...]


def write_blocks(path: Path, blocks: Iterator[Block]) -> None:
    """Blocks as JSON lines; the file appears whole."""
    temporary = path.with_suffix(".part")
    with temporary.open("w", encoding="utf-8") as stream:
        for block in blocks:
            stream.write(json.dumps(asdict(block), ensure_ascii=False) + "\n")
    temporary.replace(path)


def read_blocks(path: Path) -> list[Block]:
    """The blocks of a file, in order."""
    with path.open(encoding="utf-8") as stream:
        return [_block(json.loads(line)) for line in stream]


def _block(record: dict[str, list[dict[str, object]]]) -> Block:
    gold = record["gold"]
    return Block(
        Evidence(**gold) if gold is not None else None,  # type: ignore[arg-type]  # as asdict wrote it
        tuple(Evidence(**other) for other in record["others"]),  # type: ignore[arg-type]
        tuple(_asked(fields) for fields in record["questions"]),
    )


def _asked(fields: dict[str, object]) -> Question:
    tuples: dict[str, tuple[str, ...]] = {key: tuple(fields[key]) for key in ("choices", "answers")}  # type: ignore[arg-type]
    gold = tuple(Gold(**each) for each in fields["gold"])  # type: ignore[attr-defined]
    return Question(**{**fields, **tuples, "gold": gold})  # type: ignore[arg-type]


def from_index(path: Path, settings: ReaderCorpusSettings, *, seed: int) -> Iterator[Block]:
    """Blocks of every passage of an index that rules can make questions from, in the order of the index."""
    count = len(Index(path).store)
    ranges = [range(first, min(first + _CHUNK, count)) for first in range(0, count, _CHUNK)]
    context = multiprocessing.get_context("spawn")  # Kiwi does not survive a fork
    with ProcessPoolExecutor(settings.workers, mp_context=context) as pool:
        jobs = [pool.submit(_blocks_of, path, rows, settings, seed) for rows in ranges]
        for job in tqdm(jobs, desc="questions", unit=" passages", unit_scale=_CHUNK, disable=None):
            yield from job.result()


@cache
def _opened(path: Path) -> tuple[Index, LexicalRetriever, Kiwi]:
    index = Index(path)
    return index, LexicalRetriever(index, LexicalSettings()), Kiwi(num_workers=1)


def _blocks_of(path: Path, rows: range, settings: ReaderCorpusSettings, seed: int) -> list[Block]:
    index, retriever, kiwi = _opened(path)
    texts = [text_of(index, kiwi, row) for row in rows]
    maker = Maker(
        kiwi,
        pool_of(texts),
        sorted({text.title for text in texts if text.title}),
        random.Random(f"{seed} {rows.start}"),
    )
    found = []
    for row, text in zip(rows, texts, strict=True):
        questions = maker.make(text, settings.questions)
        if questions:
            own = index.store.passage_id(row)
            query = with_choices(maker.rng.choice(questions))
            hits = retriever.search(query, settings.distractors + 1)
            names = [hit.passage_id for hit in hits if hit.passage_id != own][: settings.distractors]
            found.append(Block(evidence_of(index, [own])[0], tuple(evidence_of(index, names)), tuple(questions)))
    return found


def text_of(index: Index, kiwi: Kiwi, row: int) -> Text:
    """The passage of a row, taken apart into sentences with their terms."""
    passage, document = index.store.passage(row), index.store.document(row)
    return Text(document.doc_id, document.title, tuple(sentences(kiwi, passage.text)))


def pool_of(texts: Sequence[Text]) -> dict[str, list[str]]:
    """Kind -> the terms of that kind in some passages, each once, in order."""
    found: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for text in texts:
        for sentence in text.sentences:
            for term in _terms(sentence):
                found[term[0]].setdefault(term[1])
    return {kind: list(terms) for kind, terms in found.items()}


def _terms(sentence: Sentence) -> list[tuple[str, str]]:
    return [(term.kind, term.text) for term in sentence.terms]
