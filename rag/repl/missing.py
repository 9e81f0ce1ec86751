"""A passage that should have been found: where it stands, stage by stage."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from rag.index import row_of
from rag.miss import DEPTH, Missed, fate, miss, named
from rag.repl.layout import BAD, GOLD, note, number, one_line, place, source_of, table
from rag.repl.state import Reply, State, asked
from rag.trace import DENSE_DEPTH

_LACKING = 12  # terms named
_DEPTHS = {"dense": DENSE_DEPTH, "whole search": DEPTH}  # how far these stages are looked through


def missed(argument: str, state: State) -> tuple[Reply, State]:
    """[ID|TEXT]  where a passage that should have been found stands in every stage, and which terms bring it

    Without an argument: the gold passages of the item. A passage may be named by a piece of its text.
    """
    trace = asked(state).trace
    wanted = [named(state.engines, argument)] if argument else list(state.gold)
    if not wanted:
        return [note("no gold passage is known for this question; name a passage: :miss ID or :miss TEXT")], state
    offered = [traced.hit for traced in trace.hits]
    prompt = state.desk.pipeline(state.rag, state.only).prompt(trace.question, [hit.passage_id for hit in offered])
    reply: list[RenderableType] = []
    for passage_id in wanted:
        where = source_of(state.index, row_of(state.index, passage_id))
        reply += missed_table(miss(state.engines, trace, passage_id), state.rag.top_k, where=where)
        reply.append(note(f"prompt: {fate(prompt, offered, passage_id)}"))
    return reply, state


def missed_table(found: Missed, top_k: int, *, where: str) -> Reply:
    """What became of one passage, as tables."""
    made = table("stage", "rank", "score", f"score at {top_k}", "", left=("stage", ""), wide="")
    for one in found.places:
        beyond = f">{_DEPTHS[one.stage]:,}" if one.stage in _DEPTHS else "–"
        is_in = one.stand.rank is not None and one.stand.rank <= top_k
        made.add_row(
            one.stage,
            Text(place(one.stand.rank, beyond=beyond), style=GOLD if is_in else BAD),
            number(one.stand.score),
            number(one.last),
            "" if is_in else f"not among the first {top_k}",
        )
    reply: list[RenderableType] = [Text(found.passage_id, style="bold").append(f"  {where}", style="dim not bold")]
    if found.is_filtered:
        reply.append(note("the filter in effect leaves this passage out (:filter off)", style=BAD))
    reply.append(made)
    if found.lacking:
        terms = ", ".join(f"{one.term} ({one.df:,})" for one in found.lacking[:_LACKING])
        reply.append(note(f"asked for and not in it (passages that hold it): {terms}"))
    is_best = found.places[-1].stand.rank == 1
    if found.rescues and not is_best:
        brought = ", ".join(f"{one.term} → {one.rank}" for one in found.rescues)
        reply.append(note(f"its own terms, each added to the question → lexical rank: {brought}"))
    reply.append(note(f"query: {one_line(found.query)}"))
    return reply
