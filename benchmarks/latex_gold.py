"""LaTeX source of a textbook -> its prose, paragraph by paragraph: the gold that extraction is measured against.

Formulas and references become "#"; figures' files, labels and index entries are left out, and so are the
numbers that TeX makes. Comparison is over Hangul only, so what stands between it does not count.
"""

from __future__ import annotations

import re
from pathlib import Path

_COMMENT = re.compile(r"(?<!\\)%.*")
_DISPLAY = re.compile(
    r"\\begin\{(equation|IEEEeqnarray|eqnarray|multline|align)(\*?)\}.*?\\end\{\1\2\}|\\\[.*?\\\]|\$\$.*?\$\$",
    re.DOTALL,
)
_INLINE = re.compile(r"(?<!\\)\$[^$]*\$")
_DROPPED = re.compile(
    r"\\(?:label|ref|pageref|index|image|includegraphics|include|cite|vspace|hspace|pagestyle)(?:\[[^\]]*\])?\{(?:[^{}]|\{[^{}]*\})*\}"
    r"|\\(?:begin|end)\{[^}]*\}(?:\[[^\]]*\])?(?:\{[^}]*\})?"
)
_HREF = re.compile(r"\\href\{[^}]*\}\{([^}]*)\}")
_BLOCK = re.compile(r"\\(chapter|section|subsection|subsubsection|caption)\*?\{((?:[^{}]|\{[^{}]*\})*)\}")
_RUN_IN = re.compile(r"\\paragraph\{((?:[^{}]|\{[^{}]*\})*)\}")
_COMMAND = re.compile(r"\\[a-zA-Z]+\*?(?:\[[^\]]*\])?\s?|\\.")


def prose(folder: Path, main: str) -> list[str]:
    """The paragraphs of a book in the order of its source; headings and captions are paragraphs of their own."""
    source = (folder / main).read_text(encoding="utf-8")
    paragraphs = list(re.findall(r"\\(?:title|author|date)\{([^}]*)\}", source))
    for name in re.findall(r"^\s*\\include\{([^}]*)\}", source, re.MULTILINE):
        paragraphs += chapter((folder / f"{name}.tex").read_text(encoding="utf-8"))
    return paragraphs


def chapter(text: str) -> list[str]:
    """The paragraphs of one file. A caption comes after the paragraph that its figure interrupts."""
    text = _COMMENT.sub("", text)
    text = _DISPLAY.sub("\n\n", text)
    text, captions = _floats_out(text)
    text = _INLINE.sub("#", text)
    text = re.sub(r"\\(?:page)?ref\{[^}]*\}|\\LaTeX\b", "#", text)
    text = _HREF.sub(r"\1", text)
    text = _BLOCK.sub(r"\n\n\2\n\n", text)
    text = _RUN_IN.sub(r"\n\n\1 ", text)
    text = re.sub(r"\\par\b|\\item\b|\\\\", "\n\n", text)
    text = _DROPPED.sub("", text)
    text = re.sub(r"\\figurename[~ ]?", "그림 ", text)
    text = re.sub(r"\\(?=[가-힣])", "", text)  # \과 chooses between 과 and 와
    text = _COMMAND.sub("", text).replace("~", " ")
    text = re.sub(r"[{}]", "", text)
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text)]
    found: list[str] = []
    for paragraph in paragraphs:
        parts = re.split(r"\x02(\d+)\x02", paragraph)
        body = " ".join("".join(parts[0::2]).split())
        found += [body, *(captions[int(number)] for number in parts[1::2])]
    return [paragraph for paragraph in found if re.search(r"[가-힣]", paragraph)]


def _floats_out(text: str) -> tuple[str, list[str]]:
    """The text with each figure as a numbered mark, and the captions."""
    captions: list[str] = []

    def mark(match: re.Match[str]) -> str:
        caption = _BLOCK.search(match.group())
        captions.append(_COMMAND.sub("", _INLINE.sub("#", caption[2])) if caption else "")
        return f"\x02{len(captions) - 1}\x02 "

    return re.sub(r"\\begin\{figure\}.*?\\end\{figure\}", mark, text, flags=re.DOTALL), captions
