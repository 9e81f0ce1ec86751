"""Text of a line as it should have been: NFC, whole syllables, one middle dot, no ligatures."""

from __future__ import annotations

import re
from functools import lru_cache

from corpora.normalize import normalize

_LIGATURES = str.maketrans(
    {"\ufb00": "ff", "\ufb01": "fi", "\ufb02": "fl", "\ufb03": "ffi", "\ufb04": "ffl", "\ufb05": "st", "\ufb06": "st"}
)
# Adobe's private-use codes for pieces of large brackets, which TeX's fonts carry
_BRACKETS = dict(zip(range(0xF8EB, 0xF8FF), "⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪⎮⎞⎟⎠⎤⎥⎦⎫⎬⎭", strict=True))
# Hancom's private-use codes for double corner brackets
_CORNERS = {0xF0854: "『", 0xF0855: "』"}
_MAPPED = _LIGATURES | _BRACKETS | _CORNERS
# U+318D is the vowel 아래아; Korean keyboards type it, and other dots, for the middle dot
_DOT = re.compile(r"(?<=[가-힣㐀-鿿\w])\s?[\u318d\u30fb\u2027\u2219\u22c5\uff65]\s?(?=[가-힣㐀-鿿\w])")
_ODD = re.compile(r"[\ufb00-\ufb06\u318d\u30fb\u2027\u2219\u22c5\uff65\u1100-\u11ff\uf8eb-\uf8fe\U000f0854\U000f0855]")
_ANY_JAMO = re.compile(r"[\u1100-\u11ff\u3131-\u3163]")
_SYLLABLE = re.compile(r"[가-힣]")
_SPREAD = re.compile(r"(?<=[\u1100-\u115f])\s+(?=[\u1160-\u11a7])|(?<=[\u1160-\u11a7])\s+(?=[\u11a8-\u11ff])")
_SPREAD_FINAL = re.compile(r"(?<=[가개갸걔거게겨계고과괘괴교구궈궤귀규그긔기-힣])\s+(?=[\u11a8-\u11ff])")
_COMPATIBILITY = re.compile(r"[\u3131-\u3163]{3,}")
_LEADS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_TAILS = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"


@lru_cache(maxsize=8192)  # each line is asked for when judged, searched for headings and read
def repair(text: str) -> str:
    """The text in NFC with spread jamo composed, ligatures opened and middle dots made one kind.

    Compatibility jamo (ㄱ, ㅏ), hanja, brackets and everything else stay.
    """
    if _ODD.search(text):
        text = text.translate(_MAPPED)
        text = _SPREAD_FINAL.sub("", _SPREAD.sub("", text))
        text = _DOT.sub("·", text)
    return normalize(text)


def starts_inside_syllable(text: str) -> bool:
    """Whether a line begins with a vowel or final that belongs to the syllable before it."""
    return bool(text) and "\u1160" <= text[0] <= "\u11ff"


def jamo_share(text: str) -> float:
    """Share of conjoining and compatibility jamo among all Hangul; 0 without Hangul."""
    jamo = len(_ANY_JAMO.findall(text))
    return jamo / (jamo + len(_SYLLABLE.findall(text))) if jamo else 0.0


def compose_compatibility(text: str) -> str:
    """Runs of compatibility jamo (ㅎㅏㄴㄱㅡㄹ) as syllables, as some producers break them up.

    For pages where most Hangul is jamo only: elsewhere ㅋㅋㅋ or a list of letters is what was meant.
    """
    return _COMPATIBILITY.sub(lambda match: _compose(match.group()), text)


def _compose(jamo: str) -> str:
    done, n = [], 0
    while n < len(jamo):
        if n + 1 < len(jamo) and jamo[n] in _LEADS and jamo[n + 1] in _VOWELS:
            # the next consonant closes this syllable unless a vowel follows it
            takes_tail = (
                n + 2 < len(jamo) and jamo[n + 2] in _TAILS and not (n + 3 < len(jamo) and jamo[n + 3] in _VOWELS)
            )
            tail = _TAILS.index(jamo[n + 2]) if takes_tail else 0
            done.append(chr(0xAC00 + (_LEADS.index(jamo[n]) * 21 + _VOWELS.index(jamo[n + 1])) * 28 + tail))
            n += 3 if takes_tail else 2
        else:
            done.append(jamo[n])
            n += 1
    return "".join(done)
