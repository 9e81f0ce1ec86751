"""Known-item retrieval from a textbook, on an index of each extractor's text: does better text find more?

For each paragraph of the gold with 60 syllables or more, the question is its five rarest nouns in the order
of the text. A passage gains what it holds of the paragraph (its syllable 8-grams) that no passage above it
held; DCG@10 of the gains, against the whole paragraph at rank 1. No judgement depends on how a text is cut.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from math import log2
from pathlib import Path

import numpy as np
from kiwipiepy import Kiwi

from configs.schema import CorporaSettings, IndexBuildSettings, LexicalSettings, Settings, SourceSettings
from index_build.__main__ import Bars
from index_build.build import build
from rag.index import Index
from rag.retrieve import LexicalRetriever

_SYLLABLE = re.compile(r"[가-힣]")
_GRAM, _TOP_K, _RESAMPLES = 8, 10, 2000


def retrieval_table(texts: Mapping[str, Sequence[tuple[str, str]]], gold: Sequence[str]) -> None:
    """Mean nDCG@10 of each extractor, and its paired difference to ours with a bootstrap interval."""
    targets = [paragraph for paragraph in gold if len(_SYLLABLE.findall(paragraph)) >= 60]
    questions = known_items(targets)
    scores = {}
    for name, documents in texts.items():
        with tempfile.TemporaryDirectory() as folder:
            scores[name] = _scores(documents, questions, targets, Path(folder))
    rng = np.random.default_rng(20260101)
    draws = rng.integers(0, len(questions), (_RESAMPLES, len(questions)))
    print(f"\nretrieval, {len(questions)} known items{'':10s}{'nDCG@10':>10s}{'ours - it':>12s}{'95 % interval':>20s}")
    for name, values in scores.items():
        difference = scores["ours"] - values
        low, high = np.percentile(difference[draws].mean(axis=1), [2.5, 97.5])
        print(f"{name:38s}{values.mean():10.4f}{difference.mean():12.4f}{f'{low:.4f} .. {high:.4f}':>20s}")


def known_items(targets: Sequence[str]) -> list[str]:
    """For each paragraph its five nouns that the fewest paragraphs have, in the order of the text."""
    kiwi = Kiwi(num_workers=1)
    nouns = [list(dict.fromkeys(t.form for t in kiwi.tokenize(text) if t.tag in ("NNG", "NNP"))) for text in targets]
    spread = Counter(noun for found in nouns for noun in found)
    questions = []
    for found in nouns:
        rarest = set(sorted(found, key=lambda noun: (spread[noun], noun))[:5])
        questions.append(" ".join(noun for noun in found if noun in rarest))
    return questions


def _scores(
    documents: Sequence[tuple[str, str]], questions: Sequence[str], targets: Sequence[str], folder: Path
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    source = folder / "texts.jsonl"
    rows = [{"id": name, "title": name, "text": text} for name, text in documents]
    source.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    settings = Settings().model_copy(
        update={
            "corpora": CorporaSettings(sources=(SourceSettings(kind="jsonl", path=source),)),
            "index_build": IndexBuildSettings(out=folder / "index", cache=folder / "cache", workers=1),
        }
    )
    bars = Bars()
    build(settings, bars)
    bars.close()
    index = Index(folder / "index")
    retriever = LexicalRetriever(index, LexicalSettings())
    passages = {index.store.passage_id(row): index.store.passage(row).text for row in range(len(index.store))}
    found = [[passages[hit.passage_id] for hit in retriever.search(question, _TOP_K)] for question in questions]
    return np.array([_coverage(hits, target) for hits, target in zip(found, targets, strict=True)])


def _coverage(hits: Sequence[str], target: str) -> float:
    wanted = _grams(target)
    total, left = 0.0, set(wanted)
    for rank, text in enumerate(hits, start=1):
        gained = left & _grams(text)
        left -= gained
        total += len(gained) / len(wanted) / log2(rank + 1)
    return total


def _grams(text: str) -> set[str]:
    squeezed = "".join(_SYLLABLE.findall(text))
    return {squeezed[n : n + _GRAM] for n in range(max(len(squeezed) - _GRAM + 1, 0))}
