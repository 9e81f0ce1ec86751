"""Headings: from the PDF outline where there is one, else from size, weight and numbering."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pypdfium2 as pdfium

from corpora.pdf.lines import Line
from corpora.pdf.repair import repair

_STATUTE_RANKS = {"편": 1, "장": 2, "절": 3, "관": 4}
_STATUTE = re.compile(r"제\s?(\d+)\s?(편|장|절|관)(?:의\s?\d+)?(?=\s|$)")
_ARTICLE = re.compile(r"제(\d+)조(?:의(\d+))?(?:\s?\([^()]*(?:\([^()]*\)[^()]*)*\))?(?=[\s①②<\[]|$)")
_ADDENDA = re.compile(r"부\s*칙(?:\s*[<\[(].*)?$")
ARTICLE_LEVEL = 5
_CHAPTER = re.compile(
    r"(?:제\s*\d+\s*[장부편과]|부록\s*[A-Z가-하]?|Chapter\s+\d+|Appendix\s+[A-Z]|\d+\s*장)\.?", re.IGNORECASE
)
_DECIMAL = re.compile(r"\d{1,2}(?:\.\d{1,2})+\.?\s")
_NUMBERED = re.compile(r"(?:\(?\d{1,2}[.)]|[ⅠⅡⅢⅣⅤⅥⅦⅧⅨⅩ]+\s?[.)]|[가-하][.)]|\d{1,2})\s+\S")
_SENTENCE_END = re.compile(r"(?:다|까|요|오)?[.?!。]['\"”’)\]」』]*$|[,;:]$|다$")
_BLANK = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the PDF's outline."""

    title: str
    level: int  # from 1
    page: int  # from 1
    y: float | None  # of its top edge, where the outline tells


@dataclass(frozen=True, slots=True)
class Found:
    """A heading among the lines of a column: lines [first, after), and what of the last one is text."""

    first: int
    after: int
    title: str
    level: int  # 0: the document's title
    rest: str  # of the last line, after the heading: an article and its first sentence share one


@dataclass(frozen=True, slots=True)
class Style:
    """What the document's body looks like."""

    size: float
    weight: float
    heading_sizes: tuple[float, ...]  # larger than the body, from the largest


def read_outline(document: pdfium.PdfDocument, *, limit: int = 20_000) -> dict[int, list[Entry]]:
    """The outline by page; {} when there is none, it is broken, or it points nowhere."""
    by_page: defaultdict[int, list[Entry]] = defaultdict(list)
    try:
        for number, mark in enumerate(document.get_toc(max_depth=12)):
            if number >= limit:
                break
            target = mark.get_dest()
            index = target.get_index() if target is not None else None
            title = " ".join(repair(mark.get_title()).split())
            if target is None or index is None or not title:
                continue
            kind, view = target.get_view()
            y = {1: view[1] if len(view) > 1 else None, 3: view[0] if view else None}.get(kind)
            by_page[index + 1].append(Entry(title, mark.level + 1, index + 1, y))
    except (pdfium.PdfiumError, RecursionError, UnicodeDecodeError):
        return {}
    return dict(by_page)


def style_of(lines: Sequence[Line]) -> Style:
    """Body size and weight by number of characters; sizes of short larger lines, each at least twice or 1.3 times."""
    sizes: Counter[float] = Counter()
    weights: Counter[int] = Counter()
    for line in lines:
        sizes[round(line.size, 1)] += len(line.text)
        weights[line.weight] += len(line.text)
    size = sizes.most_common(1)[0][0] if sizes else 10.0
    weight = weights.most_common(1)[0][0] if weights else 0
    larger: Counter[float] = Counter(
        round(line.size, 1) for line in lines if 1.12 * size <= line.size and len(line.text) < 80
    )
    return Style(size, weight, tuple(sorted(larger, reverse=True)))


def title_of(metadata: str, lines: Sequence[Line], *, style: Style, fallback: str) -> str:
    """The title in the metadata if it is one, else the largest lines of the first page with text, else `fallback`."""
    stated = " ".join(repair(metadata or "").split())
    if re.search(r"[가-힣]", stated) and not re.search(
        r"\.(?:hwpx?|docx?|pptx?|pdf|indd)$|^Microsoft|제목 없음", stated
    ):
        return stated
    first = lines[:20]
    largest = max((line.size for line in first), default=0.0)
    said = [repair(line.text) for line in first if line.size >= 0.97 * largest]
    title = " ".join(" ".join(said).split())
    return title if largest >= 1.1 * style.size and 2 <= len(title) <= 80 else fallback


def is_statute(lines: Sequence[Line]) -> bool:
    """Whether articles (제1조 ...) open many of the lines."""
    count = sum(line.text[:1] == "제" and _ARTICLE.match(line.text) is not None for line in lines)
    return count >= max(3, 0.03 * len(lines))


@dataclass(slots=True)
class Articles:
    """The article that a statute has reached: a reference to 제3조 at the start of a line is no heading."""

    is_statute: bool
    last: int = 0

    def accept(self, match: re.Match[str], *, at_margin: bool, after_full_line: bool) -> bool:
        """Whether this is the next article: numbers go up by one to five, or begin again after 부칙."""
        number, branch = int(match[1]), match[2]
        follows = number == self.last + 1 or (branch is not None and number == self.last)
        jumps = self.last < number <= self.last + 5 and "(" in match[0]
        restarts = number == 1
        if not at_margin or not (follows or jumps or restarts) or (after_full_line and not follows):
            return False
        self.last = number
        return True


def find_headings(
    lines: Sequence[Line],
    *,
    left: float,
    entries: Sequence[Entry],
    style: Style,
    articles: Articles,
    title: str,
    has_outline: bool,
) -> list[Found]:
    """The headings among the lines of one column, from top to bottom, none overlapping.

    The document's own title has level 0: were it a heading, everything would stand under it in one producer's
    file and not in another's.
    """
    texts = [repair(line.text) for line in lines]
    if articles.is_statute:
        entries = [entry for entry in entries if not _ARTICLE.match(entry.title) and not _STATUTE.match(entry.title)]
    by_line = _from_outline(lines, texts, entries) if entries else {}
    whole = _BLANK.sub("", title)
    found: list[Found] = []
    n = 0
    while n < len(lines):
        heading = _statute(lines, texts, n, left=left, articles=articles) or by_line.get(n)
        if heading is None and not has_outline:
            heading = _from_style(lines, texts, n, style)
        if heading is None or lines[n].cells:
            n += 1
            continue
        if _BLANK.sub("", heading.title) == whole:
            heading = replace(heading, level=0)
        found.append(heading)
        n = heading.after
    return found


def _statute(lines: Sequence[Line], texts: Sequence[str], n: int, *, left: float, articles: Articles) -> Found | None:
    if not articles.is_statute:
        return None
    text, line = texts[n].strip(), lines[n]
    part = _STATUTE.match(text)
    if part and len(text) < 50 and not _SENTENCE_END.search(text):
        return Found(n, n + 1, text, _STATUTE_RANKS[part[2]], "")
    if _ADDENDA.match(text) and len(text) < 60 and articles.last:
        articles.last = 0
        return Found(n, n + 1, text, 1, "")
    article = _ARTICLE.match(text)
    if article is None:
        return None
    full = (
        n > 0
        and lines[n - 1].x1 > max(other.x1 for other in lines) - 1.5 * line.size
        and not _SENTENCE_END.search(texts[n - 1])
    )
    if not articles.accept(article, at_margin=line.x0 <= left + 1.2 * line.size, after_full_line=full):
        return None
    rest = text[article.end() :].strip()
    return Found(n, n + 1, article[0], ARTICLE_LEVEL, rest)


def _from_outline(lines: Sequence[Line], texts: Sequence[str], entries: Sequence[Entry]) -> dict[int, Found]:
    """For each entry the lines that say it, nearest to where the outline points; by first line."""
    found: dict[int, Found] = {}
    taken = -1
    for entry in entries:
        wanted = _BLANK.sub("", entry.title)
        options = []
        for n in range(taken + 1, len(lines)):
            for after in range(n + 1, min(n + 4, len(lines) + 1)):
                said = _BLANK.sub("", "".join(texts[n:after]))
                if said.endswith(wanted) and len(said) <= len(wanted) + 12:
                    away = abs(entry.y - lines[n].y1) if entry.y is not None else n
                    options.append((away, n, after))
                    break
                if len(said) > len(wanted) + 12:
                    break
        if not options:
            continue
        _, first, after = min(options)
        if first and _CHAPTER.fullmatch(texts[first - 1].strip()) and first - 1 > taken:
            first -= 1
        found[first] = Found(first, after, " ".join(text.strip() for text in texts[first:after]), entry.level, "")
        taken = after - 1
    return found


def _from_style(lines: Sequence[Line], texts: Sequence[str], n: int, style: Style) -> Found | None:
    """A heading that is larger, or heavier and numbered, than the body; its further lines of one size with it."""
    line, text = lines[n], texts[n].strip()
    if len(text) > 60 or len(text) < 2 or _SENTENCE_END.search(text) or not re.search(r"[가-힣A-Za-z]{2}", text):
        return None
    larger = line.size >= 1.12 * style.size
    heavier = style.weight > 0 and line.weight >= 1.3 * style.weight
    numbered = _NUMBERED.match(text) is not None or _DECIMAL.match(text) is not None
    if not larger and not (numbered and (heavier or line.size >= 1.04 * style.size)):
        return None
    after = n + 1
    while larger and after < min(n + 3, len(lines)) and abs(lines[after].size - line.size) < 0.3:
        if lines[after - 1].y0 - lines[after].y1 > 0.9 * line.size or _NUMBERED.match(texts[after].strip()):
            break
        after += 1
    title = " ".join(part.strip() for part in texts[n:after])
    if len(title) > 90:
        return None
    return Found(n, after, title, _style_level(line, title, style), "")


def _style_level(line: Line, title: str, style: Style) -> int:
    decimal = _DECIMAL.match(title)
    if decimal:
        return 1 + decimal[0].strip().rstrip(".").count(".")
    for level, size in enumerate(style.heading_sizes[:4], start=1):
        if line.size >= size - 0.2:
            return level
    return min(len(style.heading_sizes), 4) + 1
