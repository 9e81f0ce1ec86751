"""python -m benchmarks.pdf --data DATA [--only SECTION ...]: Korean PDF extraction against its peers.

Sections: text (two textbooks against their LaTeX source, the sample textbook against its gold), joins (line ends of
statutes and textbooks, several ways to decide them), twins (one statute from two producers), ocr (statutes and
textbooks read from pictures, against their text), time (against pdfium's plain text), retrieval (known items).
Everything runs in one process; the files are read as they lie there.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache, partial
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory

import pypdfium2 as pdfium
from pdfminer.high_level import extract_text
from pypdf import PdfReader, PdfWriter
from pypdf.errors import PyPdfError

from benchmarks.latex_gold import prose
from benchmarks.machine import machine
from benchmarks.pdf_joins import Gold, join_table
from benchmarks.pdf_measures import LATEX_HEADS, accuracy, cuts, score, spacing, words
from benchmarks.pdf_retrieval import retrieval_table
from configs.pdf import PdfSettings
from corpora.pdf import read_pdf
from corpora.pdf.ocr import missing
from corpora.records import Document

_BOOKS = (("기초통신", "basic_communication"), ("기초전자회로", "basic_electronic_circuits"))
_SAMPLE = Path(__file__).parents[1] / "corpora" / "sample" / "textbook"
_SAMPLE_HEADS = re.compile(r"^생활 속의 자료와 통계\s*$", re.MULTILINE)
# what is read as pictures, the file that has its text, pages [first, after) of both
_PICTURES = (
    ("derived/헌법_scanned_image_only", "law/대한민국헌법(헌법)(제00010호)(19880225)", 0, 2),
    ("derived/형법_no_tounicode", "law/형법", 0, 37),
    ("textbooks/기초통신/out/basic_communication", "textbooks/기초통신/out/basic_communication", 10, 20),
)
_STATUTES = ("형법", "형사소송법")


@dataclass(frozen=True, slots=True)
class Book:
    """A textbook with its gold."""

    name: str
    path: Path
    gold: tuple[str, ...]
    heads: re.Pattern[str] = LATEX_HEADS  # what its running heads look like


def ours(path: Path) -> Document:
    """What our reader makes of a file."""
    result = read_pdf(path, doc_id=path.stem, source="benchmark", settings=PdfSettings(ocr="never"))
    if result.document is None:
        raise ValueError(f"{path}: {result.skipped}")
    return result.document


def plain_pages(path: Path) -> list[str]:
    """pdfium's text, page by page."""
    with pdfium.PdfDocument(path) as document:
        return [page.get_textpage().get_text_range().replace("\r", "") for page in document]


EXTRACTORS: dict[str, Callable[[Path], str]] = {
    "ours": lambda path: ours(path).text,
    "pypdfium2": lambda path: "\n".join(plain_pages(path)),
    "pypdf": lambda path: "\n".join(page.extract_text() for page in PdfReader(path).pages),
    "pdfminer.six": lambda path: extract_text(str(path)),
}


@lru_cache(maxsize=16)
def books(data: Path) -> list[Book]:
    """Both textbooks."""
    folder = data / "pdf" / "textbooks"
    return [
        Book(name, folder / name / "out" / f"{stem}.pdf", tuple(prose(folder / name, f"{stem}.tex")))
        for name, stem in _BOOKS
    ]


def sample() -> Book:
    """The sample textbook; its gold holds prose, boxes, captions and notes, but neither tables nor plots."""
    gold = [json.loads(line) for line in (_SAMPLE / "gold.jsonl").read_text(encoding="utf-8").splitlines()]
    # facing pages bear the book's title and the chapter's; the title page counts as one, too
    return Book("sample", _SAMPLE / "textbook.pdf", tuple(entry["text"] for entry in gold), _SAMPLE_HEADS)


def text_table(data: Path) -> None:
    """Words, order, spaces, running heads and cut paragraphs of each extractor on each book."""
    measures = "".join(f"{name:>8s}" for name in ("F1", "recall", "order", "spaces"))
    print(f"\n{'book':14s}{'extractor':14s}{measures}{'heads/20p':>11s}{'rejoined':>10s}")
    for book in [*books(data), sample()]:
        pages = plain_pages(book.path)
        around = cuts(book.gold, pages)
        for name, extract in EXTRACTORS.items():
            found = score(book.gold, extract(book.path), around=around, pages=len(pages), heads=book.heads)
            joined = f"{found.rejoined:.3f}/{found.cut}"
            shares = "".join(f"{share:8.4f}" for share in (found.f1, found.recall, found.order, found.spacing))
            print(f"{book.name:14s}{name:14s}{shares}{found.heads:11.2f}{joined:>10s}")


def joins(data: Path) -> None:
    """Accuracy of the ways to decide line ends; the statutes are the development set, the books the test set."""
    wanted: dict[str, list[str]] = {name: [] for name in _STATUTES}
    with gzip.open(data / "statutes" / "articles.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            article = json.loads(line)
            if article["law"] in wanted:
                wanted[article["law"]].append(article["text"])
    golds = [Gold(name, data / "pdf" / "law" / f"{name}.pdf", "\n".join(wanted[name])) for name in _STATUTES]
    golds += [Gold(book.name, book.path, "\n".join(book.gold)) for book in books(data)]
    join_table(golds)


def twins(data: Path) -> None:
    """One constitution from two producers: characters and heading paths that agree, as far as the shorter goes."""
    long, short = sorted(
        (ours(path) for path in (data / "pdf" / "law").glob("대한민국헌법*.pdf")),
        key=lambda document: -len(document.text),
    )
    one, other = "".join(long.text.split()), "".join(short.text.split())
    end = one.find(other[-40:])
    one = one[: end + 40] if end >= 0 else one
    blocks = SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    equal = 2 * sum(block.size for block in blocks) / (len(one) + len(other))
    paths, others = article_paths(long), article_paths(short)
    same = sum(paths.get(title) == path for title, path in others.items())
    print(
        f"\ntwins: {equal:.4%} of {len(one)} + {len(other)} characters equal;"
        f" {same} of {len(others)} articles under the same path"
    )


def ocr(data: Path) -> None:
    """Pages read as rendered pictures: syllables right, and spaces, against the text of the file that has it."""
    if problem := missing("tesseract"):
        print(f"\nocr: {problem}")
        return
    print(f"\n{'ocr of':34s}{'pages':>6s}{'seconds':>9s}{'confidence':>12s}{'Hangul':>9s}{'all':>9s}{'spaces':>9s}")
    folder = data / "pdf"
    pictures = [
        (folder / f"{name}.pdf", folder / f"{text}.pdf", first, after) for name, text, first, after in _PICTURES
    ]
    for path, original, first, after in [*pictures, (sample().path, sample().path, 4, 14)]:
        with TemporaryDirectory() as cut:
            gold = ours(_cut(original, first, after, Path(cut) / "gold.pdf")).text
            started = time.perf_counter()
            picture = _cut(path, first, after, Path(cut) / "picture.pdf")
            result = read_pdf(picture, doc_id="d", source="benchmark", settings=PdfSettings(ocr="force"))
            seconds = time.perf_counter() - started
        found = result.document.text if result.document is not None else ""
        sure = [page.confidence for page in result.health.pages if page.confidence is not None]
        mean = sum(sure) / len(sure) if sure else 0.0
        shares = (accuracy("".join(words(gold)), "".join(words(found))), accuracy(_solid(gold), _solid(found)))
        row = "".join(f"{share:9.4f}" for share in (*shares, spacing(gold, found)))
        print(f"{path.stem:34s}{len(sure):6d}{seconds:9.1f}{mean:12.1f}{row}", flush=True)


def _cut(path: Path, first: int, after: int, target: Path) -> Path:
    """Some pages of a file, as a file of their own."""
    writer = PdfWriter()
    writer.append(path, pages=(first, after), import_outline=False)
    writer.write(target)
    return target


def _solid(text: str) -> str:
    return "".join(text.split())


def article_paths(document: Document) -> dict[str, tuple[str, ...]]:
    """Article -> headings above it and itself; the first time that it occurs."""
    stack: list[tuple[int, str]] = []
    paths: dict[str, tuple[str, ...]] = {}
    for heading in document.headings:
        while stack and stack[-1][0] >= heading.level:
            stack.pop()
        stack.append((heading.level, heading.title))
        if "조" in heading.title and heading.title.startswith("제"):
            paths.setdefault(heading.title, tuple(title for _, title in stack))
    return paths


def best_of(actions: Sequence[Callable[[], object]], times: int) -> list[float]:
    """Processor seconds of the fastest of several runs of each, by turns: other work disturbs all alike."""
    fastest = [inf] * len(actions)
    for _ in range(times):
        for n, action in enumerate(actions):
            started = time.process_time()
            action()
            fastest[n] = min(fastest[n], time.process_time() - started)
    return fastest


def time_table(data: Path) -> None:
    """Processor seconds of each extractor on every file that it opens, best of nine (one for the slow peers)."""
    print(f"\n{'file':46s}{'pages':>6s}{'pypdfium2':>11s}{'ours':>9s}{'ratio':>7s}{'pypdf':>9s}{'pdfminer':>10s}")
    totals = [0.0, 0.0]
    for path in sorted((data / "pdf").rglob("*.pdf")):
        try:
            pages = len(plain_pages(path))
        except pdfium.PdfiumError:
            continue
        read = partial(read_pdf, path, doc_id="d", source="s", settings=PdfSettings(ocr="never"))
        plain, mine = best_of([partial(plain_pages, path), read], 9)
        slow = [peer_seconds(EXTRACTORS[name], path) for name in ("pypdf", "pdfminer.six")]
        totals = [totals[0] + plain, totals[1] + mine]
        print(f"{path.stem[:40]:46s}{pages:6d}{plain:11.3f}{mine:9.3f}{mine / plain:7.2f}{slow[0]:>9s}{slow[1]:>10s}")
    print(f"{'all':46s}{'':6s}{totals[0]:11.3f}{totals[1]:9.3f}{totals[1] / totals[0]:7.2f}")


def peer_seconds(extract: Callable[[Path], str], path: Path) -> str:
    """The time of one run, or "fails"."""
    started = time.process_time()
    try:
        extract(path)
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError):
        return "fails"
    return f"{time.process_time() - started:.3f}"


def retrieval(data: Path) -> None:
    """Coverage nDCG@10 of known-item questions on an index of each extractor's text."""
    texts = {name: [(book.name, extract(book.path)) for book in books(data)] for name, extract in EXTRACTORS.items()}
    retrieval_table(texts, [paragraph for book in books(data) for paragraph in book.gold])


_SECTIONS: dict[str, Callable[[Path], None]] = {
    "text": text_table,
    "joins": joins,
    "twins": twins,
    "ocr": ocr,
    "time": time_table,
    "retrieval": retrieval,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the sections and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with pdf/ and statutes/")
    parser.add_argument("--only", nargs="*", choices=sorted(_SECTIONS), default=list(_SECTIONS))
    args = parser.parse_args(argv)
    print(machine())
    for name in args.only:
        _SECTIONS[name](args.data)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
