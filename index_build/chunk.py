"""Documents -> passages: whole sentences, never over a heading, never a character lost or moved."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from configs.errors import UserError
from configs.schema import ChunkSettings
from corpora.records import Document, Heading, Passage

Measure = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Span:
    """A passage to be: text[start:end] under the headings with these numbers, outermost first."""

    start: int
    end: int
    headings: tuple[int, ...]


def passages_of(document: Document, spans: Sequence[Span]) -> list[Passage]:
    """The passages that the spans cut out of a document, numbered from 0."""
    return [
        Passage(
            passage_id=f"{document.doc_id}#{number}",
            doc_id=document.doc_id,
            heading_path=tuple(document.headings[index].title for index in span.headings),
            start=span.start,
            text=document.text[span.start : span.end],
        )
        for number, span in enumerate(spans)
    ]


def split(document: Document, sentences: Sequence[int], settings: ChunkSettings, measure: Measure = len) -> list[Span]:
    """Cut a document into spans of about `settings.target`, in order and without overlap.

    sentences: offsets at which sentences start, ascending (Kiwi's). A span holds whole sentences of one
    section; only a sentence longer than `hard_limit` is cut, at spaces. Together the spans cover all of
    the text but heading lines and the white space between spans. measure gives the length of a text in
    the unit of the settings: characters, or a reader's tokens.
    """
    spans: list[Span] = []
    for start, end, headings in _sections(document.headings, len(document.text)):
        section = _trimmed(document.text, start, end)
        if section is None:
            continue
        bounds = _sentence_bounds(document.text, section, sentences, settings, measure)
        for first, last in _packed(document.text, bounds, settings.target, measure):
            trimmed = _trimmed(document.text, first, last)
            if trimmed is not None:
                spans.append(Span(*trimmed, headings))
    return spans


def measure_for(settings: ChunkSettings) -> Measure:
    """What the lengths of the settings count: characters, or tokens of `settings.tokenizer`.

    Raises UserError when there is no tokenizer file.
    """
    if settings.tokenizer is None:
        return len
    from tokenizers import Tokenizer  # a dependency of transformers; only this setting needs it

    tokenizer = Tokenizer.from_file(str(tokenizer_file(settings.tokenizer)))
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def tokenizer_file(path: Path) -> Path:
    """The tokenizer.json that a path names. Raises UserError when there is none."""
    file = path / "tokenizer.json" if path.is_dir() else path
    if not file.is_file():
        raise UserError(f"{path}: no tokenizer.json here (index_build.chunk.tokenizer)")
    return file


def _sections(headings: Sequence[Heading], length: int) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """(start, end, numbers of the headings above) of each stretch of text between headings."""
    path: list[int] = []
    begin = 0
    for number, heading in enumerate(headings):
        if heading.start > begin:
            yield begin, heading.start, tuple(path)
        while path and headings[path[-1]].level >= heading.level:
            path.pop()
        path.append(number)
        begin = heading.start + heading.length
    if length > begin:
        yield begin, length, tuple(path)


def _trimmed(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The stretch without white space at its ends; None when nothing is left."""
    body = text[start:end]
    stripped = body.strip()
    if not stripped:
        return None
    start += len(body) - len(body.lstrip())
    return start, start + len(stripped)


def _sentence_bounds(
    text: str, section: tuple[int, int], sentences: Sequence[int], settings: ChunkSettings, measure: Measure
) -> list[int]:
    """Offsets between which the section may be cut: its ends, its sentences, spaces in overlong ones."""
    start, end = section
    inside = sentences[bisect_left(sentences, start + 1) : bisect_left(sentences, end)]
    whole = [start, *(int(offset) for offset in inside), end]
    bounds = [start]
    for first, last in pairwise(whole):
        if measure(text[first:last]) > settings.hard_limit:
            bounds.extend(_cuts(text, first, last, settings, measure))
        bounds.append(last)
    return bounds


def _cuts(text: str, start: int, end: int, settings: ChunkSettings, measure: Measure) -> list[int]:
    """Where to cut one overlong sentence: after spaces, or in the middle of what has none."""
    per_character = max(measure(text[start:end]) / (end - start), 1e-9)
    step = max(int(settings.target / per_character), 1)
    cuts: list[int] = []
    while end - start > step:
        space = text.rfind(" ", start + 1, start + step)
        start = space + 1 if space > start else start + step
        cuts.append(start)
    return cuts


def _packed(text: str, bounds: Sequence[int], target: int, measure: Measure) -> Iterator[tuple[int, int]]:
    """Neighbouring stretches joined up to the target, so that the parts of a section come out about equal."""
    lengths = [measure(text[first:last]) for first, last in pairwise(bounds)]
    total = sum(lengths)
    ideal = total / -(-total // target) if total else 0
    begin, size = 0, 0
    for index, length in enumerate(lengths):
        if size and (size + length > target or size + length / 2 > ideal):
            yield bounds[begin], bounds[index]
            begin, size = index, 0
        size += length
    yield bounds[begin], bounds[-1]
