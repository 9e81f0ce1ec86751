"""python -m index_build [--config FILE] [--source KIND:PATH ...] [--out DIR] [--set KEY=VALUE ...]

Builds a search index. Without arguments: the bundled sample, into indexes/default.
Kinds: sample, wiki, pdf, text, statutes, jsonl, beir.

Example: python -m index_build --source wiki:kowiki-latest-pages-articles.xml.bz2 --out indexes/wiki
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

from configs import load
from configs.errors import run_command
from configs.schema import Settings
from corpora.sources import parse_source
from index_build.build import Built, build
from index_build.workers import collect_seldom


class Bars:
    """Progress on stderr: documents analysed, with rate and time left, then documents assembled."""

    def __init__(self) -> None:
        self._analysed: tqdm[NoReturn] = tqdm(total=0, unit=" docs", desc="analyse", file=sys.stderr, disable=None)
        self._assembled: tqdm[NoReturn] | None = None

    def expect(self, documents: int) -> None:
        """So many more documents have to be analysed."""
        self._analysed.total = (self._analysed.total or 0) + documents
        self._analysed.refresh()

    def advance(self, documents: int) -> None:
        """So many have been."""
        self._analysed.update(documents)

    def assembled(self, documents: int) -> None:
        """So many documents have been chunked and their postings collected."""
        if self._assembled is None:
            self._analysed.close()
            self._assembled = tqdm(unit=" docs", desc="assemble", file=sys.stderr, disable=None)
        self._assembled.update(documents)

    def close(self) -> None:
        """Leave the last state of the bars on the screen."""
        self._analysed.close()
        if self._assembled is not None:
            self._assembled.close()


def main(argv: list[str] | None = None) -> int:
    """Parse, build, and say where the index lies."""
    parser = argparse.ArgumentParser(
        prog="python -m index_build",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings that differ from the defaults")
    parser.add_argument("--source", action="append", default=[], metavar="KIND:PATH", help="a corpus; repeatable")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the index folder (default indexes/default)")
    parser.add_argument("--strict", action="store_true", help="stop at the first record that cannot be read")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    args = parser.parse_args(argv)
    settings = _changed(load(args.config, args.overrides), args)
    started = time.perf_counter()
    collect_seldom()
    bars = Bars()
    try:
        built = build(settings, bars)
    finally:
        bars.close()
    _tell(built, settings.index_build.out, time.perf_counter() - started)
    return 0


def _changed(settings: Settings, args: argparse.Namespace) -> Settings:
    corpora, index_build = settings.corpora, settings.index_build
    if args.source:
        sources = tuple(parse_source(argument) for argument in args.source)
        corpora = corpora.model_copy(update={"sources": sources})
    if args.strict:
        corpora = corpora.model_copy(update={"strict": True})
    if args.out:
        index_build = index_build.model_copy(update={"out": args.out})
    return settings.model_copy(update={"corpora": corpora, "index_build": index_build})


def _tell(built: Built, out: Path, seconds: float) -> None:
    counts = built.manifest.counts
    size = sum(stored.size for stored in built.manifest.files.values())
    if built.unchanged:
        print(f"unchanged: {counts.documents:,} documents, {counts.passages:,} passages ({seconds:.1f} s)")
    else:
        print(
            f"{counts.documents:,} documents, {counts.passages:,} passages, {size / 2**20:.1f} MiB in {seconds:.1f} s"
        )
    for reason, count in sorted(counts.skipped.items()):
        print(f"  left out: {count:,} x {reason}")
    for encoding, count in counts.converted.items():
        print(f"  converted: {count:,} x {encoding}")
    for example in counts.examples[:3]:
        print(f"    {example}")
    print(f"index: {out}")


if __name__ == "__main__":
    sys.exit(run_command(main))
