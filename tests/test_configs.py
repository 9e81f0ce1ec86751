"""Settings: every file is valid, and every fault is named with its place and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from configs import Settings, UserError, load

CONFIGS = Path(__file__).resolve().parents[1] / "configs"


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda path: str(path.relative_to(CONFIGS)))
def test_every_settings_file_is_valid_and_holds_only_differences(path: Path) -> None:
    assert load(path) != Settings()
    assert yaml.safe_load(path.read_text(encoding="utf-8"))


def test_without_file_and_overrides_the_defaults_hold() -> None:
    assert load() == Settings()


def test_overrides_are_applied_in_order_and_typed() -> None:
    settings = load(None, ["rag.top_k=3", "rag.lexical.idf=okapi", "rag.top_k=7"])
    assert (settings.rag.top_k, settings.rag.lexical.idf) == (7, "okapi")


def test_paths_in_a_file_count_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("rag: {index: there}\ncorpora: {sources: [{kind: wiki, path: dump.xml}]}\n", encoding="utf-8")
    settings = load(path)
    assert settings.rag.index == tmp_path / "there"
    assert settings.corpora.sources[0].path == tmp_path / "dump.xml"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("rag: {top_kk: 3}", ["top_kk", "did you mean top_k", "lexical"]),
        ("rag: {top_k: many}", ["rag.top_k", "'many'", "integer"]),
        ("rag: {top_k: 0}", ["rag.top_k", "0", "greater than or equal to 1"]),
        ("nonsense: {}", ["nonsense", "rag", "corpora"]),
        ("corpora: {sources: [{kind: wikki}]}", ["corpora.sources.0.kind", "'wikki'", "'wiki'"]),
        ("- a list", ["list", "sections"]),
        ("rag: {top_k: 3", ["not YAML"]),
    ],
)
def test_a_fault_names_file_key_value_and_what_is_allowed(tmp_path: Path, text: str, parts: list[str]) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load(path)
    for part in [str(path), *parts]:
        assert part in str(caught.value)


@pytest.mark.parametrize("override", ["rag.top_k", "=3", "rag.top_k=[", "rag.top_k.x=1", "rag.lexical=3"])
def test_a_malformed_override_is_refused(override: str) -> None:
    with pytest.raises(UserError, match="--set"):
        load(None, [override, "rag.top_k=5"] if override != "rag.top_k.x=1" else ["rag.top_k=5", override])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.yaml"):
        load(tmp_path / "none.yaml")
