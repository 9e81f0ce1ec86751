"""Exam items and runs: what was asked, what is right, what each arm answered, and the next one that went wrong."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from rich.console import RenderableType
from rich.text import Text

from configs.errors import UserError
from corpora.records import Question
from rag.query import stem_of
from rag.repl.layout import BAD, GOLD, note, number, one_line, place, table
from rag.repl.runs import Run, RunItem, finished_runs, read_run
from rag.repl.searching import ask
from rag.repl.state import Reply, State

STEPS = ("next", "prev", "wrong", "next wrong", "prev wrong")


def item(argument: str, state: State) -> tuple[Reply, State]:
    """[ID|next|prev|wrong|prev wrong]  load an exam item: its gold passages are marked ★ in the table

    `wrong` is the next item that the loaded run answered wrong with passages; if none is loaded, the newest is.
    """
    if argument.endswith("wrong") and argument in STEPS and state.run is None:
        state = replace(state, run=_newest(state))
    wanted = _found(argument, state)
    reply, state = ask(wanted, state)
    choices = _choice_table(wanted, state)
    return [_head(wanted), *_texts(wanted), *choices, *_answers(wanted, state), *reply], state


def _found(argument: str, state: State) -> Question:
    """The item that an id or a step names. Raises UserError naming the nearest id."""
    questions = {question.question_id: question for question in state.exam}
    if argument in STEPS:
        return _stepped(argument, questions, state)
    if not argument:
        if state.shown is None or state.shown.trace.question.question_id not in questions:
            return _stepped("next", questions, state)
        return state.shown.trace.question
    if argument not in questions:
        near = get_close_matches(argument, questions, n=1)
        hint = (
            f"did you mean {near[0]}?"
            if near
            else f"they look like {next(iter(questions), 'nothing: the exam is empty')}"
        )
        raise UserError(f"the exam has no item {argument!r}; {hint}")
    return questions[argument]


def _stepped(step: str, questions: dict[str, Question], state: State) -> Question:
    """The item after or before the present one, of all or of those that went wrong."""
    names = list(questions)
    among = set(state.run.wrong) if step.endswith("wrong") and state.run is not None else set(names)
    here = state.shown.trace.question.question_id if state.shown is not None else ""
    place_ = names.index(here) if here in questions else len(names) if step.startswith("prev") else -1
    ahead = reversed(names[:place_]) if step.startswith("prev") else iter(names[place_ + 1 :])
    for name in ahead:
        if name in among:
            return questions[name]
    what = "item that went wrong" if step.endswith("wrong") else "item"
    raise UserError(
        f"no {what} {'before' if step.startswith('prev') else 'after'} {here or 'the start'}; the exam has {len(names)}"
    )


def _newest(state: State) -> Run:
    runs = finished_runs(state.settings.eval.out)
    if not runs:
        raise UserError(f"{state.settings.eval.out}: no finished run; make one: python -m eval --rag, or :run DIR")
    return read_run(runs[0])


def _head(question: Question) -> Text:
    facts = [question.subject, question.split, question.kind.replace("_", " ")]
    return Text(question.question_id, style="bold").append("  " + " · ".join(filter(None, facts)), style="dim not bold")


def _texts(question: Question) -> list[Text]:
    parts = [("지문  ", question.paragraph), ("", question.question), ("<보기>  ", question.box)]
    return [Text(f"{name}{text}") for name, text in parts if text]


def _choice_table(question: Question, state: State) -> list[RenderableType]:
    """The choices, each with the search for it alone: its best hit, and where the first gold passage stands there."""
    if not question.choices:
        answers = " / ".join(question.answers)
        return [note(f"right: {answers}", style=GOLD)] if answers else []
    gold = state.gold
    made = table("", "choice", "its own search finds", "gold at", left=("", "its own search finds"), wide="choice")
    for number_, choice in enumerate(question.choices, start=1):
        hits = state.engines.retriever.search(f"{stem_of(question)}\n{choice}", state.rag.top_k)
        ranks = [hit.rank for hit in hits if hit.passage_id in gold]
        is_right = number_ == question.answer
        made.add_row(
            Text(f"{'→' if is_right else ' '}{number_}", style=GOLD if is_right else ""),
            Text(choice, style=GOLD if is_right else ""),
            hits[0].passage_id if hits else "nothing",
            place(min(ranks, default=None)) if gold else "",
        )
    return [made]


def _answers(question: Question, state: State) -> list[Text]:
    """What the run's arms answered."""
    said: RunItem | None = state.run.items.get(question.question_id) if state.run is not None else None
    if state.run is None:
        return []
    if said is None:
        return [note(f"the run {state.run.folder} did not ask this item")]
    line = Text(f"run {state.run.folder.name}: ", style="dim")
    for one in said.outcomes:
        sure = f" ({number(one.confidence, 2)})" if one.confidence is not None else ""
        cause = f", {one.cause}" if one.cause else ""
        line.append(
            f"{one.arm} {one_line(one.answer or 'unparsed')}{sure}{cause}  ", style=GOLD if one.is_right else BAD
        )
    return [line]


def run(argument: str, state: State) -> tuple[Reply, State]:
    """[DIR]  load a run of `python -m eval --rag`: :q then shows what its arms answered; without DIR, the newest"""
    loaded = read_run(Path(argument).expanduser()) if argument else _newest(state)
    known = {question.question_id for question in state.exam}
    asked_here = sum(name in known for name in loaded.items)
    told = (
        f"{loaded.folder}: {len(loaded.items)} items, {len(loaded.wrong)} wrong with passages; :q wrong shows the next"
    )
    strange = [] if asked_here else [note("none of them is an item of the exam that is loaded (--exam)", style=BAD)]
    return [note(told), *strange], replace(state, run=loaded)
