"""A run's files for people, the terminal table, and the JSON of the contract. record.json is written last."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from html import escape
from pathlib import Path
from string import Template

from rich.console import Console
from rich.table import Table as RichTable

from configs.evaluation import ArmName
from corpora.writing import replaced, write_text
from eval.cells import Table
from eval.details import facts
from eval.items import Item, Outcome, Traits, read_items
from eval.plots import plots
from eval.record import RunRecord, write_record
from eval.summary import Accuracy, Comparison
from eval.tables import arms_table, comparisons_table, subjects_table, tables, triage_table

_MAIN: tuple[ArmName, ...] = ("closed", "retrieved", "gated")  # in the terminal's width
_PAGE = Path(__file__).resolve().parent / "templates" / "report.html"


def write_report(folder: Path, record: RunRecord) -> Path:
    """Write every file of a report into the run's folder, record.json last; returns its path."""
    items = read_items(folder)
    made = tables(record, items)
    write_text(folder / "report.md", markdown(record, made))
    write_text(folder / "report.html", html(record, made))
    _write_items_csv(folder / "items.csv", items)
    _write_groups_csv(folder / "groups.csv", record)
    return write_record(folder, record)


def markdown(record: RunRecord, made: Sequence[Table]) -> str:
    """The report as Markdown, without its plots."""
    lines = [f"# {_title(record)}", "", f"**{record.verdict}**", ""]
    lines += [line for warning in record.warnings for line in (f"> {warning}", "")]
    for table in made:
        lines += [f"## {table.title}", "", *([table.note, ""] if table.note else [])]
        lines += [_row(table.columns), _row(["---", *["---:"] * (len(table.columns) - 1)])]
        lines += [*(_row(row) for row in table.rows), ""]
    lines += ["## Made of", "", *(f"- {name}: {value}" for name, value in facts(record)), ""]
    return "\n".join(lines)


def _title(record: RunRecord) -> str:
    return f"{record.exam} · reader {record.reader['kind']} · {record.n:,} items"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def html(record: RunRecord, made: Sequence[Table]) -> str:
    """The report as one page that loads nothing from elsewhere."""
    drawn = "".join(
        f"<figure><h2>{escape(plot.title)}</h2>{plot.svg}<figcaption>{escape(plot.caption)}</figcaption></figure>"
        for plot in plots(record)
    )
    return Template(_PAGE.read_text(encoding="utf-8")).substitute(
        title=escape(_title(record)),
        verdict=escape(record.verdict),
        warnings="".join(f'<p class="warning">{escape(warning)}</p>' for warning in record.warnings),
        plots=drawn,
        tables="".join(_html_table(table) for table in made),
        facts="".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts(record)),
    )


def _html_table(table: Table) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in table.columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    note = f"<p>{escape(table.note)}</p>" if table.note else ""
    return (
        f"<section><h2>{escape(table.title)}</h2>{note}"
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></section>'
    )


def print_record(record: RunRecord, folder: Path) -> None:
    """Print verdict, warnings, the main tables and where the rest lies."""
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    console.print(record.verdict, style="bold", markup=False)
    for warning in record.warnings:
        console.print(f"! {warning}", style="yellow", markup=False)
    for table in (
        arms_table(record), comparisons_table(record.comparisons), subjects_table(record, _MAIN), triage_table(record)
    ):  # fmt: skip
        if table.rows:
            print_table(console, table)
    console.print(f"\nreport: {folder / 'report.html'}", markup=False)


def print_table(console: Console, table: Table) -> None:
    """Print a table without its note."""
    console.print()
    drawn = RichTable(title=table.title, title_justify="left", show_edge=False, pad_edge=False)
    for number, name in enumerate(table.columns):
        drawn.add_column(name, justify="right" if number else "left")
    for row in table.rows:
        drawn.add_row(*row)
    console.print(drawn)


def record_json(record: RunRecord, path: Path) -> str:
    """The contract's JSON object: the main numbers, and where the whole record lies."""
    subjects = [
        {
            "subject": group.value,
            "arms": {arm: _accuracy(found) for arm, found in group.arms.items()},
            "comparisons": [asdict(found) for found in group.comparisons],
        }
        for group in record.groups
        if group.dimension == "subject"
    ]
    return json.dumps(
        {
            "verdict": record.verdict,
            "warnings": record.warnings,
            "n": record.n,
            "arms": {
                arm: {"accuracy": score.accuracy, "ci95": score.ci95, "unparsed": score.unparsed, "n": score.n}
                for arm, score in record.arms.items()
            },
            "comparisons": [asdict(found) for found in record.comparisons],
            "subjects": subjects,
            "triage": {arm: [asdict(share) for share in found] for arm, found in record.triage.items()},
            "record": str(path),
        },
        ensure_ascii=False,
    )


def _accuracy(found: Accuracy) -> dict[str, object]:
    return {"accuracy": found.accuracy, "ci95": found.ci95, "n": found.n}


def _write_items_csv(path: Path, items: Sequence[Item]) -> None:
    """One row per item and arm."""
    traits = [field.name for field in fields(Traits)]
    outcome = [field.name for field in fields(Outcome)]
    with replaced(path) as stream:
        writer = csv.writer(stream)
        writer.writerow(["item", "right_answer", *traits, *outcome])
        for item in items:
            known = asdict(item.traits)
            for found in item.outcomes:
                judged = asdict(found)
                writer.writerow(
                    [item.question_id, item.answer, *(known[name] for name in traits), *(judged[n] for n in outcome)]
                )


def _write_groups_csv(path: Path, record: RunRecord) -> None:
    """One row per group of items and arm, and one per comparison."""
    compared = [field.name for field in fields(Comparison)]
    with replaced(path) as stream:
        writer = csv.writer(stream)
        writer.writerow(["dimension", "value", "arm", "accuracy", "low", "high", "n", *compared])
        for group in record.groups:
            for arm, found in group.arms.items():
                writer.writerow([group.dimension, group.value, arm, found.accuracy, *found.ci95, found.n])
            for comparison in group.comparisons:
                cells = asdict(comparison)
                writer.writerow([group.dimension, group.value, *[""] * 5, *(cells[name] for name in compared)])
