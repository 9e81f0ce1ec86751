"""python -m finetune mine RUN [--exam KIND:PATH] [--index DIR] [--arm ARM] [--out DIR] [--write --config FILE] [--json]

The wrong answers of an evaluation of the train split are clustered by what they ask; of each cluster the items
nearest to its centre are written to reasoning.jsonl, to fill in by hand or, with --write, by the language model that
--config names. It is told the right answer; what does not lead to it is not kept. The file is what
`python -m finetune examples --reasoning` takes.

Example: python -m finetune mine runs/sample-train-solver --index indexes/default
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from configs import load
from configs.errors import UserError
from configs.schema import ROOT, Settings
from corpora.exam_formats import parse_exam
from corpora.records import Question
from finetune.mine_items import Mined, mine
from finetune.mine_report import print_report, write_report
from finetune.mine_write import items_to_write, write_with
from finetune.reasoning import Reasoned, read_reasoning, write_reasoning
from finetune.verify import check_writes
from finetune.wording import wording_for
from finetune.written import Written
from index_build.encoder import encoder_for
from rag.index import Index
from rag.judgements import judgements_from_quotes
from rag.pipeline import evidence_of
from rag.reader import Evidence
from rag.readers import reader_for

REASONING = "reasoning.jsonl"


@dataclass(frozen=True, slots=True)
class _Work:
    """What is written for, and with what."""

    settings: Settings
    questions: Mapping[str, Question]
    evidence: Mapping[str, Sequence[Evidence]]
    out: Path


def main_mine(argv: list[str]) -> int:
    """Mine a run, write its files, print the tables."""
    args = _parser().parse_args(argv)
    settings = _settings(args)
    if args.write:
        check_writes(settings.rag.reader, purpose="write reasoning")
    exam = parse_exam(args.exam or "sample")
    out = args.out or ROOT / "runs" / "mined" / args.run.name
    mined = mine(args.run, exam, encoder_for(settings.index_build.dense.encoder).encode_queries, settings.finetune.mine)
    chosen = [mined.mistakes[row].question for row in mined.chosen]
    work = _Work(settings, {question.question_id: question for question in exam}, _evidence(chosen, args.index), out)
    lines, rejected = _lines(mined, work, write=args.write)
    write_report(out, mined, run=args.run)
    write_reasoning(out / REASONING, lines)
    written = sum(bool(line.reasoning) for line in lines)
    if args.json:
        facts = {
            "asked": mined.asked,
            "wrong": len(mined.mistakes),
            "clusters": [
                [mined.mistakes[row].question.question_id for row in rows] for rows in mined.clustering.members
            ],
            "causes": mined.causes,
            "chosen": [line.id for line in lines],
            "written": written,
            "rejected": rejected,
            "reasoning": str(out / REASONING),
        }
        print(json.dumps(facts, ensure_ascii=False))
        return 0
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    print_report(console, mined)
    refused = "".join(f"; {count} not kept: {reason}" for reason, count in sorted(rejected.items()))
    console.print(f"\n{written} of {len(lines)} items have their reasoning{refused}", markup=False)
    console.print(f"reasoning: {out / REASONING}", markup=False)
    return 0


def _lines(mined: Mined, work: _Work, *, write: bool) -> tuple[list[Reasoned], dict[str, int]]:
    """The lines of reasoning.jsonl, those already written kept, and what was not kept by reason."""
    prompt = work.settings.rag.prompt
    wording = wording_for(work.settings.rag.reader)
    lines = items_to_write(mined, work.evidence, settings=prompt, wording=wording)
    before = {line.id: line for line in read_reasoning(path)} if (path := work.out / REASONING).is_file() else {}
    lines = [_kept(line, before.get(line.id)) for line in lines]
    if lost := [name for name, line in before.items() if line.reasoning and name not in {line.id for line in lines}]:
        raise UserError(
            f"{path}: holds reasoning for {lost[0]!r} ({len(lost)} in all), which is not chosen now; move the file"
            " away, or name another folder with --out"
        )
    if not write:
        return lines, {}
    waiting = [line for line in lines if not line.reasoning]
    store = Written(work.out / "written.jsonl", reader_for(work.settings.rag.reader))
    checked = write_with(store, waiting, work.questions, work.evidence, settings=prompt, wording=wording)
    done = {line.id: line for line in checked.lines}
    return [done.get(line.id, line) for line in lines], dict(checked.rejected)


def _kept(line: Reasoned, before: Reasoned | None) -> Reasoned:
    """The line with the reasoning that stood in the file, if its item is still the same."""
    if before is None or before.digest != line.digest:
        return line
    return line.model_copy(update={"reasoning": before.reasoning})


def _evidence(questions: Sequence[Question], index: Path | None) -> dict[str, list[Evidence]]:
    """Question id -> the passages that answer it; {} without an index."""
    if index is None:
        return {}
    opened = Index(index)
    judged = judgements_from_quotes(questions, opened.store)
    return {name: evidence_of(opened, passage_ids) for name, passage_ids in judged.passages.items()}


def _settings(args: argparse.Namespace) -> Settings:
    overrides = list(args.overrides)
    if args.arm is not None:
        overrides.append(f"finetune.mine.arm={args.arm}")
    if args.clusters is not None:
        overrides.append(f"finetune.mine.clusters={args.clusters}")
    return load(args.config, overrides)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m finetune mine", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="an evaluation of the split to learn from")
    parser.add_argument("--exam", metavar="KIND:PATH", help="that the run asked (default: the bundled exam)")
    parser.add_argument("--index", type=Path, metavar="DIR", help="shows whoever writes the passages that answer")
    parser.add_argument("--arm", help="whose mistakes (default: retrieved)")
    parser.add_argument("--clusters", type=int, metavar="K", help="default: by silhouette")
    parser.add_argument("--write", action="store_true", help="let the reader of --config write")
    parser.add_argument("--config", type=Path, metavar="FILE", help="for example configs/readers/endpoint.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: runs/mined/NAME-OF-THE-RUN")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser
