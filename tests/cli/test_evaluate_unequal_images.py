"""Patients with unequal numbers of images, through the command: no gap where there is none."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from tests.cli.score_tables import Commands, latent, most, people

#: Labels of a table are studies of their own.
STUDIES = 30

#: Five groups whose patients have one to five images, in ever larger shares.
MIXED = ([1], [1, 1, 1, 2], [1, 2, 3, 5], [2, 3, 4, 5], [3, 5, 5, 5, 5])

NOTE = "which makes their means less spread out and not comparable"


def dice(rng: np.random.Generator, rows: pd.DataFrame, correlation: float = 0.4) -> np.ndarray:
    """Return values of one law: 8% failures, the rest skewed."""
    share = scipy.stats.norm.cdf(latent(rng, rows, correlation))
    return np.where(share < 0.08, 0, scipy.stats.beta.ppf(share, 12, 1.5)).round(4)


def alike(rows: pd.DataFrame) -> float:
    """Return the p-value that patients of all groups have alike numbers of images.

    Of 1 over the number, by the permutation form of the F test, worked out independently.
    """
    counts = rows.groupby(["group", "patient"]).size().reset_index(name="n")
    inverse = 1 / counts["n"].to_numpy()
    if np.ptp(inverse) == 0:
        return 1.0
    between = sum(
        len(own) * (own.mean() - inverse.mean()) ** 2
        for own in (inverse[counts["group"] == g] for g in counts["group"].unique())
    )
    groups = counts["group"].nunique()
    return float(scipy.stats.chi2.sf(between / inverse.var(ddof=1), groups - 1))


def test_five_groups_of_one_law(commands: Commands):
    rng = np.random.default_rng(81)
    rows = people((14, 10, 20, 12, 16), MIXED, STUDIES)
    rows["dice"] = dice(rng, rows)
    found = commands.evaluate(rows, "-a", "group", "--bootstrap", "100")
    medians = found.findings(kind="group_difference", quantity="median")
    medians = [one for one in medians if one["label"] != "average"]
    assert len(medians) == STUDIES
    assert {one["test"] for one in medians} == {"Clustered Kruskal-Wallis"}
    p_values = np.array([one["p_value"] for one in medians])
    assert np.mean(p_values < 0.05) <= most(0.05, STUDIES)
    assert np.mean(p_values < 0.5) > 0.3  # and not because nothing is ever found
    claims = np.mean([one["verdict"] != "not_shown" for one in medians])
    assert claims <= most(0.10, STUDIES)
    # patients are counted, however many images they have
    assert medians[0]["n"] == {"g0": 14, "g1": 10, "g2": 20, "g3": 12, "g4": 16}
    assert NOTE in found.page
    assert NOTE in found.console
    # of the metric whose images are unequal
    assert "'group' in Dice: patients of one group have more images" in found.page


def test_the_worst_of_five_groups_is_found(commands: Commands):
    rng = np.random.default_rng(82)
    rows = people((20,) * 5, MIXED)
    images = rows.groupby("patient")["case"].transform("size")
    worse = 0.02 * images + 0.12 * (rows["group"] == "g3")
    rows["dice"] = (dice(rng, rows) - worse).clip(0)
    found = commands.evaluate(rows, "-a", "group")
    shown = found.finding(kind="group_difference", quantity="median")
    assert (shown["verdict"], shown["who"][0]) == ("shown", "g3")
    assert "differs between the groups of group: median Dice" in found.page
    # medians of images, each weighted by 1 over the images of its patient
    own = rows[rows["group"] == "g3"].sort_values("dice")
    weights = 1 / own.groupby("patient")["dice"].transform("size").to_numpy()
    middle = np.searchsorted(np.cumsum(weights), weights.sum() / 2)
    assert shown["values"]["g3"] == pytest.approx(own["dice"].iloc[middle], abs=0.002)
    assert abs(own["dice"].median() - own["dice"].iloc[middle]) > 0.003


@pytest.mark.parametrize(
    ("images", "test"),
    [
        (([3], [3]), "Mann-Whitney U"),  # equal numbers
        (([1, 2, 3], [1, 2, 3]), "Mann-Whitney U"),
        (([1], [2, *[1] * 19]), "Mann-Whitney U"),  # one patient has one image more
        (([1], [2]), "Clustered rank-sum"),  # every patient has one image more
        (([3], [4]), "Clustered rank-sum"),
        (([1], [5, 5, *[1] * 18]), "Mann-Whitney U"),  # the last number that is alike
        (([1], [5, 5, 5, *[1] * 17]), "Clustered rank-sum"),  # and the first that is not
    ],
)
def test_the_edge_of_the_rule(commands: Commands, images, test: str):
    """Equal groups stay equal on both sides of it, by the data that are worst for means."""
    rng = np.random.default_rng(83)
    rows = people((20, 20), images, STUDIES)
    rows["dice"] = dice(rng, rows, correlation=0.0)
    found = commands.evaluate(rows, "-a", "group", "--bootstrap", "100")
    medians = [
        one
        for one in found.findings(kind="group_difference", quantity="median")
        if one["label"] != "average"
    ]
    assert {one["test"] for one in medians} == {test}
    counted = test == "Clustered rank-sum"
    assert (alike(rows[rows["label"] == "l000"]) <= 0.1) == counted
    assert (NOTE in found.page) == (NOTE in found.console) == counted
    assert np.mean([one["p_value"] < 0.05 for one in medians]) <= most(0.05, STUDIES, 3)
    assert np.mean([one["verdict"] != "not_shown" for one in medians]) <= most(0.10, STUDIES, 3)


def test_one_image_more_changes_no_number_much(commands: Commands):
    """The same patients with one image twice: their means are the same, so all should be."""
    rng = np.random.default_rng(84)
    rows = people((20, 20), ([1], [1]))
    rows["dice"] = dice(rng, rows)
    before = commands.evaluate(rows, "-a", "group", name="before")
    again = rows.iloc[[25]].assign(case="again")
    after = commands.evaluate(pd.concat([rows, again]), "-a", "group", name="after")
    one, other = (w.finding(kind="group_difference", quantity="median") for w in (before, after))
    for key in ("test", "p_value", "values", "value", "n", "verdict"):
        assert one[key] == other[key]
