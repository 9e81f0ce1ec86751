"""Line ends inside paragraphs, and how well each way to decide them finds where a space belongs."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pypdfium2 as pdfium
from kiwipiepy import Kiwi

from corpora.pdf.flow import paragraphs
from corpora.pdf.furniture import clean
from corpora.pdf.glyphs import read_page
from corpora.pdf.joins import Seam, decide, lexicon
from corpora.pdf.language import space_logits
from corpora.pdf.layout import columns
from corpora.pdf.paragraph import PageFlow, Paragraph
from corpora.pdf.structure import Articles, is_statute, read_outline, style_of

_AROUND = 9  # syllables on each side that must stand in the gold, once
_SYLLABLE = re.compile(r"[가-힣]")


@dataclass(frozen=True, slots=True)
class Gold:
    """A PDF and its text as it should be."""

    name: str
    path: Path
    text: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A line end between two syllables, and whether the gold has a space there."""

    seam: Seam
    has_space: bool


def body(path: Path) -> list[Paragraph]:
    """The paragraphs of a PDF, not yet joined."""
    with pdfium.PdfDocument(path) as document:
        pages = clean([read_page(page, number) for number, page in enumerate(document, start=1)])
        outline = read_outline(document)
    lines = [line for page in pages for line in page.page.lines if not page.is_contents]
    flows = [
        PageFlow(
            page.page.number,
            page.page.height,
            tuple(columns(page.page.lines)),
            tuple(outline.get(page.page.number, ())),
        )
        for page in pages
        if not page.is_contents
    ]
    articles = Articles(is_statute(lines))
    return paragraphs(flows, style_of(lines), articles=articles, title="", has_outline=bool(outline))


def judged(found: Sequence[Paragraph], gold: str) -> list[Judged]:
    """The seams between two syllables whose surroundings the gold has exactly once."""
    places = [match.start() for match in _SYLLABLE.finditer(gold)]
    squeezed = "".join(gold[place] for place in places)
    seams = []
    for paragraph in found:
        text = [piece.text.strip() for piece in paragraph.pieces]
        for n in range(1, len(text)):
            before, after = " ".join(text[:n]), " ".join(text[n:])
            if not (_SYLLABLE.match(before[-1:]) and _SYLLABLE.match(after[:1])):
                continue
            left = "".join(_SYLLABLE.findall(before))[-_AROUND:]
            right = "".join(_SYLLABLE.findall(after))[:_AROUND]
            if len(left + right) < _AROUND + 4 or squeezed.count(left + right) != 1:
                continue
            at = squeezed.find(left + right) + len(left)
            between = gold[places[at - 1] + 1 : places[at]]
            if not between.strip():
                seams.append(Judged(Seam(text[n - 1], text[n], paragraph.pieces[n - 1].spaced), bool(between)))
    return seams


def with_kiwi(kiwi: Kiwi, seams: Sequence[Seam]) -> list[str]:
    """What kiwi.glue puts between the two lines."""
    glue = []
    for seam in seams:
        _, spaces = kiwi.glue([seam.before, seam.after], return_space_insertions=True)
        glue.append(" " if spaces[0] else "")
    return glue


def join_table(golds: Sequence[Gold]) -> None:
    """Accuracy and microseconds per line end of each way."""
    kiwi = Kiwi(num_workers=1)
    kiwi.space("준비")
    names = ("nothing", "a space", "kiwi.glue", "model alone", "ours")
    print(f"\n{'line ends':14s}{'n':>6s}{'spaces':>8s}" + "".join(f"{name:>20s}" for name in names))
    for gold in golds:
        found = body(gold.path)
        seams = judged(found, gold.text)
        words = lexicon(piece.text for paragraph in found for piece in paragraph.pieces)
        share = sum(seam.has_space for seam in seams) / max(len(seams), 1)
        ways = _ways(kiwi, words)
        cells = []
        for name in names:
            started = time.perf_counter()
            glue = ways[name]([seam.seam for seam in seams])
            each = (time.perf_counter() - started) / max(len(seams), 1) * 1e6
            right = sum((part == " ") == seam.has_space for part, seam in zip(glue, seams, strict=True)) / max(
                len(seams), 1
            )
            cells.append(f"{right:.4f} {each:8.1f} us")
        print(f"{gold.name:14s}{len(seams):6d}{share:8.3f}" + "".join(f"{cell:>20s}" for cell in cells))


def _ways(kiwi: Kiwi, words: Mapping[str, int]) -> dict[str, Callable[[Sequence[Seam]], list[str]]]:
    def model_alone(seams: Sequence[Seam]) -> list[str]:
        return [" " if logit > 0 else "" for logit in space_logits([(seam.before, seam.after) for seam in seams])]

    return {
        "nothing": lambda seams: [""] * len(seams),
        "a space": lambda seams: [" "] * len(seams),
        "kiwi.glue": lambda seams: with_kiwi(kiwi, seams),
        "model alone": model_alone,
        "ours": lambda seams: decide(seams, words),
    }
