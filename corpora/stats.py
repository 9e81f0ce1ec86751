"""What the bundled sample consists of: its articles, and its exam by subject, kind, split and form."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import get_args

from rich.console import Console
from rich.table import Table

from configs.errors import UserError
from corpora import sample
from corpora.exams import load_exam
from corpora.records import Document, Kind, Need, Question

SPLITS = ("train", "dev", "test")
ALL = "all"  # the subject of the row that counts everything

_KINDS: tuple[Kind, ...] = get_args(Kind)
_NEEDS: tuple[Need, ...] = get_args(Need)
# a stem that asks for the exception; "보이지 않는 까닭은?" is none, so the noun must be the choice itself
_NEGATED = re.compile(r"(?:지 않[은는]|아닌|어긋나는|볼 수 없는|잘못 말한|거리가 먼) (?:것|진술|사건|사람|곳)[은을]")
_LINK = re.compile(r"\[\[([^\]|]*)(?:\|[^\]]*)?\]\]")


@dataclass(frozen=True, slots=True)
class Article:
    """One article of the sample, with what its plain text no longer shows."""

    slug: str  # folder = subject
    document: Document
    links: tuple[str, ...]  # titles of the articles it links to, in order, repeated as they stand there


@dataclass(frozen=True, slots=True)
class ArticleStats:
    """The articles of one subject; lengths in characters."""

    subject: str
    articles: int
    shortest: int
    median: float
    longest: int
    characters: int
    sections: int
    links: int


@dataclass(frozen=True, slots=True)
class ExamStats:
    """The items of one subject. The last five count multiple-choice items alone."""

    subject: str
    items: dict[str, dict[str, int]]  # kind -> split -> count
    needs_knowledge: dict[str, int]
    choices: dict[int, int]  # number of choices -> count
    with_paragraph: int
    with_box: int
    negated: int
    two_hop: int


@dataclass(frozen=True, slots=True)
class SampleStats:
    """Everything that `python -m corpora stats sample` shows; the last row of each list counts all subjects."""

    articles: tuple[ArticleStats, ...]
    exam: tuple[ExamStats, ...]
    positions: dict[int, tuple[int, ...]]  # number of choices -> how often 1, 2, ... is the answer


def is_negated(question: Question) -> bool:
    """Whether the question asks for what does not hold: 옳지 않은 것은?, 해당하지 않는 것은?, 아닌 것은?"""
    return _NEGATED.search(question.question) is not None


def read_articles(folder: Path = sample.ARTICLES) -> Iterator[Article]:
    """The sample's articles with subject and links, ordered as the corpus is."""
    paths = {path.stem: path for path in folder.glob("*/*.txt")}
    for document in sample.read_articles():
        if isinstance(document, Document):
            path = paths[document.doc_id]
            links = tuple(_LINK.findall(path.read_text(encoding="utf-8")))
            yield Article(path.parent.name, document, links)


def sample_stats(articles: Sequence[Article], exam: Sequence[Question], subjects: dict[str, str]) -> SampleStats:
    """Counts per subject, and over all as the last row; subjects: folder of the articles -> name."""
    rows = [
        article_stats(name, [article for article in articles if article.slug == slug])
        for slug, name in subjects.items()
    ]
    items = [exam_stats(name, [q for q in exam if q.subject == name]) for name in subjects.values()]
    return SampleStats(
        articles=(*rows, article_stats(ALL, articles)),
        exam=(*items, exam_stats(ALL, exam)),
        positions=answer_positions(exam),
    )


def article_stats(subject: str, articles: Sequence[Article]) -> ArticleStats:
    """Number, lengths, sections and links of some articles; zeros for none."""
    lengths = [len(article.document.text) for article in articles] or [0]
    return ArticleStats(
        subject=subject,
        articles=len(articles),
        shortest=min(lengths),
        median=median(lengths),
        longest=max(lengths),
        characters=sum(lengths),
        sections=sum(len(article.document.headings) for article in articles),
        links=sum(len(article.links) for article in articles),
    )


def exam_stats(subject: str, questions: Sequence[Question]) -> ExamStats:
    """Counts of some items by kind and split, need and form."""
    counts = Counter((question.kind, question.split) for question in questions)
    needs = Counter(question.needs_knowledge for question in questions)
    multiple = [question for question in questions if question.kind == "multiple_choice"]
    return ExamStats(
        subject=subject,
        items={kind: {split: counts[kind, split] for split in SPLITS} for kind in _KINDS},
        needs_knowledge={need: needs[need] for need in _NEEDS},
        choices=dict(sorted(Counter(len(question.choices) for question in multiple).items())),
        with_paragraph=sum(bool(question.paragraph) for question in multiple),
        with_box=sum(bool(question.box) for question in multiple),
        negated=sum(is_negated(question) for question in multiple),
        two_hop=sum(question.hops == 2 for question in multiple),
    )


def answer_positions(questions: Sequence[Question]) -> dict[int, tuple[int, ...]]:
    """Number of choices -> how often each position holds the answer, from 1; questions without choices pass."""
    counts = Counter((len(question.choices), question.answer) for question in questions if question.choices)
    sizes = sorted({size for size, _ in counts})
    return {size: tuple(counts[size, position] for position in range(1, size + 1)) for size in sizes}


def read_sample_stats() -> SampleStats:
    """The counts of the bundled sample as it lies on disk."""
    exams = {path.stem: load_exam(path) for path in sorted(sample.EXAM.glob("*.jsonl"))}
    subjects = {slug: questions[0].subject for slug, questions in exams.items() if questions}
    exam = [question for questions in exams.values() for question in questions]
    return sample_stats(list(read_articles()), exam, subjects)


def main_stats(argv: list[str]) -> int:
    """Print what the sample consists of, as tables or as one JSON object."""
    parser = argparse.ArgumentParser(
        prog="python -m corpora stats",
        description="Count what a corpus and its exam consist of.",
        epilog="Example: python -m corpora stats sample --json",
    )
    parser.add_argument("corpus", nargs="?", default="sample", help="only `sample`, the bundled one (default)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    args = parser.parse_args(argv)
    if args.corpus != "sample":
        raise UserError(f"stats {args.corpus}: only the bundled corpus has such counts; run: python -m corpora stats")
    stats = read_sample_stats()
    if args.json:
        print(json.dumps(asdict(stats), ensure_ascii=False))
        return 0
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    for table in (_article_table(stats), _item_table(stats), _form_table(stats), _position_table(stats)):
        console.print(table, "")
    console.print(f"articles: {sample.ARTICLES}\nexam: {sample.EXAM}", soft_wrap=True)
    return 0


def _article_table(stats: SampleStats) -> Table:
    table = _table(
        "Articles", "subject", "articles", "shortest", "median", "longest", "characters", "sections", "links"
    )
    for row in stats.articles:
        table.add_row(
            row.subject, str(row.articles), f"{row.shortest:,}", f"{row.median:,.0f}", f"{row.longest:,}",
            f"{row.characters:,}", str(row.sections), str(row.links), style=_style(row.subject),
        )  # fmt: skip
    return table


def _item_table(stats: SampleStats) -> Table:
    table = _table(
        "Items: train / dev / test, and what a closed book can do",
        "subject", "items", "multiple choice", "short answer", "essay", "retrieval", "own 지문", "not in corpus",
    )  # fmt: skip
    for row in stats.exam:
        total = sum(sum(splits.values()) for splits in row.items.values())
        kinds = [" / ".join(f"{row.items[kind][split]:>2}" for split in SPLITS) for kind in _KINDS]
        needs = [str(row.needs_knowledge[need]) for need in _NEEDS]
        table.add_row(row.subject, str(total), *kinds, *needs, style=_style(row.subject))
    return table


def _form_table(stats: SampleStats) -> Table:
    sizes = sorted(stats.positions)
    table = _table(
        "Multiple choice: form", "subject", "items", *(f"{size} choices" for size in sizes),
        "지문", "<보기>", "negated", "two-hop",
    )  # fmt: skip
    for row in stats.exam:
        items = sum(row.choices.values())
        counts = [row.choices.get(size, 0) for size in sizes]
        counts += [row.with_paragraph, row.with_box, row.negated, row.two_hop]
        shown = [f"{count} ({count / items:.0%})" if row.subject == ALL and items else str(count) for count in counts]
        table.add_row(row.subject, str(items), *shown, style=_style(row.subject))
    return table


def _position_table(stats: SampleStats) -> Table:
    longest = max(stats.positions, default=0)
    table = _table("Where the answer stands", "choices", *(str(position) for position in range(1, longest + 1)))
    for size, counts in stats.positions.items():
        table.add_row(str(size), *map(str, counts))
    return table


def _table(title: str, first: str, *columns: str) -> Table:
    table = Table(first, title=title, title_justify="left", show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _style(subject: str) -> str:
    return "bold" if subject == ALL else ""
