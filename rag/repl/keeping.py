"""What outlives a session: judgements as qrels, and the session itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from configs.errors import UserError
from corpora.exams import load_qrels, load_queries
from rag.repl.layout import GOLD, note, render
from rag.repl.state import Entry, Reply, State, asked, pointed

_COLUMNS = 100  # of a session on paper
_RELEVANCE = {"rel": 1, "not": 0}


def mark(argument: str, state: State) -> tuple[Reply, State]:
    """N|ID rel|not  judge a passage for this question; judgements are added to marks/qrels.trec below the runs"""
    name, _, verdict = argument.rpartition(" ")
    if verdict not in _RELEVANCE or not name.strip():
        raise UserError(f"found :mark {argument}; expected a rank or an id, then rel or not: :mark 1 rel")
    passage_id, question = pointed(state, name), asked(state).trace.question
    judged = {**state.marks.get(question.question_id, {}), passage_id: _RELEVANCE[verdict]}
    marks = {**state.marks, question.question_id: judged}
    folder = state.settings.eval.out / "marks"
    path = _keep(folder, question.question_id, question.question, judged)
    count = sum(map(len, marks.values()))
    return [
        note(
            f"{passage_id} is {'' if judged[passage_id] else 'not '}relevant · {count} marks of this session in {path}"
        )
    ], replace(state, marks=marks)


def _keep(folder: Path, question_id: str, question: str, judged: Mapping[str, int]) -> Path:
    """Add to the judgements and the questions of a folder; both files are written whole."""
    qrels_path, queries_path = folder / "qrels.trec", folder / "queries.jsonl"
    qrels = {name: dict(found) for name, found in load_qrels(qrels_path).items()} if qrels_path.is_file() else {}
    queries = load_queries(queries_path) if queries_path.is_file() else {}
    qrels.setdefault(question_id, {}).update(judged)
    queries[question_id] = question
    lines = [
        f"{name} 0 {passage} {found[passage]}" for name, found in sorted(qrels.items()) for passage in sorted(found)
    ]
    _write(
        queries_path, [json.dumps({"_id": name, "text": queries[name]}, ensure_ascii=False) for name in sorted(queries)]
    )
    return _write(qrels_path, lines)


def save(argument: str, state: State) -> tuple[Reply, State]:
    """[NAME]  write the session, every line with what it showed, as NAME.jsonl and NAME.md (default: below the runs)"""
    if not state.entries:
        raise UserError("nothing to save yet; type a question first")
    path = Path(argument).expanduser() if argument else _unused(state.settings.eval.out / "sessions")
    path = path.with_suffix("") if path.suffix in (".jsonl", ".md") else path
    if not path.parent.is_dir() and argument:
        raise UserError(f"{path.parent}: no such folder")
    header = {"index": str(state.rag.index), "settings": list(state.overrides), "exam_items": len(state.exam)}
    lines = [json.dumps(record, ensure_ascii=False) for record in (header, *map(_record, state.entries))]
    _write(path.with_name(path.name + ".jsonl"), lines)
    written = _write(path.with_name(path.name + ".md"), _markdown(header, state.entries))
    return [note(f"{written.with_suffix('.jsonl')}\n{written}", style=GOLD)], state


def _record(entry: Entry) -> dict[str, object]:
    hits = [
        {
            "rank": traced.hit.rank,
            "passage_id": traced.hit.passage_id,
            "score": traced.hit.score,
            "lexical_rank": traced.lexical.rank,
            "dense_rank": traced.dense.rank,
        }
        for traced in entry.hits
    ]
    return {"line": entry.line, "query": entry.query, "hits": hits, "output": render(entry.reply, _COLUMNS)}


def _markdown(header: Mapping[str, object], entries: tuple[Entry, ...]) -> list[str]:
    lines = ["# Session", "", *(f"- {name}: {value}" for name, value in header.items()), ""]
    for entry in entries:
        output = render(entry.reply, _COLUMNS)
        fence = "````" if "```" in output else "```"
        lines += [f"## `{' '.join(entry.line.split())[:100]}`", "", f"{fence}text", output, fence, ""]
    return lines


def _unused(folder: Path) -> Path:
    """session-1, session-2 ...: the first name that is not taken."""
    folder.mkdir(parents=True, exist_ok=True)
    number = 1
    while (folder / f"session-{number}.md").exists() or (folder / f"session-{number}.jsonl").exists():
        number += 1
    return folder / f"session-{number}"


def _write(path: Path, lines: list[str]) -> Path:
    """Write a file under a temporary name and rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="replace")
    return temporary.replace(path)
