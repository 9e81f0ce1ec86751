"""Chunking: lossless, in order, never over a heading, sentences whole."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from configs.schema import ChunkSettings
from corpora.outline import Outline
from corpora.records import Document
from index_build.chunk import passages_of, split

SENTENCES = [
    "세종은 글자를 만들었다.",
    "왜 그랬을까?",
    "백성을 위해서였다.",
    "집현전에서는 여러 학자가 함께 일하였다.",
    "가" * 70,
]


@st.composite
def documents(draw: st.DrawFn) -> tuple[Document, list[int]]:
    """A document of sections of sentences, and where its sentences start."""
    outline = Outline()
    for number in range(draw(st.integers(1, 4))):
        if number or draw(st.booleans()):
            outline.head(f"제{number}절", draw(st.integers(1, 3)))
        for _ in range(draw(st.integers(0, 3))):
            outline.add(" ".join(draw(st.lists(st.sampled_from(SENTENCES), max_size=5))))
    document = outline.finish("d", "t", source="s")
    starts = [0]
    for index, (char, after) in enumerate(pairwise(document.text)):
        if (char in ".?\n" and after not in " \n") or (char == " " and document.text[index - 1] in ".?"):
            starts.append(index + 1)
    return document, sorted(set(starts))


@given(documents(), st.integers(40, 200), st.integers(60, 300))
def test_passages_are_slices_that_cover_everything_but_headings_and_spaces(
    made: tuple[Document, list[int]], target: int, hard_limit: int
) -> None:
    document, starts = made
    spans = split(document, starts, ChunkSettings(target=target, hard_limit=hard_limit))
    covered = [False] * len(document.text)
    for passage in passages_of(document, spans):
        assert document.text[passage.start : passage.start + len(passage.text)] == passage.text
        assert passage.text == passage.text.strip() != ""
        for index in range(passage.start, passage.start + len(passage.text)):
            assert not covered[index], "passages overlap"
            covered[index] = True
    for heading in document.headings:
        for index in range(heading.start, heading.start + heading.length):
            assert not covered[index], "a heading line is not part of a passage"
            covered[index] = True
    assert all(done or char.isspace() for done, char in zip(covered, document.text, strict=True))


@given(documents(), st.integers(80, 200))
def test_no_sentence_is_cut_and_no_passage_grows_over_the_target_without_need(
    made: tuple[Document, list[int]], target: int
) -> None:
    document, starts = made
    allowed = {0, *starts, *(h.start + h.length + 1 for h in document.headings)}
    for span in split(document, starts, ChunkSettings(target=target, hard_limit=2_000)):
        assert span.start in allowed
        assert span.end - span.start <= target or not any(span.start < s < span.end for s in starts)


def test_the_heading_path_runs_from_the_outermost_heading_inwards() -> None:
    outline = Outline()
    for title, level in [("제1편 총칙", 1), ("제1장 범죄", 2)]:
        outline.head(title, level)
    outline.add("가나다.")
    outline.head("제2편 각칙", 1)
    outline.add("라마바.")
    document = outline.finish("d", "t", source="s")
    passages = passages_of(document, split(document, [], ChunkSettings()))
    assert [(p.passage_id, p.heading_path, p.text) for p in passages] == [
        ("d#0", ("제1편 총칙", "제1장 범죄"), "가나다."),
        ("d#1", ("제2편 각칙",), "라마바."),
    ]


def test_the_parts_of_a_long_section_come_out_about_equal() -> None:
    text = " ".join(f"{n:02d}번째 문장은 스무 글자쯤이다." for n in range(30))
    starts = [i for i in range(len(text)) if i == 0 or text[i - 2 : i] == ". "]
    spans = split(Document("d", "t", text, "s"), starts, ChunkSettings(target=300))
    lengths = [span.end - span.start for span in spans]
    assert max(lengths) - min(lengths) <= 40
    assert max(lengths) <= 300


def test_a_sentence_beyond_the_hard_limit_is_cut_at_spaces_and_one_without_spaces_anyway() -> None:
    settings = ChunkSettings(target=50, hard_limit=60)
    spaced = Document("d", "t", "낱말 " * 100, "s")
    assert all(spaced.text[span.end - 2 : span.end] == "낱말" for span in split(spaced, [0], settings))
    solid = Document("d", "t", "가" * 500, "s")
    assert [span.end - span.start for span in split(solid, [0], settings)] == [50] * 10


def test_lengths_can_be_counted_in_another_unit() -> None:
    document = Document("d", "t", "하나 둘. 셋 넷. 다섯 여섯.", "s")
    words = ChunkSettings(target=40)
    assert len(split(document, [0, 6, 11], words, lambda text: 15 * len(text.split()))) == 3


def test_an_empty_document_has_no_passages() -> None:
    assert split(Document("d", "t", " \n ", "s"), [], ChunkSettings()) == []
