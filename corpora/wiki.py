"""Wikipedia: WikiExtractor's JSON lines, and MediaWiki XML dumps as they are downloaded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import ParseError

import mwparserfromhell as mw
import mwxml
from mwparserfromhell.nodes import (
    Argument,
    Comment,
    ExternalLink,
    Heading,
    HTMLEntity,
    Tag,
    Template,
    Text,
    Wikilink,
)
from mwxml.errors import MalformedXML

from configs.errors import UserError
from corpora.files import discover, open_binary, unpacked_suffix
from corpora.jsonl import read_records
from corpora.outline import Outline
from corpora.records import Document, Skipped

_HEADING = re.compile(r"(={1,6})\s*(.+?)\s*\1")
# sections that cite and link instead of telling; what stands in them answers nothing
_APPARATUS = frozenset(
    {
        "각주",
        "주석",
        "주해",
        "출처",
        "같이 보기",
        "함께 보기",
        "더 보기",
        "외부 링크",
        "바깥 고리",
        "참고 문헌",
        "참고문헌",
        "참고 자료",
    }
)
_MEDIA = ("파일", "그림", "file", "image", "분류", "category")
_SILENT_TAGS = frozenset(
    {"ref", "references", "table", "gallery", "timeline", "style", "templatestyles", "score", "imagemap"}
)
_DISAMBIGUATION = re.compile(r"\{\{\s*(동음이의|disambig|동명이인|인명 동음이의|지명 동음이의)", re.IGNORECASE)


def files(path: Path) -> list[Path]:
    """The dump, or the files below a folder: .jsonl, .json, .xml (packed or not) and WikiExtractor's wiki_NN."""
    found = discover(path, ("", ".jsonl", ".json", ".xml"))
    if path.is_file():
        return found
    kept = [file for file in found if unpacked_suffix(file) or file.name.startswith("wiki_")]
    if not kept:
        raise UserError(f"{path}: no .jsonl, .json, .xml or wiki_NN file here")
    return kept


def read(path: Path, *, source: str, licence: str) -> Iterator[Document | Skipped]:
    """The articles of one file; redirects, disambiguation and pages of other namespaces come as Skipped."""
    if unpacked_suffix(path) == ".xml":
        yield from _read_dump(path, source=source, licence=licence)
    else:
        yield from _read_extracted(path, source=source, licence=licence)


def outline_of(marked: str) -> Outline:
    """Text with `== 제목 ==` heading lines as an outline, without the sections that only cite and link."""
    outline = Outline()
    plain: list[str] = []  # lines since the last heading
    left_out_below = 0  # level of the apparatus heading that we are under, 0 = none
    for line in marked.split("\n"):
        match = _HEADING.fullmatch(line.strip()) if line.lstrip().startswith("=") else None
        if match is None:
            if not left_out_below:
                plain.append(line)
            continue
        level = max(len(match[1]) - 1, 1)
        if left_out_below and level > left_out_below:
            continue
        left_out_below = level if match[2] in _APPARATUS else 0
        if not left_out_below:
            outline.add("\n".join(plain))
            plain.clear()
            outline.head(match[2], level)
    outline.add("\n".join(plain))
    return outline


def _read_extracted(path: Path, *, source: str, licence: str) -> Iterator[Document | Skipped]:
    for item in read_records(path):
        if isinstance(item, Skipped):
            yield item
            continue
        number, record = item.number, item.fields
        page_id, title, text = (record.get(key) for key in ("id", "title", "text"))
        if not isinstance(page_id, str | int) or not isinstance(title, str) or not isinstance(text, str):
            yield Skipped(f"{path}:{number}", "expected 'id', 'title' and 'text', as WikiExtractor writes them")
            continue
        outline = outline_of(text)
        yield outline.finish(f"wiki:{page_id}", title, source=source, licence=licence, encoding=item.encoding)


def _read_dump(path: Path, *, source: str, licence: str) -> Iterator[Document | Skipped]:
    with open_binary(path) as stream:
        try:
            for page in mwxml.Dump.from_file(stream):
                where = f"{path}: page {page.id} {page.title!r}"
                if page.namespace != 0:
                    yield Skipped(where, "other namespace")
                    continue
                # mwxml streams revisions; a page's last one is its present text
                wikitext = ""
                for revision in page:
                    wikitext = revision.text or ""
                if page.redirect or wikitext.lstrip().lower().startswith(("#redirect", "#넘겨주기")):
                    yield Skipped(where, "redirect")
                elif _DISAMBIGUATION.search(wikitext) or page.title.endswith("(동음이의)"):
                    yield Skipped(where, "disambiguation")
                else:
                    outline = outline_of(plain_text(wikitext))
                    yield outline.finish(f"wiki:{page.id}", page.title, source=source, licence=licence)
        except (ParseError, EOFError, OSError, MalformedXML) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            yield Skipped(str(path), f"the dump breaks off here: {error}")


def plain_text(wikitext: str) -> str:
    """Wikitext as readable text: headings stay marked; templates, tables, references and media go."""
    parts: list[str] = []
    for node in mw.parse(wikitext).nodes:
        if isinstance(node, Heading):
            title = "".join(_plain(inner) for inner in node.title.nodes).strip()
            parts.append(f"\n{'=' * node.level} {title} {'=' * node.level}\n")
        else:
            parts.append(_plain(node))
    text = re.sub(r"\(\s*[,;]?\s*\)", "", "".join(parts))  # brackets that a template leaves empty
    return re.sub(r"^[ \t]+|[ \t]+$|\n(?=\n)", "", text, flags=re.MULTILINE).strip("\n")


def _plain(node: object) -> str:  # noqa: PLR0911 - one line per kind of node
    """One node of parsed wikitext as text."""
    match node:
        case Text():
            return str(node.value)
        case Wikilink():
            return _link_text(node)
        case ExternalLink():
            return _plain_code(node.title) if node.title is not None else ""
        case HTMLEntity():
            return str(node.normalize())
        case Template():
            return _template_text(node)
        case Tag():
            if str(node.tag).strip().lower() in {"br", "hr", "p"}:
                return "\n"
            silent = str(node.tag).strip().lower() in _SILENT_TAGS or node.contents is None
            prefix = "\n" if str(node.tag) in {"li", "dd", "dt"} else ""
            return prefix if silent else prefix + _plain_code(node.contents)
        case Comment() | Argument() | Heading():
            return ""
        case _:
            return ""


def _plain_code(code: mw.wikicode.Wikicode) -> str:
    return "".join(_plain(inner) for inner in code.nodes)


def _link_text(link: Wikilink) -> str:
    target = str(link.title).strip()
    namespace, colon, _ = target.partition(":")
    if colon and (namespace.strip().lower() in _MEDIA or re.fullmatch(r"[a-z]{2,3}", namespace)):
        return ""
    return _plain_code(link.text) if link.text is not None else target.lstrip(":")


def _template_text(template: Template) -> str:
    """Only templates that mark a language carry running text: {{lang|en|Seoul}}, {{llang|...}}, {{lang-en|...}}."""
    name = str(template.name).strip().lower()
    if name in {"lang", "llang"} and len(template.params) >= 2:
        return _plain_code(template.params[1].value)
    if name.startswith("lang-") and template.params:
        return _plain_code(template.params[0].value)
    return ""
