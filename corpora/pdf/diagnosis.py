"""How healthy the text of a page is: measures, a verdict, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from corpora.pdf.furniture import CleanPage
from corpora.pdf.language import boundary_logits, count_hangul, usualness
from corpora.pdf.repair import jamo_share, repair

Verdict = Literal["good", "repaired", "suspect", "unreadable"]

_PRIVATE = re.compile(r"[\ue000-\uf8ff\ufffd\x00-\x08\x0e-\x1f\U000f0000-\U0010fffd]")
# scripts of a Korean text: Latin, Greek, Cyrillic, kana, hanja, Hangul, symbols and punctuation
_FOREIGN = re.compile(
    r"[^\x00-\u02ff\u0300-\u036f\u0370-\u03ff\u0400-\u045f\u1100-\u11ff\u2000-\u2bff\u2e80-\u303f\u3040-\u318f\u31f0-\u4dbf"
    r"\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\ue000-\uf8ff\uf900-\ufaff\ufb00-\ufb06\ufe30-\ufe4f\uff00-\uffff\U0001d400-\U0001d7ff"
    r"\U0001f000-\U0001ffff\U00020000-\U0003ffff\U000f0000-\U0010fffd]"
)
# usualness: of 5,840 lines of statutes, textbooks and a report 2 are below, of 4 lines in a broken font 3
_ODD_LINE = -3.1
_SAMPLE = 240  # characters of each page whose spaces are judged


@dataclass(frozen=True, slots=True)
class PageHealth:
    """Measures of one page; rates and shares are from 0 to 1."""

    page: int
    label: str
    chars: int
    hangul: float  # share of the characters
    private: float  # private-use, replacement and control characters
    foreign: float  # characters of scripts that a Korean text does not use
    usualness: float | None  # mean log10 probability of its syllables; None for fewer than 8
    odd: float  # share of its syllables on lines that are hardly Korean
    jamo: float  # share of jamo among its Hangul
    glued: float  # of the places inside words, how many want a space
    split: float  # of the spaces, how many stand inside a word
    vertical: float
    columns: int
    tables: int
    heads: int  # lines of furniture taken away
    watermarks: int
    is_contents: bool
    is_image: bool  # no text, but a picture
    confidence: float | None  # of OCR, 0 to 100; None for a page that was not recognised
    verdict: Verdict
    why: str

    @property
    def needs_ocr(self) -> bool:
        """Whether it is a picture or has damaged text; vertical text is no damage."""
        return self.is_image or (self.verdict in ("suspect", "unreadable") and self.vertical <= 0.3)


@dataclass(frozen=True, slots=True)
class FileHealth:
    """Measures of one file."""

    path: str
    verdict: Verdict
    advice: str
    pages: tuple[PageHealth, ...]
    page_count: int
    is_encrypted: bool
    is_restricted: bool  # its owner forbids copying text
    unmapped_fonts: tuple[str, ...]  # without ToUnicode; looked for when pages are suspect, or on request
    joined: int = 0  # lines joined to the one before
    is_unfinished: bool = False  # OCR ran out of time: another run may read more


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a page besides its text."""

    columns: int
    tables: int
    is_image: bool
    confidence: float | None  # of OCR
    is_refused: bool  # OCR was less confident than wanted, and its text not taken
    is_respaced: bool


def diagnose(pages: Sequence[CleanPage], seen: Mapping[int, Seen]) -> list[PageHealth]:
    """The health of each page, its furniture already off. `seen` by page number."""
    texts = [[repair(line.text) for line in page.page.lines] for page in pages]
    flat = usualness([text for lines in texts for text in lines])
    spaces = _spacing([" ".join(lines) for lines in texts])
    at = 0
    found = []
    for page, lines, (glued, split) in zip(pages, texts, spaces, strict=True):
        scores = flat[at : at + len(lines)]
        at += len(lines)
        found.append(_page_health(page, lines, scores, (glued, split), seen[page.page.number]))
    return found


def garbage_share(text: str) -> float:
    """Share of characters that a Korean text cannot hold: private use, control, foreign scripts."""
    visible = len("".join(text.split()))
    return (len(_PRIVATE.findall(text)) + len(_FOREIGN.findall(text))) / visible if visible else 0.0


def _spacing(texts: Sequence[str]) -> list[tuple[float, float]]:
    """(glued, split) of each text, judged on a sample from its middle: one model call for all."""
    samples = [text[max(len(text) // 2 - _SAMPLE // 2, 0) :][:_SAMPLE].replace("\n", " ") for text in texts]
    starts = np.cumsum([0, *(len(sample) + 1 for sample in samples)])
    offsets, logits, spaced = boundary_logits("\n".join(samples))
    owner = np.searchsorted(starts, offsets, side="right") - 1
    rates = []
    for number in range(len(samples)):
        mine = owner == number
        inside, between = mine & ~spaced, mine & spaced
        glued = float((logits[inside] > 3).mean()) if inside.any() else 0.0
        split = float((logits[between] < -3).mean()) if between.any() else 0.0
        rates.append((glued, split))
    return rates


def _page_health(
    page: CleanPage, lines: Sequence[str], scores: Sequence[tuple[float, int]], rates: tuple[float, float], seen: Seen
) -> PageHealth:
    text = "\n".join(lines)
    chars = len("".join(text.split()))
    syllables = sum(count for _, count in scores)
    mean = sum(score * count for score, count in scores) / syllables if syllables >= 8 else None
    odd = sum(count for score, count in scores if score < _ODD_LINE and count >= 4) / syllables if syllables else 0.0
    share = 1 / max(chars, 1)
    private, foreign = len(_PRIVATE.findall(text)) * share, len(_FOREIGN.findall(text)) * share
    jamo = jamo_share("\n".join(line.text for line in page.page.lines))
    vertical = page.page.vertical / max(page.page.chars, 1)
    is_image = chars < 5 and seen.is_image
    verdict, why = _verdict(
        garbage=private + foreign, odd=odd, jamo=jamo, vertical=vertical, is_image=is_image, seen=seen, chars=chars
    )
    return PageHealth(
        page=page.page.number,
        label=page.label,
        chars=chars,
        hangul=count_hangul(text) * share,
        private=private,
        foreign=foreign,
        usualness=mean,
        odd=odd,
        jamo=jamo,
        glued=rates[0],
        split=rates[1],
        vertical=vertical,
        columns=seen.columns,
        tables=seen.tables,
        heads=page.heads,
        watermarks=page.watermarks,
        is_contents=page.is_contents,
        is_image=is_image,
        confidence=seen.confidence,
        verdict=verdict,
        why=why,
    )


def _verdict(
    *, garbage: float, odd: float, jamo: float, vertical: float, is_image: bool, seen: Seen, chars: int
) -> tuple[Verdict, str]:
    """The verdict, and in words what decided it; "" for a good page."""
    unmapped = "fonts without Unicode map"
    confidence = seen.confidence if seen.confidence is not None else 0.0
    rules: list[tuple[bool, Verdict, str]] = [
        (is_image, "unreadable", "a picture without text: needs OCR"),
        (garbage > 0.5, "unreadable", f"{garbage:.0%} of the characters are no Korean text: {unmapped}"),
        (garbage > 0.08, "suspect", f"{garbage:.0%} private-use or foreign characters: {unmapped}"),
        (
            odd > 0.15 and chars >= 20,
            "suspect",
            f"{odd:.0%} of the syllables stand on lines that are not Korean: wrong Hangul",
        ),
        (vertical > 0.3 and chars >= 4, "suspect", "vertical text: the reading order is uncertain"),
        (seen.confidence is not None and not seen.is_refused, "repaired", f"read by OCR, confidence {confidence:.0f}"),
        (seen.is_respaced, "repaired", "words without spaces between them: spaces put in"),
        (jamo > 0.1, "repaired", f"{jamo:.0%} of the Hangul was jamo: composed"),
    ]
    verdict, why = next(((verdict, why) for applies, verdict, why in rules if applies), ("good", ""))
    return (
        verdict,
        f"{why}; OCR is not sure enough of it (confidence {confidence:.0f})" if why and seen.is_refused else why,
    )


def file_verdict(pages: Sequence[PageHealth], *, is_restricted: bool, ocr_hint: str) -> tuple[Verdict, str]:
    """The verdict on the file, and what to do about it; "" when nothing need be done."""
    advice = []
    images = sum(page.is_image for page in pages)
    unreadable = sum(page.verdict == "unreadable" for page in pages) - images
    suspect = sum(page.verdict == "suspect" for page in pages)
    if images:
        advice.append(f"{images} of {len(pages)} pages are pictures without text; {ocr_hint}")
    if unreadable + suspect:
        advice.append(
            f"{unreadable + suspect} of {len(pages)} pages have damaged text and stay out"
            f" (get the file anew with embedded Unicode maps; {ocr_hint})"
        )
    if is_restricted:
        advice.append("the owner forbids copying its text: check that you may use it")
    readable = [page for page in pages if page.verdict in ("good", "repaired")]
    with_text = [page for page in pages if page.chars >= 5 or page.is_image]
    if with_text and not any(page.chars >= 5 for page in readable):
        verdict: Verdict = "suspect" if suspect else "unreadable"
    elif not with_text:
        verdict, advice = "unreadable", [*advice, "no text and no pictures in it"]
    elif 10 * (suspect + unreadable + images) > len(with_text):
        verdict = "suspect"
    else:
        verdict = "repaired" if any(page.verdict == "repaired" for page in pages) else "good"
    return verdict, "; ".join(advice)
