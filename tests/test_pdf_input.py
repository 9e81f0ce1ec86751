"""Files as they come: empty, cut, locked, garbled, endless. Each gives a reason, none an exception."""

from __future__ import annotations

import random
import stat
from pathlib import Path

import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.constants import UserAccessPermissions

from configs.errors import UserError
from configs.pdf import PdfSettings
from configs.schema import SourceSettings
from corpora.pdf import PdfJob, PdfResult, read_pdf, read_pdf_cached, read_pdf_isolated, read_pdfs
from corpora.pdf.isolate import RESULT, read_isolated
from corpora.sources import reading_identity
from tests.pdfs import assembled, lines, write_pdf

SETTINGS = PdfSettings(workers=1)
SENTENCE = "이 문장은 시험을 위하여 쓴 것이다."


def read(path: Path, settings: PdfSettings = SETTINGS, password: str | None = None) -> PdfResult:
    return read_pdf(path, doc_id="d", source="s", settings=settings, password=password)


def reason(result: PdfResult) -> str:
    assert result.document is None
    assert result.skipped
    return result.skipped[0].reason


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write_pdf(tmp_path / "good.pdf", [lines(SENTENCE)])


def encrypted(good: Path, *, user: str, owner: str, may_copy: bool) -> Path:
    writer = PdfWriter(clone_from=PdfReader(good))
    allowed = UserAccessPermissions.all()
    if not may_copy:
        allowed &= ~UserAccessPermissions.EXTRACT
    writer.encrypt(user, owner, permissions_flag=allowed, algorithm="RC4-128")
    path = good.with_name("locked.pdf")
    writer.write(path)
    return path


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"PK\x03\x04 a zip", "not a PDF"),
        (b"<html>not found</html>", "not a PDF"),
        (b"%PDF-1.7\n", "damaged"),
        (b"%PDF-1.7\n1 0 obj\n" + b"[" * 100_000, "damaged"),
    ],
)
def test_what_is_no_pdf_is_said_to_be_none(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(content)
    assert said in reason(read(path))


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    assert "cannot be opened" in reason(read(tmp_path / "none.pdf"))


def test_a_truncated_file_gives_what_is_left_or_a_reason(good: Path) -> None:
    whole = good.read_bytes()
    for share in (0.1, 0.5, 0.9, 0.99):
        good.write_bytes(whole[: int(len(whole) * share)])
        result = read(good)
        assert result.document is not None or result.skipped


def test_an_encrypted_file_asks_for_its_password_and_opens_with_it(good: Path) -> None:
    path = encrypted(good, user="열쇠1234", owner="주인", may_copy=True)
    assert "--password" in reason(read(path))
    assert "does not open it" in reason(read(path, password="틀림"))
    for opened in (read(path, password="열쇠1234"), read(path, PdfSettings(password="열쇠1234"))):
        assert opened.document is not None
        assert opened.document.text == SENTENCE
        assert opened.health.is_encrypted


def test_what_the_owner_forbids_is_said_and_done_as_the_setting_says(good: Path) -> None:
    path = encrypted(good, user="", owner="주인", may_copy=False)
    result = read(path)
    assert result.document is not None
    assert "owner forbids" in result.health.advice
    assert "owner forbids" in reason(read(path, PdfSettings(owner_restricted="skip")))
    assert read(path, password="of another file").document == result.document


def test_text_without_a_map_to_unicode_is_kept_out(tmp_path: Path) -> None:
    garbled = "".join(chr(0x530 + n % 90) for n in range(200))
    path = write_pdf(tmp_path / "a.pdf", [lines(SENTENCE), lines(garbled[:60], garbled[60:120])])
    result = read(path)
    assert result.document is not None
    assert result.document.text == SENTENCE
    assert [page.verdict for page in result.health.pages] == ["good", "unreadable"]
    assert result.skipped[0].where.endswith("page 2")


def test_wrong_hangul_is_suspect_and_a_setting_keeps_it(tmp_path: Path) -> None:
    wrong = "묾푷 챀뎺뒋 뷮쳬킹 쀙즤읊 퓒쉚 칺몮 뒤픟 귌쑬 뾻쳙쌄"
    path = write_pdf(tmp_path / "a.pdf", [lines(SENTENCE), lines(wrong, wrong)])
    result = read(path)
    assert result.document is not None
    assert [page.verdict for page in result.health.pages] == ["good", "suspect"]
    assert "묾푷" not in result.document.text
    kept = read(path, PdfSettings(keep_suspect=True)).document
    assert kept is not None
    assert "묾푷" in kept.text


def test_a_picture_without_text_says_what_ocr_needs(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", [[]], picture=True)
    missing = PdfSettings(tesseract="no-such-program")
    result = read(path, missing)
    assert "OCR" in reason(result)
    assert "tesseract-ocr-kor" in result.health.advice
    with pytest.raises(UserError, match="not installed"):
        read(path, missing.model_copy(update={"ocr": "force"}))


def test_ocr_reads_a_picture_and_records_its_confidence(tmp_path: Path) -> None:
    rows = [
        "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext",
        "5\t1\t1\t1\t1\t1\t200\t300\t400\t40\t91.0\t그림에서",
        "5\t1\t1\t1\t1\t2\t620\t300\t400\t40\t89.0\t읽었다.",
    ]
    (tmp_path / "rows").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "words").write_text("그림에서 읽었다.\n", encoding="utf-8")
    program = tmp_path / "fake-tesseract"
    program.write_text(
        '#!/bin/sh\nif [ "$1" = --list-langs ]; then echo kor; exit; fi\n'
        f'cat >/dev/null; cp "{tmp_path}/words" "$2.txt"; cp "{tmp_path}/rows" "$2.tsv"\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    result = read(write_pdf(tmp_path / "a.pdf", [[]], picture=True), PdfSettings(tesseract=str(program)))
    assert result.document is not None
    assert result.document.text == "그림에서 읽었다."
    assert result.health.pages[0].confidence == 90.0
    assert result.health.pages[0].verdict == "repaired"


def test_a_file_over_the_time_limit_is_left_out_and_the_next_one_read(good: Path, tmp_path: Path) -> None:
    endless = write_pdf(tmp_path / "endless.pdf", [lines(*[SENTENCE] * 30)] * 5000)
    slow = PdfSettings(seconds=0.02, workers=1)
    assert "longer than 0.02 s" in reason(read_pdf_isolated(endless, doc_id="d", source="s", settings=slow))
    jobs = [PdfJob(path, path.name, "s") for path in (endless, good)]
    first, second = read_isolated(jobs, settings=PdfSettings(max_pages=10, workers=1))
    assert "max_pages" in first.skipped[0].reason
    assert second.document is not None


def test_a_long_file_read_by_several_processes_gives_the_same_bytes(tmp_path: Path) -> None:
    long = write_pdf(tmp_path / "a.pdf", [lines(*[f"{n}번 쪽의 {SENTENCE}"] * 20) for n in range(9)], picture=True)
    one, several = (
        read_pdf_isolated(long, doc_id="d", source="s", settings=PdfSettings(workers=workers, pages_at_once=2))
        for workers in (1, 2)
    )
    assert one.health.page_count == 9
    assert RESULT.dump_json(one) == RESULT.dump_json(several)


def test_pages_nested_in_themselves_and_deep_trees_end(tmp_path: Path) -> None:
    loop = tmp_path / "loop.pdf"
    loop.write_bytes(
        assembled([b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Count 9 /Kids [2 0 R 2 0 R] >>"])
    )
    deep = tmp_path / "deep.pdf"
    nodes = [b"<< /Type /Pages /Count 1 /Kids [%d 0 R] >>" % (n + 3) for n in range(3000)]
    deep.write_bytes(assembled([b"<< /Type /Catalog /Pages 2 0 R >>", *nodes]))
    for result in read_isolated([PdfJob(path, "d", "s") for path in (loop, deep)], settings=SETTINGS):
        assert result.document is None
        assert result.skipped


def test_the_cache_gives_what_was_read_under_the_new_name(good: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = read_pdf_cached(good, doc_id="a", source="s", settings=SETTINGS, cache_dir=cache)
    moved = good.rename(tmp_path / "moved.pdf")
    second = read_pdf_cached(moved, doc_id="b", source="s", settings=SETTINGS, cache_dir=cache)
    assert len(list(cache.iterdir())) == 1
    assert first.document is not None
    assert second.document is not None
    assert (second.document.doc_id, second.document.text) == ("b", first.document.text)
    assert second.health.path == str(moved)
    read_pdf_cached(moved, doc_id="b", source="s", settings=PdfSettings(tables=False), cache_dir=cache)
    assert len(list(cache.iterdir())) == 2


def test_another_password_or_ocr_is_another_reading_and_the_password_is_not_in_it() -> None:
    pdf = [SourceSettings(kind="pdf", path=Path("a.pdf"))]
    settings = [PdfSettings(), PdfSettings(password="열쇠"), PdfSettings(password="열쇠2"), PdfSettings(ocr="never")]
    found = [reading_identity(pdf, one) for one in settings]
    assert len(set(found)) == 4
    assert found == [reading_identity(pdf, one) for one in settings]
    assert reading_identity([SourceSettings(kind="sample")], settings[1]) == ""


def mutated(content: bytes, rng: random.Random) -> bytes:
    """The bytes with something overwritten, cut out, doubled or appended."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 3, 20, 200))):
        at = rng.randrange(len(changed))
        length = rng.choice((1, 1, 4, 64, 2000))
        match rng.randrange(4):
            case 0:
                changed[at : at + length] = rng.randbytes(length)
            case 1:
                del changed[at : at + length]
            case 2:
                changed[at:at] = changed[at : at + length]
            case _:
                changed[at] ^= 1 << rng.randrange(8)
        if len(changed) < 20:
            return bytes(changed)
    return bytes(changed)


def fuzz(sources: list[Path], folder: Path, *, count: int, settings: PdfSettings) -> list[PdfResult]:
    rng = random.Random(20260101)
    jobs = []
    for number in range(count):
        path = folder / f"{number}.pdf"
        path.write_bytes(mutated(sources[number % len(sources)].read_bytes(), rng))
        jobs.append(PdfJob(path, str(number), "fuzz"))
    return list(read_pdfs(jobs, settings=settings, cache_dir=folder / "cache"))


def test_random_damage_never_stops_the_reading(good: Path, tmp_path: Path) -> None:
    long = write_pdf(tmp_path / "long.pdf", [lines(*[SENTENCE] * 20)] * 6)
    results = fuzz([good, long], tmp_path, count=40, settings=PdfSettings(seconds=20, workers=2, pages_at_once=2))
    assert len(results) == 40
    assert all(result.document is not None or result.skipped for result in results)


@pytest.mark.realdata
def test_three_hundred_damaged_real_files_never_stop_the_reading(real: Path, tmp_path: Path) -> None:
    sources = [path for path in sorted((real / "pdf").rglob("*.pdf")) if "userpw" not in path.name]
    settings = PdfSettings(seconds=30, workers=2, memory_mib=2048, ocr="never")
    results = fuzz(sources, tmp_path, count=300, settings=settings)
    assert len(results) == 300
    assert all(result.document is not None or result.skipped for result in results)
    late = [result for result in results if result.skipped and "longer than" in result.skipped[0].reason]
    assert not late
