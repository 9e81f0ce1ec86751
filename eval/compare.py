"""Paired statistics of two arms on the same items: what changed, how sure that is, what could not have been seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from eval.metrics import Z95, Interval

_Z80 = 0.8416212335729143  # the normal quantile of 0.80: the power that the smallest visible effect is given for


@dataclass(frozen=True, slots=True)
class Pair:
    """Arm `b` against arm `a` on the items that both answered; `delta` is b's accuracy less a's."""

    n: int
    delta: float
    ci95: Interval  # paired percentile bootstrap
    mcnemar_p: float  # exact, two-sided
    fixed: int  # wrong in a, right in b
    broken: int  # right in a, wrong in b
    mde: float  # the smallest difference that n items would show with 80 % power


def pair(right_a: Sequence[bool], right_b: Sequence[bool], *, resamples: int, seed: int) -> Pair:
    """Compare two arms item by item; item i of both is the same. No items give zeros, p = 1 and mde = 1."""
    n = len(right_a)
    fixed = sum(after and not before for before, after in zip(right_a, right_b, strict=True))
    broken = sum(before and not after for before, after in zip(right_a, right_b, strict=True))
    differences = [float(after) - float(before) for before, after in zip(right_a, right_b, strict=True)]
    return Pair(
        n=n,
        delta=(fixed - broken) / n if n else 0.0,
        ci95=paired_bootstrap(differences, resamples=resamples, seed=seed),
        mcnemar_p=mcnemar(fixed, broken),
        fixed=fixed,
        broken=broken,
        mde=minimum_detectable_effect(n, fixed + broken),
    )


def paired_bootstrap(differences: Sequence[float], *, resamples: int, seed: int) -> Interval:
    """The 95 % percentile interval of the mean difference, items resampled with replacement; (0, 0) for none.

    Drawn by value: how often each distinct difference comes up in a resample is multinomial, which is the
    same distribution as drawing the items, and does not grow with n when answers are right or wrong.

    Source: Efron, Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    n = len(differences)
    if n == 0:
        return Interval(0.0, 0.0)
    counts = Counter(differences)
    values = sorted(counts)
    shares = np.array([counts[value] for value in values]) / n
    drawn = np.random.default_rng(seed).multinomial(n, shares, size=resamples)
    low, high = np.percentile(drawn @ np.array(values) / n, [2.5, 97.5])
    return Interval(float(low), float(high))


def mcnemar(fixed: int, broken: int) -> float:
    """The exact two-sided p that as uneven a split of the flips would come up if both ways were as likely.

    2 * P(X <= min(fixed, broken)), X ~ Binomial(fixed + broken, 1/2), at most 1.
    Source: Q. McNemar, Psychometrika 12, 1947; exact form as in Fagerland, Lydersen, Laake, BMC MRM 2013.
    """
    flips = fixed + broken
    ways, tail = 1, 0
    for number in range(min(fixed, broken) + 1):
        tail += ways
        ways = ways * (flips - number) // (number + 1)  # C(flips, number + 1)
    return min(1.0, 2 * tail / (1 << flips))


def minimum_detectable_effect(n: int, flips: int) -> float:
    """The smallest true difference of accuracy found at p < 0.05 with 80 % power, given the share of flips seen.

    Solves n = (z.975 sqrt(psi) + z.80 sqrt(psi - delta²))² / delta² for delta, where psi is the share of
    items that flip: flips / n, at least delta itself and at least one item; 1 where no difference would do.

    Source: R. J. Connor, Biometrics 43, 1987.
    """
    if n == 0:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if n >= _items_needed(middle, max(flips, 1) / n) else (middle, high)
    return high


def _items_needed(delta: float, flip_share: float) -> float:
    psi = max(flip_share, delta)
    return ((Z95 * sqrt(psi) + _Z80 * sqrt(max(psi - delta * delta, 0.0))) / delta) ** 2


def holm(p_values: Sequence[float]) -> list[float]:
    """p values that hold together: each as it stands after Holm's step-down correction, in the given order.

    Source: S. Holm, Scandinavian Journal of Statistics 6, 1979.
    """
    order = sorted(range(len(p_values)), key=lambda number: p_values[number])
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for place, number in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[number]))
        adjusted[number] = highest
    return adjusted
