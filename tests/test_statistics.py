"""The statistics of eval: against scipy, against formulas worked by hand, and by simulation under known truth."""

from __future__ import annotations

from math import comb, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, kstest

from eval.compare import holm, mcnemar, minimum_detectable_effect, pair, paired_bootstrap
from eval.metrics import (
    calibration_error,
    character_f1,
    exact_match,
    plain_text,
    reliability,
    rouge_l,
    wilson,
)


@given(st.integers(1, 500), st.data())
def test_wilson_is_scipys_interval(n: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, n))
    expected = binomtest(right, n).proportion_ci(method="wilson")
    assert wilson(right, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_of_nothing_is_everything() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_is_the_two_sided_binomial_test_of_the_flips(fixed: int, broken: int) -> None:
    expected = binomtest(fixed, fixed + broken).pvalue if fixed + broken else 1.0
    assert mcnemar(fixed, broken) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_worked_by_hand() -> None:
    # 1 against 9: 2 * (C(10,0) + C(10,1)) / 2**10
    assert mcnemar(1, 9) == mcnemar(9, 1) == 2 * (1 + 10) / 1024
    assert mcnemar(0, 0) == mcnemar(5, 5) == 1.0


def test_mcnemar_takes_thousands_of_flips() -> None:
    assert mcnemar(5000, 5200) == pytest.approx(binomtest(5000, 10200).pvalue, rel=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_never_lowers_a_p_keeps_their_order_and_is_at_most_bonferroni(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for p, corrected in zip(p_values, adjusted, strict=True):
        assert p <= corrected <= min(1.0, p * len(p_values)) + 1e-15 or corrected == max(adjusted)
    pairs = sorted(zip(p_values, adjusted, strict=True))
    assert [corrected for _, corrected in pairs] == sorted(adjusted)


def test_holm_worked_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def test_the_smallest_visible_effect_solves_connors_equation() -> None:
    n, flips = 869, 87
    delta, psi = minimum_detectable_effect(n, flips), 87 / 869
    needed = (1.959964 * sqrt(psi) + 0.841621 * sqrt(psi - delta**2)) ** 2 / delta**2
    assert needed == pytest.approx(n, rel=1e-5)


def test_one_point_at_ten_percent_flips_needs_about_7900_items() -> None:
    assert minimum_detectable_effect(7850, 785) == pytest.approx(0.01, abs=1e-4)


@given(st.integers(1, 5000), st.data())
def test_the_smallest_visible_effect_is_a_share_and_falls_with_more_items(n: int, data: st.DataObject) -> None:
    flips = data.draw(st.integers(0, n))
    effect = minimum_detectable_effect(n, flips)
    assert 0 < effect <= 1
    assert minimum_detectable_effect(4 * n, 4 * flips) <= effect + 1e-9


def test_its_promise_of_80_percent_power_is_kept() -> None:
    generator, n, flip_share = np.random.default_rng(1), 400, 0.2
    delta = minimum_detectable_effect(n, round(n * flip_share))
    shares = [(flip_share + delta) / 2, (flip_share - delta) / 2, 1 - flip_share]
    drawn = generator.multinomial(n, shares, size=2000)
    found = np.mean([mcnemar(int(fixed), int(broken)) < 0.05 for fixed, broken, _ in drawn])
    assert 0.72 <= found <= 0.84  # the exact test is a little stricter than the formula's


def test_the_bootstrap_drawn_by_value_is_the_bootstrap_drawn_by_item() -> None:
    generator = np.random.default_rng(2)
    differences = generator.choice([-1.0, 0.0, 1.0], size=300, p=[0.1, 0.7, 0.2])
    resampled = differences[generator.integers(0, 300, (20_000, 300))].mean(axis=1)
    expected = np.percentile(resampled, [2.5, 97.5])
    assert paired_bootstrap(differences.tolist(), resamples=20_000, seed=3) == pytest.approx(expected, abs=0.005)


@given(st.lists(st.sampled_from([-1.0, 0.0, 0.25, 1.0]), min_size=1, max_size=50), st.randoms())
def test_the_bootstrap_does_not_depend_on_the_order_of_the_items(
    differences: list[float], random: np.random.RandomState
) -> None:
    shuffled = list(differences)
    random.shuffle(shuffled)
    first = paired_bootstrap(differences, resamples=200, seed=5)
    assert first == paired_bootstrap(shuffled, resamples=200, seed=5)
    assert min(differences) <= first.low <= first.high <= max(differences)


def test_the_95_percent_interval_covers_the_truth_in_93_to_97_percent_of_runs() -> None:
    generator, n, runs = np.random.default_rng(4), 300, 2000
    shares = [0.16, 0.09, 0.75]  # fixed, broken, the same: a true difference of 7 points
    covered = 0
    for fixed, broken, same in generator.multinomial(n, shares, size=runs):
        differences = [1.0] * int(fixed) + [-1.0] * int(broken) + [0.0] * int(same)
        low, high = paired_bootstrap(differences, resamples=1000, seed=int(generator.integers(1 << 30)))
        covered += low <= 0.07 <= high
    assert 0.93 <= covered / runs <= 0.97


def test_wilsons_interval_covers_the_truth_in_93_to_97_percent_of_runs() -> None:
    right = np.random.default_rng(5).binomial(200, 0.6, size=4000)
    intervals = [wilson(int(count), 200) for count in right]
    assert 0.93 <= np.mean([low <= 0.6 <= high for low, high in intervals]) <= 0.97


def test_mcnemars_p_is_uniform_when_nothing_changes_anything() -> None:
    """Exact p values are discrete; drawn within their step they are uniform, and undrawn never too small."""
    generator, n = np.random.default_rng(6), 500
    drawn, exact = [], []
    for flips in generator.binomial(n, 0.3, size=4000):
        fixed = int(generator.binomial(flips, 0.5))
        p = mcnemar(fixed, int(flips) - fixed)
        step = (1 if 2 * fixed == flips else 2) * comb(int(flips), fixed) / (1 << int(flips))
        drawn.append(p - generator.random() * min(step, p))
        exact.append(p)
    assert kstest(drawn, "uniform").pvalue > 0.01
    for level in (0.01, 0.05, 0.1, 0.5):
        assert np.mean(np.array(exact) <= level) <= level + 3 * sqrt(level * (1 - level) / 4000)


def test_a_pair_worked_by_hand() -> None:
    found = pair([True, True, False, False, False], [True, False, True, True, False], resamples=100, seed=1)
    assert (found.n, found.fixed, found.broken) == (5, 2, 1)
    assert found.delta == pytest.approx(0.2)
    assert found.mcnemar_p == 1.0


def test_a_pair_of_nothing_claims_nothing() -> None:
    found = pair([], [], resamples=100, seed=1)
    assert (found.n, found.delta, found.ci95, found.mcnemar_p, found.mde) == (0, 0.0, (0.0, 0.0), 1.0, 1.0)


@pytest.mark.parametrize(
    ("answer", "accepted", "exact", "f1"),
    [
        ("대동법", ["대동법"], 1, 1),
        ("《대동법》.", ["대동법"], 1, 1),
        ("대동 법", ["대동법"], 0, 1),  # exact match keeps spaces, F1 counts characters
        ("광해군 때", ["광해군"], 0, 2 * 3 / (4 + 3)),
        ("영조", ["정조", "영조"], 1, 1),
        ("없음", ["대동법"], 0, 0),
        ("", ["대동법"], 0, 0),
    ],
)
def test_short_answers_are_scored_as_korquad_scores_them(
    answer: str, accepted: list[str], exact: float, f1: float
) -> None:
    assert exact_match(answer, accepted) == exact
    assert character_f1(answer, accepted) == pytest.approx(f1)


def test_plain_text_drops_signs_and_case() -> None:
    assert plain_text("‘한글’ (Hangul),  1443년") == "한글 hangul 1443년"


@given(st.lists(st.integers(0, 3), max_size=12), st.lists(st.integers(0, 3), max_size=12))
def test_rouge_l_is_symmetric_and_one_only_for_equals(one: list[int], other: list[int]) -> None:
    score = rouge_l(one, other)
    assert score == rouge_l(other, one)
    assert 0 <= score <= 1
    assert (score == 1) == (one == other and bool(one))


def test_rouge_l_worked_by_hand() -> None:
    # the longest common subsequence of "a b c d" and "a c e" is "a c"
    assert rouge_l("abcd", "ace") == pytest.approx(2 * 2 / (4 + 3))


def test_calibration_worked_by_hand() -> None:
    bins = reliability([0.2, 0.4, 0.8, 1.0], [False, True, True, True], bins=2)
    assert [(round(part.confidence, 9), part.accuracy, part.n) for part in bins] == [(0.3, 0.5, 2), (0.9, 1.0, 2)]
    assert calibration_error(bins) == pytest.approx((2 * 0.2 + 2 * 0.1) / 4)


@given(st.lists(st.tuples(st.sampled_from([0.2, 0.5, 0.9]), st.booleans()), max_size=40), st.integers(1, 12))
def test_every_answer_is_in_one_bin_and_equally_sure_ones_in_the_same(
    answers: list[tuple[float, bool]], count: int
) -> None:
    bins = reliability([sure for sure, _ in answers], [right for _, right in answers], bins=count)
    assert sum(part.n for part in bins) == len(answers)
    assert len(bins) <= min(count, 3)


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=60), st.integers(1, 12))
def test_bins_are_at_most_as_many_as_asked_and_none_but_the_last_is_small(
    answers: list[tuple[int, bool]], count: int
) -> None:
    bins = reliability([sure / 30 for sure, _ in answers], [right for _, right in answers], bins=count)
    assert len(bins) <= count
    assert all(part.n >= len(answers) / count for part in bins[:-1])
