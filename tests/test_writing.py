"""What a run writes appears whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from corpora.writing import in_place_of, write_text


def test_a_file_that_is_not_finished_leaves_the_old_one_and_no_rest(tmp_path: Path) -> None:
    write_text(tmp_path / "new" / "file", "old")
    with pytest.raises(KeyError), in_place_of(tmp_path / "new" / "file") as temporary:
        temporary.write_text("half", encoding="utf-8")
        raise KeyError
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file"]
    assert (tmp_path / "new" / "file").read_text(encoding="utf-8") == "old"


def test_a_folder_takes_the_place_of_the_one_that_was_there(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with in_place_of(tmp_path / "folder") as temporary:
            temporary.mkdir()
            (temporary / name).write_text(name, encoding="utf-8")
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == ["folder", "folder/two"]
    with pytest.raises(KeyError), in_place_of(tmp_path / "folder") as temporary:
        temporary.mkdir()
        raise KeyError
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == ["folder", "folder/two"]
