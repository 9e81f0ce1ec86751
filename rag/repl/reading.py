"""Reading: the prompt, the answer with what each passage did to it, and the gate."""

from __future__ import annotations

from dataclasses import asdict
from math import isfinite

from rich.console import RenderableType
from rich.text import Text

from corpora.records import Question
from rag.answer import answer, probabilities
from rag.circumstances import circumstances
from rag.effects import Effects, effects
from rag.gate import Case, gate_for
from rag.gate_features import Probe, features_of
from rag.pipeline import Pipeline
from rag.query import with_choices
from rag.reader import Answer
from rag.repl.layout import BAD, GOLD, note, number, one_line, table
from rag.repl.state import Reply, State, asked


def prompt(argument: str, state: State) -> tuple[Reply, State]:  # noqa: ARG001
    """exactly what the reader gets: the text, its tokens, and what was cut or left out"""
    pipeline, question, offered = _asked(state)
    made = pipeline.prompt(question, offered)
    cut = [passage.passage_id for passage in made.passages if passage.is_cut]
    facts = [
        f"{made.tokens:,} tokens of {pipeline.reader.wording.window:,} ({pipeline.reader.identity.kind} counts)",
        f"template {made.template}, channel {made.channel}",
        f"{len(made.passages)} passages shown of {len(offered)}",
    ]
    reply: list[RenderableType] = [Text(made.text + made.lead), note(" · ".join(facts))]
    if cut:
        reply.append(note(f"shortened to the budget: {', '.join(cut)}"))
    if made.left_out:
        reply.append(note("left out: " + ", ".join(f"{left.passage_id} ({left.reason})" for left in made.left_out)))
    if made.max_new_tokens:
        reply.append(note(f"the reader may write {made.max_new_tokens:,} tokens"))
    return reply, state


def ask_reader(argument: str, state: State) -> tuple[Reply, State]:  # noqa: ARG001
    """the reader's answer closed book and with passages, and what leaving each passage out does to the right choice"""
    pipeline, question, offered = _asked(state)
    return effects_table(effects(pipeline, question, offered), question), state


def effects_table(found: Effects, question: Question) -> Reply:
    """What the passages did to an answer."""
    reply: list[RenderableType] = []
    if question.choices:
        reply.append(_choice_table(found, question))
    else:
        reply += [
            note(f"{name}: {_said(given)}", style="")
            for name, given in (("closed", found.closed), ("with passages", found.answered))
        ]
    for name, given in (("closed", found.closed), ("with passages", found.answered)):
        if question.choices and given.number is None:
            reply.append(note(f"{name}: unparsed: {given.raw[:200]!r}", style=BAD))
    if not found.without:
        return [*reply, note("no passage is shown, so none can be left out")]
    made = table("", "without", "answer then", "effect", left=("without", "answer then"), wide="answer then")
    for place, one in enumerate(found.without, start=1):
        flips = one.answer.number != found.answered.number or one.answer.text != found.answered.text
        effect = Text(f"{one.effect:+.3f}" if one.effect is not None and isfinite(one.effect) else "–")
        if one.effect:
            effect.stylize(GOLD if one.effect > 0 else BAD)
        made.add_row(str(place), one.passage_id, Text(_said(one.answer), style="bold" if flips else "dim"), effect)
    which = "the right choice" if question.answer is not None else "the chosen choice"
    reply += [
        made,
        note(f"effect: probability of {which} with the passage less that without it; below 0 the passage misleads"),
    ]
    return reply


def _said(given: Answer) -> str:
    if given.number is not None:
        return str(given.number)
    return one_line(given.text or "unparsed")


def _choice_table(found: Effects, question: Question) -> RenderableType:
    made = table("", "choice", "closed", "with passages", wide="choice")
    shares = [probabilities(given.logprobs) for given in (found.closed, found.answered)]
    for place, choice in enumerate(question.choices, start=1):
        cells = [
            (number(share[place - 1]) if share else "") + (" ←" if given.number == place else "  ")
            for share, given in zip(shares, (found.closed, found.answered), strict=True)
        ]
        style = GOLD if place == question.answer else ""
        made.add_row(f"{'→' if place == question.answer else ''}{place}", Text(choice, style=style), *cells)
    return made


def gate(argument: str, state: State) -> tuple[Reply, State]:  # noqa: ARG001
    """what the gate knows of the question, and whether it would let the passages into the prompt"""
    pipeline, question, _ = _asked(state)
    chosen = gate_for(state.rag.gate, circumstances(pipeline))
    probe = Probe(state.index, state.rag.lexical)
    found = probe.ask(with_choices(question))
    closed = answer([pipeline.prompt(question, ())], pipeline.reader)[0].logprobs if question.choices else ()
    features = features_of(question, found, closed)
    decision = chosen.decide(Case(question, features))
    made = table("feature", "value", left=("feature",))
    for name, value in asdict(features).items():
        made.add_row(name.replace("_", " "), number(value))
    verdict = "passages go in" if decision.inject else "closed book"
    return [
        made,
        note(f"{verdict}: {decision.value:.4f} · {chosen.name}", style=GOLD if decision.inject else BAD),
    ], state


def _asked(state: State) -> tuple[Pipeline, Question, list[str]]:
    """The path, the question on the screen, and the passages that were found for it."""
    trace = asked(state).trace
    return state.desk.pipeline(state.rag, state.only), trace.question, [traced.hit.passage_id for traced in trace.hits]
