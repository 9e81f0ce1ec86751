"""Items -> scores of the arms, comparisons of arm pairs, and both again for every kind of item."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from configs.evaluation import ArmName
from eval.compare import Pair, holm, pair
from eval.items import Item, Outcome, Traits, paired
from eval.metrics import Bin, Interval, calibration_error, reliability, wilson

PAIRS: tuple[tuple[ArmName, ArmName], ...] = (
    ("closed", "retrieved"),
    ("closed", "gated"),
    ("retrieved", "gated"),
    ("random", "retrieved"),
    ("closed", "random"),
    ("closed", "gold"),
    ("retrieved", "gold"),
    ("random", "distract"),
    ("closed", "distract"),
)
"""What is compared, the first named being the question that an evaluation asks."""

_GROUP_PAIRS: tuple[tuple[ArmName, ArmName], ...] = (("closed", "retrieved"), ("closed", "gated"))


@dataclass(frozen=True, slots=True)
class Accuracy:
    """A share of right answers, with Wilson's 95 % interval."""

    accuracy: float
    ci95: Interval
    n: int


@dataclass(frozen=True, slots=True)
class ArmScore:
    """One arm over all its items. Essays are scored apart: they are neither right nor wrong."""

    accuracy: float
    ci95: Interval
    unparsed: int  # of the n; counted as wrong
    n: int
    chance: float | None  # mean of 1 / choices over multiple choice; None without
    multiple_choice: Accuracy | None
    is_below_chance: bool  # even the interval's upper end: a fault of template or parser rather than of knowledge
    f1: float | None  # mean character F1 of short answers
    rouge_l: float | None  # mean over essays; weak: it counts words
    essays: int
    cut: int  # written answers that the limit stopped
    prompt_tokens: float  # mean
    output_tokens: float  # mean
    seconds: float  # of the reader, in all
    calibration: tuple[Bin, ...]
    calibration_error: float | None
    silent: int = 0  # of the unparsed: the reader wrote nothing at all
    similarity: float | None = None  # mean over essays; weak: it measures the subject, not what is said of it


@dataclass(frozen=True, slots=True)
class Comparison:
    """Arm b against arm a on the same items; see eval.compare.Pair."""

    a: ArmName
    b: ArmName
    n: int
    delta: float
    ci95: Interval
    mcnemar_p: float
    p_holm: float  # corrected for all comparisons of the same table
    fixed: int
    broken: int
    mde: float


@dataclass(frozen=True, slots=True)
class Group:
    """The items that are alike in one dimension."""

    dimension: str
    value: str
    arms: Mapping[ArmName, Accuracy]
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True, slots=True)
class Dice:
    """How the bootstrap is drawn."""

    resamples: int
    seed: int


DIMENSIONS: Mapping[str, Callable[[Traits], str | None]] = {
    "subject": lambda traits: traits.subject or None,
    "kind": lambda traits: traits.kind.replace("_", " "),
    "choices": lambda traits: str(traits.choices) if traits.choices else None,
    "negation": lambda traits: "asks what is not so" if traits.is_negated else "asks what is so",
    "box": lambda traits: "with <보기>" if traits.has_box else "without <보기>",
    "paragraph": lambda traits: _length(traits.paragraph),
    "needs knowledge": lambda traits: traits.needs_knowledge,
    "hops": lambda traits: str(traits.hops),
    "split": lambda traits: traits.split or None,
    "leakage": lambda traits: {True: "in the index", False: "clean", None: None}[traits.is_leaked],
}


def _length(characters: int) -> str:
    if characters == 0:
        return "no paragraph"
    return next(
        (name for limit, name in ((300, "under 300"), (900, "300 to 899")) if characters < limit), "900 and more"
    )


def arms_of(items: Iterable[Item]) -> list[ArmName]:
    """The arms that any item was asked in, in the order of the outcomes."""
    return list(dict.fromkeys(outcome.arm for item in items for outcome in item.outcomes))


def arm_score(items: Sequence[Item], arm: ArmName) -> ArmScore:
    """One arm's scores over all items that it was asked."""
    asked = [(item.traits, outcome) for item in items if (outcome := item.outcome(arm)) is not None]
    judged = [(traits, outcome) for traits, outcome in asked if traits.kind != "essay"]
    chosen = [(traits, outcome) for traits, outcome in judged if traits.kind == "multiple_choice"]
    essays = [outcome for traits, outcome in asked if traits.kind == "essay"]
    overall = accuracy(outcome for _, outcome in judged)
    choice = accuracy(outcome for _, outcome in chosen) if chosen else None
    chance = _mean([1 / traits.choices for traits, _ in chosen])
    sure = [(outcome.confidence, outcome.is_right) for _, outcome in chosen if outcome.confidence is not None]
    bins = tuple(reliability([value for value, _ in sure], [right for _, right in sure]))
    outcomes = [outcome for _, outcome in asked]
    return ArmScore(
        accuracy=overall.accuracy,
        ci95=overall.ci95,
        unparsed=sum(outcome.answer is None for _, outcome in judged),
        n=overall.n,
        chance=chance,
        multiple_choice=choice,
        is_below_chance=choice is not None and chance is not None and choice.ci95.high < chance,
        f1=_mean([outcome.score for traits, outcome in judged if traits.kind == "short_answer"]),
        rouge_l=_mean([outcome.score for outcome in essays]),
        essays=len(essays),
        cut=sum(outcome.is_cut for outcome in outcomes),
        prompt_tokens=_mean([outcome.prompt_tokens for outcome in outcomes]) or 0.0,
        output_tokens=_mean([outcome.output_tokens for outcome in outcomes]) or 0.0,
        seconds=fsum(outcome.seconds for outcome in outcomes),
        calibration=bins,
        calibration_error=calibration_error(bins) if bins else None,
        silent=sum(outcome.answer is None and not outcome.output_tokens for _, outcome in judged),
        similarity=_mean([outcome.similarity for outcome in essays if outcome.similarity is not None]),
    )


def accuracy(outcomes: Iterable[Outcome]) -> Accuracy:
    """The share of right outcomes; 0 with the interval (0, 1) for none."""
    right = [outcome.is_right for outcome in outcomes]
    return Accuracy(sum(right) / len(right) if right else 0.0, wilson(sum(right), len(right)), len(right))


def comparisons(items: Sequence[Item], dice: Dice) -> list[Comparison]:
    """Every pair of `PAIRS` that was asked on common items, corrected together."""
    return _corrected([(arms, found) for arms in PAIRS if (found := _pair(items, arms, dice)) is not None])


def groups(items: Sequence[Item], dice: Dice) -> list[Group]:
    """Arms and comparisons within every value of every dimension that tells items apart; subjects always.

    p values are corrected over the values of one dimension, for each pair of arms. Essays are left out.
    """
    found: list[Group] = []
    for dimension, value_of in DIMENSIONS.items():
        parts: dict[str, list[Item]] = {}
        for item in items:
            value = value_of(item.traits)
            if value is not None and item.traits.kind != "essay":
                parts.setdefault(value, []).append(item)
        if len(parts) > 1 or (parts and dimension == "subject"):
            found += _groups_of(dimension, dict(sorted(parts.items())), dice)
    return found


def _groups_of(dimension: str, parts: Mapping[str, list[Item]], dice: Dice) -> list[Group]:
    compared: dict[str, list[Comparison]] = {value: [] for value in parts}
    for arms in _GROUP_PAIRS:
        family = {value: found for value, part in parts.items() if (found := _pair(part, arms, dice)) is not None}
        corrected = _corrected([(arms, found) for found in family.values()])
        for value, comparison in zip(family, corrected, strict=True):
            compared[value].append(comparison)
    return [
        Group(
            dimension=dimension,
            value=value,
            arms={arm: accuracy(_outcomes(part, arm)) for arm in arms_of(part)},
            comparisons=tuple(compared[value]),
        )
        for value, part in parts.items()
    ]


def _pair(items: Sequence[Item], arms: tuple[ArmName, ArmName], dice: Dice) -> Pair | None:
    both = [(first.is_right, second.is_right) for _, first, second in paired(items, arms)]
    if not both:
        return None
    before, after = [first for first, _ in both], [second for _, second in both]
    return pair(before, after, resamples=dice.resamples, seed=dice.seed)


def _corrected(pairs: Sequence[tuple[tuple[ArmName, ArmName], Pair]]) -> list[Comparison]:
    p_values = holm([found.mcnemar_p for _, found in pairs])
    return [
        Comparison(
            a=a, b=b, n=found.n, delta=found.delta, ci95=found.ci95, mcnemar_p=found.mcnemar_p, p_holm=p,
            fixed=found.fixed, broken=found.broken, mde=found.mde,
        )
        for ((a, b), found), p in zip(pairs, p_values, strict=True)
    ]  # fmt: skip


def _outcomes(items: Sequence[Item], arm: ArmName) -> list[Outcome]:
    return [outcome for item in items if (outcome := item.outcome(arm)) is not None]


def _mean(values: Sequence[float]) -> float | None:
    return fsum(values) / len(values) if values else None
