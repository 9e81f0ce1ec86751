#!/usr/bin/env python3
"""Typeset textbook.pdf from the .typ sources and write gold.jsonl.

    python corpora/sample/textbook/build.py [--check] [--font-dir DIR]

Exit status: 0 built (or up to date), 1 `--check` found a difference,
2 something needed is missing or the sources do not compile.
"""

from __future__ import annotations

import argparse
import importlib
import runpy
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
ENTRY = "textbook.typ"
PDF = "textbook.pdf"
GOLD = "gold.jsonl"
TYPST_VERSION = "0.15.0"
FAMILIES = ("Noto Serif CJK KR", "Noto Sans CJK KR")
FONT_DIRS = (
    Path("/usr/share/fonts/opentype/noto"),
    Path("/usr/share/fonts/noto-cjk"),
    Path("/usr/local/share/fonts"),
)


class BuildError(Exception):
    """Something a person has to mend; the message is one line."""


def load_typst() -> ModuleType:
    """Import the typesetter, warning when it is not the pinned version."""
    try:
        module = importlib.import_module("typst")
        version = metadata.version("typst")
    except (ImportError, metadata.PackageNotFoundError) as error:
        raise BuildError(f"the Python package typst is missing; run: pip install typst=={TYPST_VERSION}") from error
    if version != TYPST_VERSION:
        print(
            f"build.py: warning: typst {version} instead of {TYPST_VERSION}; the PDF may differ from the one stored",
            file=sys.stderr,
        )
    return module


def find_fonts(typst: ModuleType, candidates: list[Path]) -> Path:
    """The first folder that holds both font families."""
    for folder in candidates:
        if not folder.is_dir():
            continue
        fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(folder)])
        if set(FAMILIES) <= set(fonts.families()):
            return folder
    raise BuildError(
        f"the fonts {' and '.join(FAMILIES)} are missing; run: apt-get install fonts-noto-cjk"
        " (or name their folder with --font-dir)"
    )


def typeset(typst: ModuleType, fonts: Path) -> bytes:
    """The finished PDF. The same sources, fonts and version give the same bytes."""
    compiler = typst.Compiler(str(HERE / ENTRY), root=str(HERE), font_paths=[str(fonts)], ignore_system_fonts=True)
    try:
        pdf, warnings = compiler.compile_with_warnings(output=None, format="pdf")
    except RuntimeError as error:
        first = (str(error).splitlines() or ["unknown error"])[0]
        raise BuildError(f"the sources do not compile: {first}") from error
    for warning in warnings:
        print(f"build.py: warning: {warning}", file=sys.stderr)
    return bytes(pdf)


def gold_text() -> bytes:
    """The gold file, made by gold.py from the same sources."""
    try:
        lines: str = runpy.run_path(str(HERE / "gold.py"))["gold_lines"]()
    except (OSError, ValueError, IndexError) as error:
        raise BuildError(f"gold.jsonl cannot be made: {error}") from error
    return lines.encode("utf-8")


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file in one step, so that no reader sees half of it."""
    draft = path.with_name(path.name + ".part")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def build(font_dirs: list[Path], check: bool) -> int:
    """Make both files; write them, or with `check` compare them with the stored ones."""
    typst = load_typst()
    fonts = find_fonts(typst, font_dirs)
    made = {PDF: typeset(typst, fonts), GOLD: gold_text()}
    stale = [n for n, c in made.items() if not (HERE / n).is_file() or (HERE / n).read_bytes() != c]
    if check:
        for name in stale:
            print(f"build.py: {name} differs from what the sources give", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        write_atomically(HERE / name, made[name])
    sizes = ", ".join(f"{name} {len(content):,} bytes" for name, content in made.items())
    print(f"{sizes} ({'written' if stale else 'unchanged'})")
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(description="Typeset the sample textbook.")
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    parser.add_argument("--font-dir", action="append", type=Path, help="folder with the Noto CJK fonts")
    options = parser.parse_args(arguments)
    try:
        return build(options.font_dir or list(FONT_DIRS), options.check)
    except (BuildError, OSError) as error:
        print(f"build.py: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
