"""Questions on the passages of an index, made by the rules that the embedded reader learnt to read from."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from kiwipiepy import Kiwi
from tqdm import tqdm

from corpora.records import Question
from finetune.reader_blocks import pool_of, text_of
from finetune.reader_questions import Maker
from rag.index import Index


def ruled(index: Index, rows: Sequence[int], *, per_passage: int, split: str, seed: int) -> list[list[Question]]:
    """For every row at most `per_passage` questions that its passage answers, each quoting the sentences that do so.

    Ids are `passage~r1`, `passage~r2`; the subject is the document's title. Wrong choices are terms of these passages
    alone. The same rows and seed give the same questions.
    """
    kiwi = Kiwi(num_workers=1)
    texts = [text_of(index, kiwi, row) for row in tqdm(rows, desc="sentences", unit=" passages", disable=None)]
    titles = sorted({text.title for text in texts if text.title})
    maker = Maker(kiwi, pool_of(texts), titles, random.Random(seed))
    found = []
    for row, text in zip(rows, tqdm(texts, desc="questions", unit=" passages", disable=None), strict=True):
        passage_id = index.store.passage_id(row)
        found.append(
            [
                replace(
                    question,
                    question_id=f"{passage_id}~r{number}",
                    subject=text.title,
                    split=split,
                    needs_knowledge="retrieval",
                )
                for number, question in enumerate(maker.make(text, per_passage), start=1)
            ]
        )
    return found
