"""Margins that cannot be, and how often equivalence is claimed, rightly and wrongly."""

import math

import numpy as np
import pytest

from nnunetv2_fair.errors import UsageError
from nnunetv2_fair.evaluation.request import Request, ScoresFile, answer
from nnunetv2_fair.evaluation.results.groups import PairEffect
from nnunetv2_fair.evaluation.results.values import Scale
from nnunetv2_fair.evaluation.statistics.equivalence import check_margins, parse_margins
from nnunetv2_fair.evaluation.statistics.group_comparison import (
    Observations,
    StatisticsSettings,
    compare_groups,
)


def test_margins_are_read():
    assert parse_margins(["dice=0.03", " hd95 = 2"]) == {"dice": 0.03, "hd95": 2.0}
    check_margins({"dice": 0.03, "hd95": 2.0}, {"dice": 1.0, "hd95": math.inf, "iou": 1.0}, 0.95)
    check_margins({}, {"dice": 1.0}, 0.4)


def test_malformed_margins_are_refused_all_at_once():
    with pytest.raises(UsageError) as caught:
        parse_margins(["dice", "=0.1", "dice=few", "iou=0.1", "iou=0.2"])
    message = str(caught.value)
    assert "--margin dice: expected METRIC=NUMBER, such as dice=0.03" in message
    assert "--margin =0.1: expected METRIC=NUMBER" in message
    assert "--margin dice=few: 'few' is not a number" in message
    assert "--margin iou=0.2: iou is given twice; give it once" in message


@pytest.mark.parametrize(
    ("margins", "words"),
    [
        ({"dise": 0.1}, "'dise' is not evaluated (evaluated: dice, hd95); correct the name"),
        ({"dice": 0.0}, "--margin dice=0: expected a number above 0"),
        ({"dice": -0.1}, "--margin dice=-0.1: expected a number above 0"),
        ({"dice": math.nan}, "--margin dice=nan: expected a number above 0"),
        ({"hd95": math.inf}, "--margin hd95=inf: expected a number above 0"),
        ({"dice": 1.0}, "no gap of dice can be larger than 1; expected a number above 0 and below"),
    ],
)
def test_impossible_margins_are_refused(margins, words):
    with pytest.raises(UsageError) as caught:
        check_margins(margins, {"dice": 1.0, "hd95": math.inf}, 0.95)
    assert words in str(caught.value)


DICE = Scale("higher", 0.0, 1.0)


def effect(first, second, seed=0, metric="dice", scale=DICE) -> PairEffect:
    values = np.concatenate([first, second])
    return compare_groups(
        Observations(
            values,
            np.zeros(len(values), dtype=bool),
            np.arange(len(values)),
            np.repeat([0, 1], [len(first), len(second)]),
            ("a", "b"),
        ),
        attribute="x",
        metric=metric,
        label="l",
        reference="a",
        error_measures=False,
        settings=StatisticsSettings(n_bootstrap=300, seed=seed),
        scale=scale,
    ).effects[0]


def within(found: PairEffect, margin: float) -> bool:
    limits = found.mean_difference_interval
    return -margin < limits.low and limits.high < margin


def test_equivalence_is_claimed_of_equal_groups():
    rng = np.random.default_rng(2)
    claimed = [
        within(effect(rng.beta(12, 1.5, 100), rng.beta(12, 1.5, 100), seed), 0.05)
        for seed in range(40)
    ]
    assert np.mean(claimed) >= 0.8


@pytest.mark.parametrize("rate", [0.0, 0.05])
def test_equivalence_is_rarely_claimed_of_groups_as_far_apart_as_the_margin(rate):
    rng, margin, trials = np.random.default_rng(3), 0.06, 80
    wrong = 0
    for seed in range(trials):
        first, second = (
            np.where(rng.random(60) < rate, 0.0, rng.beta(12, 1.5, 60)) for _ in range(2)
        )
        second = np.where(second > 0, second - margin / (1 - rate), 0.0)
        wrong += within(effect(first, second, seed), margin)
    assert wrong / trials <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / trials)


def test_no_interval_of_groups_that_only_fail():
    found = effect(np.zeros(10), np.linspace(0.5, 0.9, 10))
    assert found.mean_difference == pytest.approx(-0.7)
    assert math.isnan(found.mean_difference_interval.low)


@pytest.mark.parametrize(("patients", "known"), [(20, False), (80, True)])
def test_no_interval_of_distances_that_may_lack_a_failure(patients, known):
    # one missed structure in seventeen, 300 mm: the gap of means is 18 mm, yet often none is seen
    rng = np.random.default_rng(6)
    found = effect(
        rng.gamma(4, 1, patients), rng.gamma(4, 1, patients), 0, "hd95", Scale("lower", 0.0)
    )
    assert math.isfinite(found.mean_difference_interval.low) == known
    assert math.isfinite(found.mean_difference_together.low) == known


def test_margins_reach_the_findings_of_an_evaluation(tmp_path):
    rng = np.random.default_rng(4)
    table = tmp_path / "scores.csv"
    rows = ["case,patient,label,dice,sex"]
    rows += [f"c{i},p{i},organ,{rng.beta(12, 1.5):.4f},{'fm'[i % 2]}" for i in range(80)]
    table.write_text("\n".join(rows) + "\n")
    request = Request(ScoresFile(table, "csv"), ("sex",), margins={"dice": 0.2})
    result = answer(request).result
    (found,) = [f for f in result.findings if f.kind == "equivalence"]
    assert found.verdict == "excluded"
    assert result.settings["margins"] == {"dice": 0.2}
    with pytest.raises(UsageError, match="'iou' is not evaluated"):
        answer(Request(ScoresFile(table, "csv"), ("sex",), margins={"iou": 0.2}))
