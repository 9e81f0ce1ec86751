"""How things look: renderables as text of a width, tables, and passages with the query's morphemes lit."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from io import StringIO

from rich.console import Console
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text

from index_build.terms import Morpheme
from rag.index import Index, page_of
from rag.repl.state import Reply

NARROW = 60  # columns; below, tables of hits become lists
LIT, DIM, GOLD, BAD = "bold yellow", "dim", "bold green", "bold red"
_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")  # all but line ends
_LEAST, _MOST = 20, 400  # columns that are written for


def render(reply: Reply, width: int, *, color: bool = False) -> str:
    """A reply as text in so many columns, Hangul counted as two; with colours as terminal escapes if wanted."""
    columns = min(max(width, _LEAST), _MOST)
    console = Console(
        width=columns,
        file=StringIO(),
        force_terminal=color,
        color_system="standard" if color else None,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    with console.capture() as capture:
        for part in reply:
            console.print(Segments(_printable(console.render(part))), end="")
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def _printable(segments: Iterable[Segment]) -> Iterator[Segment]:
    """The segments without control characters and halves of pairs: a passage must not steer the terminal."""
    for segment in segments:
        yield Segment(_CONTROLS.sub("", segment.text).encode("utf-8", "replace").decode("utf-8"), segment.style)


def table(*columns: str, left: Collection[str] = (), wide: str = "") -> Table:
    """An empty table: numbers to the right, the columns `left` to the left; `wide` takes the width that is left."""
    made = Table(show_edge=False, pad_edge=False, header_style="bold", expand=bool(wide))
    for name in columns:
        is_text = name in left or name == wide
        made.add_column(
            name,
            justify="left" if is_text else "right",
            overflow="fold",
            no_wrap=not is_text,
            ratio=1 if name == wide else None,
        )
    return made


def note(text: str, style: str = DIM) -> Text:
    """A line beside the tables."""
    return Text(text, style=style)


def number(value: float | None, digits: int = 3) -> str:
    """A number for a cell; "–" for None."""
    return "–" if value is None else f"{value:.{digits}f}"


def place(rank: int | None, *, beyond: str = "–") -> str:
    """A rank for a cell."""
    return beyond if rank is None else f"{rank:,}"


def one_line(text: str) -> str:
    """The text with every run of white space as one space."""
    return " ".join(text.split())


def source_of(index: Index, row: int) -> str:
    """Where a passage is from: title and innermost heading, page, corpus."""
    passage, document = index.store.passage(row), index.store.document(row)
    path = passage.heading_path
    where = " > ".join(dict.fromkeys((document.title, *(("…",) if len(path) > 1 else ()), *path[-1:])))
    page = page_of(index, row)
    return f"{where} · {f'p. {page} · ' if page else ''}{document.source}"


def terms_of(index: Index, queries: Iterable[str]) -> frozenset[str]:
    """The morpheme terms of some queries."""
    return frozenset(term.text for query in queries for term in index.morpheme_terms(query))


def lit(index: Index, text: str, terms: Collection[str]) -> Text:
    """A text with the morphemes that are among the terms lit."""
    shown = Text(text)
    morphemes = index.analyser.morphemes(text) if terms else []
    for one, after in zip(morphemes, [*morphemes[1:], None], strict=False):  # no morphemes, no pairs
        if one.term in terms:
            shown.stylize(LIT, one.start, _end(one, after))
    return shown


def _end(one: Morpheme, after: Morpheme | None) -> int:
    """Where a morpheme ends; one that melts into the next (하 + 여 = 해) ends with the syllable both share."""
    end = one.start + len(one.form)
    return end if after is None or after.start <= one.start else min(end, after.start)


def snippet(text: str, terms: Collection[str], size: int) -> str:
    """The part of a text, at most `size` characters, that shows most distinct terms; the first of several."""
    line = one_line(text)
    if len(line) <= size:
        return line
    found = sorted(_places(line.lower(), terms))
    starts = [max(place - size // 8, 0) for place, _ in found] or [0]
    best = max(starts, key=lambda start: (len({t for at, t in found if start <= at < start + size - 2}), -start))
    best = min(best, len(line) - size + 1)
    head, tail = "…" if best else "", "…" if best + size - 2 < len(line) else ""
    return f"{head}{line[best : best + size - len(head) - len(tail)]}{tail}"


def _places(line: str, terms: Collection[str]) -> Iterable[tuple[int, str]]:
    """Where the terms stand, by their letters; verbs by their stems."""
    for term in terms:
        stem = term.removesuffix("다") if len(term) > 1 else term
        at = line.find(stem)
        while at >= 0:
            yield at, term
            at = line.find(stem, at + 1)


def movement(before: int | None, now: int | None) -> Text:
    """How a passage moved between two rankings."""
    if now is None:
        return Text("gone", style=BAD)
    if before is None:
        return Text("new", style=GOLD)
    if before == now:
        return Text("=", style=DIM)
    return Text(f"↑{before - now}", style=GOLD) if now < before else Text(f"↓{now - before}", style=BAD)


def listed(names: Sequence[str]) -> str:
    """Names for a sentence."""
    return ", ".join(names) if names else "none"
