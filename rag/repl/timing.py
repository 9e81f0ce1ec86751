"""How long each stage of this query takes."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from configs.errors import UserError
from rag.hybrid import HybridRetriever, fuse, fusion_for
from rag.repl.layout import note, one_line, table
from rag.repl.state import Reply, State, asked

_MOST = 100  # runs of a stage, where none are asked for
_BUDGET = 0.02  # seconds that a stage may take up then


def bench(argument: str, state: State) -> tuple[Reply, State]:
    """[N]  how long each stage takes for this query: median and 95th percentile of N runs (default: 20 ms of them)"""
    if argument and not (argument.isdecimal() and 1 <= int(argument) <= 10_000):
        raise UserError(f"found {argument!r} runs; expected a number from 1 to 10,000")
    trace = asked(state).trace
    query = trace.query_for(trace.hits[0].hit.passage_id) if trace.hits else trace.searches[-1].query
    made = table("stage", "p50 ms", "p95 ms", "runs", left=("stage",))
    for name, action in stages(state, query):
        times = _times(action, int(argument) if argument else None)
        p50, p95 = np.percentile(times, [50, 95])
        made.add_row(name, f"{p50:.2f}", f"{p95:.2f}", str(len(times)))
    return [made, note(f"{len(state.index.store):,} passages · {one_line(query)[:100]}")], state


def stages(state: State, query: str) -> list[tuple[str, Callable[[], object]]]:
    """What a search is made of, by name; the last is the whole."""
    engines, index, top_k = state.engines, state.index, state.rag.top_k
    found: list[tuple[str, Callable[[], object]]] = [
        ("analysis (Kiwi)", lambda: index.morpheme_terms(query)),
        ("bigrams", lambda: index.bigram_terms(query)),
        ("lexical, with its analysis", lambda: engines.lexical.search(query, top_k)),
    ]
    if engines.dense is not None:
        dense, vector = engines.dense, engines.dense.dense.vector(query)
        found += [
            ("encoding", lambda: dense.dense.vector(query)),
            ("nearest vectors", lambda: dense.nearest(vector, top_k)),
        ]
    if state.rag.mode == "hybrid" and engines.dense is not None:
        fusion = fusion_for(state.rag.fusion, index)
        hybrid = HybridRetriever(index, engines.lexical, engines.dense, fusion)
        rankings = hybrid.candidates(query, max(top_k, fusion.depth))
        found.append(("fusion", lambda: fuse(rankings, top_k, fusion)))
    return [*found, (f"the whole search ({state.rag.mode})", lambda: engines.retriever.search(query, top_k))]


def _times(action: Callable[[], object], runs: int | None) -> list[float]:
    """Milliseconds of each run, the first left out: it loads what is loaded once."""
    action()
    times: list[float] = []
    while len(times) < (runs or _MOST) and (runs or not times or sum(times) < 1000 * _BUDGET):
        started = time.perf_counter()
        action()
        times.append((time.perf_counter() - started) * 1000)
    return times
