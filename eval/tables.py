"""A run's record as tables of text, the same for the terminal, Markdown and HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from configs.evaluation import ArmName
from eval.cells import Table, difference, group_cells, interval, pair_cells, percent
from eval.details import calibration_table, cost_table, flips_table, positions_table, written_table
from eval.items import Item
from eval.record import RunRecord
from eval.summary import Comparison, Group
from eval.triage import CAUSES


def tables(record: RunRecord, items: Sequence[Item]) -> list[Table]:
    """All tables of a report that have rows, the most important first."""
    made = [
        arms_table(record),
        comparisons_table(record.comparisons),
        subjects_table(record),
        _groups_table(record),
        triage_table(record),
        _hits_table(record),
        _gate_table(record),
        written_table(record),
        positions_table(record),
        calibration_table(record),
        flips_table(items),
        cost_table(record),
    ]
    return [table for table in made if table.rows]


def arms_table(record: RunRecord) -> Table:
    """Accuracy of every arm."""
    rows = [
        (
            arm,
            percent(score.accuracy),
            interval(score.ci95),
            str(score.n),
            percent(score.multiple_choice.accuracy) if score.multiple_choice else "",
            percent(score.chance) if score.chance is not None else "",
            str(score.unparsed),
            f"{score.prompt_tokens:,.0f}",
            f"{score.seconds:,.1f}",
        )
        for arm, score in record.arms.items()
    ]
    return Table(
        "Arms",
        "Right answers among all asked (essays apart); an unparsed answer is wrong. Intervals: Wilson, 95 %."
        " Gold and distract are asked of judged items only.",
        ("arm", "right", "95 % interval", "n", "of choices", "chance", "unparsed", "tokens", "reader s"),
        tuple(rows),
    )


def comparisons_table(comparisons: Iterable[Comparison]) -> Table:
    """Every pair of arms on the same items."""
    rows = [(f"{found.a} → {found.b}", str(found.n), *difference(found)) for found in comparisons]
    return Table(
        "Pairs of arms, on the same items",
        "Difference in points, paired bootstrap 95 % interval, items fixed and broken, exact McNemar p, the same after"
        " Holm's correction over this table, and the smallest true difference that would show in 4 of 5 such runs.",
        ("pair", "n", "points", "95 % interval", "fixed", "broken", "p", "p (Holm)", "visible from"),
        tuple(rows),
    )


def subjects_table(record: RunRecord, arms: Sequence[ArmName] | None = None) -> Table:
    """The subjects, with some arms or (None) all of them."""
    groups = [group for group in record.groups if group.dimension == "subject"]
    return _of_groups("Subjects", groups, arms or list(record.arms), named=lambda group: group.value)


def _groups_table(record: RunRecord) -> Table:
    return _of_groups(
        "Kinds of items",
        [group for group in record.groups if group.dimension != "subject"],
        list(record.arms),
        named=lambda group: f"{group.dimension}: {group.value}",
    )


def _of_groups(title: str, groups: Sequence[Group], arms: Sequence[ArmName], *, named: Callable[[Group], str]) -> Table:
    rows = []
    for group in groups:
        main = next((found for found in group.comparisons if (found.a, found.b) == ("closed", "retrieved")), None)
        shares = [percent(group.arms[arm].accuracy) if arm in group.arms else "" for arm in arms]
        n = max(found.n for found in group.arms.values())
        rows.append((named(group), str(n), *shares, *(group_cells(main) if main is not None else ("",) * 5)))
    return Table(
        title,
        "Right answers per arm; then closed → retrieved, its p corrected by Holm over the values of one dimension.",
        ("", "n", *arms, "points", "95 % interval", "fixed", "broken", "p (Holm)"),
        tuple(rows),
    )


def triage_table(record: RunRecord) -> Table:
    """Why wrong answers are wrong."""
    cells = {(arm, share.cause): share for arm, shares in record.triage.items() for share in shares}
    causes = [cause for cause in CAUSES if any(found == cause for _, found in cells)]
    rows = [
        (
            cause,
            *(
                f"{share.n} ({percent(share.share)})" if (share := cells.get((arm, cause))) else "0"
                for arm in record.triage
            ),
        )
        for cause in causes
    ]
    return Table(
        "Why wrong answers are wrong",
        "The first that holds: unparsed; no judgements; right without passages (distracted); wrong with the judged"
        " passages alone as well (unanswerable for this reader); a judged passage was shown (reader ignored) or found"
        " but cut; none was found (retriever missed).",
        ("cause", *record.triage),
        tuple(rows),
    )


def _hits_table(record: RunRecord) -> Table:
    rows = []
    for arm, table in record.hits.items():
        hit, miss = table.hit_right + table.hit_wrong, table.miss_right + table.miss_wrong
        rows.append(
            (
                arm,
                f"{hit} ({percent(hit / (hit + miss))})",
                f"{table.hit_right} ({percent(table.hit_right / hit)})" if hit else "0",
                str(miss),
                f"{table.miss_right} ({percent(table.miss_right / miss)})" if miss else "0",
            )
        )
    return Table(
        "Judged passage in the prompt × right answer",
        "Over judged items. What the reader makes of a hit, and what it manages without.",
        ("arm", "shown", "of them right", "not shown", "of them right"),
        tuple(rows),
    )


def _gate_table(record: RunRecord) -> Table:
    report = record.gate_report
    if report is None:
        return Table("Gate", "", (), ())
    rows = (
        ("never inject → gate", *pair_cells(report.against_never)),
        ("always inject → gate", *pair_cells(report.against_always)),
    )
    left_out = f" {report.seen} items that it was fitted on are left out." if report.seen else ""
    return Table(
        "Gate",
        f"{report.name}. It injects for {percent(report.injected)} of {report.n} items.{left_out}"
        f" A gate that always knew would be right on {percent(report.best_possible)}.",
        ("", "points", "95 % interval", "fixed", "broken", "p"),
        rows,
    )
