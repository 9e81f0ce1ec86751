"""Votes of several runs: who wins, how ties end, what weights may be chosen on, and the pair with the best run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import log
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.errors import UserError
from eval.__main__ import main
from eval.items import Item, Outcome, Traits
from eval.summary import Dice
from eval.vote import Member, hard, judged, mean_probability, read_members, weight_of
from eval.vote_command import ensembles
from tests.conftest import write_jsonl

DICE = Dice(resamples=200, seed=1)
NUMBERS = st.lists(st.sampled_from(["1", "2", "3", None]), min_size=1, max_size=5)


def item(number: int, right: int, kind: str = "multiple_choice") -> Item:
    traits = Traits(
        kind=kind, subject="한국사", split="test", choices=3 if kind == "multiple_choice" else 0, is_negated=False,  # type: ignore[arg-type]
        has_box=False, paragraph=0, needs_knowledge=None, hops=1,
    )  # fmt: skip
    return Item(f"q{number}", "d", right, traits, ())


def member(
    answers: Sequence[str | None],
    shares: Sequence[tuple[float, ...]] = (),
    *,
    right: int = 1,
    kind: str = "multiple_choice",
) -> Member:
    """A run that answers q0, q1, ...; the right answer to each is `right`."""
    outcomes = [Outcome("retrieved", answer, answer == str(right), 0.0, None, None, None) for answer in answers]
    items = [item(number, right, kind) for number in range(len(answers))]
    return Member("run", tuple(items), tuple(outcomes), tuple(shares) or tuple(() for _ in answers))


@given(NUMBERS)
def test_a_vote_is_one_of_the_answers_given_and_the_most_frequent(answers: list[str | None]) -> None:
    (voted,) = hard([member([answer]) for answer in answers])
    given = [answer for answer in answers if answer is not None]
    assert voted is None if not given else given.count(str(voted)) == max(map(given.count, given))


@given(NUMBERS.filter(lambda answers: None not in answers), st.randoms())
def test_the_order_of_the_runs_does_not_matter(answers: list[str | None], dice: object) -> None:
    members = [member([answer], [(0.2, 0.5, 0.3)]) for answer in answers]
    assert hard(members) == hard(members[::-1])


def test_a_tie_goes_to_the_answer_that_the_runs_are_surer_of() -> None:
    members = [member(["1"], [(0.9, 0.05, 0.05)]), member(["2"], [(0.45, 0.5, 0.05)])]
    assert hard(members) == ["1"]
    assert hard(members, [0.1, 0.2]) == ["2"]


def test_averaged_probabilities_may_choose_what_no_run_chose() -> None:
    members = [member(["1", "1"], [(0.5, 0.45, 0.05), ()]), member(["3", None], [(0.05, 0.45, 0.5), ()])]
    assert mean_probability(members) == ["2", None]


def test_equal_texts_vote_together_and_are_right_as_their_run_was() -> None:
    answers: list[str] = ["훈민 정음", "훈민  정음", "월인천강지곡"]
    members = [
        Member(
            "run",
            (item(0, 0, "short_answer"),),
            (Outcome("retrieved", answer, right, 0.0, None, None, None),),
            ((),),
        )
        for answer, right in zip(answers, (True, True, False), strict=True)
    ]
    assert hard(members) == ["훈민 정음"]
    found = judged(members, hard(members), "hard", best=members[2], dice=DICE)
    assert (found.score.accuracy, found.best.accuracy, found.pair.fixed) == (1.0, 0.0, 1)


def test_weights_are_the_chance_corrected_log_odds_and_never_negative() -> None:
    assert weight_of(member(["1"] * 6 + ["2"] * 2)) == pytest.approx(
        log(0.7 / 0.3) + log(2)
    )  # (6 + 1) / (8 + 2), 3 choices
    assert weight_of(member(["2"] * 20)) == 0.0


def test_voting_is_compared_with_the_given_run_on_the_same_items() -> None:
    members = [member(["1", "1", "2", "2"]), member(["1", "2", "1", "2"]), member(["1", "1", "1", "3"])]
    (found,) = ensembles(members, [], best=members[0], dice=DICE)
    assert (found.method, found.score.n, found.score.accuracy) == ("hard", 4, 0.75)
    assert (found.pair.fixed, found.pair.broken, found.pair.delta) == (1, 0, 0.25)


# --- runs on disk


def _exam(folder: Path) -> Path:
    items: list[dict[str, object]] = [
        {
            "id": f"{split}-{n}",
            "subject": "한국사",
            "split": split,
            "question": f"{split} 물음 {n}?",
            "choices": ["가", "나", "다"],
            "answer": 1,
        }
        for split in ("dev", "test")
        for n in range(6)
    ]
    return write_jsonl(folder / "exam.jsonl", items)


def _run(folder: Path, name: str, split: str, wrong: Sequence[int]) -> Path:
    """An evaluation, closed book, by a reader that answers these numbers of each split wrong."""
    answers = {f"{part}-{n}": "2" for part in ("dev", "test") for n in wrong}
    config = folder / f"{name}.yaml"
    config.write_text(json.dumps({"rag": {"reader": {"kind": "scripted", "answers": answers}}}), encoding="utf-8")
    out = folder / f"{name}-{split}"
    given = [
        "--no-rag",
        "--exam",
        f"jsonl:{_exam(folder)}",
        "--split",
        split,
        "--config",
        str(config),
        "--out",
        str(out),
        "--json",
    ]
    assert main([*given, "--permute", "--set", "eval.resamples=100"]) == 0
    return out


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    wrong = {"a": (0, 1), "b": (1, 2, 3), "c": (0, 4, 5)}
    return {
        f"{name}-{split}": _run(folder, name, split, rows) for name, rows in wrong.items() for split in ("dev", "test")
    }


def _vote(runs: dict[str, Path], capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    capsys.readouterr()
    assert main(["vote", *(str(runs[f"{name}-test"]) for name in "abc"), "--arm", "closed", "--json", *arguments]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_the_best_run_and_the_weights_come_from_dev(runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    found = _vote(runs, capsys, "--dev", *(str(runs[f"{name}-dev"]) for name in "abc"))
    assert found["best"] == "a-test"
    methods: dict[str, dict[str, float]] = found["methods"]  # type: ignore[assignment]
    assert list(methods) == ["hard", "weighted", "mean probability"]
    # 0 and 1 are wrong in two runs each, the others in one at most
    assert methods["hard"]["accuracy"] == pytest.approx(4 / 6)
    assert methods["hard"]["best_accuracy"] == pytest.approx(4 / 6)
    assert (methods["hard"]["fixed"], methods["hard"]["broken"]) == (0, 0)


def test_probabilities_are_those_of_the_order_that_was_asked_not_of_the_rotations(runs: dict[str, Path]) -> None:
    (found,) = read_members([runs["a-test"]], "closed")
    assert found.probabilities[0] == pytest.approx((0.05, 0.9, 0.05))
    assert found.probabilities[2] == pytest.approx((0.9, 0.05, 0.05))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a-test"], "expected at least two"),
        (["a-test", "b-test"], r"with --dev RUN .* or --against RUN"),
        (["a-test", "b-test", "--dev", "a-dev"], "expected one for each of the 2"),
        (["a-test", "b-test", "--dev", "b-dev", "a-dev"], "its reader is not that of"),
        (["a-test", "b-test", "--dev", "a-test", "b-test"], r"6 in all\) is voted on too"),
        (["a-test", "b-test", "--against", "c-test"], "expected one of"),
        (["a-test", "b-dev", "--against", "a-test"], "no item that all of them asked"),
    ],
)
def test_what_would_flatter_or_cannot_be_compared_is_refused(
    runs: dict[str, Path], arguments: list[str], message: str
) -> None:
    given = [str(runs.get(argument, argument)) for argument in arguments]
    with pytest.raises(UserError, match=message):
        main(["vote", *given, "--arm", "closed"])


def test_the_table_names_every_run_and_method(runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert (
        main(["vote", str(runs["a-test"]), str(runs["b-test"]), "--against", str(runs["b-test"]), "--arm", "closed"])
        == 0
    )
    shown = capsys.readouterr().out
    assert "Votes against b-test" in shown
    assert "a-test" in shown
    assert "hard" in shown
    assert "weighted" not in shown
