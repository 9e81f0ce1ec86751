"""Markdown, AsciiDoc and plain text files: headings become the heading path."""

from __future__ import annotations

import re
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from corpora.files import decode, open_binary, unpacked_suffix
from corpora.outline import Outline
from corpora.records import Document, Skipped

SUFFIXES = (".md", ".markdown", ".adoc", ".asciidoc", ".txt", ".text")
_ADOC_HEADING = re.compile(r"(={1,6})\s+(\S.*)")
_ADOC_FRAME = re.compile(r"(:[\w-]+:.*|\[.*\]|[-=.*_+/]{4,}|//.*|image::.*|include::.*|\|={3,})")
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_LONGEST_LINE = 100_000  # characters; beyond it a file is data, and inline parsing takes minutes


def read(path: Path, *, doc_id: str, source: str, licence: str) -> Document | Skipped:
    """The document in one file. Title: its first top heading, else its name. Skipped when it is no text."""
    with open_binary(path) as stream:
        decoded = decode(stream.read())
    if decoded is None:
        return Skipped(str(path), "not text in any known encoding")
    text = decoded[0].replace("\r\n", "\n")
    longest = max(map(len, text.split("\n")))
    match unpacked_suffix(path):
        case ".md" | ".markdown" if longest <= _LONGEST_LINE:
            outline, title = _markdown(text)
        case ".adoc" | ".asciidoc":
            outline, title = _asciidoc(text)
        case _:
            outline, title = Outline(), ""
            outline.add(text)
    stem = path.name.split(".")[0]
    return outline.finish(doc_id, title or stem, source=source, licence=licence, encoding=decoded[1])


def _markdown(text: str) -> tuple[Outline, str]:
    outline, title = Outline(), ""
    tokens = MarkdownIt("commonmark").enable("table").parse(_FRONT_MATTER.sub("", text))
    row: list[str] | None = None
    for previous, token in zip([None, *tokens], tokens, strict=False):
        match token.type:
            case "inline" if previous is not None and previous.type == "heading_open":
                level = int(previous.tag[1])
                title = title or (_inline(token) if level == 1 else "")
                outline.head(_inline(token), level)
            case "inline" if row is not None:
                row.append(_inline(token))
            case "inline":
                outline.add(_inline(token))
            case "tr_open":
                row = []
            case "tr_close":
                outline.add(f"| {' | '.join(row or [])} |")
                row = None
            case "fence" | "code_block":
                outline.add(token.content)
            case _:
                pass
    return outline, title


def _inline(token: Token) -> str:
    """The words of an inline token: link and image texts stay, targets, HTML and emphasis go."""
    words: list[str] = []
    for child in token.children or []:
        match child.type:
            case "text" | "code_inline":
                words.append(child.content)
            case "softbreak" | "hardbreak":
                words.append("\n")
            case "image":
                words.append(_inline(child))
            case _:
                pass
    return "".join(words)


def _asciidoc(text: str) -> tuple[Outline, str]:
    outline, title = Outline(), ""
    for line in text.split("\n"):
        heading = _ADOC_HEADING.fullmatch(line.strip())
        if heading:
            title = title or (heading[2] if len(heading[1]) == 1 else "")
            outline.head(heading[2], len(heading[1]))
        elif not _ADOC_FRAME.fullmatch(line.strip()):
            outline.add(line)
    return outline, title
