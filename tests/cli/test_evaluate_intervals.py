"""Intervals of means with rare failures, through the command: as often right as they say."""

import math
import re

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from tests.cli.score_tables import Commands, Written, people

#: Labels of a table are studies of their own.
STUDIES = 36
WRONG = 0.03


def dice(rng: np.random.Generator, rows: pd.DataFrame) -> float:
    """Add a Dice of which 3% are 0; return its true mean."""
    failed = rng.random(len(rows)) < WRONG
    rows["dice"] = np.where(failed, 0, rng.beta(12, 1.5, len(rows))).round(5)
    return (1 - WRONG) * 12 / 13.5


def hd95(rng: np.random.Generator, rows: pd.DataFrame) -> float:
    """Add distances of which 3% are infinite and count as 300 mm; return their true mean."""
    failed = rng.random(len(rows)) < WRONG
    rows["hd95_mm"] = np.where(failed, np.inf, rng.gamma(2, 2, len(rows)).round(4))
    rows["diagonal_mm"] = 300.0
    return (1 - WRONG) * 4 + WRONG * 300


def means(found: Written) -> list[tuple[float, float, float]]:
    """Return mean and interval of every group and label but the average."""
    return [
        (group["mean"], *(float(end) for end in group["mean_interval"].values()))
        for one in found.data["comparisons"]
        if one["label"] != "average"
        for group in one["groups"].values()
    ]


def most_missed(studies: int) -> float:
    """Return how many intervals may miss: of 93% coverage, less than 1% of runs miss more."""
    return float(scipy.stats.binom.ppf(0.99, studies, 0.07))


@pytest.mark.parametrize("sizes", [(10, 10), (5, 40), (50, 50)])
@pytest.mark.parametrize("law", [dice, hd95])
def test_the_true_mean_is_inside(commands: Commands, law, sizes):
    rng = np.random.default_rng(61)
    rows = people(sizes, (1, 1), STUDIES)
    truth = law(rng, rows)
    column = "dice" if law is dice else "hd95_mm"
    found = commands.evaluate(rows, "-a", "group", "--bootstrap", "200")
    every = means(found)
    printed = [(low, high) for _, low, high in every if not math.isnan(low)]
    missed = sum(not low <= truth <= high for low, high in printed)
    assert missed <= most_missed(len(printed))
    if law is dice:
        assert len(printed) == len(every)
    # not by being endless
    unlucky = [high - low for _, low, high in every if not math.isnan(low)]
    assert np.median(unlucky) < (0.3 if law is dice else 120)
    # without a failure among few distances no interval is printed: nothing says how long it is
    failed = rows[column].isin([0, np.inf]).groupby(rows["label"]).any()
    for label, whole in zip(failed.index, np.reshape(every, (STUDIES, 2, 3)), strict=True):
        if law is hd95 and not failed[label] and sum(sizes) < 150:
            assert np.isnan(whole[:, 1]).all()


def test_how_t_intervals_fare(commands: Commands):
    """The plain interval, which these replace, misses one study of seven."""
    rng = np.random.default_rng(62)
    rows = people((10, 10), (1, 1), 60)
    truth = dice(rng, rows)
    plain = missed = 0
    for _, values in rows.groupby(["label", "group"])["dice"]:
        mean, error = values.mean(), values.std(ddof=1) / math.sqrt(len(values))
        half = scipy.stats.t.ppf(0.975, len(values) - 1) * error
        plain += not mean - half <= truth <= mean + half
    for _, low, high in means(commands.evaluate(rows, "-a", "group", "--bootstrap", "200")):
        missed += not low <= truth <= high
    assert plain > 14
    assert missed <= most_missed(120)


def test_what_is_printed_is_the_interval_of_two_parts(commands: Commands):
    """One failure in ten: the interval reaches as far down as four, and not above the others."""
    values = np.r_[0.0, np.linspace(0.85, 0.95, 9)]
    frame = pd.DataFrame(
        {
            "case": [f"c{i}" for i in range(60)],
            "group": np.repeat(["a", "b"], [10, 50]),
            "dice": np.r_[values, np.linspace(0.8, 0.95, 50)].round(4),
        }
    )
    found = commands.evaluate(frame, "-a", "group", "--bootstrap", "2000")
    (a, low, high), (b, low_b, high_b) = means(found)
    assert 0.50 < low < 0.65
    assert 0.88 < high < 0.92
    # fifty without a failure may lack one in twenty
    half = scipy.stats.t.ppf(0.975, 49) * frame["dice"][10:].std() / math.sqrt(50)
    assert b - half - 0.05 * b < low_b < b - half
    assert high_b == pytest.approx(b + half, abs=0.005)
    for mean, ends in ((a, (low, high)), (b, (low_b, high_b))):
        assert f"{mean:.3f} {ends[0]:.3f} to {ends[1]:.3f} worst tenth" in found.page
        assert f"{mean:.3f} [{ends[0]:.3f} to {ends[1]:.3f}]" in found.console
    assert "it is made from two parts: the share of failures" in found.page


def test_means_of_few_distances_without_a_failure_have_none(commands: Commands):
    rng = np.random.default_rng(63)
    rows = people((12, 12), (1, 1)).drop(columns="label")
    rows["hd95_mm"] = rng.gamma(2, 2, len(rows)).round(4)
    found = commands.evaluate(rows, "-a", "group")
    assert all(math.isnan(low) for _, low, _ in means(found))
    for name, group in found.data["comparisons"][0]["groups"].items():
        assert f"{name}{group['mean']:.2f} worst tenth" in found.page
        assert re.search(
            rf" {name} 12 12 [\d.]+ \[[\d. to]+\] {group['mean']:.2f} [^\[]", found.console
        )
