#!/usr/bin/env python3
"""Write gold.jsonl: the prose of the textbook, read from the .typ sources.

One JSON line per paragraph, in reading order, with the keys kind, chapter,
section, text and formulas (how many inline formulas were cut out of the text).
The sources keep one paragraph on one line, so no layout engine is needed here.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENTRY = "textbook.typ"
OUTPUT = "gold.jsonl"

HEADING = re.compile(r"(={1,3}) (.+)")
PLAIN_HEADING = re.compile(r"#heading\(level: 1, numbering: none.*?\)\[(.+)\]")
INCLUDE = re.compile(r'#include "(.+)"')
BOX = re.compile(r'#databox\("(.+)"\)\[')
GROUP = re.compile(r"#(two(\(.*\))?)?\[")
LEAD = re.compile(r"#lead\[(.+)\]")
FIGURE = re.compile(r"#fig\(fig-[a-z-]+\(\), \[(.+?)\](, wide: true)?\)")
TABLE = re.compile(r"#tbl\(\[(.+?)\], ")
ITEM = re.compile(r"[+-] (.+)")
SKIPPED = re.compile(r"//|#import |#set |#show\b|#pagebreak|#colbreak|#cover$|#imprint$|#outline|#counter|#term-index")
FORMULA = re.compile(r"#box\[\$.+?\$\]|\$.+?\$")
FOOTNOTE = "#footnote["


@dataclass
class Record:
    """One paragraph of the book."""

    kind: str
    chapter: str
    section: str
    text: str
    formulas: int = 0


@dataclass
class Reader:
    """Walk over the sources and collect the records."""

    root: Path
    records: list[Record] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    chapter: str = ""
    section: str = ""
    in_table: bool = False

    def read(self, name: str) -> None:
        """Read one source file, and the files that it includes."""
        path = self.root / name
        for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            line = raw.strip()
            if self.in_table:
                self.in_table = line != ")"
                continue
            if included := INCLUDE.fullmatch(line):
                self.read(included[1])
            elif not self.structure(line) and not self.prose(line):
                raise ValueError(f"{path}:{number}: not understood: {line[:40]}")

    def structure(self, line: str) -> bool:
        """Take a line that holds no running text; say whether it was one."""
        if not line or SKIPPED.match(line) or (line.startswith("$ ") and line.endswith(" $")):
            return True
        if match := HEADING.fullmatch(line):
            self.heading(len(match[1]), match[2])
        elif match := PLAIN_HEADING.fullmatch(line):
            self.chapter, self.section = match[1], ""
            self.add("heading", match[1])
        elif match := BOX.fullmatch(line):
            self.groups.append("box")
            self.add("box", f"[자료 {self.count('box')}] {match[1]}")
        elif GROUP.fullmatch(line):
            self.groups.append(self.groups[-1] if self.groups else "body")
        elif line == "]":
            self.groups.pop()
        elif match := FIGURE.fullmatch(line):
            self.add("caption", f"그림 {self.count('chapter', 0)}-{self.count('figure')} {match[1]}")
        elif match := TABLE.match(line):
            self.add("caption", f"표 {self.count('chapter', 0)}-{self.count('table')} {match[1]}")
            self.in_table = True
        else:
            return False
        return True

    def prose(self, line: str) -> bool:
        """Take a paragraph or a list item; say whether the line was one."""
        for pattern in (LEAD, ITEM):
            if match := pattern.fullmatch(line):
                line = match[1]
        if line.startswith(("#", "=")):
            return False
        self.add(self.groups[-1] if self.groups else "body", line)
        return True

    def heading(self, level: int, title: str) -> None:
        """Enter a chapter (1), a numbered section (2) or an unnumbered one (3)."""
        if level == 1:
            self.chapter, self.section = f"제{self.count('chapter')}장 {title}", ""
            self.counts.update(section=0, figure=0, table=0)
            self.add("heading", self.chapter)
            return
        numbered = f"{self.count('chapter', 0)}.{self.count('section')} {title}" if level == 2 else title
        self.section = numbered
        self.add("heading", numbered)

    def count(self, name: str, step: int = 1) -> int:
        """Step a counter and return its value."""
        self.counts[name] = self.counts.get(name, 0) + step
        return self.counts[name]

    def add(self, kind: str, source: str) -> None:
        """Store a paragraph, then the footnotes that it calls."""
        source, notes = split_footnotes(source)
        for one_kind, one_source in [(kind, source), *(("footnote", note) for note in notes)]:
            text, formulas = plain(one_source)
            self.records.append(Record(one_kind, self.chapter, self.section, text, formulas))


def split_footnotes(source: str) -> tuple[str, list[str]]:
    """Take the footnotes out of a paragraph; brackets may be nested."""
    notes: list[str] = []
    while (start := source.find(FOOTNOTE)) >= 0:
        depth, end = 1, start + len(FOOTNOTE)
        while depth:
            depth += {"[": 1, "]": -1}.get(source[end], 0)
            end += 1
        notes.append(source[start + len(FOOTNOTE) : end - 1])
        source = source[:start] + source[end:]
    return source, notes


def plain(source: str) -> tuple[str, int]:
    """Drop the inline formulas and the markup; return the text and how many formulas there were."""
    text, formulas = FORMULA.subn("", source)
    text = re.sub(r"\*(.+?)\*", r"\1", text)
    return re.sub(r" {2,}", " ", text).strip(), formulas


def gold_lines(root: Path = HERE) -> str:
    """The whole gold file as one string."""
    reader = Reader(root)
    reader.read(ENTRY)
    return "".join(json.dumps(asdict(r), ensure_ascii=False) + "\n" for r in reader.records)


def main() -> int:
    """Write gold.jsonl next to this script, atomically."""
    try:
        lines = gold_lines()
    except (OSError, ValueError, IndexError) as error:
        print(f"gold.py: {error}", file=sys.stderr)
        return 2
    draft = HERE / (OUTPUT + ".part")
    draft.write_text(lines, encoding="utf-8")
    draft.replace(HERE / OUTPUT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
