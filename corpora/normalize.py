"""The one normal form of text in the project, given once, on entry."""

from __future__ import annotations

import re
import unicodedata

# what carries no text: NUL and other controls (tab and newline stay), zero-width characters, byte-order marks,
# soft hyphens; lone surrogates come from broken JSON escapes and cannot be encoded
_INVISIBLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u200b-\u200f\u2060\ufeff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_SPACES = re.compile(r"[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_LINE_ENDS = re.compile(r"\r\n?|[\u2028\u2029\x85]")
# halfwidth jamo compose only after they have become conjoining ones; NFC leaves them apart
_HALFWIDTH_JAMO = re.compile(r"[\uffa0-\uffdc]+")
# any of the above: most text has none, and is looked through once
_SUSPECT = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\xa0\xad\u1680\u2000-\u200f\u2028\u2029\u202f\u205f\u2060\u3000"
    r"\ufeff\uffa0-\uffdc\ud800-\udfff]"
)


def normalize(text: str) -> str:
    """Text in NFC with plain spaces and `\\n` line ends, without invisible characters.

    Conjoining jamo (NFD, as macOS and some PDFs write it) become syllables; compatibility
    jamo (ㄱ, ㅏ) and hanja stay as they are, for they are content. Lone surrogates become
    U+FFFD. Idempotent.
    """
    if _SUSPECT.search(text):
        text = _LINE_ENDS.sub("\n", text)
        text = _INVISIBLE.sub("", text)
        text = _SPACES.sub(" ", text)
        text = _SURROGATE.sub("\ufffd", text)
        text = _HALFWIDTH_JAMO.sub(lambda match: _widen(match.group()), text)
    return unicodedata.normalize("NFC", text)


def _widen(jamo: str) -> str:
    """Halfwidth jamo as compatibility jamo (NFKC would go on to conjoining ones and lose the difference)."""
    wide = []
    for char in jamo:
        name = unicodedata.name(char, "")
        try:
            wide.append(unicodedata.lookup(name.removeprefix("HALFWIDTH ")) if name else char)
        except KeyError:  # a halfwidth filler has no wide twin that carries text
            continue
    return "".join(wide)
