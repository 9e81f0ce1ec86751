"""How near an extracted text is to a gold text: words, order, spaces, furniture, paragraphs over page breaks."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

_WORD = re.compile(r"[가-힣]+")
_GRAM = 12  # syllables: what stands once in both texts anchors the alignment
# LaTeX's have a full stop behind the number that the headings have not
LATEX_HEADS = re.compile(r"제\s*\d+\s*장\.|부록\s*[A-Z]\.|(?:^|\s)[\dA-Z]\.\s?\d+\.\s+(?=[가-힣A-Z])", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Score:
    """Measures of one extraction against its gold; all from 0 to 1 but `heads`."""

    f1: float  # of words as a bag
    recall: float  # of the gold's words, how many are there: tables and plots, which no gold holds, do not count
    order: float  # 2 LCS / (words + words): words in the right order
    spacing: float  # F1 of word boundaries between aligned syllables
    heads: float  # running heads left per 20 pages
    rejoined: float  # of the paragraphs that a page break cuts, how many go on without interruption
    cut: int  # paragraphs that a page break cuts


def words(text: str) -> list[str]:
    """Runs of Hangul: what is between them (formulas, digits, brackets) is not compared."""
    return _WORD.findall(text)


def f1(gold: Sequence[str], found: Sequence[str]) -> float:
    """Harmonic mean of precision and recall of the two bags of words."""
    common = sum((Counter(gold) & Counter(found)).values())
    return 2 * common / (len(gold) + len(found)) if gold or found else 1.0


def recall(gold: Sequence[str], found: Sequence[str]) -> float:
    """The share of the gold's words that are found; 1 for no gold."""
    return sum((Counter(gold) & Counter(found)).values()) / len(gold) if gold else 1.0


def accuracy(gold: str, found: str) -> float:
    """1 - (edit distance / length of the gold), at least 0; the measure that OCR is usually reported by."""
    if not gold:
        return float(not found)
    return max(0.0, 1 - _distance(gold, found) / len(gold))


def _distance(one: str, other: str) -> int:
    """Insertions, deletions and substitutions, by the bit-parallel algorithm of Myers (1999)."""
    masks: dict[str, int] = {}
    for n, char in enumerate(one):
        masks[char] = masks.get(char, 0) | 1 << n
    full, top = (1 << len(one)) - 1, 1 << (len(one) - 1)
    up, down, distance = full, 0, len(one)
    for char in other:
        match = masks.get(char, 0)
        cross = match | down
        match |= (((match & up) + up) ^ up) & full
        raised = down | (full & ~(match | up))
        lowered = up & match
        distance += bool(raised & top) - bool(lowered & top)
        raised = (raised << 1 | 1) & full
        up, down = ((lowered << 1) & full) | (full & ~(cross | raised)), raised & cross
    return distance


def order(gold: Sequence[str], found: Sequence[str]) -> float:
    """2 LCS / (len + len), by the bit-parallel algorithm of Hyyrö (2004)."""
    if not gold or not found:
        return 0.0
    masks: dict[str, int] = {}
    for n, word in enumerate(gold):
        masks[word] = masks.get(word, 0) | 1 << n
    full = (1 << len(gold)) - 1
    row = full
    for word in found:
        match = row & masks.get(word, 0)
        row = ((row + match) | (row - match)) & full
    return 2 * (len(gold) - row.bit_count()) / (len(gold) + len(found))


def spacing(gold: str, found: str) -> float:
    """F1 of spaces between syllables that follow each other in both texts, whatever the texts lack besides."""
    one, one_gaps = _syllables(gold)
    other, other_gaps = _syllables(found)
    right = wanted = given = 0
    for a, b, size in _alignment(one, other):
        for step in range(size - 1):
            in_gold, in_found = one_gaps[a + step], other_gaps[b + step]
            if in_gold is not None and in_found is not None:
                right += in_gold and in_found
                wanted += in_gold
                given += in_found
    return 2 * right / (wanted + given) if wanted + given else 1.0


def _syllables(text: str) -> tuple[str, list[bool | None]]:
    """The Hangul syllables of a text, and for each whether a space follows it before the next.

    None where something else than a space stands in between: a formula, a number, a bracket.
    """
    syllables: list[str] = []
    gaps: list[bool | None] = []
    last = 0
    for match in re.finditer(r"[가-힣]", text):
        if syllables:
            between = text[last : match.start()]
            gaps.append(None if between.strip() else bool(between))
        syllables.append(match.group())
        last = match.end()
    gaps.append(None)
    return "".join(syllables), gaps


def _alignment(one: str, other: str) -> list[tuple[int, int, int]]:
    """Blocks (start in one, start in other, length) that match, in order: anchored, then difflib in between."""
    anchors = [(0, 0), *_anchors(one, other), (len(one), len(other))]
    blocks: list[tuple[int, int, int]] = []
    for (a0, b0), (a1, b1) in zip(anchors, anchors[1:], strict=False):
        if a1 - a0 == b1 - b0 and one[a0:a1] == other[b0:b1]:
            found = [(a0, b0, a1 - a0)]
        elif (a1 - a0) * (b1 - b0) > 4_000_000:
            continue
        else:
            matcher = SequenceMatcher(None, one[a0:a1], other[b0:b1], autojunk=False)
            found = [
                (a0 + block.a, b0 + block.b, block.size) for block in matcher.get_matching_blocks() if block.size > 2
            ]
        for a, b, size in found:
            if blocks and blocks[-1][0] + blocks[-1][2] == a and blocks[-1][1] + blocks[-1][2] == b:
                blocks[-1] = (blocks[-1][0], blocks[-1][1], blocks[-1][2] + size)
            else:
                blocks.append((a, b, size))
    return blocks


def _anchors(one: str, other: str) -> list[tuple[int, int]]:
    """Positions of what stands once in both texts, both rising: the longest such chain."""
    places = [_once(one), _once(other)]
    shared = sorted((places[0][gram], places[1][gram]) for gram in places[0].keys() & places[1].keys())
    tails: list[int] = []
    last: list[int] = []
    back: list[int] = []
    for n, (_, b) in enumerate(shared):
        at = bisect_left(tails, b)
        back.append(last[at - 1] if at else -1)
        if at == len(tails):
            tails.append(b)
            last.append(n)
        else:
            tails[at], last[at] = b, n
    chain = []
    n = last[-1] if last else -1
    while n >= 0:
        chain.append(shared[n])
        n = back[n]
    return chain[::-1]


def _once(text: str) -> dict[str, int]:
    grams: dict[str, int] = {}
    twice = set()
    for n in range(len(text) - _GRAM + 1):
        gram = text[n : n + _GRAM]
        if gram in grams:
            twice.add(gram)
        grams[gram] = n
    return {gram: n for gram, n in grams.items() if gram not in twice}


def cuts(gold: Sequence[str], pages: Sequence[str]) -> list[str]:
    """For each paragraph that a page break cuts, the syllables around the cut: last of one page, first of the next.

    `pages` are any extractor's texts of the pages, line by line; heads and captions may stand between.
    """
    whole = ["".join(words(paragraph)) for paragraph in gold]
    found = []
    for page, following in zip(pages, pages[1:], strict=False):
        tails = [_squeezed(line)[-10:] for line in page.split("\n")[-6:]]
        starts = [_squeezed(line)[:10] for line in following.split("\n")[:9]]
        joined = [tail + head for tail in tails[::-1] for head in starts if len(tail) >= 5 and len(head) >= 5]
        hit = next((both for both in joined if any(both in paragraph for paragraph in whole)), None)
        if hit is not None:
            found.append(hit)
    return found


def _squeezed(line: str) -> str:
    return "".join(words(line))


def rejoined(around: Sequence[str], text: str) -> float:
    """Share of the cuts that stand in one line of the text."""
    lines = [_squeezed(line) for line in text.split("\n")]
    return sum(any(both in line for line in lines) for both in around) / len(around) if around else 1.0


def score(
    gold: Sequence[str], text: str, *, around: Sequence[str], pages: int, heads: re.Pattern[str] = LATEX_HEADS
) -> Score:
    """All measures of one text; `heads` is what a running head of the book looks like."""
    gold_words, found_words = words("\n".join(gold)), words(text)
    return Score(
        f1=f1(gold_words, found_words),
        recall=recall(gold_words, found_words),
        order=order(gold_words, found_words),
        spacing=spacing("\n".join(gold), text),
        heads=len(heads.findall(text)) * 20 / pages,
        rejoined=rejoined(around, text),
        cut=len(around),
    )
