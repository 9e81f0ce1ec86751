"""MinHash signatures: alike for like texts, the same whatever they are made with."""

from __future__ import annotations

import numpy as np

from corpora.records import Document
from corpora.sources import parse_source, read
from index_build.dedup import PERMUTATIONS, near_duplicates, shingles, signatures


def _texts() -> list[str]:
    return [item.text for item in read(parse_source("sample")) if isinstance(item, Document)][:60]


def test_share_of_equal_places_estimates_the_similarity_of_shingles() -> None:
    errors = []
    for text in _texts():
        damaged = text[: int(len(text) * 0.8)]
        one, other = signatures([text, damaged])
        both, any_of_them = shingles(text) & shingles(damaged), shingles(text) | shingles(damaged)
        errors.append(float((one == other).mean()) - len(both) / len(any_of_them))
    # the standard deviation of one estimate at .8 is .05
    assert abs(np.mean(errors)) < 0.02
    assert np.std(errors) < 0.08


def test_a_signature_does_not_depend_on_the_texts_beside_it_or_on_spaces() -> None:
    texts = [*_texts()[:5], "짧다", "", "가나다라마바", "가 나 다\n라 마 바"]
    together = signatures(texts)
    assert together.shape == (len(texts), PERMUTATIONS)
    for text, found in zip(texts, together, strict=True):
        assert (signatures([text])[0] == found).all()
    assert (together[-1] == together[-2]).all()
    assert (together[-1] != together[0]).any()


def test_near_duplicates_keep_the_earlier_text() -> None:
    first, second = _texts()[:2]
    texts = [first, second, first.replace(".", " ."), second[: len(second) // 2]]
    dropped = near_duplicates(signatures(texts), texts.__getitem__, threshold=0.9)
    assert dropped == {2: 0}
