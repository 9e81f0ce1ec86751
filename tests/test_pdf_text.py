"""What comes out of a PDF: order, joined lines, furniture, headings, pages."""

from __future__ import annotations

from pathlib import Path

from configs.pdf import PdfSettings
from corpora.pdf import PdfResult, read_pdf
from corpora.records import Document, pages_of
from tests.pdfs import Text, lines, paragraph, write_pdf


def read(path: Path) -> PdfResult:
    return read_pdf(path, doc_id="d", source="s", settings=PdfSettings())


def document(path: Path) -> Document:
    found = read(path).document
    assert found is not None
    return found


def test_lines_of_a_paragraph_join_without_a_space_inside_a_word_and_with_one_between_words(tmp_path: Path) -> None:
    written = "이 책에서는 자료를 모으고 정리하는 방법을 설명하며 정보통신을 처음 배우는 사람도 어렵지 않게 읽을 수 있도록 하였다."
    for width in (17, 19, 22, 26, 30):
        page = paragraph(written, width=width)
        assert len(page) > 2
        assert document(write_pdf(tmp_path / "a.pdf", [page])).text == written


def test_left_column_is_read_before_the_right_one_and_a_title_before_both(tmp_path: Path) -> None:
    left = [f"왼쪽 {n}번째 줄은 이렇다." for n in "일이삼사"]
    right = [f"오른 {n}번째 줄은 이렇다." for n in "일이삼사"]
    page = [
        Text(60, 560, "두 단으로 나눈 쪽의 제목은 두 단을 가로지른다", 12),
        *[line for a, b in zip(lines(*left), lines(*right, x=220), strict=True) for line in (a, b)],
    ]
    text = document(write_pdf(tmp_path / "a.pdf", [page])).text
    places = [text.index(line) for line in left + right]
    assert places == sorted(places)
    assert text.startswith("두 단으로")


SYLLABLES = "가나다라마바사아자"
LONG = "이 {0}번 문장은 한 쪽에서 시작하여 다음 쪽에서 {0}번으로 끝나므로 머리말과 쪽 번호를 건너뛰어야 온전한 {0}번 문장이 된다."


def numbered(count: int) -> list[list[Text]]:
    """Pages with a running head that names the chapter on odd pages, a number below, and a sentence over each break."""
    pages = []
    for n in range(1, count + 1):
        head = "생활 속의 자료" if n % 2 == 0 else f"제{n // 4 + 1}장 자료와 만나다"
        before = [line.text for line in paragraph(LONG.format(SYLLABLES[n - 1]), width=26)]
        after = [line.text for line in paragraph(LONG.format(SYLLABLES[n]), width=26)]
        body = lines(*before[2:], *after[:2])
        pages.append([Text(50, 580, head, 8), *body, Text(200, 20, f"- {n} / {count} -", 8)])
    return pages


def test_running_heads_and_page_numbers_leave_the_text_and_sentences_run_over_pages(tmp_path: Path) -> None:
    result = read(write_pdf(tmp_path / "a.pdf", numbered(8)))
    assert result.document is not None
    text = result.document.text
    assert "생활 속" not in text
    assert "만나다" not in text
    assert "/" not in text
    assert all(LONG.format(syllable) in text for syllable in "나다라마바사아")
    assert [page.label for page in result.health.pages] == [str(n) for n in range(1, 9)]
    assert sum(page.heads for page in result.health.pages) == 16


def test_watermarks_leave_the_text_whether_set_level_or_at_an_angle(tmp_path: Path) -> None:
    """One leans over each page and differs from page to page; one stands level at one place, between the lines."""
    body = [[f"{n}쪽의 {syllable}번 문장은 이렇게 끝난다." for syllable in SYLLABLES] for n in range(6)]
    marks = [[Text(90, 120, f"배포금지사본{n}", 40, angle=45), Text(150, 430, "검토용", 8)] for n in range(6)]
    pages = [[*lines(*rows[:5]), *mark, *lines(*rows[5:], top=400)] for rows, mark in zip(body, marks, strict=True)]
    result = read(write_pdf(tmp_path / "a.pdf", pages))
    assert result.document is not None
    assert "배포금지" not in result.document.text
    assert "검토용" not in result.document.text
    assert all(text in result.document.text for rows in body for text in rows)
    assert [page.watermarks for page in result.health.pages] == [2] * 6


def test_vertical_text_is_said_to_be_vertical_and_kept_out(tmp_path: Path) -> None:
    # at 90 degrees pdfium takes a text for empty whose font has no outlines
    upright = [Text(300 - 20 * n, 540, "세로로쓴글은오른쪽에서왼쪽으로읽는다", angle=-89) for n in range(5)]
    result = read(write_pdf(tmp_path / "a.pdf", [lines("가로로 쓴 쪽은 그대로 읽는다."), upright]))
    assert result.document is not None
    assert result.document.text == "가로로 쓴 쪽은 그대로 읽는다."
    assert [page.verdict for page in result.health.pages] == ["good", "suspect"]
    assert "vertical" in result.health.pages[1].why


def test_a_caption_inside_a_paragraph_follows_it(tmp_path: Path) -> None:
    whole = LONG.format("가")
    rows = paragraph(whole, width=26)
    below = lines(*[row.text for row in rows[2:]], top=420)
    page = [*rows[:2], Text(90, 460, "그림 3. 문장 사이의 그림", 9), *below]
    text = document(write_pdf(tmp_path / "a.pdf", [page])).text
    assert text.split("\n") == [whole, "그림 3. 문장 사이의 그림"]


def test_every_offset_leads_to_the_page_that_bears_the_text(tmp_path: Path) -> None:
    pages = [[*lines(f"{n}쪽에만 있는 문장이다."), Text(200, 20, str(n + 10), 8)] for n in range(1, 6)]
    found = document(write_pdf(tmp_path / "a.pdf", pages))
    for n in range(1, 6):
        start = found.text.index(f"{n}쪽에만")
        (page,) = pages_of(found.pages, start, 10)
        assert (page.number, page.label) == (n, str(n + 10))


def test_a_table_of_contents_is_recognised_and_stays_out(tmp_path: Path) -> None:
    contents = lines("차례", *[f"{n}장 어떤 이야기 . . . . . . . . . . . . {n * 10}" for n in range(1, 6)])
    result = read(write_pdf(tmp_path / "a.pdf", [contents, lines("본문은 이 쪽에서 시작한다.")]))
    assert result.document is not None
    assert result.document.text == "본문은 이 쪽에서 시작한다."
    assert [page.is_contents for page in result.health.pages] == [True, False]


def test_articles_of_a_statute_become_headings_and_references_to_articles_do_not(tmp_path: Path) -> None:
    page = [
        *lines("제1장 총칙", x=60),
        *lines(
            "제1조(목적) 이 법은 시험을 목적으로 한다.",
            "제2조(정의) ① 시험이란 이런 것을 말한다. 이 경우 다음에",
            top=520,
        ),
        Text(60, 488, "제1조를 준용한다."),
        *lines("제3조(벌칙) 벌은 없다.", top=472),
    ]
    found = document(write_pdf(tmp_path / "a.pdf", [page]))
    assert [heading.title for heading in found.headings] == ["제1장 총칙", "제1조(목적)", "제2조(정의)", "제3조(벌칙)"]
    for heading in found.headings:
        assert found.text[heading.start :].startswith(heading.title + "\n")


def test_footnotes_follow_the_sentence_that_runs_over_the_page(tmp_path: Path) -> None:
    whole = LONG.format("가")
    rows = paragraph(whole, width=26)
    first = [*rows[:2], Text(50, 60, "1) 각주는 작은 글씨로 쓴다.", 7)]
    second = [*lines(*[row.text for row in rows[2:]]), *lines("다음 문단은 여기에서 시작한다.", top=460)]
    text = document(write_pdf(tmp_path / "a.pdf", [first, second])).text
    assert text.split("\n") == [whole, "1) 각주는 작은 글씨로 쓴다.", "다음 문단은 여기에서 시작한다."]


def test_spread_jamo_ligatures_and_dots_are_repaired_and_compatibility_jamo_and_hanja_kept(tmp_path: Path) -> None:
    spread = "\u1112\u1161\u11ab\u1100\u1173\u11af"
    page = lines(f"{spread}은 과학ㆍ기술과 \ufb01le의 글자이고 ㄱ과 ㅏ, 韓字는 그대로이다.")
    text = document(write_pdf(tmp_path / "a.pdf", [page])).text
    assert text == "한글은 과학·기술과 file의 글자이고 ㄱ과 ㅏ, 韓字는 그대로이다."


def test_words_without_spaces_get_them(tmp_path: Path) -> None:
    glued = [
        "대한민국의주권은국민에게있고모든권력은국민으로부터나온다",
        "모든국민은법앞에평등하며누구든지차별을받지아니한다고한다",
        "국가는전통문화의계승과발전에노력하여야한다고정하고있다",
    ]
    result = read(write_pdf(tmp_path / "a.pdf", [lines(*glued)]))
    assert result.document is not None
    assert "모든 권력은 국민으로부터 나온다" in result.document.text
    assert result.health.pages[0].verdict == "repaired"
