"""Looking at one passage: why it is there, where it stands in its document, and its page."""

from __future__ import annotations

from pathlib import Path

from rich.console import RenderableType
from rich.text import Text

from configs.errors import UserError
from configs.schema import RagSettings
from corpora import sample
from corpora.sources import input_files
from rag.bm25 import Contribution
from rag.explain import Explanation, explain
from rag.index import Index, page_of, row_of
from rag.repl.folders import cache_folder
from rag.repl.layout import (
    DIM,
    GOLD,
    LIT,
    NARROW,
    lit,
    note,
    number,
    one_line,
    place,
    source_of,
    table,
    terms_of,
)
from rag.repl.state import Reply, State, asked, pointed
from rag.trace import DENSE_DEPTH

_NEIGHBOUR = 160  # characters of the passages before and after
_TERMS = 24  # rows of the term table
_LACKING = 12  # terms of the query that the passage does not hold
_WORDS = 8  # words of the query in the dense account


def why(argument: str, state: State) -> tuple[Reply, State]:
    """N|ID  why a passage stands where it does: what every term adds, dense similarity by words, fusion shares"""
    passage_id = pointed(state, argument)
    query = asked(state).trace.query_for(passage_id)
    return explanation_table(explain(state.engines, query, passage_id), state.rag, width=state.width), state


def explanation_table(found: Explanation, settings: RagSettings, *, width: int) -> Reply:
    """An explanation as tables."""
    reply: list[RenderableType] = [note(f"{found.passage_id} for: {one_line(found.query)}", style="bold")]
    total = sum(part.score for part in found.terms)
    if found.terms:
        is_narrow = width < NARROW
        columns = (
            ("term", "contribution")
            if is_narrow
            else ("field", "term", "in query", "tf", "df", "idf", "norm", "contribution", "share")
        )
        made = table(*columns, left=("field", "term"))
        for part in found.terms[:_TERMS]:
            made.add_row(*([part.term, number(part.score)] if is_narrow else _cells(part, total)))
        reply.append(made)
        rest = found.terms[_TERMS:]
        if rest:
            reply.append(note(f"and {len(rest)} terms more, {sum(part.score for part in rest):.3f} together"))
    else:
        reply.append(note("no account by terms: nothing shared, or the engine rank_bm25, which keeps none"))
    lengths = "; ".join(f"{one.length} {one.field} (average {one.average:.0f})" for one in found.lengths)
    reply.append(
        note(
            f"lexical {total:.4f} = the sum of {len(found.terms)} contributions; rank {place(found.lexical.rank)}"
            f" · {lengths}"
        )
    )
    if found.lacking:
        lacks = ", ".join(
            f"{one.term} (idf {one.idf:.1f}{'' if one.df else ', in no passage'})" for one in found.lacking[:_LACKING]
        )
        reply.append(note(f"in the question, not in the passage: {lacks}"))
    return [*reply, *_dense(found), *_fusion(found, settings)]


def _cells(part: Contribution, total: float) -> list[str | Text]:
    return [
        Text(part.field, style=DIM),
        Text(part.term, style=LIT if part.field == "morphemes" else ""),
        str(part.count),
        str(part.tf),
        f"{part.df:,}",
        number(part.idf),
        number(part.length_norm),
        number(part.score),
        f"{part.score / total:.0%}",
    ]


def _dense(found: Explanation) -> list[Text]:
    if found.dense.score is None:
        return [note("dense: the index has no vectors, or the encoder knows no token of the question")]
    where = place(found.dense.rank, beyond=f"beyond {DENSE_DEPTH:,}")
    strongest = sorted(found.words, key=lambda word: -abs(word.effect))[:_WORDS]
    words = "  ".join(f"{word.word} {word.effect:+.3f}" for word in strongest)
    return [note(f"dense {found.dense.score:.4f}, rank {where}; the cosine lost without each word: {words}")]


def _fusion(found: Explanation, settings: RagSettings) -> list[Text]:
    if settings.mode != "hybrid":
        return [note(f"mode {settings.mode}: nothing is fused")]
    if found.fused is None:
        return [note("fusion: no candidate of either search")]
    shares = " + ".join(
        f"{share.share:.4f} ({share.part}, rank {place(share.rank)}, {number(share.score)})"
        for share in found.fused.shares
    )
    after = f"; reranked by {settings.rerank.kind}" if settings.rerank.kind != "none" else ""
    return [note(f"fused {found.fused.hit.score:.4f} = {shares}; rank {found.fused.hit.rank}{after}")]


def show(argument: str, state: State) -> tuple[Reply, State]:
    """N|ID  a passage whole, in its document: headings, page, and what stands before and after it"""
    passage_id, index = pointed(state, argument), state.index
    row = row_of(index, passage_id)
    passage, document = index.store.passage(row), index.store.document(row)
    rows = index.store.rows_of(passage.doc_id)
    queries = [search.query for search in state.shown.trace.searches] if state.shown else []
    head = Text(passage_id, style=GOLD if passage_id in state.gold else "bold").append(
        f"  {row - rows[0] + 1} of {len(rows)} passages · {source_of(index, row)}"
        f" · {document.licence or 'no licence named'}",
        style="dim not bold",
    )
    before = [note("… " + one_line(index.store.passage(row - 1).text)[-_NEIGHBOUR:])] if row > rows[0] else []
    after = [note(one_line(index.store.passage(row + 1).text)[:_NEIGHBOUR] + " …")] if row < rows[-1] else []
    path = [note(" > ".join(passage.heading_path))] if len(passage.heading_path) > 1 else []
    body = lit(index, passage.text.strip(), terms_of(index, queries))
    return [head, *path, *before, body, *after], state


def pdf(argument: str, state: State) -> tuple[Reply, State]:
    """N|ID  the passage's pages rendered to PNG files, with the passage marked"""
    passage_id, index = pointed(state, argument), state.index
    row = row_of(index, passage_id)
    passage, document = index.store.passage(row), index.store.document(row)
    if not document.pages:
        raise UserError(
            f"{passage_id}: its document has no pages ({document.source}); :show {argument.strip()} shows the text"
        )
    path = pdf_of(index, passage.doc_id, document.source)
    from corpora.pdf.picture import marked_pages  # pdfium is loaded for this command alone

    made = marked_pages(path, passage, document.pages, password=state.settings.corpora.pdf.password)
    folder, lines = cache_folder() / "pages", []
    for number_, picture in made.items():
        name = f"{passage.doc_id}-{passage_id.rpartition('#')[2]}-p{number_}.png".replace("/", "_")
        lines.append(note(str(_write(folder / name, picture)), style="bold"))
    return [*lines, note(f"page {page_of(index, row)} of {path}")], state


def pdf_of(index: Index, doc_id: str, source: str) -> Path:
    """The PDF that a document was read from. Raises UserError when it is none or gone."""
    for one in index.manifest.recipe.corpora.sources:
        if one.kind == "sample" and source == "sample" and doc_id == "textbook":
            return sample.TEXTBOOK
        if one.kind == "pdf" and one.path is not None:
            names = {
                str(file.relative_to(one.path)) if one.path.is_dir() else file.name: file for file in input_files(one)
            }
            if doc_id in names:
                return names[doc_id]
    raise UserError(f"{doc_id!r} is no PDF of this index's sources, or its file was moved since the index was built")


def _write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(content)
    return temporary.replace(path)
