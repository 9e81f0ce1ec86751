"""The parts of PDF reading by themselves: repair, joins, tables, health, and real files where they are."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.pdf import PdfSettings
from corpora.pdf import main_health, read_pdf
from corpora.pdf.diagnosis import garbage_share
from corpora.pdf.joins import Seam, decide, spaces_written
from corpora.pdf.language import space_logits, usualness
from corpora.pdf.lines import Line, RawPage, Word, line_of
from corpora.pdf.load import Loaded, LoadedPage, pack, unpack
from corpora.pdf.repair import compose_compatibility, repair
from corpora.pdf.rules import Rule
from corpora.pdf.tables import with_tables
from corpora.records import Document, Skipped
from tests.pdfs import lines, write_pdf

TEXTBOOK = Path(__file__).parents[1] / "corpora" / "sample" / "textbook" / "textbook.pdf"


@given(st.text("가힣ㄱㅏ\u1100\u1161\u11a8 ㆍ·・ﬁa1(.漢", max_size=30))
def test_repair_is_idempotent_and_nfc(text: str) -> None:
    once = repair(text)
    assert repair(once) == once
    assert unicodedata.is_normalized("NFC", once)


@pytest.mark.parametrize(
    ("broken", "whole"),
    [
        ("\u1112\u1161 \u11ab", "한"),
        ("\u1112 \u1161\u11ab\u1100\u1173\u11af", "한글"),
        ("하 \u11ab글", "한글"),
        ("언론ㆍ출판", "언론·출판"),
        ("ㆍ첫째", "ㆍ첫째"),
        ("ﬁle ㄱㄴㄷ ㅋㅋ 憲法", "file ㄱㄴㄷ ㅋㅋ 憲法"),
    ],
)
def test_what_a_producer_broke_is_whole_again(broken: str, whole: str) -> None:
    assert repair(broken) == whole


def test_jamo_of_broken_fonts_become_syllables() -> None:
    assert compose_compatibility("ㅎㅏㄴㄱㅡㄹ ㄱㅗㅏ ㅁㅏㄹ") == "한글 ㄱㅗㅏ 말".replace("ㄱㅗㅏ", "고ㅏ")


@pytest.mark.parametrize(
    ("before", "after", "glue"),
    [
        ("능력이 약한 자의 행위는 벌하", "지 아니한다", ""),
        ("다만, 갑작스러운 국내 유입 또는 유행이 예견되", "어 긴급한 관리가", ""),
        ("세균성 장염이 높은 수준", "의 격리가 필요한", ""),
        ("책과 그림을", "여러 사람에게", " "),
        ("그 뜻은 이렇다.", "그러나 아직", " "),
        ("바이러스(", "SARS)", ""),
        ("기초 전자", "회로)를", ""),
        ("the extrac-", "tion of", "\b"),
        ("가격은 100", "percent", " "),
        ("정치·", "경제", ""),
        ("된다.", "② 약관의", " "),
    ],
)
def test_two_lines_meet_as_korean_wants_it(before: str, after: str, glue: str) -> None:
    assert decide([Seam(before, after, spaced=False)], {}) == [glue]


def test_a_file_that_writes_spaces_at_line_ends_is_taken_at_its_word() -> None:
    seams = [Seam("무엇인가를 말하는 사람", "들이 있다", spaced=n % 3 == 0) for n in range(30)]
    assert spaces_written(seams) == "exact"
    assert decide(seams, {}) == [" " if n % 3 == 0 else "" for n in range(30)]
    always = [Seam("사람", "들이", spaced=True)] * 30
    assert spaces_written(always) == "none"


def test_the_document_knows_its_own_compounds() -> None:
    seam = Seam("이것은 푸른뫼", "바다라는 곳이다", spaced=False)
    joined = decide([seam], {"푸른뫼바다라는": 50})
    apart = decide([seam], {"푸른뫼": 50, "바다라는": 50})
    assert (joined, apart) == ([""], [" "])


def test_the_language_model_tells_korean_from_what_a_broken_font_gives() -> None:
    (korean, _), (broken, _), (empty, none) = usualness(
        ["모든 국민은 법 앞에 평등하며 차별을 받지 아니한다", "묾푷 챀뎺뒋 뷮쳬킹 쀙즤읊 퓒쉚 칺몮", "no Hangul"]
    )
    assert korean > -2.6
    assert broken < -3.6
    assert (empty, none) == (0.0, 0)
    assert space_logits([]).shape == (0,)


def test_garbage_is_what_a_korean_text_cannot_hold() -> None:
    assert garbage_share("한글과 English, 漢字, α+β=γ ①②③ “따옴표” ㎏ 𝑥") == 0
    assert garbage_share("\ue000\ue001가나") == 0.5
    assert garbage_share("ࢿئ") == 1
    assert garbage_share("") == 0


def cell(text: str, x: float, y: float) -> Line:
    return line_of([Word(text, x, y, x + 10 * len(text), y + 10, 10, spaced=False)])


def test_a_merged_cell_stands_in_every_place_that_it_covers() -> None:
    """Three columns, three rows; the first column's lower two cells are one."""
    upright = [Rule(x, 0, x, 60) for x in (0, 100, 200, 300)]
    flat = [Rule(0, 60, 300, 60), Rule(0, 40, 300, 40), Rule(100, 20, 300, 20), Rule(0, 0, 300, 0)]
    texts = {(10, 45): "구분", (110, 45): "앞", (210, 45): "뒤", (10, 15): "둘", (110, 25): "가", (210, 25): "나"}
    words = [cell(text, x, y) for (x, y), text in {**texts, (110, 5): "다", (210, 5): "라"}.items()]
    (table,), count = with_tables(words, [*upright, *flat])
    assert count == 1
    rows = [[" ".join(line.text for line in place) for place in row] for row in table.cells]
    assert rows == [["구분", "앞", "뒤"], ["둘", "가", "나"], ["둘", "다", "라"]]


def test_a_frame_is_no_table() -> None:
    frame = [Rule(0, 0, 300, 0), Rule(0, 60, 300, 60), Rule(0, 0, 0, 60), Rule(300, 0, 300, 60)]
    words = [cell("글상자 안의 글", 10, 30)]
    assert with_tables(words, frame) == (words, 0)


def test_a_packed_page_comes_back_with_every_number_even_those_that_json_has_not() -> None:
    words = [
        Word("한글과", 10.1, 0.3, 40, 10, 10, spaced=True),
        Word("漢字\U00020000", 45, 0, 60, 10.2, 10, spaced=False),
    ]
    raw = RawPage(3, float("inf"), 600, (line_of(words), line_of(words[:1])), 6, 1, 0, ("사본",))
    page = LoadedPage(raw, (Rule(0.0, float("nan"), 5.0, 5.0),), is_image=False, confidence=71.5)
    skipped = (Skipped("a.pdf page 2", "damaged: 나쁨"),)
    loaded = unpack(pack(Loaded((page,), skipped)))
    (found,) = loaded.pages
    assert loaded.skipped == skipped
    assert [tuple(line.words) for line in found.raw.lines] == [tuple(line.words) for line in raw.lines]
    assert [line.text for line in found.raw.lines] == [line.text for line in raw.lines]
    assert repr(found.rules) == repr(page.rules)
    assert (found.raw.width, found.raw.slanted, found.confidence) == (raw.width, raw.slanted, page.confidence)


def test_health_prints_one_json_object_and_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pdf(tmp_path / "a.pdf", [lines("이 문장은 시험을 위하여 쓴 것이다.")])
    (tmp_path / "b.pdf").write_bytes(b"")
    assert main_health([str(tmp_path), "--json"]) == 0
    files = json.loads(capsys.readouterr().out)["files"]
    assert [row["verdict"] for row in files] == ["good", "unreadable"]
    assert main_health([str(tmp_path), "--pages"]) == 0
    shown = capsys.readouterr().out
    assert "b.pdf: an empty file (0 bytes)" in shown


def read(path: Path) -> Document:
    found = read_pdf(path, doc_id="d", source="s", settings=PdfSettings()).document
    assert found is not None
    return found


def test_the_sample_textbook_comes_out_as_it_was_written() -> None:
    """Nineteen in twenty long paragraphs character for character; the headings in order; no running head."""
    if not TEXTBOOK.is_file():
        pytest.skip(f"no {TEXTBOOK}")
    gold = [json.loads(line) for line in TEXTBOOK.with_name("gold.jsonl").read_text("utf-8").splitlines()]
    found = read(TEXTBOOK)
    long = [row["text"] for row in gold if row["kind"] == "body" and len(row["text"]) > 80 and not row["formulas"]]
    assert sum(text in found.text for text in long) >= 0.95 * len(long)
    sections = [heading.title for heading in found.headings if heading.level == 2]
    assert sections == sorted(sections)
    assert len(sections) >= 20
    assert found.text.count("\n생활 속의 자료와 통계\n") <= 2


@pytest.mark.realdata
def test_one_statute_from_two_producers_is_one_text(real: Path) -> None:
    long, short = sorted(map(read, (real / "pdf" / "law").glob("대한민국헌법*.pdf")), key=lambda d: -len(d.text))
    articles = [heading.title for heading in short.headings if heading.level == 5]
    assert articles == [f"제{n}조" for n in range(1, 38)]
    assert articles == [heading.title for heading in long.headings if heading.level == 5][:37]

    def article(document: Document, title: str, following: str) -> str:
        start = document.text.index(f"\n{title}\n")
        return "".join(document.text[start : document.text.index(f"\n{following}\n", start)].split())

    for title, following in zip(articles[:-2], articles[1:-1], strict=True):
        assert article(long, title, following).startswith(article(short, title, following)[:-20])


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("docling/normal_4pages", "good"),
        ("docling/skipped_1page", "suspect"),
        ("docling/skipped_2pages", "suspect"),
        ("derived/형법_no_tounicode", "unreadable"),
        ("derived/헌법_scanned_image_only", "unreadable"),
        ("derived/형법_enc_userpw_aes256", "unreadable"),
        ("derived/형법_enc_owneronly_noextract_aes128", "good"),
        ("law/형사소송법", "good"),
    ],
)
def test_the_verdict_on_real_files(real: Path, name: str, verdict: str) -> None:
    result = read_pdf(real / "pdf" / f"{name}.pdf", doc_id="d", source="s", settings=PdfSettings(ocr="never"))
    assert result.health.verdict == verdict
    assert (result.document is None) == (verdict == "unreadable")
    if verdict != "good":
        assert result.skipped
