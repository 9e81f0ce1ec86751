"""What is printed on pages but belongs to no text: running heads, page numbers, watermarks, contents pages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from corpora.normalize import normalize
from corpora.pdf.lines import Line, RawPage

Place = Literal["top", "bottom"]

_EDGE_ROWS = 3  # rows from the top and from the bottom where furniture is looked for
_NUMBER = re.compile(
    r"(?:[-–—|·\[(<]\s*|p\.?\s*|제\s*)?(\d{1,4}|[ivxlc]{1,7})(?:\s*/\s*\d{1,4})?(?:\s*[-–—|·\])>]|\s*쪽|\s*페이지|\s*면)?",
    re.IGNORECASE,
)
_LEADER = re.compile(r"(?:[.·‧․∙…]\s?){4,}|…{2,}|_{5,}")
_ENDS_IN_NUMBER = re.compile(r"(?:^|[\s.·…])(?:\d{1,4}|[ivxlc]{1,6})$")
_CONTENTS = re.compile(
    r"(?:차례|목차|contents|tableofcontents|그림차례|표차례|그림목차|표목차|listoffigures|listoftables)", re.IGNORECASE
)
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}


@dataclass(frozen=True, slots=True)
class CleanPage:
    """A page without its furniture, and what was taken away."""

    page: RawPage  # with the lines that are left
    label: str  # the page number as printed, "" when the page bears none
    heads: int  # lines of running heads and feet, page numbers among them
    watermarks: int
    is_contents: bool  # a table of contents: its lines are left, but belong to no text


def clean(pages: Sequence[RawPage]) -> list[CleanPage]:
    """The pages, each without what repeats at its edges, with its printed number.

    A page number is what goes up with the pages in one place of the edge rows; the row that bears it
    goes with it, whatever the running head beside it says. Other heads, feet and watermarks are found
    by standing at one place on a quarter (at the edges) or half of the pages.
    """
    edges = [_edges(page) for page in pages]
    numbers = _page_numbers(pages, edges)
    repeated = _repeated(pages, edges)
    slots = _slots(edges, numbers, repeated["edge"])
    cleaned = []
    for page, (top, bottom), (label, number_row) in zip(pages, edges, numbers, strict=True):
        edge = {id(line) for row in top + bottom for line in row}
        gone = {id(line) for line in number_row}
        at_edge = {id(line) for line in page.lines if id(line) in edge and _place(line) in repeated["edge"]}
        at_edge |= {id(line) for row in top[:1] + bottom[:1] for line in row if _slot(line) in slots}
        marks = {id(line) for line in page.lines if _place(line) in repeated["page"]} - gone - at_edge
        gone |= at_edge
        kept = tuple(line for line in page.lines if id(line) not in gone and id(line) not in marks)
        cleaned.append(
            CleanPage(replace(page, lines=kept), label, len(gone), len(marks) + len(page.slanted), _is_contents(kept))
        )
    return _with_contents_runs(cleaned)


def rows(lines: Sequence[Line]) -> list[list[Line]]:
    """Lines, from top to bottom, grouped by the row they stand on."""
    grouped: list[list[Line]] = []
    for line in lines:
        if grouped:
            last = grouped[-1][0]
            if min(last.y1, line.y1) - max(last.y0, line.y0) > 0.5 * min(last.y1 - last.y0, line.y1 - line.y0):
                grouped[-1].append(line)
                continue
        grouped.append([line])
    return grouped


def _edges(page: RawPage) -> tuple[list[list[Line]], list[list[Line]]]:
    """The first rows from the top and from the bottom; no row is both."""
    head = rows(page.lines[:24])
    if len(page.lines) <= 24:
        half = (len(head) + 1) // 2
        return head[: min(_EDGE_ROWS, half)], head[half:][-_EDGE_ROWS:][::-1]
    return head[:_EDGE_ROWS], rows(page.lines[-24:])[-_EDGE_ROWS:][::-1]


def _place(line: Line) -> tuple[str, int, int]:
    """What a line says and where it stands, to four points; short ones change sides on facing pages."""
    return line.text, round(line.y0 / 4), round(line.x0 / 4) if len(line.text) > 12 else -1


def _repeated(
    pages: Sequence[RawPage], edges: Sequence[tuple[list[list[Line]], list[list[Line]]]]
) -> dict[str, set[tuple[str, int, int]]]:
    """Places that repeat: "edge" on a quarter of the pages at their edges, "page" on half of them anywhere."""
    with_text = sum(bool(page.lines) for page in pages)
    at_edge: Counter[tuple[str, int, int]] = Counter()
    outermost: Counter[tuple[str, int, int]] = Counter()
    anywhere: Counter[tuple[str, int, int]] = Counter()
    for page, (top, bottom) in zip(pages, edges, strict=True):
        at_edge.update({_place(line) for row in top + bottom for line in row})
        outermost.update({_place(line) for row in top[:1] + bottom[:1] for line in row})
        anywhere.update({_place(line) for line in page.lines})
    # on three or four facing pages a head stands twice
    twice = {place for place, count in outermost.items() if count == 2 and 3 <= with_text <= 5}
    often = {place for place, count in anywhere.items() if count >= max(3, with_text / 2) and len(place[0]) > 1}
    chars = sum(page.chars for page in pages)
    if sum(len(place[0]) * anywhere[place] for place in often) > 0.3 * chars:
        often = set()  # the pages are copies of one form: that is their text
    return {
        "edge": {place for place, count in at_edge.items() if count >= max(3, with_text / 4)} | twice,
        "page": often,
    }


def _slot(line: Line) -> tuple[int, int]:
    """The height at which a line stands and its size, to half a point."""
    return round(2 * line.y0), round(2 * line.size)


def _slots(
    edges: Sequence[tuple[list[list[Line]], list[list[Line]]]],
    numbers: Sequence[tuple[str, list[Line]]],
    repeated: set[tuple[str, int, int]],
) -> set[tuple[int, int]]:
    """Slots that hold nothing but furniture on a quarter of the pages: a head that names the chapter changes
    with it, yet stands where the head of the facing page stands.
    """
    known: Counter[tuple[int, int]] = Counter()
    for (top, bottom), (_, row) in zip(edges, numbers, strict=True):
        lines = [line for edge in top[:1] + bottom[:1] for line in edge]
        found = [line for line in lines if _place(line) in repeated or any(line is other for other in row)]
        known.update({_slot(line) for line in found})
    return {slot for slot, count in known.items() if count >= max(3, len(edges) / 4)}


def _page_numbers(
    pages: Sequence[RawPage], edges: Sequence[tuple[list[list[Line]], list[list[Line]]]]
) -> list[tuple[str, list[Line]]]:
    """For each page the number printed on it and the row that it stands in; ("", []) where there is none."""
    candidates = [
        [
            (number, text, place, row)
            for place, side in (("top", top), ("bottom", bottom))
            for depth, row in enumerate(side)
            for number, text in _numbers(row, is_outermost=depth == 0)
        ]
        for top, bottom in edges
    ]
    # (offset to the page in the file, roman or not, edge) -> pages
    support: Counter[tuple[int, bool, str]] = Counter()
    for page, found in zip(pages, candidates, strict=True):
        support.update({(number - page.number, not text.isdigit(), place) for number, text, place, _ in found})
    with_text = sum(bool(page.lines) for page in pages)
    chosen: list[tuple[str, list[Line]]] = []
    for page, found in zip(pages, candidates, strict=True):
        scored = [
            (support[(number - page.number, not text.isdigit(), place)], text, row)
            for number, text, place, row in found
        ]
        best = max(scored, key=lambda item: item[0], default=(0, "", []))
        is_alone = best[0] == 1 and with_text < 3 and _stands_alone(best[2], page)
        # front matter numbered i to iv has few pages, but nothing else looks like that
        least = 2 if best[1].isalpha() else max(2, with_text / 12)
        if best[0] >= least or is_alone:
            chosen.append((best[1], best[2]))
        else:
            chosen.append(("", []))
    return chosen


def _numbers(row: Sequence[Line], *, is_outermost: bool) -> list[tuple[int, str]]:
    """The page numbers that a row may bear: a piece that is nothing else, or an outermost row's first or last word."""
    texts = [line.text for line in row]
    words = [word for line in row for word in line.text.split()]
    if is_outermost and len(words) > 1 and len(" ".join(words)) < 90:
        texts += [words[0], words[-1]]
    found = []
    for text in texts:
        match = _NUMBER.fullmatch(text.strip())
        if match:
            found.append((_value(match[1]), match[1]))
    return found


def _value(number: str) -> int:
    """Arabic or roman numerals as an integer."""
    if number.isdigit():
        return int(number)
    digits = [_ROMAN[char] for char in number.lower()]
    return sum(-one if one < following else one for one, following in zip(digits, [*digits[1:], 0], strict=True))


def _stands_alone(row: Sequence[Line], page: RawPage) -> bool:
    """Whether a row is one short line, well apart from the text."""
    if len(row) != 1 or len(row[0].text) > 9:
        return False
    line = row[0]
    gaps = [max(line.y0 - other.y1, other.y0 - line.y1) for other in page.lines if other is not line]
    return not gaps or min(gaps) > 1.5 * line.size


def _is_contents(lines: Sequence[Line]) -> bool:
    """Whether most rows lead to a page number."""
    texts = _row_texts(lines)
    if len(texts) < 3:
        return False
    entries = [text for text in texts if _ends_in_number(text)]
    numbered = len(entries)
    led = sum(_LEADER.search(text) is not None for text in entries)
    titled = any(_CONTENTS.fullmatch(text.replace(" ", "")) for text in texts[:4])
    return (led >= 3 and numbered >= 0.5 * len(texts)) or (titled and numbered >= 0.6 * (len(texts) - 1))


def _row_texts(lines: Sequence[Line]) -> list[str]:
    joined = "\n".join([" ".join([line.text for line in row]) for row in rows(lines)])
    return [text.strip() for text in normalize(joined).split("\n")]


def _ends_in_number(text: str) -> bool:
    # the last characters alone: a search from the left tries every space
    return _ENDS_IN_NUMBER.search(text[-7:]) is not None


def _with_contents_runs(pages: list[CleanPage]) -> list[CleanPage]:
    """The short last page of a table of contents is one too, though few rows show it."""
    found: list[CleanPage] = []
    for page in pages:
        after = bool(found) and found[-1].is_contents
        if after and not page.is_contents and page.page.lines:
            texts = _row_texts(page.page.lines)
            numbered = sum(map(_ends_in_number, texts))
            page = replace(page, is_contents=numbered >= 0.6 * len(texts))  # noqa: PLW2901
        found.append(page)
    return found
