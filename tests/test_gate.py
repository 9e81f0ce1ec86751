"""The gate: rules, the fitted regression, and the refusal of one that was fitted elsewhere."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log1p
from pathlib import Path

import numpy as np
import pytest

from configs.errors import UserError
from configs.evaluation import FittedGate, GateSettings, ParagraphLengthGate, ScoreFloorGate, SubjectsGate
from configs.schema import LexicalSettings
from corpora.records import Question
from eval.gate_fit import Example, fit, main_fit_gate
from eval.record import Digests
from rag.gate import Case, Circumstances, FittedDecider, GateFile, StaleGateError, gate_for, write_gate
from rag.gate_features import NAMES, Features, Found, Probe, features_of, is_negated
from rag.index import Index

HERE = Circumstances("index", "reader", "retrieval")
QUESTION = Question("q", "multiple_choice", "한국사", "대동법을 처음 실시한 왕은?", ("광해군", "영조"), 1)


def features(**changes: float) -> Features:
    return replace(features_of(QUESTION, Found(0.5, 0.1, 0.4), ()), **changes)


def file(**changes: object) -> GateFile:
    made = GateFile(
        features=NAMES, means=(0.0,) * len(NAMES), scales=(2.0,) * len(NAMES),
        coefficients=(0.0, 3.0, *(0.0,) * (len(NAMES) - 2)), intercept=-1.0, index="index", reader="reader",
        retrieval="retrieval", splits=("train",), items=("seen",), flips=30, fixed=20, penalty=1.0,
    )  # fmt: skip
    return made.model_copy(update=changes)


@pytest.mark.parametrize(
    ("settings", "question", "injects"),
    [
        (ScoreFloorGate(floor=0.5), QUESTION, True),
        (ScoreFloorGate(floor=0.51), QUESTION, False),
        (ParagraphLengthGate(kind="paragraph_length", longest=10), replace(QUESTION, paragraph="가" * 10), True),
        (ParagraphLengthGate(kind="paragraph_length", longest=10), replace(QUESTION, paragraph="가" * 11), False),
        (SubjectsGate(kind="subjects", subjects=("한국사",)), QUESTION, True),
        (SubjectsGate(kind="subjects", subjects=("경제",)), QUESTION, False),
    ],
)
def test_a_rule_decides_by_what_it_names(settings: GateSettings, question: Question, injects: bool) -> None:
    gate = gate_for(settings, HERE)
    assert gate.decide(Case(question, features())).inject == injects
    assert gate.name.startswith("rule: ")


def test_without_a_fitted_gate_its_rule_stands_in_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = FittedGate(path=tmp_path / "gate.json", otherwise=ScoreFloorGate(floor=0.3))
    gate = gate_for(settings, HERE)
    assert gate.name == "rule, as no gate is fitted: best score per letter at least 0.3"
    assert "python -m eval fit-gate" in caplog.text


def test_a_fitted_gate_is_the_logistic_function_of_standardised_features(tmp_path: Path) -> None:
    path = tmp_path / "gate.json"
    write_gate(path, file())
    gate = gate_for(FittedGate(path=path), HERE)
    decision = gate.decide(Case(QUESTION, features(top_score=0.5)))
    assert decision.value == pytest.approx(1 / (1 + exp(1 - 3 * 0.5 / 2)))
    assert not decision.inject
    assert gate.decide(Case(QUESTION, features(top_score=0.7))).inject
    assert gate.seen == {"seen"}


@pytest.mark.parametrize("what", ["index", "reader", "retrieval"])
def test_a_gate_fitted_elsewhere_is_refused_with_the_command_that_helps(tmp_path: Path, what: str) -> None:
    path = tmp_path / "gate.json"
    write_gate(path, file(**{what: "another"}))
    with pytest.raises(StaleGateError, match=r"another, found .* fit again: python -m eval fit-gate"):
        gate_for(FittedGate(path=path), HERE)


def test_a_file_that_is_no_gate_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gate.json"
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match="not a gate"):
        gate_for(FittedGate(path=path), HERE)


def test_features_are_what_is_known_before_the_answer() -> None:
    asked = replace(QUESTION, paragraph="가나다", box="ㄱ", question="옳지 않은 것은?")
    found = features_of(asked, Found(0.5, 0.1, 0.4), (np.log(0.7), np.log(0.3)))
    assert found.closed_margin == pytest.approx(0.4)
    assert (found.top_score, found.score_margin, found.agreement) == (0.5, 0.1, 0.4)
    assert (found.paragraph, found.is_negated, found.has_box, found.is_choice) == (log1p(3), 1.0, 1.0, 1.0)
    assert features_of(QUESTION, Found(0, 0, 0), ()).closed_margin == 0.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("옳지 않은 것은?", True),
        ("해당하지 않는 것은?", True),
        ("사실이 아닌 것은?", True),
        ("옳은 것은?", False),
        ("왕은?", False),
    ],
)
def test_questions_for_what_is_not_so_are_known_by_their_words(text: str, expected: bool) -> None:
    assert is_negated(replace(QUESTION, question=text)) == expected


def test_an_index_is_probed_in_both_fields_and_says_nothing_to_a_query_without_terms(sample_index: Index) -> None:
    probe = Probe(sample_index, LexicalSettings())
    found = probe.ask("대동법은 어디에서 처음 실시되었는가?")
    assert found.top_score > 0
    assert 0 <= found.score_margin <= 1
    assert 0 < found.agreement <= 1
    assert probe.ask("😀") == Found(0.0, 0.0, 0.0)


def examples(n: int) -> list[Example]:
    """Items whose passages help exactly where the index scores high."""
    generator = np.random.default_rng(1)
    made = []
    for number in range(n):
        score = float(generator.random())
        case = Case(replace(QUESTION, question_id=f"q{number:03}"), features(top_score=score))
        made.append(Example(case, closed=score < 0.4, retrieved=score >= 0.4))
    return made


DIGESTS = Digests(exam="exam", index="index", reader="reader", retrieval="retrieval")


def test_the_regression_learns_when_passages_help() -> None:
    fitted = fit(examples(200), DIGESTS, ("train",))
    gate = FittedDecider(fitted, Path("gate.json"))
    assert fitted.coefficients[NAMES.index("top_score")] > 0
    decisions = [(gate.decide(one.case).inject, one.retrieved) for one in examples(200)]
    assert sum(said == helps for said, helps in decisions) >= 180
    assert (fitted.index, fitted.reader, fitted.retrieval) == ("index", "reader", "retrieval")


def test_too_few_flips_are_refused_with_their_counts() -> None:
    one_sided = [replace(example, closed=False, retrieved=True) for example in examples(20)]
    with pytest.raises(UserError, match="passages fixed 20 and broke 0 of 20 items: too few"):
        fit(one_sided, DIGESTS, ("train",))


def test_a_gate_is_never_fitted_on_the_test_split() -> None:
    with pytest.raises(UserError, match="test split"):
        main_fit_gate(["--splits", "train,test"])
