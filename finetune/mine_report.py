"""What mining found, for people: tables on the terminal and in report.md, and every mistake as a line."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table

from corpora.writing import replaced, write_text
from finetune.mine_items import Mined

Rows = list[tuple[str, ...]]


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True)
    id: str
    subject: str
    cause: str
    given: str | None
    cluster: int  # from 1
    is_chosen: bool


def write_report(folder: Path, mined: Mined, *, run: Path) -> None:
    """Write mistakes.jsonl and report.md."""
    labels, chosen = mined.clustering.labels, set(mined.chosen)
    with replaced(folder / "mistakes.jsonl") as stream:
        for row, mistake in enumerate(mined.mistakes):
            question = mistake.question
            line = _Line(
                id=question.question_id,
                subject=question.subject,
                cause=mistake.cause,
                given=mistake.outcome.answer,
                cluster=labels[row] + 1,
                is_chosen=row in chosen,
            )
            stream.write(line.model_dump_json() + "\n")
    tables = "\n\n".join(f"## {title}\n\n{_markdown(rows)}" for title, rows in _tables(mined))
    write_text(folder / "report.md", f"# Mistakes of {run.name}\n\n{_summary(mined)}\n\n{tables}\n")


def print_report(console: Console, mined: Mined) -> None:
    """Print the same tables."""
    console.print(_summary(mined), markup=False)
    for title, (head, *rows) in _tables(mined):
        table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
        for number, name in enumerate(head):
            table.add_column(name, justify="right" if number and title.startswith("Causes") else "left")
        for row in rows:
            table.add_row(*row)
        console.print()
        console.print(table)


def _summary(mined: Mined) -> str:
    found = mined.clustering.silhouettes
    how = f"k by silhouette, {max(found.values()):.3f} of {len(found)} tried" if found else "k as set"
    return (
        f"{len(mined.mistakes)} of {mined.asked} answers are wrong; {len(mined.clustering.members)} clusters ({how});"
        f" {len(mined.chosen)} items chosen to write reasoning for"
    )


def _tables(mined: Mined) -> list[tuple[str, Rows]]:
    return [("Causes by subject", _causes(mined)), ("Clusters", _clusters(mined))]


def _causes(mined: Mined) -> Rows:
    totals: Counter[str] = Counter(mistake.cause for mistake in mined.mistakes)
    names = [name for name, _ in sorted(totals.items(), key=lambda item: (-item[1], item[0]))]
    rows: Rows = [("subject", *names, "all")]
    for subject, counts in [*mined.causes.items(), ("all", totals)]:
        rows.append((subject or "(none)", *(str(counts[name] or "") for name in names), str(counts.total())))
    return rows


def _clusters(mined: Mined) -> Rows:
    rows: Rows = [("cluster", "mistakes", "subjects", "causes", "nearest to its centre")]
    chosen = set(mined.chosen)
    for number, members in enumerate(mined.clustering.members, start=1):
        mistakes = [mined.mistakes[row] for row in members]
        near = ", ".join(mined.mistakes[row].question.question_id for row in members if row in chosen)
        subjects = _most(Counter(mistake.question.subject for mistake in mistakes))
        rows.append((str(number), str(len(members)), subjects, _most(Counter(m.cause for m in mistakes)), near))
    return rows


def _most(counts: Counter[str]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:3]
    return ", ".join(f"{name or '(none)'} {count}" for name, count in ordered)


def _markdown(rows: Rows) -> str:
    head, *rest = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([head, "|" + " --- |" * len(rows[0]), *rest])
