"""Korean text -> index terms: content morphemes by Kiwi, and character bigrams that do not see spaces."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import xxhash
from kiwipiepy import Kiwi
from numpy.typing import NDArray

from configs.errors import UserError

# any change to what becomes a term must raise this: caches and indexes made before are then refused
TERMS_VERSION = 2

NOUNS = frozenset({"NNG", "NNP", "NNB", "NR", "NP", "XR", "SN", "SL", "SH", "MAG", "MM"})
VERBS = frozenset({"VV", "VA"})
_SERIAL = frozenset({"W_URL", "W_EMAIL", "W_SERIAL", "W_HASHTAG", "W_MENTION"})

_LONGEST = 4_000  # characters analysed at once: Kiwi's memory grows with the text


@dataclass(frozen=True, slots=True)
class Analysis:
    """One document as index terms. Offsets are characters of `Document.text`, ascending."""

    sentences: NDArray[np.int32]  # where each sentence starts
    starts: NDArray[np.int32]  # where each content morpheme starts
    keys: NDArray[np.uint64]  # its term
    context: NDArray[np.uint64]  # the terms of the title, and of headings that are not in the text


@dataclass(frozen=True, slots=True)
class Morpheme:
    """One morpheme as the analyser saw it; `term` is None when it is not indexed."""

    form: str
    tag: str
    start: int
    term: str | None


class Analyser:
    """Kiwi with our rule of what is a term. One per process: Kiwi does not survive a fork."""

    def __init__(self, user_dictionary: Path | None = None) -> None:
        self._kiwi = Kiwi(num_workers=1)
        if user_dictionary is not None:
            load_dictionary(self._kiwi, user_dictionary)
        self._keys_of = lru_cache(maxsize=1 << 14)(self._analysed)  # the headings of a law come with each article

    def morphemes(self, text: str) -> list[Morpheme]:
        """Every morpheme of a text, with the term it becomes or None."""
        return [
            Morpheme(token.form, token.tag, start + token.start, term_of(token.form, token.tag))
            for start, piece in pieces(text)
            for token in self._kiwi.tokenize(piece)
        ]

    def terms(self, text: str) -> list[str]:
        """The index terms of a text, in order, repeated as they stand there."""
        return [m.term for m in self.morphemes(text) if m.term is not None]

    def analyse(self, text: str, context: str) -> Analysis:
        """Sentences and terms of a document; `context` is its title and headings outside the text."""
        sentences: list[int] = []
        starts: list[int] = []
        keys: list[int] = []
        for offset, piece in pieces(text):
            sentence = -1
            for token in self._kiwi.tokenize(piece):
                if token.sent_position != sentence:
                    sentence = token.sent_position
                    sentences.append(offset + token.start)
                key = _key(token.form, token.tag)
                if key is not None:
                    starts.append(offset + token.start)
                    keys.append(key)
        return Analysis(
            np.array(sentences, dtype=np.int32),
            np.array(starts, dtype=np.int32),
            np.array(keys, dtype=np.uint64),
            np.array([key for line in context.split("\n") for key in self._keys_of(line)], dtype=np.uint64),
        )

    def _analysed(self, line: str) -> tuple[int, ...]:
        return tuple(key_of(term) for term in self.terms(line))


def term_of(form: str, tag: str) -> str | None:
    """The index term of a morpheme: nouns as they are, verb and adjective stems with 다, None for the rest.

    Particles, endings, affixes, copula, one-syllable auxiliary verbs and punctuation are dropped; a lone jamo
    (ㄱ, ㅏ) is kept, for grammar texts speak of them. Case and width are folded.
    """
    tag = tag.partition("-")[0]  # VV-I, VV-R: irregular and regular conjugation
    if tag in NOUNS or tag in _SERIAL:
        if tag == "SN":
            form = form.replace(",", "")
        return form if form.isalnum() and form.islower() else fold(form)
    # Kiwi calls the verb of "그것을 만드는" an auxiliary; true auxiliaries are mostly of one syllable
    if tag in VERBS or (tag == "VX" and len(form) > 1):
        return f"{form}다"
    if tag == "SW" and "ㄱ" <= form <= "ㆎ":
        return form
    return None


def fold(text: str) -> str:
    """Case and width folded. Jamo are not touched: NFKC would turn ㄱ into a conjoining one."""
    if any("\uff01" <= char <= "\uff5e" for char in text):
        text = unicodedata.normalize("NFKC", text)
    return text.lower()


@lru_cache(maxsize=1 << 17)
def key_of(term: str) -> int:
    """The 64-bit key of a term (XXH3). Two of a million terms meet with a chance of 3e-8."""
    return xxhash.xxh3_64_intdigest(term.encode())


@lru_cache(maxsize=1 << 17)
def _key(form: str, tag: str) -> int | None:
    """The key of the term that a morpheme becomes, if it becomes one."""
    term = term_of(form, tag)
    return None if term is None else key_of(term)


def pieces(text: str) -> Iterator[tuple[int, str]]:
    """(offset, piece): the text's lines; one beyond 4,000 characters is cut after a space where it has one."""
    offset = 0
    for line in text.split("\n"):
        start = 0
        while len(line) - start > _LONGEST:
            end = line.rfind(" ", start, start + _LONGEST) + 1
            end = end if end > start else start + _LONGEST
            yield offset + start, line[start:end]
            start = end
        if line[start:].strip():
            yield offset + start, line[start:]
        offset += len(line) + 1


@cache
def _classes() -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
    """Per code point of the basic plane: class (0 space, 1 letter or digit, 2 break) and its folded form."""
    points = [chr(point) for point in range(0x10000)]
    classes = [1 if char.isalnum() else 0 if char.isspace() else 2 for char in points]
    folded = [ord(low) if len(low := fold(char)) == 1 else ord(char) for char in points]
    return np.array(classes, dtype=np.uint8), np.array(folded, dtype=np.uint32)


def bigrams(texts: list[str]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """(code, text number) of every character bigram, in order, over texts with all spaces removed.

    Letters and digits alone make bigrams; punctuation parts them; so damaged spacing changes nothing.
    A code is (first << 21) | second, by code points with case and width folded.
    """
    classes, folded = _classes()
    # NUL is a break, so that no bigram runs from one text into the next
    points = np.frombuffer("\0".join([*texts, ""]).encode("utf-32-le"), dtype=np.uint32)
    lengths = np.fromiter((len(text) + 1 for text in texts), dtype=np.int64, count=len(texts))
    owners = np.repeat(np.arange(len(texts), dtype=np.int64), lengths)
    basic = np.minimum(points, 0xFFFF)
    # beyond the basic plane: CJK extensions from U+20000 are letters, emoji and the like are breaks
    kind = np.where(points > 0xFFFF, np.where(points >= 0x20000, 1, 2), classes[basic])
    letters = np.where(points > 0xFFFF, points, folded[basic])
    kept = kind != 0
    kind, letters, owners = kind[kept], letters[kept].astype(np.uint64), owners[kept]
    pairs = (kind[:-1] == 1) & (kind[1:] == 1)
    return (letters[:-1][pairs] << np.uint64(21)) | letters[1:][pairs], owners[:-1][pairs]


def bigram_text(code: int) -> str:
    """The two characters of a bigram's code."""
    return chr(code >> 21) + chr(code & 0x1FFFFF)


def analyser_identity(user_dictionary: Path | None) -> dict[str, str]:
    """What determines the terms of a text: compared between an index and the machine that opens it."""
    words = xxhash.xxh3_128_hexdigest(user_dictionary.read_bytes()) if user_dictionary else ""
    return {
        "terms": str(TERMS_VERSION),
        "kiwipiepy": version("kiwipiepy"),
        "kiwipiepy_model": version("kiwipiepy_model"),
        "user_dictionary": words,
    }


def load_dictionary(kiwi: Kiwi, path: Path) -> None:
    """Add the words of a dictionary file (word<TAB>tag[<TAB>score] per line; # comments) to Kiwi.

    Raises UserError naming the file when it is missing or a line is not of that form.
    """
    try:
        kiwi.load_user_dictionary(str(path))
    except OSError:
        raise UserError(f"{path}: no such user dictionary") from None
    except (ValueError, RuntimeError) as error:
        raise UserError(f"{path}: not a user dictionary (word<TAB>tag[<TAB>score]): {error}") from None
