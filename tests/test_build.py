"""Building: resumable, incremental, byte for byte the same, and never at the cost of the index that was there."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from configs.errors import UserError
from configs.schema import SourceSettings
from corpora.files import fingerprint
from index_build.build import build
from index_build.manifest import NAME, read_manifest
from rag.index import Index
from tests.conftest import ROOT, Silence, run, settings_for, write_jsonl

WORDS = ["광해군", "대동법", "경기도", "공납", "토지", "면적", "쌀", "선혜청", "이원익", "방납", "폐단", "개혁", "숙종"]


def records(count: int, first: int = 0) -> list[dict[str, object]]:
    """Documents that differ, of a few sentences each."""
    made: list[dict[str, object]] = []
    for number in range(first, first + count):
        chosen = [WORDS[(number * 7 + step * (number % 5 + 1)) % len(WORDS)] for step in range(12)]
        sentences = [f"{chosen[i]}은 {chosen[i + 1]}에서 {number}년에 {chosen[i + 2]}을 바꾸었다." for i in range(10)]
        made.append({"id": f"d{number}", "title": f"{chosen[0]} {number}", "text": " ".join(sentences)})
    return made


def build_jsonl(path: Path, out: Path) -> bool:
    """Build an index of a JSON-lines file; whether there was nothing to do."""
    return build(settings_for(SourceSettings(kind="jsonl", path=path), out), Silence()).unchanged


def data_digests(index: Path) -> dict[str, str]:
    """The digest of every data file of an index."""
    folder = index / read_manifest(index).folder
    return {path.name: fingerprint(path) for path in sorted(folder.iterdir())}


def test_an_unchanged_build_does_nothing(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "c.jsonl", records(20))
    assert not build_jsonl(path, tmp_path / "i")
    before = (tmp_path / "i" / NAME).read_bytes()
    assert build_jsonl(path, tmp_path / "i")
    assert (tmp_path / "i" / NAME).read_bytes() == before


def test_an_incremental_index_equals_a_full_one_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    write_jsonl(path, records(30))
    build_jsonl(path, tmp_path / "a" / "i")
    write_jsonl(path, [*records(5, 100), *records(25)])  # five added in front, five deleted
    build_jsonl(path, tmp_path / "a" / "i")
    build_jsonl(path, tmp_path / "b" / "i")  # with a cache of its own
    assert data_digests(tmp_path / "a" / "i") == data_digests(tmp_path / "b" / "i")
    assert (tmp_path / "a" / "i" / NAME).read_bytes() == (tmp_path / "b" / "i" / NAME).read_bytes()


def test_copies_are_dropped_and_counted_with_their_reason(tmp_path: Path) -> None:
    made = records(10)
    text = str(made[0]["text"])
    made.append({"id": "exact", "title": made[0]["title"], "text": text})
    made.append({"id": "near", "title": "다른 제목", "text": text + " 끝."})
    made.append({"id": "empty", "title": "빈 문서", "text": "  "})
    build_jsonl(write_jsonl(tmp_path / "c.jsonl", made), tmp_path / "i")
    counts = read_manifest(tmp_path / "i").counts
    assert counts.skipped == {
        "exact copy of an earlier document": 1,
        "near duplicate of an earlier document": 1,
        "no text": 1,
    }
    assert counts.documents + sum(counts.skipped.values()) == 13
    assert not Index(tmp_path / "i").store.rows_of("near")


def test_beir_documents_are_never_dropped_as_copies(tmp_path: Path) -> None:
    made: list[dict[str, object]] = [{"_id": f"d{n}", "title": "", "text": "같은 글이다. " * 30} for n in range(3)]
    write_jsonl(tmp_path / "corpus.jsonl", made)
    out = tmp_path / "i"
    build(settings_for(SourceSettings(kind="beir", path=tmp_path), out), Silence())
    assert read_manifest(out).counts.documents == 3


def test_a_broken_line_is_counted_and_strict_stops_there(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "c.jsonl", records(3))
    with path.open("a", encoding="utf-8") as stream:
        stream.write('{"id": \n')
    done = run("index_build", "--source", f"jsonl:{path}", "--out", tmp_path / "i", "--set", f"index_build.cache={tmp_path / 'cache'}")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "left out: 1 x broken JSON" in done.stdout
    assert f"{path}:4" in done.stdout
    refused = run("index_build", "--source", f"jsonl:{path}", "--out", tmp_path / "j", "--strict")
    assert refused.returncode == 2
    assert f"{path}:4" in refused.stderr
    assert not (tmp_path / "j" / NAME).exists()


def test_documents_in_other_encodings_are_counted(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    for encoding in ("utf-8", "cp949", "utf-16"):
        (tmp_path / "texts" / f"{encoding}.txt").write_bytes(f"{encoding}로 적은 글이다.".encode(encoding))
    out = tmp_path / "i"
    build(settings_for(SourceSettings(kind="text", path=tmp_path / "texts"), out), Silence())
    assert read_manifest(out).counts.converted == {"cp949": 1, "utf-16": 1}


def test_a_duplicate_id_names_both_places(tmp_path: Path) -> None:
    first = write_jsonl(tmp_path / "a.jsonl", records(2))
    second = write_jsonl(tmp_path / "b.jsonl", records(1))
    done = run("index_build", "--source", f"jsonl:{first}", "--source", f"jsonl:{second}", "--out", tmp_path / "i")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "'d0'" in done.stderr
    assert "a.jsonl" in done.stderr
    assert "b.jsonl" in done.stderr


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("jsonl:/nowhere/at/all.jsonl", "no such file"),
        ("wikki:x", "unknown kind"),
        ("wiki", "a path is wanted"),
    ],
)
def test_a_wrong_source_is_one_line_and_leaves_nothing(tmp_path: Path, argument: str, message: str) -> None:
    done = run("index_build", "--source", argument, "--out", tmp_path / "i")
    assert (done.returncode, message in done.stderr, done.stderr.count("\n")) == (2, True, 1)
    assert not (tmp_path / "i").exists()


def test_sources_without_any_text_are_refused(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "c.jsonl", [{"id": "1", "text": ""}])
    with pytest.raises(UserError, match="no document with text"):
        build_jsonl(path, tmp_path / "i")


@pytest.mark.parametrize("name", ["morphemes.rows.npy", "passages.arrow", "bigrams.keys.npy"])
def test_a_flipped_byte_is_refused_with_the_command_that_repairs(tmp_path: Path, name: str) -> None:
    path = write_jsonl(tmp_path / "c.jsonl", records(5))
    build_jsonl(path, tmp_path / "i")
    file = tmp_path / "i" / read_manifest(tmp_path / "i").folder / name
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(UserError, match=rf"{name}: damaged.*python -m index_build"):
        Index(tmp_path / "i")
    assert not build_jsonl(path, tmp_path / "i")  # the repair
    Index(tmp_path / "i")


def test_a_missing_file_and_a_missing_or_foreign_manifest_are_refused(tmp_path: Path) -> None:
    build_jsonl(write_jsonl(tmp_path / "c.jsonl", records(5)), tmp_path / "i")
    manifest = read_manifest(tmp_path / "i")
    (tmp_path / "i" / manifest.folder / "documents.arrow").unlink()
    with pytest.raises(UserError, match=r"documents\.arrow: missing"):
        Index(tmp_path / "i")
    (tmp_path / "i" / NAME).write_text('{"format": 0}', encoding="utf-8")
    with pytest.raises(UserError, match="another version"):
        Index(tmp_path / "i")
    (tmp_path / "i" / NAME).write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match="damaged"):
        Index(tmp_path / "i")
    with pytest.raises(UserError, match="no index here"):
        Index(tmp_path / "nowhere")


def test_an_index_of_another_analyser_is_refused(tmp_path: Path) -> None:
    build_jsonl(write_jsonl(tmp_path / "c.jsonl", records(5)), tmp_path / "i")
    path = tmp_path / "i" / NAME
    text = path.read_text(encoding="utf-8")
    version = read_manifest(tmp_path / "i").recipe.analyser["kiwipiepy"]
    path.write_text(text.replace(f'"kiwipiepy": "{version}"', '"kiwipiepy": "0.1.0"'), encoding="utf-8")
    with pytest.raises(UserError, match=r"built with kiwipiepy 0\.1\.0.*python -m index_build"):
        Index(tmp_path / "i")


@pytest.mark.parametrize("kind", ["analysis", "parts"])
def test_a_damaged_cache_file_is_made_again(kind: str, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "c.jsonl", records(5))
    build_jsonl(path, tmp_path / "i")
    before = data_digests(tmp_path / "i")
    [segment] = (tmp_path / "cache" / kind).rglob("*.arrow")
    segment.write_bytes(segment.read_bytes()[:-7] + b"damaged")
    (tmp_path / "i" / NAME).unlink()
    build_jsonl(path, tmp_path / "i")
    assert data_digests(tmp_path / "i") == before


def command(path: Path, out: Path) -> list[str]:
    """A build as a user runs it, with a cache beside the index."""
    cache = f"index_build.cache={out.parent / 'cache'}"
    return [sys.executable, "-m", "index_build", "--source", f"jsonl:{path}", "--out", str(out), "--set", cache, "--set", "index_build.workers=2"]  # fmt: skip


def _work(out: Path, pattern: str) -> Callable[[], bool]:
    return lambda: any(out.parent.glob(pattern))


@pytest.mark.parametrize("moment", ["i/.building/batch-*", "cache/analysis/*/*.arrow", "i/.building/data/*.arrow"])
def test_a_build_killed_at_any_point_keeps_the_former_index_and_resumes(tmp_path: Path, moment: str) -> None:
    out, path = tmp_path / "i", tmp_path / "c.jsonl"
    build_jsonl(write_jsonl(path, records(3)), out)
    for old in (tmp_path / "cache").rglob("*.arrow"):
        old.unlink()
    write_jsonl(path, records(2500))
    reached = _work(out, moment)
    process = subprocess.Popen(command(path, out), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not reached():
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(Index(out).store) == 3  # the former index
    subprocess.run(command(path, out), cwd=ROOT, check=True, capture_output=True)
    assert read_manifest(out).counts.documents == 2500
    assert not (out / ".building").exists()


def test_a_full_disk_is_one_line_and_keeps_the_former_index(tmp_path: Path) -> None:
    out, path = tmp_path / "i", tmp_path / "c.jsonl"
    build_jsonl(write_jsonl(path, records(3)), out)
    write_jsonl(path, records(400))
    limited = subprocess.run(
        command(path, out),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    assert (limited.returncode, limited.stderr.count("error:")) == (2, 1), limited.stderr
    assert "Traceback" not in limited.stderr
    assert len(Index(out).store) == 3


def test_two_builds_of_one_folder_are_refused(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "c.jsonl", records(3000))
    first = subprocess.Popen(
        command(path, tmp_path / "i"), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not (tmp_path / "i" / ".building").exists():
        time.sleep(0.01)
    second = subprocess.run(command(path, tmp_path / "i"), cwd=ROOT, capture_output=True, text=True, check=False)
    first.kill()
    first.wait()
    assert (second.returncode, "another build" in second.stderr) == (2, True)


def test_a_ten_megabyte_line_and_an_empty_document_are_survived(tmp_path: Path) -> None:
    long = "대동법은 공납을 쌀로 내게 한 제도이다. " * 4000
    path = write_jsonl(tmp_path / "c.jsonl", [{"id": "long", "text": long}, {"id": "none", "text": ""}, {"id": "nul", "text": "\0\0"}])  # fmt: skip
    build_jsonl(path, tmp_path / "i")
    index = Index(tmp_path / "i")
    assert len(index.store) == len(index.store.rows_of("long")) > 100
    assert read_manifest(tmp_path / "i").counts.skipped == {"no text": 2}


def test_no_worker_outlives_a_killed_build(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "c.jsonl", records(3000))
    process = subprocess.Popen(command(path, tmp_path / "i"), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
    while process.poll() is None and not any((tmp_path / "i").glob(".building/batch-*")):
        time.sleep(0.01)
    group = os.getpgid(process.pid)
    process.kill()
    process.wait()
    for _ in range(600):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.killpg(group, signal.SIGKILL)
    pytest.fail("a worker is still there a minute after its parent was killed")
