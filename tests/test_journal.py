"""The journal: what was answered is kept through kill -9, found again, never stale, and written by one process only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.errors import UserError
from configs.reader import PromptSettings
from corpora.records import Question
from eval.journal import Entry, Journal, answer_key
from rag.prompt import render
from rag.reader import Prompt, digest_of
from rag.tokens import EstimatedWording
from tests.conftest import ROOT


def entry(name: str, *, raw: str = "", logprobs: tuple[float, ...] = (-0.1, -2.0)) -> Entry:
    return Entry(
        key=digest_of({"name": name}),
        question_id=name,
        arm="closed",
        channel="labels",
        reader="r",
        prompt="p",
        number=1,
        text=None,
        logprobs=logprobs,
        raw=raw,
        cited=(),
        prompt_tokens=10,
        output_tokens=0,
        is_cut=False,
        seconds=0.5,
    )


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=30)), unique_by=lambda pair: pair[0], max_size=6))
def test_what_was_appended_is_found_again(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    entries = [entry(name, raw=raw) for name, raw in pairs]
    with Journal(path) as journal:
        for one in entries:
            journal.append(one)
    with Journal(path) as journal:
        assert len(journal) == len(entries)
        assert [journal.find(one.key) for one in entries] == entries


def test_unparsed_scores_and_infinities_survive(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.jsonl") as journal:
        journal.append(entry("inf", logprobs=(float("-inf"), 0.0)))
        journal.append(entry("nan", logprobs=(float("nan"),)))
    with Journal(tmp_path / "j.jsonl") as journal:
        found = journal.find(entry("inf").key)
        assert found is not None
        assert found.logprobs == (float("-inf"), 0.0)
        assert journal.find(entry("nan").key) is not None


@pytest.mark.parametrize("kept", [0, 1, 50])
def test_a_torn_last_line_is_cut_off_and_the_next_one_is_whole(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "j.jsonl"
    with Journal(path) as journal:
        journal.append(entry("first"))
    whole = path.read_bytes()
    path.write_bytes(whole + entry("second").model_dump_json().encode()[:kept])
    with Journal(path) as journal:
        assert journal.find(entry("second").key) is None
        assert path.read_bytes() == whole
        journal.append(entry("third"))
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2
    with Journal(path) as journal:
        assert journal.find(entry("third").key) == entry("third")


def test_a_line_damaged_in_the_middle_counts_as_not_there_and_the_rest_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "j.jsonl"
    with Journal(path) as journal:
        for name in ("a", "b", "c"):
            journal.append(entry(name))
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = b"\x00" * (len(lines[1]) - 1) + b"\n"
    path.write_bytes(b"".join(lines))
    with Journal(path) as journal:
        assert [journal.find(entry(name).key) is None for name in ("a", "b", "c")] == [False, True, False]
    assert "j.jsonl:2: not an answer" in caplog.text


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    with Journal(path), pytest.raises(UserError, match="another process is writing this journal"):
        Journal(path)
    Journal(path).close()


def test_every_arm_has_its_line_and_equal_prompts_one_answer(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.jsonl") as journal:
        first = entry("q")
        journal.append(first)
        assert journal.has(first.key, "closed")
        assert not journal.has(first.key, "gated")
        journal.append(first.model_copy(update={"arm": "gated"}))
        assert journal.has(first.key, "gated")
        assert journal.find(first.key) == first


_WRITER = """
    import sys
    from pathlib import Path
    from eval.journal import Journal
    from tests.test_journal import entry
    with Journal(Path(sys.argv[1])) as journal:
        for number in range(1_000_000):
            journal.append(entry(f"item-{number}", raw="대동법 " * 50))
            print(number, flush=True)
"""


def test_kill_9_loses_nothing_that_was_reported_as_written(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    writer = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_WRITER), str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    reported = [int(writer.stdout.readline()) for _ in range(200)]
    os.kill(writer.pid, signal.SIGKILL)
    reported += [int(line) for line in writer.stdout.read().splitlines() if line.isdecimal()]
    writer.wait()
    writer.stdout.close()
    started = time.monotonic()
    with Journal(path) as journal:  # and the dead process's lock is gone
        assert all(journal.find(entry(f"item-{number}").key) is not None for number in reported)
        assert len(journal) - len(reported) <= 1
    assert time.monotonic() - started < 30


def prompt(question: Question, **changes: int) -> Prompt:
    return render(question, [], settings=PromptSettings(**changes), channel="labels", wording=EstimatedWording(1 << 20))


def test_the_key_changes_with_everything_that_determines_the_answer_and_with_nothing_else() -> None:
    question = Question("q", "multiple_choice", "한국사", "대동법을 처음 실시한 왕은?", ("광해군", "영조"), 1)
    key = answer_key(prompt(question), "reader")
    other_answer = Question("q", "multiple_choice", "한국사", "대동법을 처음 실시한 왕은?", ("광해군", "영조"), 2)
    assert answer_key(prompt(other_answer), "reader") == key  # what is right does not change what is answered
    turned = Question("q", "multiple_choice", "한국사", "대동법을 처음 실시한 왕은?", ("영조", "광해군"), 1)
    asked = Question("q", "multiple_choice", "한국사", "균역법을 처음 실시한 왕은?", ("광해군", "영조"), 1)
    renamed = Question("q2", "multiple_choice", "한국사", "대동법을 처음 실시한 왕은?", ("광해군", "영조"), 1)
    keys = {key, *(answer_key(prompt(one), "reader") for one in (turned, asked, renamed))}
    keys |= {answer_key(prompt(question), "other reader")}
    assert len(keys) == 5
