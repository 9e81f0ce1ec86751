"""The smaller tables of a report: written answers, places, calibration, flips, cost; and what a run was made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from eval.cells import Table, percent
from eval.items import Item, Outcome, paired
from eval.record import RunRecord
from eval.summary import ArmScore

FLIPS_SHOWN = 60


def written_table(record: RunRecord) -> Table:
    """Scores of answers in words."""
    rows = [
        (
            arm,
            f"{score.f1:.3f}" if score.f1 is not None else "",
            f"{score.rouge_l:.3f}" if score.rouge_l is not None else "",
            f"{score.similarity:.3f}" if score.similarity is not None else "",
            str(score.essays),
            str(score.cut),
        )
        for arm, score in record.arms.items()
        if score.f1 is not None or score.rouge_l is not None
    ]
    return Table(
        "Written answers",
        "Short answers: character F1 as KorQuAD 1.0 defines it (their exact match is in the arms' accuracy). Essays:"
        " ROUGE-L of morphemes and the encoder's cosine to the nearest model answer, two weak measures: the one rewards"
        " the model answer's words, the other its subject, neither its sense.",
        ("arm", "F1, short answers", "ROUGE-L, essays", "similarity, essays", "essays", "stopped by the limit"),
        tuple(rows),
    )


def positions_table(record: RunRecord) -> Table:
    """What was chosen where."""
    rows = [
        (
            arm,
            " / ".join(percent(count / max(found.n, 1), digits=0) for count in found.chosen),
            " / ".join(percent(count / max(sum(found.right), 1), digits=0) for count in found.right),
            f"{percent(found.consistency.accuracy)} of {found.consistency.n}" if found.consistency else "",
            percent(found.accuracy.accuracy) if found.accuracy else "",
        )
        for arm, found in record.positions.items()
    ]
    return Table(
        "Places of the chosen choices",
        "Share of answers at each place, from 1, beside where the right choice stood. With --permute over every cyclic"
        " order: how often the same choice was chosen in all of them, and accuracy over all.",
        ("arm", "chosen", "right", "same in all orders", "right over all orders"),
        tuple(rows),
    )


def calibration_table(record: RunRecord) -> Table:
    """Confidence against accuracy."""
    rows = [
        (arm, f"{score.calibration_error:.3f}", *_ends(score))
        for arm, score in record.arms.items()
        if score.calibration_error is not None and score.calibration
    ]
    return Table(
        "Calibration",
        "Expected calibration error over ten bins of equal size; confidence is the choice's share of probability.",
        ("arm", "error", "least sure tenth: sure / right", "surest tenth: sure / right"),
        tuple(rows),
    )


def _ends(score: ArmScore) -> tuple[str, str]:
    first, last = score.calibration[0], score.calibration[-1]
    return (
        f"{percent(first.confidence)} / {percent(first.accuracy)}",
        f"{percent(last.confidence)} / {percent(last.accuracy)}",
    )


def flips_table(items: Sequence[Item]) -> Table:
    """The items that retrieval fixed or broke."""
    flips = [
        (item, before, after)
        for item, before, after in paired(items, ("closed", "retrieved"))
        if before.is_right != after.is_right
    ]
    shown = sorted(flips, key=lambda flip: (flip[2].is_right, flip[0].question_id))[:FLIPS_SHOWN]
    rest = f" Shown are {len(shown)} of {len(flips)}; all are in items.csv." if len(flips) > len(shown) else ""
    return Table(
        "Items that retrieval changed",
        f"Broken ones first.{rest}",
        ("item", "subject", "what", "right answer", "closed", "retrieved", "judged passage shown"),
        tuple(
            (
                item.question_id,
                item.traits.subject,
                "fixed" if after.is_right else "broken",
                str(item.answer or ""),
                _given(before),
                _given(after),
                {True: "yes", False: "no", None: ""}[after.shows_gold],
            )
            for item, before, after in shown
        ),
    )


def cost_table(record: RunRecord) -> Table:
    """Time, memory and tokens."""
    cost = record.cost
    rows = [
        ("wall time", f"{cost.wall_seconds:,.1f} s"),
        ("reader, this run", f"{cost.reader_seconds:,.1f} s for {cost.asked:,} prompts"),
        ("search", f"{cost.search_seconds:,.2f} s ({cost.search_seconds / max(record.n, 1) * 1000:.1f} ms an item)"),
        ("answers taken from the journal or another arm", f"{cost.reused:,}"),
        ("prompts too long for the reader", str(cost.too_long)),
        ("peak memory", f"{cost.peak_memory / 2**20:,.0f} MiB"),
    ]
    if cost.tokens_added is not None:
        rows.append(("tokens that retrieval adds to a prompt", f"{cost.tokens_added:,.0f}"))
    return Table("Cost", "", ("", ""), tuple(rows))


def facts(record: RunRecord) -> Iterator[tuple[str, str]]:
    """What was measured, of what, with what: names and values for a report's end."""
    yield "exam", f"{record.exam}, {record.n} items, {record.judged} judged, digest {record.digests.exam:.8}"
    yield "reader", ", ".join(f"{name} {value}" for name, value in record.reader.items())
    yield "channel", record.channel
    if record.digests.index:
        yield "index", f"{record.index} (digest {record.digests.index:.8})"
        yield "retrieval", record.retrieval
    if record.gate:
        yield "gate", record.gate
    if record.unusable:
        yield "not judged", f"{len(record.unusable)} items whose judgements do not fit the index"
    yield "seed", f"{record.seed}, {record.resamples:,} resamples"
    machine = record.machine
    yield "machine", ", ".join(part for part in (f"{machine.cores} cores", machine.gpu, machine.platform) if part)
    yield (
        "code",
        f"{machine.commit[:12] or 'no commit'}{' with changes' if machine.is_dirty else ''}, Python {machine.python}",
    )


def _given(outcome: Outcome) -> str:
    return "(unparsed)" if outcome.answer is None else outcome.answer[:40]
