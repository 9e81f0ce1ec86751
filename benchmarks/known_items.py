"""python -m benchmarks.known_items ARTICLES OUT: statutes -> a BEIR folder in which questions look for articles.

Splits dev and test: a query is the name of a law and the title of one of its articles. Splits paraphrase-dev and
paraphrase-test: a query is a question in everyday words, written by us (statute_questions.jsonl, 60 each). The
document is the article's text with its title taken away, so that only its content can be matched. Splits are by law
(finetune.encoder_pairs.law_part): dev = part 0, test = part 1, neither of which the embedded encoder was trained on.

Example: python -m benchmarks.known_items data/statutes/articles.jsonl.gz runs/known-items
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import xxhash

from configs.errors import run_command
from corpora.jsonl import read_records
from corpora.records import Skipped
from finetune.encoder_pairs import law_part, statute_text

_SPLITS = {0: "dev", 1: "test"}
_QUESTIONS = Path(__file__).with_name("statute_questions.jsonl")  # our own: law, article, question


@dataclass(frozen=True, slots=True)
class Article:
    """One article of a law, and what is asked for it: "" where nothing is."""

    text: str  # without its title
    title_query: str
    question: str


def write_task(articles: Path, out: Path, *, per_split: int) -> dict[str, int]:
    """Write corpus.jsonl, queries.jsonl and qrels of about so many articles per split; split -> queries.

    Whole laws are taken, in order of the digests of their names; an article without title or of fewer than
    40 characters is a document that no title asks for.
    """
    laws = _laws(articles)
    (out / "qrels").mkdir(parents=True, exist_ok=True)
    corpus: list[dict[str, str]] = []
    queries: list[dict[str, str]] = []
    qrels: defaultdict[str, list[str]] = defaultdict(list)
    taken = dict.fromkeys(_SPLITS.values(), 0)
    for law in sorted(laws, key=lambda name: xxhash.xxh3_64_intdigest(name.encode())):
        split = _SPLITS[law_part(law)]
        if taken[split] >= per_split:
            continue
        taken[split] += len(laws[law])
        for article in laws[law]:
            doc_id = f"s{len(corpus)}"
            corpus.append({"_id": doc_id, "title": "", "text": article.text})
            asked = (
                (f"q{doc_id}", split, article.title_query),
                (f"p{doc_id}", f"paraphrase-{split}", article.question),
            )
            for query_id, name, text in asked:
                if text:
                    queries.append({"_id": query_id, "text": text})
                    qrels[name].append(f"{query_id}\t{doc_id}\t1\n")
    _write(out / "corpus.jsonl", corpus)
    _write(out / "queries.jsonl", queries)
    for split, lines in qrels.items():
        (out / "qrels" / f"{split}.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines), encoding="utf-8")
    return {split: len(lines) for split, lines in qrels.items()}


def _laws(articles: Path) -> dict[str, list[Article]]:
    """Law -> its articles, for the held-out laws."""
    asked = {
        (str(item.fields["law"]), str(item.fields["article"])): str(item.fields["question"])
        for item in read_records(_QUESTIONS)
        if not isinstance(item, Skipped)
    }
    laws: dict[str, list[Article]] = {}
    for item in read_records(articles):
        if isinstance(item, Skipped):
            continue
        law, query, body = statute_text(item.fields)
        if law_part(law) in _SPLITS and body:
            title_query = query if item.fields.get("title") and len(body) >= 40 else ""
            question = asked.get((law, str(item.fields.get("article"))), "")
            laws.setdefault(law, []).append(Article(body, title_query, question))
    return laws


def _write(path: Path, records: Sequence[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")


def main(argv: list[str] | None = None) -> int:
    """Write the task and say how many queries each split has."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.known_items",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("articles", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--per-split", type=int, default=1_500, metavar="N")
    args = parser.parse_args(argv)
    counts = write_task(args.articles, args.out, per_split=args.per_split)
    print(f"{counts} queries in {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
