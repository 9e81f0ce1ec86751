"""What the analyser makes of a text: morphemes kept and dropped, and why."""

from __future__ import annotations

from rich.text import Text

from index_build.terms import Morpheme, key_of
from rag.repl.layout import DIM, LIT, note, one_line, table
from rag.repl.state import Reply, State, asked

_LONGEST = 2_000  # characters shown; beyond, a table is of no use

# the first prefix of a tag that fits tells why a morpheme is no term; tags are Kiwi's
_REASONS = (
    ("J", "particle"),
    ("E", "ending"),
    ("VC", "copula"),
    ("VX", "auxiliary of one syllable"),
    ("XP", "prefix"),
    ("XS", "suffix"),
    ("S", "punctuation or sign"),
    ("IC", "interjection"),
    ("W", "sign"),
)


def tokens(text: str, state: State) -> tuple[Reply, State]:
    """[TEXT]  what Kiwi sees in a text (default: the question), what becomes a term, what is dropped and why"""
    wanted = text or "\n".join(search.query for search in asked(state).trace.searches)
    index = state.index
    shown = wanted[:_LONGEST]
    morphemes = index.analyser.morphemes(shown)
    kept = list(dict.fromkeys(one.term for one in morphemes if one.term is not None))
    frequencies = dict(zip(kept, index.morphemes.document_frequencies([key_of(term) for term in kept]), strict=True))
    made = table("morpheme", "tag", "term", "passages", "", left=("morpheme", "tag", "term"), wide="")
    for one in morphemes:
        is_term = one.term is not None
        made.add_row(
            Text(one.form, style=LIT if is_term else DIM),
            Text(one.tag, style=DIM),
            one.term or "",
            f"{frequencies[one.term]:,}" if one.term is not None else "",
            _remark(one, frequencies),
        )
    pairs = index.bigram_terms(shown)
    found = index.bigrams.document_frequencies([pair.key for pair in pairs])
    known = sum(frequency > 0 for frequency in found)
    return [
        made,
        note(f"{len(morphemes)} morphemes, {len(kept)} distinct terms; {len(pairs)} bigrams, {known} in the index"),
        note("bigrams: " + one_line(" ".join(pair.text for pair in pairs[:60])) + (" …" if len(pairs) > 60 else "")),
        *([note(f"the first {_LONGEST:,} of {len(wanted):,} characters")] if len(wanted) > _LONGEST else []),
    ], state


def _remark(one: Morpheme, frequencies: dict[str, int]) -> Text:
    if one.term is None:
        return Text(f"dropped: {reason(one.tag)}", style=DIM)
    return Text("" if frequencies[one.term] else "in no passage: finds nothing", style=DIM)


def reason(tag: str) -> str:
    """Why a morpheme of this tag is no term."""
    return next((why for prefix, why in _REASONS if tag.startswith(prefix)), "no content word")
