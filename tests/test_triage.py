"""Triage, hits and comparisons over items written by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.evaluation import ArmName
from eval.gate_report import gate_report
from eval.items import Cause, Item, Outcome, Rotations, Traits
from eval.positions import positions
from eval.summary import ArmScore, Dice, arm_score, arms_of, comparisons, groups
from eval.triage import CAUSES, cause_of, hit_table, shares, with_causes
from eval.verdict import effect, verdict, warnings

DICE = Dice(resamples=500, seed=1)


def traits(subject: str = "한국사", choices: int = 5) -> Traits:
    return Traits(
        kind="multiple_choice", subject=subject, split="test", choices=choices, is_negated=False, has_box=False,
        paragraph=0, needs_knowledge="retrieval", hops=1,
    )  # fmt: skip


def outcome(
    arm: ArmName,
    *,
    right: bool,
    answer: str | None = "1",
    shows: bool | None = None,
    found: bool | None = None,
    injected: bool | None = None,
    gate: float | None = None,
) -> Outcome:
    return Outcome(
        arm=arm, answer=answer, is_right=right, score=float(right), confidence=0.5, shows_gold=shows, found_gold=found,
        injected=injected, gate=gate,
    )  # fmt: skip


def item(name: str, *outcomes: Outcome, subject: str = "한국사", choices: int = 5) -> Item:
    return Item(name, "d", 1, traits(subject, choices), outcomes)


def exam(both: int, fixed: int, broken: int, neither: int, *, arms: tuple[ArmName, ArmName]) -> list[Item]:
    cells = [(True, True)] * both + [(False, True)] * fixed + [(True, False)] * broken + [(False, False)] * neither
    return [
        item(f"q{number}", outcome(arms[0], right=before), outcome(arms[1], right=after))
        for number, (before, after) in enumerate(cells)
    ]


@pytest.mark.parametrize(
    ("retrieved", "closed", "gold", "cause"),
    [
        (outcome("retrieved", right=True), None, None, None),
        (outcome("retrieved", right=False, answer=None, shows=True), True, False, "unparsed"),
        (outcome("retrieved", right=False), True, None, "not judged"),
        (outcome("retrieved", right=False, shows=True, found=True), True, True, "distracted"),
        (outcome("retrieved", right=False, shows=True, found=True), False, False, "unanswerable"),
        (outcome("retrieved", right=False, shows=True, found=True), False, True, "reader ignored"),
        (outcome("retrieved", right=False, shows=False, found=True), False, True, "passage cut"),
        (outcome("retrieved", right=False, shows=False, found=False), False, True, "retriever missed"),
        (outcome("retrieved", right=False, shows=False, found=False), None, None, "retriever missed"),
    ],
)
def test_the_cause_of_a_wrong_answer(
    retrieved: Outcome, closed: bool | None, gold: bool | None, cause: Cause | None
) -> None:
    without = None if closed is None else outcome("closed", right=closed)
    judged = None if gold is None else outcome("gold", right=gold)
    assert cause_of(retrieved, without, judged) == cause


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.sampled_from([True, False, None])), min_size=1, max_size=30))
def test_every_wrong_answer_has_one_cause_and_the_shares_add_up(rows: list[tuple[bool, bool, bool | None]]) -> None:
    items = [
        with_causes(
            item(
                f"q{number}",
                outcome("closed", right=closed),
                outcome("retrieved", right=right, shows=shows, found=shows),
            )
        )
        for number, (closed, right, shows) in enumerate(rows)
    ]
    found = shares(items, "retrieved")
    wrong = sum(not right for _, right, _ in rows)
    assert sum(share.n for share in found) == wrong
    assert sum(share.share for share in found) == pytest.approx(1.0 if wrong else 0.0)
    assert [share.cause for share in found] == [c for c in CAUSES if c in {share.cause for share in found}]


def test_hits_against_right_answers_over_judged_items_only() -> None:
    items = [
        item("a", outcome("retrieved", right=True, shows=True)),
        item("b", outcome("retrieved", right=False, shows=True)),
        item("c", outcome("retrieved", right=True, shows=False)),
        item("d", outcome("retrieved", right=True)),
    ]
    table = hit_table(items, "retrieved")
    assert table is not None
    assert (table.hit_right, table.hit_wrong, table.miss_right, table.miss_wrong) == (1, 1, 1, 0)
    assert hit_table([item("d", outcome("retrieved", right=True))], "retrieved") is None


def test_an_effect_is_claimed_only_where_interval_and_test_agree() -> None:
    clear = comparisons(exam(40, 30, 5, 25, arms=("closed", "retrieved")), DICE)[0]
    assert effect(clear) == "helped"
    assert effect(comparisons(exam(40, 5, 30, 25, arms=("closed", "retrieved")), DICE)[0]) == "hurt"
    assert effect(comparisons(exam(40, 12, 10, 38, arms=("closed", "retrieved")), DICE)[0]) == "not shown"
    few = comparisons(exam(90, 5, 0, 5, arms=("closed", "retrieved")), DICE)[0]
    assert few.ci95.low > 0  # the bootstrap alone would claim it
    assert few.mcnemar_p == 0.0625
    assert effect(few) == "not shown"


@pytest.mark.parametrize(
    ("fixed", "broken", "begins"),
    [(30, 5, "Retrieval helped: "), (5, 30, "Retrieval hurt: "), (11, 9, "No effect of retrieval is shown: ")],
)
def test_the_verdict_says_what_the_interval_shows(fixed: int, broken: int, begins: str) -> None:
    items = exam(40, fixed, broken, 25, arms=("closed", "retrieved"))
    arms: dict[ArmName, ArmScore] = {"closed": arm_score(items, "closed"), "retrieved": arm_score(items, "retrieved")}
    said = verdict(arms, comparisons(items, DICE))
    assert said.startswith(begins)
    assert said.count(". ") == 0  # one sentence


def test_help_that_random_passages_give_as_well_is_not_called_the_passages_content() -> None:
    rows = [(False, True, True)] * 30 + [(True, True, True)] * 30 + [(False, False, False)] * 20
    items = [
        item(f"q{n}", outcome("closed", right=a), outcome("retrieved", right=b), outcome("random", right=c))
        for n, (a, b, c) in enumerate(rows)
    ]
    arms: dict[ArmName, ArmScore] = {arm: arm_score(items, arm) for arm in arms_of(items)}
    assert "not shown to do better than random ones" in verdict(arms, comparisons(items, DICE))


def test_an_arm_below_chance_raises_an_alarm_and_one_at_chance_does_not() -> None:
    below = [item(f"q{n}", outcome("closed", right=n < 4), choices=4) for n in range(100)]
    at = [item(f"q{n}", outcome("closed", right=n < 22), choices=4) for n in range(100)]
    assert arm_score(below, "closed").is_below_chance
    assert not arm_score(at, "closed").is_below_chance
    assert "below chance" in " ".join(warnings({"closed": arm_score(below, "closed")}, []))


def test_unparsed_answers_count_as_wrong_and_are_warned_of() -> None:
    outcomes = [outcome("closed", right=n >= 10, answer=None if n < 10 else "1") for n in range(40)]
    outcomes[:4] = [replace(one, output_tokens=3) for one in outcomes[:4]]
    score = arm_score([item(f"q{n}", one) for n, one in enumerate(outcomes)], "closed")
    assert (score.n, score.unparsed, score.silent, score.accuracy) == (40, 10, 6, 0.75)
    said = " ".join(warnings({"closed": score}, []))
    assert "10 of 40 answers could not be parsed (25.0 %), 6 of them because the reader wrote nothing" in said


def test_groups_count_every_item_once_and_their_flips_add_up() -> None:
    items = exam(10, 6, 3, 11, arms=("closed", "retrieved"))
    split = [
        Item(one.question_id, one.digest, one.answer, traits("국어" if n % 3 else "한국사"), one.outcomes)
        for n, one in enumerate(items)
    ]
    subjects = [group for group in groups(split, DICE) if group.dimension == "subject"]
    assert [group.value for group in subjects] == ["국어", "한국사"]
    assert sum(group.arms["closed"].n for group in subjects) == 30
    assert sum(group.comparisons[0].fixed for group in subjects) == 6
    assert sum(group.comparisons[0].broken for group in subjects) == 3
    assert all(group.comparisons[0].p_holm >= group.comparisons[0].mcnemar_p for group in subjects)


def test_the_gates_curve_runs_from_never_to_always_and_its_gain_is_paired() -> None:
    rows = [(False, True, 0.9), (False, True, 0.8), (True, True, 0.7), (True, False, 0.2), (False, False, 0.1)]
    items = [
        item(
            f"q{n}",
            outcome("closed", right=closed),
            outcome("retrieved", right=retrieved),
            outcome("gated", right=retrieved if value >= 0.5 else closed, injected=value >= 0.5, gate=value),
        )
        for n, (closed, retrieved, value) in enumerate(rows)
    ]
    report = gate_report(items, "fitted", seen=frozenset(), dice=DICE)
    assert report is not None
    assert [(point.coverage, round(point.risk, 6)) for point in report.curve] == [
        (0.0, 0.6), (0.2, 0.4), (0.4, 0.2), (0.6, 0.2), (0.8, 0.4), (1.0, 0.4)
    ]  # fmt: skip
    assert (report.injected, report.best_possible) == (0.6, 0.8)
    assert (report.against_never.fixed, report.against_always.fixed) == (2, 1)
    left = gate_report(items, "fitted", seen=frozenset({"q0", "q1"}), dice=DICE)
    assert left is not None
    assert (left.n, left.seen) == (3, 2)


def test_a_reader_that_always_takes_the_first_place_is_found_out_by_permuting() -> None:
    turned = Rotations("closed", (1, 1, 1, 1, 1), (1, 2, 3, 4, 5))
    biased = [Item(f"q{n}", "d", 1, traits(), (outcome("closed", right=True),), (turned,)) for n in range(20)]
    found = positions(biased, "closed")
    assert found is not None
    assert found.consistency is not None
    assert found.accuracy is not None
    assert (found.chosen, found.right) == ((100, 0, 0, 0, 0), (20, 20, 20, 20, 20))
    assert (found.consistency.accuracy, found.accuracy.accuracy) == (0.0, 0.2)
    follows = Rotations("closed", (1, 5, 4, 3, 2), (1, 1, 1, 1, 1))
    steady = [Item(f"q{n}", "d", 1, traits(), (outcome("closed", right=True),), (follows,)) for n in range(20)]
    found = positions(steady, "closed")
    assert found is not None
    assert found.consistency is not None
    assert found.consistency.accuracy == 1.0
