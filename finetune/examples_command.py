"""python -m finetune examples [--exam KIND:PATH] [--mode closed|retrieved|raft] [--index DIR] [--out FILE] [--json]

Questions, and passages from an index, become training examples through the prompts that evaluation uses. Without
--config one exam is one source; a file of settings mixes several (finetune.examples.sources). Prints figures and
twenty examples as the model sees them, what carries loss in green.

Example: python -m finetune examples --mode raft --config configs/readers/qwen2.5-7b.yaml
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pydantic import JsonValue
from rich.console import Console

from configs import load
from configs.errors import UserError
from configs.schema import Settings
from finetune.examples import write_examples
from finetune.examples_make import Bench, Made
from finetune.examples_report import print_examples, print_statistics, statistics
from finetune.examples_sources import Source, make_all, read_sources
from finetune.wording import wording_for
from rag.hybrid import retriever_for
from rag.index import Index
from rag.pipeline import Library
from rag.reader import digest_of


def main_examples(argv: list[str]) -> int:
    """Make examples, write them, print what they are."""
    args = parser().parse_args(argv)
    settings = settings_of(args)
    wanted = settings.finetune.examples
    if settings.rag.prompt.shots.count:
        raise UserError("rag.prompt.shots.count: examples are made without worked ones; set it to 0")
    sources = read_sources(wanted)
    bench = Bench(settings.rag, wanted, wording_for(settings.rag.reader), library_for(settings, sources))
    made = make_all(sources, bench)
    if not made.examples:
        why = ", ".join(f"{source}: {count} {reason}" for (source, reason), count in sorted(made.dropped.items()))
        raise UserError(f"no item gave an example ({why}); nothing is written")
    header = write_examples(
        wanted.out,
        made.examples,
        sources={source.name: source.facts for source in sources},
        settings=_facts(settings, bench.library),
    )
    if args.json:
        figures = asdict(statistics(made, bench.wording))
        print(json.dumps({"out": str(wanted.out), "digest": header.digest, **figures}, ensure_ascii=False))
        return 0
    _print(made, bench)
    return 0


def settings_of(args: argparse.Namespace) -> Settings:
    """The settings in effect; --exam and its companions make one source, in place of those of the file."""
    overrides = list(args.overrides)
    if args.index is not None:
        overrides.append(f"rag.index={args.index}")
    if args.out is not None:
        overrides.append(f"finetune.examples.out={args.out}")
    settings = load(args.config, overrides)
    given = {name: getattr(args, name) for name in ("exam", "mode", "split", "qrels", "reasoning")}
    given = {name: value for name, value in given.items() if value is not None}
    if not given:
        return settings
    if len(settings.finetune.examples.sources) > 1:
        raise UserError(f"--{next(iter(given))}: the settings name several sources; write it into their file instead")
    source = settings.finetune.examples.sources[0].model_copy(update=given)
    examples = settings.finetune.examples.model_copy(update={"sources": (source,)})
    return settings.model_copy(update={"finetune": settings.finetune.model_copy(update={"examples": examples})})


def _facts(settings: Settings, library: Library | None) -> dict[str, JsonValue]:
    """What determined the examples, without where things lie: the same examples have the same header anywhere."""
    files = library.index.manifest.files.items() if library is not None else ()
    return {
        "examples": settings.finetune.examples.model_dump(mode="json", exclude={"out", "sources", "weak"}),
        "rag": settings.rag.model_dump(mode="json", exclude={"gate", "index"}),
        "index": digest_of({name: stored.digest for name, stored in files}),
    }


def library_for(settings: Settings, sources: Sequence[Source]) -> Library | None:
    """The index, where a source shows passages."""
    if all(source.settings.mode == "closed" for source in sources):
        return None
    index = Index(settings.rag.index)
    return Library(index, retriever_for(settings.rag, index), settings.rag.query)


def _print(made: Made, bench: Bench) -> None:
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    print_examples(console, made.examples, bench.wording, count=bench.settings.shown, seed=bench.settings.seed)
    print_statistics(console, statistics(made, bench.wording))
    console.print(f"\nexamples: {bench.settings.out}", markup=False)


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser(
        prog="python -m finetune examples", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--exam", metavar="KIND:PATH", help="default: the bundled exam")
    made.add_argument("--split", help="of the items to learn from (default: train)")
    made.add_argument("--mode", choices=("closed", "retrieved", "raft"))
    made.add_argument("--qrels", type=Path, metavar="FILE", help="judgements for raft (default: the exam's quotes)")
    made.add_argument("--reasoning", type=Path, metavar="FILE", help="as python -m finetune mine writes it")
    made.add_argument("--index", type=Path, metavar="DIR", help="default: indexes/default")
    made.add_argument("--config", type=Path, metavar="FILE", help="a reader, or a mix of sources")
    made.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    made.add_argument("--out", type=Path, metavar="FILE", help="default: runs/examples.jsonl")
    made.add_argument("--json", action="store_true", help="figures as one JSON object on stdout")
    return made
