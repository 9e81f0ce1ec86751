"""Asking: a question, and everything that changes how it is searched."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import get_args

import xxhash
import yaml
from rich.text import Text

from configs import load
from configs.errors import UserError
from configs.schema import RagSettings, Settings
from corpora.normalize import normalize
from corpora.records import Question
from rag.hits import Hit
from rag.index import row_of
from rag.repl.layout import GOLD, NARROW, lit, movement, note, number, place, snippet, source_of, table, terms_of
from rag.repl.state import ASKED, Reply, Shown, State, asked
from rag.retrieve import Filter
from rag.trace import DENSE_DEPTH, Trace, TracedHit, ranking, trace

MODES: tuple[str, ...] = get_args(RagSettings.model_fields["mode"].annotation)
_BEYOND = f">{DENSE_DEPTH:,}"


def question(text: str, state: State) -> tuple[Reply, State]:
    """TEXT  ask a question: its hits with their places in lexical and dense search, matched morphemes lit"""
    wanted = normalize(text).strip()
    identity = f"{ASKED}{xxhash.xxh3_64_hexdigest(wanted.encode())[:8]}"
    return ask(Question(question_id=identity, kind="short_answer", subject="", question=wanted), state)


def ask(item: Question, state: State) -> tuple[Reply, State]:
    """Search for a question under the settings in effect; the ranking before stays for :diff."""
    found = Shown(trace(state.engines, item, state.rag.top_k), state.rag, state.only)
    same = state.shown is not None and state.shown.trace.question.question_id == item.question_id
    state = replace(state, shown=found, before=state.shown if same else None)
    return hits_table(state), state


def hits_table(state: State) -> Reply:
    """The ranking on the screen."""
    shown = asked(state)
    if not shown.trace.hits:
        return [note("no passage shares a term with the question" + _filtered(state.only)), _summary(state)]
    terms = terms_of(state.index, (search.query for search in shown.trace.searches))
    gold = state.gold
    if state.width < NARROW:
        return [*(_entry(state, hit, gold) for hit in shown.trace.hits), _summary(state)]
    made = table("#", "score", "lex", "dense", "passage", "text", left=("passage",), wide="text")
    made.columns[4].max_width = max(20, state.width // 4)
    size = max(3 * (state.width * 3 // 4 - 32) // 2, 40)  # three lines of Hangul
    for hit in shown.trace.hits:
        row = row_of(state.index, hit.hit.passage_id)
        is_gold = hit.hit.passage_id in gold
        named = Text(f"{'★ ' if is_gold else ''}{hit.hit.passage_id}\n", style=GOLD if is_gold else "bold")
        text = snippet(state.index.store.passage(row).text, terms, size)
        made.add_row(
            str(hit.hit.rank),
            number(hit.hit.score, 2 if hit.hit.score >= 1 else 3),
            place(hit.lexical.rank),
            place(hit.dense.rank, beyond="–" if hit.dense.score is None else _BEYOND),
            named.append(source_of(state.index, row), style="dim not bold"),
            lit(state.index, text, terms),
        )
    return [made, _summary(state)]


def _entry(state: State, hit: TracedHit, gold: tuple[str, ...]) -> Text:
    """A hit for a narrow screen: two lines."""
    row = row_of(state.index, hit.hit.passage_id)
    star = "★" if hit.hit.passage_id in gold else ""
    head = f"{hit.hit.rank}. {star}{hit.hit.passage_id} {hit.hit.score:.2f} lex {place(hit.lexical.rank)}"
    return Text(f"{head}\n").append(source_of(state.index, row), style="dim")


def _filtered(only: Filter) -> str:
    parts = [f"{name} {value}" for name, value in (("source", only.source), ("licence", only.licence)) if value]
    return f" (only {', '.join(parts)})" if parts else ""


def _summary(state: State) -> Text:
    shown = asked(state)
    gold = state.gold
    found = {hit.hit.passage_id: hit.hit.rank for hit in shown.trace.hits}
    parts = [f"{len(found)} hits, {shown.settings.mode}{_filtered(shown.only)}"]
    if gold:
        ranks = [f"{name} {f'at {found[name]}' if name in found else 'not among them (:miss)'}" for name in gold]
        parts.append(f"gold ★: {'; '.join(ranks)}")
    if len(shown.trace.searches) > 1:
        parts.append(f"{len(shown.trace.searches)} queries ({shown.settings.query.builder})")
    return note(" · ".join(parts))


def again(state: State) -> tuple[Reply, State]:
    """The question on the screen under new settings, with what moved; nothing but a line when none was asked."""
    if state.shown is None:
        return [note(f"{state.rag.mode}, top {state.rag.top_k}{_filtered(state.only)}")], state
    reply, state = ask(state.shown.trace.question, state)
    moved = _moves(state.before.trace, state.shown.trace) if state.before and state.shown else 0
    return [*reply, note(f"{moved} of these hits moved or are new; :diff shows how")], state


def _moves(before: Trace, now: Trace) -> int:
    ranks = {hit.hit.passage_id: hit.hit.rank for hit in before.hits}
    return sum(ranks.get(hit.hit.passage_id) != hit.hit.rank for hit in now.hits)


def mode(argument: str, state: State) -> tuple[Reply, State]:
    """[lexical|dense|hybrid]  search in this mode from now on; without an argument, which one is in effect"""
    if not argument:
        return [note(f"mode {state.rag.mode}")], state
    if argument not in MODES:
        raise UserError(f"found mode {argument!r}; expected {', '.join(MODES)}")
    return set_(f"rag.mode={argument}", state)


def top(argument: str, state: State) -> tuple[Reply, State]:
    """N  show so many hits"""
    return set_(f"rag.top_k={argument}", state)


def set_(argument: str, state: State) -> tuple[Reply, State]:
    """[KEY[=VALUE]]  change any setting, checked at once; KEY alone shows its value, nothing what differs from defaults

    Keys are those of configs/schema.py; `rag.` may be left out: :set lexical.b=0.4
    """
    if not argument:
        return [note("\n".join(state.overrides) or "all settings are the defaults")], state
    key, equals, value = argument.partition("=")
    key = _whole_key(key.strip())
    if not equals:
        return [note(f"{key} = {_value_of(state, key)}")], state
    overrides = (*(one for one in state.overrides if one.partition("=")[0] != key), f"{key}={value.strip()}")
    changed = replace(state, settings=load(state.config, overrides), overrides=overrides)
    engines = changed.engines  # an index or a mode that cannot be had is refused here, and the old settings stay
    if changed.rag.index != state.rag.index:
        return _opened(changed)
    if engines is state.engines:  # nothing that searches has changed
        return [note(f"{key} = {_value_of(changed, key)}")], changed
    return again(changed)


def _opened(state: State) -> tuple[Reply, State]:
    """Another index, or the same anew: the question on the screen asked there, without a ranking to compare with."""
    told, asked_before = note(state.desk.described(state.rag.index)), state.shown
    state = replace(state, shown=None, before=None)
    if asked_before is None:
        return [told], state
    reply, state = ask(asked_before.trace.question, state)
    return [*reply, told], state


def _whole_key(key: str) -> str:
    """The key with its section; `mode` means rag.mode."""
    return key if key.partition(".")[0] in Settings.model_fields else f"rag.{key}"


def _value_of(state: State, key: str) -> str:
    """A setting's value as YAML. Raises UserError for a key that there is not, naming the nearest."""
    value: object = state.settings.model_dump(mode="json")
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            names = [str(name) for name in value] if isinstance(value, dict) else []
            near = get_close_matches(part, names, n=1)
            raise UserError(
                f"unknown key {key}" + (f" (did you mean {near[0]}?)" if near else f"; there are: {', '.join(names)}")
            )
        value = value[part]
    return " ".join(
        str(yaml.safe_dump(value, allow_unicode=True, default_flow_style=True)).replace("\n...", "").split()
    )


def filter_(argument: str, state: State) -> tuple[Reply, State]:
    """[source=NAME] [licence=NAME] | off  search only these passages; without an argument, what there is"""
    counts = state.index.manifest.counts
    known = {"source": sorted(counts.sources), "licence": sorted(counts.licences)}
    if not argument:
        there = [f"{name}: {', '.join(repr(value) for value in values)}" for name, values in known.items()]
        return [note("\n".join([f"filter:{_filtered(state.only) or ' none'}", *there]))], state
    if argument == "off":
        return again(replace(state, only=Filter()))
    chosen = {"source": state.only.source, "licence": state.only.licence}
    # a name may hold spaces: "licence=own work"
    for part in argument.replace(" source=", "\0source=").replace(" licence=", "\0licence=").split("\0"):
        name, _, value = part.strip().partition("=")
        if name not in known:
            raise UserError(f"found filter {part!r}; expected source=NAME, licence=NAME or off")
        if value not in known[name]:
            near = get_close_matches(value, known[name], n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(map(repr, known[name]))}"
            raise UserError(f"no passage has {name} {value!r}; {hint}")
        chosen[name] = value
    return again(replace(state, only=Filter(**chosen)))


def diff(argument: str, state: State) -> tuple[Reply, State]:
    """[MODE|INDEX]  how hits moved: since the last setting, or from here to another mode or index"""
    shown = asked(state)
    now = [hit.hit for hit in shown.trace.hits]
    if not argument:
        if state.before is None:
            raise UserError(
                "nothing to compare with yet; change a setting (:set, :mode ...), or name a mode or an index"
            )
        before = [hit.hit for hit in state.before.trace.hits]
        return _diff_table(state, before, now, names=("before", "now")), state
    depth = shown.settings.top_k
    key = "mode" if argument in MODES else "index"
    other = shown.settings.model_copy(update={key: argument if key == "mode" else Path(argument)})
    if key == "index" and not Path(argument).is_dir():
        raise UserError(f"{argument!r} is neither a mode ({', '.join(MODES)}) nor the folder of an index")
    found = ranking(state.desk.engines(other, shown.only), shown.trace.question, depth)
    here = shown.settings.mode if key == "mode" else str(shown.settings.index)
    return _diff_table(state, now, found, names=(here, argument)), state


def _diff_table(state: State, before: list[Hit], now: list[Hit], *, names: tuple[str, str]) -> Reply:
    """Both rankings side by side, in the order of the second; what left it comes last."""
    first = {hit.passage_id: hit.rank for hit in before}
    second = {hit.passage_id: hit.rank for hit in now}
    made = table("#", "was", "moved", "passage", "where", left=("passage", "where"), wide="where")
    gold = state.gold
    for name in [*second, *(name for name in first if name not in second)]:
        row = state.index.store.row(name)
        where = source_of(state.index, row) if row is not None else "not in this index"
        made.add_row(
            place(second.get(name)),
            place(first.get(name)),
            movement(first.get(name), second.get(name)),
            Text(f"★ {name}", style=GOLD) if name in gold else Text(name),
            where,
        )
    kept = len(first.keys() & second.keys())
    return [made, note(f"was: {names[0]}; #: {names[1]}; {kept} passages in both")]


def reload(argument: str, state: State) -> tuple[Reply, State]:
    """open the index anew, after it was rebuilt"""
    if argument:
        raise UserError(":reload takes no argument; another index: :set rag.index=DIR")
    state.desk.reload(state.rag.index)
    return _opened(state)
