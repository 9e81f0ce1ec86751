"""The command `ask`: one question, answered from an index, and beside it what the reader says without."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.table import Table
from rich.text import Text

from configs import load
from configs.errors import UserError
from configs.reader import Channel
from corpora.normalize import normalize
from corpora.records import Question
from rag.answer import probabilities, written
from rag.effects import effects
from rag.pipeline import Answered, Pipeline, open_pipeline
from rag.reader import Evidence, Generation

_EXAMPLE = 'python -m rag ask "대동법이 처음 실시된 곳은?" --choice 경기도 --choice 충청도 --choice 전라도'
_FEWEST, _MOST = 2, 10  # choices


def main_ask(argv: list[str]) -> int:
    """Answer a question and print the answer with its passages, or one JSON object."""
    args = _parser().parse_args(argv)
    overrides = [*args.overrides]
    overrides += [f"rag.index={args.index}"] if args.index else []
    overrides += [f"rag.channel={args.channel}"] if args.channel else []
    settings = load(args.config, overrides)
    question = question_from(args.question, choices=args.choice, paragraph=args.paragraph, box=args.box)
    pipeline = open_pipeline(settings.rag, with_index=args.rag)
    started = time.perf_counter()
    if args.rag and not question.choices and not args.json and not args.effects:
        return _print_written(pipeline, question)
    with_passages = pipeline.ask([question], with_passages=True)[0] if args.rag else None
    # the difference that passages make is shown for choices, where both cost next to nothing
    is_compared = bool(question.choices) or not args.rag
    without = pipeline.ask([question], with_passages=False)[0] if is_compared else None
    seconds = time.perf_counter() - started
    each = _without_each(pipeline, with_passages) if args.effects else []
    if args.json:
        found = _as_json(pipeline, question, with_passages, without, seconds=seconds)
        print(json.dumps({**found, "effects": each} if args.effects else found, ensure_ascii=False))
        return 0
    console = _console()
    for title, answered in (("with passages", with_passages), ("without passages", without)):
        if answered is not None and not question.choices:
            console.print(f"{title}: {answered.answer.text or 'unparsed: ' + repr(answered.answer.raw)}", markup=False)
    if question.choices:
        _print_choices(console, question, with_passages, without)
    if with_passages is not None:
        _print_evidence(console, with_passages.prompt.passages, with_passages.answer.cited)
    for one in each:
        console.print("without", one["passage_id"], "answer", one["answer"], "effect", one["effect"], markup=False)
    return 0


def _without_each(pipeline: Pipeline, answered: Answered | None) -> list[dict[str, object]]:
    """The answer without each shown passage, and what the passage adds to the probability of the chosen choice."""
    if answered is None:
        raise UserError("--effects: there are no passages to leave out with --no-rag")
    found = effects(pipeline, answered.question, [hit.passage_id for hit in answered.hits])
    return [
        {"passage_id": one.passage_id, "answer": one.answer.number or one.answer.text, "effect": one.effect}
        for one in found.without
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rag ask",
        description=f"Answer a question from an index.\n\nExample: {_EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("question")
    parser.add_argument("--choice", action="append", default=[], metavar="TEXT", help="a choice; repeatable")
    parser.add_argument("--paragraph", default="", metavar="TEXT", help="the 지문 that the question is about")
    parser.add_argument("--box", default="", metavar="TEXT", help="the statements of its <보기>")
    parser.add_argument("--no-rag", action="store_false", dest="rag", help="closed book only; no index is opened")
    parser.add_argument("--effects", action="store_true", help="ask again without each passage: what does it change?")
    parser.add_argument("--channel", choices=get_args(Channel))
    parser.add_argument("--index", type=Path, metavar="DIR", help="default: indexes/default")
    parser.add_argument("--config", type=Path, metavar="FILE", help="for a reader: configs/readers/*.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser


def question_from(text: str, *, choices: Sequence[str] = (), paragraph: str = "", box: str = "") -> Question:
    """A question that somebody typed in, multiple choice if it has choices.

    Raises UserError when the question is blank, or when the choices are too few, too many, blank or alike.
    """
    choices = tuple(normalize(choice).strip() for choice in choices)
    if choices and not (_FEWEST <= len(choices) <= _MOST and len(set(choices)) == len(choices) and all(choices)):
        raise UserError(f"choices: found {list(choices)}; expected {_FEWEST} to {_MOST} choices that differ")
    if not text.strip():
        raise UserError(f"the question is empty; for example: {_EXAMPLE}")
    return Question(
        question_id="ask",
        kind="multiple_choice" if choices else "short_answer",
        subject="",
        question=normalize(text).strip(),
        choices=choices,
        paragraph=normalize(paragraph).strip(),
        box=normalize(box).strip(),
    )


def _print_written(pipeline: Pipeline, question: Question) -> int:
    """Print an open question's answer as it is written, then what was read."""
    prompt = pipeline.prompt(question, [hit.passage_id for hit in pipeline.search(question)])
    raw = ""
    for piece in pipeline.reader.stream(prompt):
        raw += piece
        print(piece, end="", flush=True)
    print()
    given = written(prompt, Generation(raw, pipeline.reader.wording.count(raw), is_cut=False))
    console = _console()
    console.print(f"answer: {given.text}" if given.text else "unparsed: nothing was written", markup=False)
    _print_evidence(console, prompt.passages, given.cited)
    return 0


def _print_choices(
    console: Console, question: Question, with_passages: Answered | None, without: Answered | None
) -> None:
    shown = [(name, one) for name, one in (("with", with_passages), ("without", without)) if one is not None]
    table = Table("", "choice", *(f"{name} passages" for name, _ in shown), show_edge=False, pad_edge=False)
    shares = [probabilities(one.answer.logprobs) for _, one in shown]
    for number, choice in enumerate(question.choices, start=1):
        cells = [
            (f"{share[number - 1]:.3f}" if share else "") + (" ←" if one.answer.number == number else "")
            for share, (_, one) in zip(shares, shown, strict=True)
        ]
        table.add_row(str(number), Text(choice), *cells)
    console.print(table)
    for name, one in shown:
        if one.answer.number is None:
            console.print(f"{name} passages: unparsed: {one.answer.raw!r}", markup=False)


def _print_evidence(console: Console, passages: tuple[Evidence, ...], cited: tuple[str, ...]) -> None:
    if not passages:
        console.print("no passage was found that could be shown")
    for passage in passages:
        mark = "cited" if passage.passage_id in cited else "read"
        page = f" (p. {passage.page})" if passage.page else ""
        cut = ", shortened" if passage.is_cut else ""
        console.print(f"{mark}  {passage.passage_id}  {passage.title}{page}{cut}", highlight=False, markup=False)


def _as_json(
    pipeline: Pipeline, question: Question, with_passages: Answered | None, without: Answered | None, *, seconds: float
) -> dict[str, object]:
    return {
        "question": question.question,
        "choices": list(question.choices),
        "reader": pipeline.reader.identity.kind,
        "with_passages": _side(with_passages) if with_passages is not None else None,
        "without_passages": _side(without) if without is not None else None,
        "seconds": seconds,
    }


def _side(one: Answered) -> dict[str, object]:
    given = one.answer
    shown = [
        {
            "passage_id": passage.passage_id,
            "title": passage.title,
            "page": passage.page or None,
            "cited": passage.passage_id in given.cited,
            "shortened": passage.is_cut,
            "text": passage.text,
        }
        for passage in one.prompt.passages
    ]
    return {
        "channel": given.channel,
        "answer": given.number if one.question.choices else given.text,
        "probabilities": list(probabilities(given.logprobs)),
        "raw": given.raw,
        "prompt_tokens": given.prompt_tokens,
        "passages": shown,
        "left_out": {left.passage_id: left.reason for left in one.prompt.left_out},
    }


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else 120)
