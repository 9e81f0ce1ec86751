"""Korean text -> sentences with the terms that a question could ask for, by Kiwi's tags; sentences said otherwise."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kiwipiepy import Kiwi, Token

Form = tuple[str, str]
"""A morpheme as (form, tag)."""

_NAME_PARTS = frozenset({"NNP", "SH"})
_TERM_PARTS = frozenset({"NNG", "XSN", "XPN", "SL"})
_UNITS = frozenset({"NNB", "NNG", "NR", "SL", "SW"})
_STEMS = frozenset({"VV", "VA", "VX", "XSV", "XSA", "VCP", "VCN"})
_PARTICLES = frozenset({"JKS", "JKO", "JX"})
_DECORATION = frozenset({"MAG", "MM", "MAJ"})
_NOUNS = frozenset({"NNP", "NNG", "SN", "NNB", "NR", "SL", "XSN", "XPN"})
_LONGEST = 120  # morphemes of a sentence
_HANJA = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]+")
_OPENING, _CLOSING = "([〈《「『", ")]〉》」』"


@dataclass(frozen=True, slots=True)
class Term:
    """Tokens first..last of a sentence that name one thing; `kind` tells which others could stand in its place."""

    first: int
    last: int  # included
    text: str
    kind: str  # "수:년", "이름:강", "말"


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence as it stands in its passage, and its morphemes."""

    text: str
    tokens: tuple[Token, ...]
    terms: tuple[Term, ...]


def sentences(kiwi: Kiwi, text: str) -> list[Sentence]:
    """The sentences of a text that end as sentences do, in order."""
    found = []
    for line in text.split("\n"):
        for tokens in _split(kiwi.tokenize(line)):
            last = tokens[-1]
            if not 6 <= len(tokens) <= _LONGEST or last.tag != "SF" or all(token.tag != "EF" for token in tokens[-3:]):
                continue
            begin, end = tokens[0].start, last.start + last.len
            found.append(Sentence(line[begin:end], tuple(tokens), tuple(_terms(line, tokens))))
    return found


def _split(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    held: list[Token] = []
    for token in tokens:
        if held and token.sent_position != held[-1].sent_position:
            yield held
            held = []
        held.append(token)
    if held:
        yield held


def tag_of(token: Token) -> str:
    """The tag without what tells regular from irregular conjugation."""
    return str(token.tag).partition("-")[0]


def _terms(line: str, tokens: Sequence[Token]) -> Iterator[Term]:
    place = 0
    while place < len(tokens):
        last = _end_of_term(tokens, place)
        if last is None:
            place += 1
            continue
        begin, end = tokens[place].start, tokens[last].start + tokens[last].len
        text = line[begin:end]
        is_verb = last + 1 < len(tokens) and tag_of(tokens[last + 1]) in {"XSV", "XSA"}  # 시작하다, 가능하다
        if len(text) >= 2 and not is_verb and not _HANJA.fullmatch(text):
            yield Term(place, last, text, _kind(tokens, place, last, text))
        place = last + 1


def _end_of_term(tokens: Sequence[Token], first: int) -> int | None:
    """The last token of the term that begins here; None where none does."""
    tag = tag_of(tokens[first])
    if tag == "SN":
        parts, spaced = _UNITS, frozenset({"NR", "NNB"})
    elif tag in _NAME_PARTS:
        parts, spaced = _NAME_PARTS | {"NNG", "XSN", "SN"}, _NAME_PARTS
    elif tag in {"NNG", "XPN", "SL"}:
        parts, spaced = _TERM_PARTS, frozenset()
    else:
        return None
    last = first
    while last + 1 < len(tokens) and last - first < 5:
        following, before = tokens[last + 1], tokens[last]
        touches = following.start == before.start + before.len
        if tag_of(following) not in (parts if touches else spaced):
            break
        last += 1
    return None if tag == "SN" and last == first else last


def _kind(tokens: Sequence[Token], first: int, last: int, text: str) -> str:
    if tag_of(tokens[first]) == "SN":
        return f"수:{tokens[last].form}"
    if any(tag_of(token) in _NAME_PARTS for token in tokens[first : last + 1]):
        return f"이름:{text[-1]}"
    return "말"


def cloze(sentence: Sentence, term: Term, blank: str) -> str:
    """The sentence with a blank in the term's place."""
    offset = sentence.tokens[0].start
    begin = sentence.tokens[term.first].start - offset
    end = sentence.tokens[term.last].start + sentence.tokens[term.last].len - offset
    return sentence.text[:begin] + blank + sentence.text[end:]


def asked(kiwi: Kiwi, sentence: Sentence, term: Term, rng: random.Random) -> str | None:
    """A question for the term: the clause it stands in made to modify what is asked for ("~을 지은 사람은?").

    None where the clause has no predicate or nothing but the term.
    """
    first, end = _clause(sentence.tokens, term)
    tokens = sentence.tokens
    after = term.last + 1
    while after < end and tag_of(tokens[after]).startswith("J"):
        after += 1
    kept = [*range(first, term.first), *range(after, end)]
    stems = [place for place in kept if tag_of(tokens[place]) in _STEMS and place >= after]
    if not stems:
        return None
    kept = [place for place in kept if place <= stems[-1]]
    groups = _eojeols(sentence, kept)
    if len(groups) < 2:
        return None
    forms = _said(groups, rng)
    past = any(tokens[place].form in ("었", "았") for place in range(stems[-1], min(stems[-1] + 3, end)))
    is_verb = tag_of(tokens[stems[-1]]) in {"VV", "VX", "XSV"}
    forms.append(("는" if is_verb and not past else "은", "ETM"))
    forms += _head(term, rng)
    return str(kiwi.join(forms)).strip() + rng.choice(("?", "?", " 무엇인가?"))


def _clause(tokens: Sequence[Token], term: Term) -> tuple[int, int]:
    """(first, end) of the clause around a term; clauses end after 고, 며, 지만, 는데 and commas behind them."""
    cuts = [0]
    for place, token in enumerate(tokens):
        if token.tag == "EC" and token.form in ("고", "며", "으며", "지만", "는데", "은데", "ᆫ데"):
            cuts.append(place + 1)
    cuts.append(len(tokens))
    for first, end in zip(cuts, cuts[1:], strict=False):
        if first <= term.first < end:
            return next(place for place in range(first, end) if tokens[place].tag != "SP"), end
    return 0, len(tokens)


def _head(term: Term, rng: random.Random) -> list[Form]:
    unit = term.kind.partition(":")[2]
    if term.kind.startswith("수"):
        noun = {"년": "해", "월": "때", "일": "날", "명": "사람 수", "세기": "시기"}.get(unit, "값")
    elif term.kind.startswith("이름"):
        noun = rng.choice(("것", "것", "이름", "대상", _SUFFIXES.get(unit, "것")))
    else:
        noun = rng.choice(("것", "말", "개념", "것"))
    return [(part, "NNG") for part in noun.split()] + [("은" if (ord(noun[-1]) - 0xAC00) % 28 else "는", "JX")]


_SUFFIXES = {
    "강": "강", "산": "산", "도": "지역", "시": "도시", "군": "고을", "국": "나라", "왕": "임금", "섬": "섬",
    "대": "곳", "교": "학교", "당": "정당", "사": "곳", "법": "법", "전": "것", "인": "사람", "자": "사람", "성": "곳",
}  # fmt: skip


def restated(kiwi: Kiwi, sentence: Sentence, rng: random.Random, *, swap: tuple[Term, str] | None = None) -> str | None:
    """The sentence said a little otherwise: parts left out, moved, another ending; with `swap`, one term replaced.

    None where it has no predicate but in brackets.
    """
    tokens = sentence.tokens
    last = max((place for place, token in enumerate(tokens) if tag_of(token) in _STEMS), default=len(tokens) - 1)
    groups = _eojeols(sentence, range(last + 1), swap)
    if len(groups) < 2:
        return None
    forms = _said(groups, rng)
    past = any(token.form in ("었", "았") for token in tokens[last : last + 3])
    if past:
        forms.append(("었", "EP"))
    return str(kiwi.join([*forms, rng.choice((("다", "EF"), ("다", "EF"), ("음", "ETN")))])).strip()


def _eojeols(sentence: Sentence, kept: Sequence[int], swap: tuple[Term, str] | None = None) -> list[list[Form]]:
    """The kept morphemes, grouped as the spaces of the text group them; what stands in brackets is left out."""
    groups: list[list[Form]] = []
    depth, end = 0, -1
    for place in kept:
        token = sentence.tokens[place]
        if token.form in _OPENING:
            depth += 1
        elif token.form in _CLOSING:
            depth = max(depth - 1, 0)
        elif depth == 0 and token.tag not in ("SF", "SP", "SS", "SSO", "SSC"):
            if not groups or token.start > end:
                groups.append([])
            form = (str(token.form), str(token.tag))
            if swap is not None and swap[0].first <= place <= swap[0].last:
                form = (swap[1], "NNP") if place == swap[0].first else ("", "")
            touches = token.start == end and groups[-1] and groups[-1][-1][1] in _NOUNS
            if touches and form[1] in _NOUNS:  # Kiwi's join would put spaces into 1976년 and 수미법
                groups[-1][-1] = (groups[-1][-1][0] + form[0], "NNP")
            elif form[0]:
                groups[-1].append(form)
        end = token.start + token.len
    return [group for group in groups if group]


def _said(groups: list[list[Form]], rng: random.Random) -> list[Form]:
    """The groups as one row of morphemes, some particles and ornaments dropped, some groups moved; the last stays."""
    body, final = groups[:-1], groups[-1]
    lenient = rng.random() < 0.7
    body = [group for group in body if not (lenient and group[0][1] in _DECORATION and rng.random() < 0.5)]
    if len(body) > 4 and rng.random() < 0.4:
        del body[rng.randrange(len(body))]
    if len(body) > 2 and rng.random() < 0.3:
        place = rng.randrange(len(body) - 1)
        body[place], body[place + 1] = body[place + 1], body[place]
    forms: list[Form] = []
    for group in body:
        drops = lenient and rng.random() < 0.25 and len(group) > 1 and group[-1][1] in _PARTICLES
        forms += group[:-1] if drops else group
    return forms + final
