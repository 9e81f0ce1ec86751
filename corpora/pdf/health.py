"""python -m corpora health PATH [--json] [--pages] [--password TEXT]: how well the text of PDFs can be read.

One row per file (with --pages one per page): characters, damage, furniture, a verdict and what to do.
Example: python -m corpora health lectures/ --pages
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from configs.pdf import PdfSettings
from corpora.files import discover
from corpora.pdf.diagnosis import FileHealth, PageHealth, Verdict
from corpora.pdf.fonts import unmapped_fonts
from corpora.pdf.isolate import PdfJob, read_isolated

_COLOURS: dict[Verdict, str] = {"good": "green", "repaired": "cyan", "suspect": "yellow", "unreadable": "red"}


def health_rows(paths: Sequence[Path], *, settings: PdfSettings, password: str | None = None) -> list[FileHealth]:
    """The health of each file, in order, with the fonts that lack a map to Unicode."""
    jobs = [PdfJob(path, path.name, "health") for path in paths]
    results = read_isolated(jobs, settings=settings, password=password)
    # pages that go to OCR take seconds each
    shown = tqdm(results, total=len(jobs), unit=" files", desc="read", file=sys.stderr, disable=None)
    rows = []
    for path, result in zip(paths, shown, strict=True):
        report = result.health
        if report.page_count and not report.unmapped_fonts:
            report = replace(report, unmapped_fonts=unmapped_fonts(path, password))
        rows.append(report)
    return rows


def main_health(argv: Sequence[str] | None = None) -> int:
    """Print the health of the PDFs at a path: a table, or one JSON object."""
    parser = argparse.ArgumentParser(
        prog="python -m corpora health", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", type=Path, help="a PDF, or a folder with PDFs")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--pages", action="store_true", help="one row per page")
    parser.add_argument("--password", help="for encrypted files")
    args = parser.parse_args(argv)
    rows = health_rows(discover(args.path, (".pdf",)), settings=PdfSettings(), password=args.password)
    if args.json:
        json.dump({"files": [asdict(row) for row in rows]}, sys.stdout, ensure_ascii=False)
        print()
        return 0
    console = Console()
    console.print(page_table(rows) if args.pages else file_table(rows))
    for row in rows:
        if row.advice:
            console.print(f"{Path(row.path).name}: {row.advice}", markup=False, soft_wrap=True)
    return 0


def file_table(rows: Iterable[FileHealth]) -> Table:
    """One row per file."""
    table = Table("file", title="PDF health")
    for name in ("pages", "chars", "Hangul", "garbage", "odd", "glued", "split", "heads", "contents", "pictures"):
        table.add_column(name, justify="right")
    for name in ("fonts without map", "verdict"):
        table.add_column(name)
    for row in rows:
        pages = row.pages
        fonts = f"{len(row.unmapped_fonts)}: {row.unmapped_fonts[0]}" if row.unmapped_fonts else ""
        lock = " (encrypted)" if row.is_encrypted else ""
        table.add_row(
            Path(row.path).name,
            str(row.page_count),
            str(sum(page.chars for page in pages)),
            _percent(_mean(pages, [page.hangul for page in pages])),
            _percent(_mean(pages, [page.private + page.foreign for page in pages])),
            _percent(_mean(pages, [page.odd for page in pages])),
            _percent(_mean(pages, [page.glued for page in pages])),
            _percent(_mean(pages, [page.split for page in pages])),
            str(sum(page.heads + page.watermarks for page in pages)),
            str(sum(page.is_contents for page in pages)),
            str(sum(page.is_image for page in pages)),
            fonts,
            f"[{_COLOURS[row.verdict]}]{row.verdict}[/]{lock}",
        )
    return table


def page_table(rows: Iterable[FileHealth]) -> Table:
    """One row per page."""
    table = Table("file", title="PDF health, page by page")
    for name in ("page", "label", "chars", "Hangul", "private", "foreign", "usual", "odd", "jamo", "glued", "split"):
        table.add_column(name, justify="right")
    for name in ("columns", "tables", "heads"):
        table.add_column(name, justify="right")
    table.add_column("verdict")
    table.add_column("why")
    for row in rows:
        for page in row.pages:
            usual = "" if page.usualness is None else f"{page.usualness:.2f}"
            shares = (page.jamo, page.glued, page.split)
            table.add_row(
                Path(row.path).name,
                str(page.page),
                page.label,
                str(page.chars),
                *(_percent(share) for share in (page.hangul, page.private, page.foreign)),
                usual,
                *(_percent(share) for share in (page.odd, *shares)),
                *(str(count) for count in (page.columns, page.tables, page.heads)),
                f"[{_COLOURS[page.verdict]}]{page.verdict}[/]",
                page.why or ("contents: not in the text" if page.is_contents else ""),
            )
    return table


def _mean(pages: Sequence[PageHealth], shares: Sequence[float]) -> float:
    """The mean share, pages weighing by their characters."""
    total = sum(page.chars for page in pages)
    return sum(share * page.chars for page, share in zip(pages, shares, strict=True)) / total if total else 0.0


def _percent(share: float) -> str:
    return f"{100 * share:.1f}" if share else "0"
