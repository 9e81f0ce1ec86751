"""Prompt templates: Markdown files of named blocks, with versions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from configs.errors import UserError

FOLDER = Path(__file__).resolve().parent / "templates"

TemplateName = Literal["base", "english", "cot_json"]

# every block of a template, and what must stand in it: a block that shows no choices would hide them
_BLOCKS: dict[str, frozenset[str]] = {
    "system": frozenset(),
    "passages": frozenset({"passages"}),
    "passage": frozenset({"id", "title", "page", "text"}),
    "page": frozenset({"page"}),
    "paragraph": frozenset({"paragraph"}),
    "question": frozenset({"question"}),
    "box": frozenset({"box"}),
    "choices": frozenset({"choices"}),
    "choice": frozenset({"label", "text"}),
    "multiple_choice": frozenset({"labels"}),
    "short_answer": frozenset(),
    "essay": frozenset(),
}
_BLANK = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """The blocks of a prompt, as Python's format strings with blanks like {question}."""

    identity: str  # "base@1"
    blocks: dict[str, str]

    def fill(self, block: str, **values: str) -> str:
        """A block with its blanks filled; what is filled in is not searched for blanks."""
        return self.blocks[block].format_map(values)


@cache
def bundled(name: TemplateName) -> Template:
    """One of the project's own templates."""
    return load_template(FOLDER / f"{name}.md")


def load_template(path: Path) -> Template:
    """The template of a file: `version: N`, then blocks under `## name`.

    Raises UserError naming a block that is missing, unknown or twice there, or a blank that a block lacks
    or does not know.
    """
    head, *parts = re.split(r"^## +(\w+) *\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    version = re.fullmatch(r"version: (\d+)\s*", head)
    if version is None:
        raise UserError(f"{path}: found {head[:40]!r}; expected a first line like 'version: 1'")
    blocks: dict[str, str] = {}
    for name, text in zip(parts[::2], parts[1::2], strict=True):
        if name not in _BLOCKS or name in blocks:
            raise UserError(f"{path}: block {name!r} is {'unknown' if name not in _BLOCKS else 'there twice'}")
        blocks[name] = _format(text.strip("\n"))
        blanks = set(_BLANK.findall(text))
        if blanks != _BLOCKS[name]:
            raise UserError(f"{path}: block {name!r}: found blanks {sorted(blanks)}; expected {sorted(_BLOCKS[name])}")
    missing = sorted(_BLOCKS.keys() - blocks.keys())
    if missing:
        raise UserError(f"{path}: no block {missing[0]!r}")
    return Template(f"{path.stem}@{version.group(1)}", blocks)


def _format(text: str) -> str:
    """A block as a format string: braces that are no blank, as those of JSON, stand for themselves."""
    return re.sub(r"\{\{(\w+)\}\}", r"{\1}", text.replace("{", "{{").replace("}", "}}"))
