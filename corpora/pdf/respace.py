"""Pages whose words run together: spaces put back by Kiwi, loaded only when there is such a page."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from corpora.pdf.lines import Line, RawPage

if TYPE_CHECKING:
    from kiwipiepy import Kiwi

_HANGUL = re.compile(r"[가-힣]")


def is_glued(page: RawPage) -> bool:
    """Whether lines of running text have hardly a space: fewer than one in 25 syllables.

    Korean prose has one in 3 to 4; only lines of 15 syllables or more count, headings and labels do not.
    """
    if 25 * sum(len(line.words) for line in page.lines) >= page.chars:
        return False  # enough words: nearly every page ends here
    syllables = spaces = 0
    for line in page.lines:
        count = len(line.text)
        if count >= 15 and len(_HANGUL.findall(line.text)) >= 15:
            syllables += count
            spaces += line.text.count(" ")
    return syllables >= 60 and 25 * spaces < syllables


def respaced(page: RawPage) -> RawPage:
    """The page with spaces put into its lines. The words keep their boxes."""
    return replace(page, lines=tuple(_respaced(line) for line in page.lines))


def _respaced(line: Line) -> Line:
    return replace(line, text=_kiwi().space(line.text)) if len(_HANGUL.findall(line.text)) >= 4 else line


@lru_cache(maxsize=1)
def _kiwi() -> Kiwi:
    from kiwipiepy import Kiwi  # two seconds to load, and few files need it

    return Kiwi(num_workers=1)
