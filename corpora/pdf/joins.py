"""Whether two lines of a paragraph meet with a space or without: rules where they are sure, else language."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from corpora.pdf.language import language, space_logits

_HANGUL = re.compile(r"[가-힣]")
_LATIN_SEAM = re.compile(r"[A-Za-z]{2}")  # Latin words are not broken without a hyphen
_LATIN_HYPHEN = re.compile(r"[a-zA-Z]{2,}[-\u2010\u00ad]$")
_HYPHENS = ("-", "\u2010", "\u00ad")
_OPENING = tuple("([{〔【《〈「『‘“<·ㆍ/~∼–-")
_CLOSING = tuple(")]}〕】》〉」』’”>.,;:!?·ㆍ/~∼%℃")
_MARKS = tuple("①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮•◦○●■□▪▶◆◇※*")
_WORD = re.compile(r"[가-힣]{2,}|[A-Za-z]{2,}")
_LEXICON_WEIGHT = 1.2  # per log count: the fewest errors on 형법, 형사소송법 and 기초통신 (18 of 1,309 line ends)


_LEAST_FOR_PRIOR = 30

Written = Literal["exact", "some", "none"]


@dataclass(frozen=True, slots=True)
class Seam:
    """Where one line ends and the next begins."""

    before: str
    after: str
    spaced: bool  # the file writes a space at the end of the first line


def lexicon(lines: Iterable[str]) -> Counter[str]:
    """How often each word stands whole inside a line: the document's own evidence for its compounds."""
    inner = "\n".join([line[line.find(" ") + 1 : line.rfind(" ") + 1] for line in lines])
    return Counter(_WORD.findall(inner))


def spaces_written(seams: Sequence[Seam]) -> Written:
    """Whether the file ends lines with a space exactly where a word ends.

    Some producers do, some never write one, some always. A document where 8 % to 75 % of the seams
    after a Hangul syllable have a space is taken at its word in both directions ("exact"); where it is
    less or the seams are few, only a space that is there counts ("some"); above that nothing does.
    """
    hangul = [seam for seam in seams if _HANGUL.match(seam.before[-1:])]
    spaced = sum(seam.spaced for seam in hangul)
    if spaced > 0.75 * len(hangul):
        return "none"
    return "exact" if len(hangul) >= 10 and spaced >= 0.08 * len(hangul) else "some"


def decide(seams: Sequence[Seam], words: Mapping[str, int]) -> list[str]:
    """What to put between the lines of each seam: " ", "" or "\\b" (take away the hyphen too)."""
    written = spaces_written(seams)
    glue = [_by_rule(seam, written) for seam in seams]
    for n, seam in enumerate(seams):
        if (
            seam.before[-1:] in _HYPHENS
            and _LATIN_HYPHEN.search(seam.before)
            and seam.after[:1].isascii()
            and seam.after[:1].islower()
        ):
            glue[n] = _hyphen(seam, words)
    open_seams = [n for n, part in enumerate(glue) if part is None]
    logits = with_prior(space_logits([(seams[n].before, seams[n].after) for n in open_seams]))
    for n, logit in zip(open_seams, logits, strict=True):
        glue[n] = " " if float(logit) + _by_lexicon(seams[n], words) > 0 else ""
    return [part or "" for part in glue]


def with_prior(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """The log-odds with the share of spaces that this document's line ends have, instead of running text's.

    Typesetters differ: some break lines anywhere (4 in 10 ends at a space), others mostly at spaces (3 in 4).
    The share is found by expectation maximisation. Source: Saerens, Latinne, Decaestecker, Neural
    Computation 14 (2002).
    """
    if len(logits) < _LEAST_FOR_PRIOR:
        return logits
    bias = language().bias
    shift = 0.0
    for _ in range(20):
        share = float(np.clip((1 / (1 + np.exp(-(logits + shift)))).mean(), 0.02, 0.98))
        shift = log(share / (1 - share)) - bias
    return logits + np.float32(shift)


def _by_rule(seam: Seam, written: Written) -> str | None:
    """The glue that needs no language, or None."""
    before, after = seam.before or " ", seam.after or " "
    ends_number = before[-1] == "." and before[-2:-1].isdecimal() and after[0].isdecimal()
    by_mark = after[0] in _MARKS or (before[-1] in ",;:!?" and after[0] not in _CLOSING[:9])
    glue: str | None = " "
    if not by_mark and (before[-1] in _OPENING or after[0] in _CLOSING or " " in (before, after)):
        glue = ""
    elif by_mark or (before[-1] == "." and not ends_number) or _LATIN_SEAM.fullmatch(before[-1] + after[0]):
        glue = " "
    elif written == "exact" or (written == "some" and seam.spaced):
        glue = " " if seam.spaced else ""
    elif _HANGUL.match(before[-1]) or _HANGUL.match(after[0]):
        glue = None
    return glue


def _hyphen(seam: Seam, words: Mapping[str, int]) -> str:
    """Whether a broken word loses its hyphen ("\\b") or bears it (""), as far as the document knows both halves."""
    left, right = re.search(r"[A-Za-z]+(?=\W$)", seam.before), re.match(r"[A-Za-z]+", seam.after)
    if left is None or right is None or words.get(left.group() + right.group(), 0):
        return "\b"
    return "" if words.get(left.group(), 0) and words.get(right.group(), 0) else "\b"


def _by_lexicon(seam: Seam, words: Mapping[str, int]) -> float:
    """Log-odds of a space from the document: the two halves as words against the two as one."""
    left = re.search(r"[가-힣]+$", seam.before)
    right = re.match(r"[가-힣]+", seam.after)
    if left is None or right is None:
        return 0.0
    whole = words.get(left.group() + right.group(), 0)
    apart = min(words.get(left.group(), 0), words.get(right.group(), 0))
    return _LEXICON_WEIGHT * (log(apart + 1) - log(whole + 1)) - (1.5 if whole and not apart else 0.0)
