"""How good an encoder is by itself: retrieval with judgements, statutes by their titles, sentence similarity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from corpora.exams import load_qrels, load_queries
from corpora.jsonl import read_records
from corpora.normalize import normalize
from corpora.records import Skipped
from finetune.encoder_pairs import law_part, read_sts, statute_text
from index_build.encoder import Encoder

_DEV_PART, _TEST_PART = 0, 1
_STATUTES = 1_000  # queries


@dataclass(frozen=True, slots=True)
class Figures:
    """One encoder on one split."""

    boolq_ndcg10: float
    boolq_recall100: float
    statutes_ndcg10: float
    sts_spearman: float  # x 100


@dataclass(frozen=True, slots=True)
class Sets:
    """What encoders are judged by."""

    boolq: tuple[Sequence[str], Sequence[str], Sequence[int]]  # queries, passages, right passage of each query
    statutes: tuple[Sequence[str], Sequence[str], Sequence[int]]
    sts: Sequence[tuple[str, str, float]]


def load_sets(folder: Path, split: str) -> Sets:
    """The sets of split "dev" (to choose by) or "test" (to report)."""
    return Sets(
        _boolq(folder / "boolq-ko", split),
        _statutes(folder / "statutes" / "articles.jsonl.gz", _DEV_PART if split == "dev" else _TEST_PART),
        read_sts(folder / "raw" / "kornlu" / "KorSTS" / f"sts-{split}.tsv"),
    )


def judge(encoder: Encoder, sets: Sets) -> Figures:
    """The figures of an encoder alone, by exact search."""
    ndcg, recall = _search(encoder, *sets.boolq)
    statutes, _ = _search(encoder, *sets.statutes)
    one = encoder.encode_queries([row[0] for row in sets.sts])
    other = encoder.encode_queries([row[1] for row in sets.sts])
    cosines = np.sum(one * other, axis=1)
    spearman = float(spearmanr(cosines, [row[2] for row in sets.sts]).statistic)
    return Figures(ndcg, recall, statutes, 100 * spearman)


def _search(
    encoder: Encoder, queries: Sequence[str], passages: Sequence[str], right: Sequence[int]
) -> tuple[float, float]:
    """(nDCG@10, recall@100), means over queries with one right passage each."""
    index = encoder.encode_passages(passages)
    ranks = []
    for begin in range(0, len(queries), 256):
        wanted = np.array(right[begin : begin + 256])
        scores = encoder.encode_queries(queries[begin : begin + 256]) @ index.T
        own = scores[np.arange(len(wanted)), wanted]
        ranks.append(1 + (scores > own[:, None]).sum(axis=1))
    found = np.concatenate(ranks)
    gains = np.where(found <= 10, 1 / np.log2(found + 1), 0)
    return float(gains.mean()), float((found <= 100).mean())


def _boolq(folder: Path, split: str) -> tuple[list[str], list[str], list[int]]:
    rows: dict[str, int] = {}
    passages: list[str] = []
    for item in read_records(folder / "corpus.jsonl"):
        if not isinstance(item, Skipped):
            rows[str(item.fields["_id"])] = len(passages)
            passages.append(normalize(str(item.fields["text"])))
    texts = load_queries(folder / "queries.jsonl")
    qrels: Mapping[str, Mapping[str, int]] = load_qrels(folder / "qrels" / f"{split}.tsv")
    judged = [(texts[query_id], rows[doc_id]) for query_id, docs in qrels.items() for doc_id in docs]
    return [text for text, _ in judged], passages, [row for _, row in judged]


def _statutes(path: Path, part: int) -> tuple[list[str], list[str], list[int]]:
    queries: list[str] = []
    passages: list[str] = []
    for item in read_records(path):
        if isinstance(item, Skipped) or law_part(normalize(str(item.fields.get("law")))) != part:
            continue
        _, query, body = statute_text(item.fields)
        if len(body) >= 40 and item.fields.get("title"):
            queries.append(query)
            passages.append(body[:700])
    step = max(len(queries) // _STATUTES, 1)
    return queries[::step], passages, list(range(0, len(queries), step))
