"""Sources: every kind of file becomes documents, and nothing that cannot be read disappears unsaid."""

from __future__ import annotations

import bz2
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.errors import UserError
from configs.schema import SourceKind, SourceSettings
from corpora.files import decode, read_lines
from corpora.records import Document, PageStart, Skipped, pages_of
from corpora.sources import parse_source, read
from corpora.wiki import outline_of, plain_text
from tests.conftest import write_jsonl

DUMP = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/" version="0.10" xml:lang="ko">
<siteinfo><sitename>위키</sitename><namespaces><namespace key="0" /><namespace key="14">분류</namespace></namespaces></siteinfo>
{pages}
</mediawiki>"""
PAGE = (
    "<page><title>{title}</title><ns>{ns}</ns><id>{id}</id>{redirect}<revision><id>1{id}</id>"
    "<timestamp>2020-01-01T00:00:00Z</timestamp><contributor><username>x</username><id>1</id></contributor>"
    '<model>wikitext</model><format>text/x-wiki</format><text xml:space="preserve">{text}</text></revision></page>'
)


def documents(kind: SourceKind, path: Path) -> list[Document]:
    """The documents of a source that skips nothing."""
    items = list(read(SourceSettings(kind=kind, path=path)))
    assert not [item for item in items if isinstance(item, Skipped)]
    return [item for item in items if isinstance(item, Document)]


def test_a_mediawiki_dump_gives_articles_and_names_what_it_leaves_out(tmp_path: Path) -> None:
    text = "{{정보상자|이름=강}} '''섬강'''(蟾江)은 [[강원도]]의 [[하천|강]]이다.&lt;ref&gt;출처&lt;/ref&gt;\n== 흐름 ==\n길이는 103km이다.\n{| class=x\n| 표\n|}\n[[파일:a.png|섬네일|그림]]\n== 각주 ==\n없음\n[[분류:강]]"
    pages = [
        PAGE.format(title="섬강", ns=0, id=1, redirect="", text=text),
        PAGE.format(title="섬강 (강원)", ns=0, id=2, redirect='<redirect title="섬강" />', text="#넘겨주기 [[섬강]]"),
        PAGE.format(title="강", ns=0, id=3, redirect="", text="{{동음이의}} 강은 다음을 가리킨다."),
        PAGE.format(title="분류:강", ns=14, id=4, redirect="", text="강"),
    ]
    path = tmp_path / "kowiki-pages-articles.xml.bz2"
    path.write_bytes(bz2.compress(DUMP.format(pages="".join(pages)).encode()))
    items = list(read(SourceSettings(kind="wiki", path=path, licence="CC BY-SA 4.0")))
    [article] = [item for item in items if isinstance(item, Document)]
    assert article.text == "섬강(蟾江)은 강원도의 강이다.\n흐름\n길이는 103km이다."
    assert [(h.start, h.length, h.level, h.title) for h in article.headings] == [(18, 2, 1, "흐름")]
    assert (article.doc_id, article.title, article.licence) == ("wiki:1", "섬강", "CC BY-SA 4.0")
    assert [item.reason for item in items if isinstance(item, Skipped)] == [
        "redirect",
        "disambiguation",
        "other namespace",
    ]


def test_a_dump_that_breaks_off_gives_what_came_before_and_says_so(tmp_path: Path) -> None:
    whole = DUMP.format(pages=PAGE.format(title="섬강", ns=0, id=1, redirect="", text="섬강은 강이다."))
    path = tmp_path / "dump.xml"
    path.write_text(whole[: whole.index("</mediawiki>")], encoding="utf-8")
    first, last = read(SourceSettings(kind="wiki", path=path))
    assert isinstance(first, Document)
    assert isinstance(last, Skipped)
    assert "breaks off" in last.reason


@pytest.mark.parametrize(
    ("wikitext", "text"),
    [
        ("{{llang|en|Seoul}}과 {{lang|zh|首爾}}", "Seoul과 首爾"),
        ("서울({{한자|서울}})은", "서울은"),
        ("[https://example.org 누리집]을 보라", "누리집을 보라"),
        ("* 하나\n** 둘\n: 셋", "하나\n둘\n셋"),
        ("<!-- 숨김 -->보임<br/>줄", "보임\n줄"),
        ("H<sub>2</sub>O는 물", "H2O는 물"),
        ("&lt;가&gt; &amp; 나", "<가> & 나"),
    ],
)
def test_wikitext_becomes_what_a_reader_sees(wikitext: str, text: str) -> None:
    assert plain_text(wikitext) == text


def test_sections_that_only_cite_are_left_out_with_all_below_them() -> None:
    marked = "처음\n== 각주 ==\n1\n=== 더 깊이 ===\n2\n== 역사 ==\n끝"
    document = outline_of(marked).finish("d", "t", source="s")
    assert document.text == "처음\n역사\n끝"


def test_wikiextractor_lines_of_all_packings_are_read(tmp_path: Path) -> None:
    line = json.dumps(
        {"id": "7", "url": "u", "title": "대동법", "text": "공납의 폐단\n== 실시 ==\n경기도"}, ensure_ascii=False
    )
    (tmp_path / "AA").mkdir()
    (tmp_path / "AA" / "wiki_00").write_text(line + "\n", encoding="utf-8")
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(line.replace('"7"', '"8"').encode()))
    (tmp_path / "LICENSE").write_text("not a corpus", encoding="utf-8")
    assert [d.doc_id for d in documents("wiki", tmp_path)] == ["wiki:7", "wiki:8"]


def test_markdown_headings_become_the_heading_path_and_markup_goes(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text(
        "---\ntitle: x\n---\n# 확률\n\n**표본**은 [모집단](u)의 일부이다.\n\n```\ncode # no\n```\n\n## 조건부\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- 하나\n- 둘 $x^2$\n",
        encoding="utf-8",
    )
    [document] = documents("text", tmp_path)
    assert document.title == "확률"
    assert document.text.split("\n") == ["확률", "표본은 모집단의 일부이다.", "code # no", "조건부", "| a | b |", "| 1 | 2 |", "하나", "둘 $x^2$"]  # fmt: skip
    assert [(h.level, h.title) for h in document.headings] == [(1, "확률"), (2, "조건부")]


def test_asciidoc_and_plain_text_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.adoc").write_text("= 제목\n:toc:\n\n== 절\n[source]\n----\n본문\n----\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("그냥 글\n\n둘째 문단", encoding="utf-8")
    first, second = documents("text", tmp_path)
    assert (first.title, first.text) == ("제목", "제목\n절\n본문")
    assert (second.doc_id, second.title, second.text) == ("b.txt", "b", "그냥 글\n둘째 문단")


def test_a_statute_article_keeps_law_title_and_section(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [{"law": "형법", "article": "제1조", "title": "성립", "section": "제1장 총칙", "text": "제1조(성립) 범죄의…"}])  # fmt: skip
    [document] = documents("statutes", path)
    assert (document.doc_id, document.title) == ("형법 제1조", "형법 제1조(성립)")
    assert [(h.length, h.title) for h in document.headings] == [(0, "제1장 총칙")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16", "utf-16-le", "utf-16-be"])
def test_korean_text_files_are_read_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    text = "# 훈민정음\n\n세종이 만들었다. abc 123\n" * 5
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode(encoding))
    assert decode(path.read_bytes()) is not None
    [document] = documents("text", path)
    assert document.text.startswith("# 훈민정음\n세종이 만들었다.")
    assert document.encoding == encoding.removesuffix("-sig")


@given(st.text("가나다라마바사 abc123\n", min_size=1, max_size=60))
def test_decoding_gives_back_utf8(text: str) -> None:
    decoded = decode(text.encode())
    assert decoded is not None
    assert decoded[0] == text


@pytest.mark.parametrize("encoding", ["cp949", "utf-16"])
def test_json_lines_in_other_encodings_are_converted(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes((json.dumps({"id": "1", "text": "한국어"}, ensure_ascii=False) + "\n").encode(encoding))
    assert [d.text for d in documents("jsonl", path)] == ["한국어"]


def test_a_broken_line_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [b'{"id": "1", "text": "\xea\xb0\x80"}', b'{"id": "2", ', b"\xff\xff\xff", b"[1]", b'{"id": "5"}', b'{"id": true, "text": "x"}', b'{"id": "7", "text": "\\ud800 \\u0000 b"}']  # fmt: skip
    path.write_bytes(b"\n".join(lines))
    items = list(read(SourceSettings(kind="jsonl", path=path)))
    assert [d.text for d in items if isinstance(d, Document)] == ["가", "\ufffd  b"]
    assert [(s.where, s.reason.split(":")[0]) for s in items if isinstance(s, Skipped)] == [
        (f"{path}:2", "broken JSON"),
        (f"{path}:3", "neither UTF-8 nor CP949"),
        (f"{path}:4", "expected a JSON object, found list"),
        (f"{path}:5", "no 'text'"),
        (f"{path}:6", "no 'id'"),
    ]


def test_a_truncated_archive_is_one_line_for_the_user(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"id": "1", "text": "x"}\n' * 1000)[:-9])
    with pytest.raises(UserError, match=r"a\.jsonl\.gz.*unpacked"):
        list(read_lines(path))


def test_a_missing_path_a_folder_without_documents_and_an_unknown_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        list(read(SourceSettings(kind="wiki", path=tmp_path / "none")))
    with pytest.raises(UserError, match="no file here ends in"):
        list(read(SourceSettings(kind="text", path=tmp_path)))
    with pytest.raises(UserError, match="a path is wanted"):
        list(read(SourceSettings(kind="wiki")))
    with pytest.raises(UserError, match="unknown kind 'wikki'"):
        parse_source("wikki:here")


def test_pages_follow_from_offsets() -> None:
    pages = (PageStart(0, 1, "i"), PageStart(10, 2, "1"), PageStart(20, 3, "2"))
    assert [p.label for p in pages_of(pages, 5, 10)] == ["i", "1"]
    assert [p.label for p in pages_of(pages, 10, 10)] == ["1"]
    assert [p.label for p in pages_of(pages, 25, 0)] == ["2"]
    assert pages_of((), 3, 4) == ()
