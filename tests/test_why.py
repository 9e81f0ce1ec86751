"""The one-shot accounts `why` and `miss`: what they print adds up, and scripts get it as one JSON object."""

from __future__ import annotations

import json
from typing import Any

import pytest

from configs.errors import UserError
from rag.__main__ import main
from rag.index import Index

QUESTION = "대동법은 어디에서 처음 실시되었는가?"


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_terms_add_up_to_the_lexical_score_and_shares_to_the_fused_one(
    sample_index: Index, capsys: pytest.CaptureFixture[str]
) -> None:
    found = _json(capsys, "why", QUESTION, "daedongbeop#2", "--index", str(sample_index.path), "--mode", "hybrid")
    assert sum(term["score"] for term in found["terms"]) == pytest.approx(found["score"])
    fused = found["fused"]
    assert sum(share["share"] for share in fused["shares"]) == pytest.approx(fused["hit"]["score"])
    lexical = next(share for share in fused["shares"] if share["part"] == "lexical")
    assert (lexical["rank"], lexical["score"]) == (found["lexical_rank"], pytest.approx(found["score"]))
    assert "실시" in {lack["term"] for lack in found["lacking"]}
    assert [word["word"] for word in found["words"]] == QUESTION.split()


def test_miss_follows_a_passage_named_by_its_text(sample_index: Index, capsys: pytest.CaptureFixture[str]) -> None:
    where = ("--index", str(sample_index.path), "--set", "rag.top_k=1")
    found = _json(capsys, "miss", QUESTION, "16세기에  조광조와 이이가", *where)
    assert found["passage_id"] == "daedongbeop#1"
    stages = {stage["stage"]: stage for stage in found["stages"]}
    assert list(stages) == ["morphemes alone", "bigrams alone", "lexical", "dense", "whole search"]
    assert stages["lexical"]["rank"] == stages["whole search"]["rank"] > 1
    assert stages["lexical"]["score"] < stages["lexical"]["last"]
    assert found["rescues"][0]["rank"] < stages["lexical"]["rank"]


def test_an_unknown_passage_is_named(sample_index: Index) -> None:
    with pytest.raises(UserError, match="nothing#7"):
        main(["explain", QUESTION, "nothing#7", "--index", str(sample_index.path)])
