"""The one sentence on top of a report: what the comparison shows, and no more than that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from configs.evaluation import ArmName
from eval.summary import ArmScore, Comparison

_ALPHA = 0.05


def verdict(arms: Mapping[ArmName, ArmScore], compared: Sequence[Comparison]) -> str:
    """What retrieval did to this reader on this exam, in one sentence.

    An effect is claimed only where both the interval leaves out 0 and McNemar's p is below 0.05; that
    the passages' content is the reason, only where they beat random passages in the same way.
    """
    main = _find(compared, "closed", "retrieved")
    if main is None:
        return _alone(arms)
    before, after = arms[main.a].accuracy, arms[main.b].accuracy  # both arms are asked all items
    numbers = (
        f"{_percent(after)} right with retrieved passages, {_percent(before)} without, on the same {main.n:,} items:"
        f" {_points(main.delta)} points (95 % interval {_points(main.ci95.low)} to {_points(main.ci95.high)},"
        f" {p_text(main.mcnemar_p)})"
    )
    match effect(main):
        case "helped":
            return f"Retrieval helped: {numbers}{_against_placebo(compared)}."
        case "hurt":
            return f"Retrieval hurt: {numbers}."
        case _:
            return (
                f"No effect of retrieval is shown: {numbers}; a true difference below about"
                f" {main.mde * 100:.1f} points would mostly go unseen with so few items."
            )


def effect(comparison: Comparison) -> str:
    """Either "helped" or "hurt" where interval and test agree that b differs from a, else "not shown"."""
    if comparison.mcnemar_p >= _ALPHA:
        return "not shown"
    if comparison.ci95.low > 0:
        return "helped"
    return "hurt" if comparison.ci95.high < 0 else "not shown"


def warnings(arms: Mapping[ArmName, ArmScore], compared: Sequence[Comparison]) -> list[str]:
    """What a reader must know before believing the numbers, a sentence each."""
    found = []
    for arm, score in arms.items():
        choice = score.multiple_choice
        if score.is_below_chance and choice is not None and score.chance is not None:
            found.append(
                f"Arm {arm} is below chance ({_percent(choice.accuracy)} of {choice.n} multiple-choice items, chance"
                f" {_percent(score.chance)}): suspect the template or the parser before the reader."
            )
        if score.n and score.unparsed / score.n > 0.05:
            found.append(
                f"Arm {arm}: {score.unparsed} of {score.n} answers could not be parsed"
                f" ({_percent(score.unparsed / score.n)}), {score.silent} of them because the reader wrote"
                " nothing; they count as wrong, so its accuracy measures form too."
            )
    main = _find(compared, "closed", "retrieved")
    if main is not None and 0 < main.fixed + main.broken < 10:
        found.append(
            f"Only {main.fixed + main.broken} items changed between closed and retrieved: the bootstrap interval is"
            " rough with so few; go by the exact p."
        )
    return found


def p_text(p: float) -> str:
    """A p value as text: p = 0.034, p < 0.0001."""
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.4f}" if p < 0.01 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def _against_placebo(compared: Sequence[Comparison]) -> str:
    content = _find(compared, "random", "retrieved")
    if content is None:
        return ""
    if effect(content) == "helped":
        return f"; random passages of the same length do {_points(content.delta, sign=False)} points worse"
    return "; but retrieved passages are not shown to do better than random ones of the same length"


def _alone(arms: Mapping[ArmName, ArmScore]) -> str:
    if not arms:
        return "Nothing was asked."
    arm, score = next(iter(arms.items()))
    text = (
        f"{_percent(score.accuracy)} right in arm {arm} on {score.n:,} items"
        f" (95 % interval {_percent(score.ci95.low)} to {_percent(score.ci95.high)})"
    )
    if score.chance is not None and score.multiple_choice is not None and score.multiple_choice.n == score.n:
        text += f", chance is {_percent(score.chance)}"
    return f"{text}; without a closed and a retrieved arm nothing is said about retrieval."


def _find(compared: Sequence[Comparison], a: ArmName, b: ArmName) -> Comparison | None:
    return next((comparison for comparison in compared if (comparison.a, comparison.b) == (a, b)), None)


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def _points(difference: float, *, sign: bool = True) -> str:
    return f"{difference * 100:+.1f}" if sign else f"{abs(difference) * 100:.1f}"
