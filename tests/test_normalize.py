"""The normal form of text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora.normalize import normalize


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalize(text)
    assert normalize(once) == once


@given(st.text())
def test_the_result_is_nfc_and_can_be_encoded(text: str) -> None:
    result = normalize(text)
    assert unicodedata.is_normalized("NFC", result)
    result.encode("utf-8")


@given(st.text("가힣각ㄱㅏ學校 A1.·「」\n", max_size=40))
def test_clean_korean_text_is_left_alone(text: str) -> None:
    assert normalize(text) == text


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (unicodedata.normalize("NFD", "한글 맞춤법"), "한글 맞춤법"),
        ("받침 ‘ㄹ’과 ㅏ, ㆍ", "받침 ‘ㄹ’과 ㅏ, ㆍ"),  # compatibility jamo are content
        ("ﾡﾢ", "ㄱㄲ"),
        ("大同法", "大同法"),
        ("a\x00b\u200bc\ufeff\u00add", "abcd"),
        ("가\u00a0나\u3000다", "가 나 다"),
        ("한 줄\r\n두 줄\r세 줄\u2028네 줄", "한 줄\n두 줄\n세 줄\n네 줄"),
        ("\ud800!", "\ufffd!"),
    ],
)
def test_what_becomes_of_each_kind_of_character(raw: str, expected: str) -> None:
    assert normalize(raw) == expected
