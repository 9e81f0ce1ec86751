"""docs/langchain.md says what the code does: its examples are run, in their order."""

from __future__ import annotations

import doctest
import re

import pytest

from rag.index import Index
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "langchain.md"


def test_every_example_of_the_page_gives_what_the_page_shows(sample_index: Index) -> None:
    pytest.importorskip("langchain_classic", reason="the page shows it: pip install langchain-classic")
    text = PAGE.read_text(encoding="utf-8").replace("indexes/default", str(sample_index.path))
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    page = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, PAGE.name, str(PAGE), 0)
    assert len(page.examples) > 30
    said: list[str] = []
    found = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(page, out=said.append)
    assert found.failed == 0, "".join(said)
