"""The READMEs tell the truth about the tree and the commands."""

from __future__ import annotations

import re

import pytest

from tests.tree import READMES, ROOT, replaced


@pytest.mark.parametrize("name", READMES)
def test_the_tree_in_the_readme_is_the_tree_on_disk(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert replaced(text) == text, "run: python tests/tree.py"


@pytest.mark.parametrize("name", READMES)
def test_every_link_of_the_readme_leads_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert target.startswith("http") or (ROOT / target).exists(), target


def test_both_readmes_show_the_same_commands() -> None:
    commands = [
        re.findall(r"^(?:make|python -m) .*?(?=\s{2,}#|$)", (ROOT / name).read_text(encoding="utf-8"), re.M)
        for name in READMES
    ]
    assert commands[0] == commands[1]
