"""Terms: what Korean text is indexed by."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index_build.terms import Analyser, bigram_text, bigrams, pieces


@pytest.fixture(scope="module")
def analyser() -> Analyser:
    return Analyser()


def grams(text: str) -> list[str]:
    """The bigrams of one text, readable."""
    return [bigram_text(code) for code in bigrams([text])[0].tolist()]


def test_particles_and_endings_are_dropped_and_one_syllable_words_kept(analyser: Analyser) -> None:
    assert analyser.terms("왕은 강에서 배를 만들었다.") == ["왕", "강", "배", "만들다"]


def test_numbers_hanja_latin_and_jamo_are_terms(analyser: Analyser) -> None:
    assert analyser.terms("訓民正音은 1,443년 받침 ‘ㄱ’은 DNA") == ["訓民正音", "1443", "년", "받침", "ㄱ", "dna"]


def test_inflected_forms_share_a_term(analyser: Analyser) -> None:
    assert "만들다" in analyser.terms("누가 만들었습니까?")
    assert "만들다" in analyser.terms("만드는 사람")


def test_a_user_dictionary_makes_one_term_of_a_new_word(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("words") / "words.txt"
    path.write_text("검색증강생성\tNNP\t0\n", encoding="utf-8")
    assert "검색증강생성" in Analyser(path).terms("검색증강생성은 무엇인가")


@given(st.text("가나다라 .\n", max_size=50))
def test_spaces_never_change_the_bigrams(text: str) -> None:
    assert grams(text) == grams("".join(text.split()))


def test_damaged_spacing_changes_no_bigram() -> None:
    text = "대동법은 광해군 때 경기도에서 처음 실시되었다"
    generator = random.Random(0)
    damaged = "".join(char for char in text if char != " " or generator.random() > 0.5)
    assert damaged != text
    assert grams(damaged) == grams(text)


def test_punctuation_and_text_ends_part_bigrams() -> None:
    assert grams("가나, 다라(馬車) Ab") == ["가나", "다라", "馬車", "ab"]
    codes, owners = bigrams(["가나", "", "다라"])
    assert [(bigram_text(c), o) for c, o in zip(codes.tolist(), owners.tolist(), strict=True)] == [
        ("가나", 0),
        ("다라", 2),
    ]


def test_characters_beyond_the_basic_plane_do_not_break_anything() -> None:
    assert grams("𠀀𠀁 가😀나") == ["𠀀𠀁", "𠀁가"]


@given(st.text("가 \n", max_size=200), st.integers(0, 3))
def test_pieces_are_the_text_with_its_offsets(text: str, repeat: int) -> None:
    long = text * (1 + 40 * repeat)
    for offset, piece in pieces(long):
        assert long[offset : offset + len(piece)] == piece
        assert len(piece) <= 4_000
    assert "".join(piece for _, piece in pieces(long)).replace(" ", "") == "".join(long.split())


def test_sentences_and_terms_stand_at_their_offsets(analyser: Analyser) -> None:
    text = "세종은 왕이다. 글자를 만들었다.\n둘째 줄이다."
    analysis = analyser.analyse(text, "제목")
    assert [text[start] for start in analysis.sentences.tolist()] == ["세", "글", "둘"]
    assert text[analysis.starts.tolist()[1]] == "왕"
    assert len(analysis.context) == 1


@pytest.mark.parametrize("text", ["", " ", "은 는 이 가 을", "😀😀", "?!", "\n\n"])
def test_text_without_content_does_not_fail(analyser: Analyser, text: str) -> None:
    assert len(analyser.analyse(text, text).sentences) <= 5
