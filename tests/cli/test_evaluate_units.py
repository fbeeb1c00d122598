"""What is counted, through the command: patients or images, and patients in several groups."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from tests.cli.score_tables import Commands, Written, latent, most, people

#: Labels of a table are studies of their own.
STUDIES = 30

WARNING = (
    "Statistics are by case (--unit case) although patients have several cases. Images of one "
    "patient resemble each other, so intervals are too narrow, p-values too small, and "
    "differences are shown where there are none."
)


def of_labels(found: Written) -> list[dict]:
    """Return what is said of the medians of every label but their average."""
    medians = found.findings(kind="group_difference", quantity="median")
    return [one for one in medians if one["label"] != "average"]


def rate(findings: list[dict], *, shown_alone: bool = False) -> float:
    """Return how often a page with one label would claim something.

    Args:
        findings: Of every label.
        shown_alone: Whether signs do not count.
    """
    found = []
    for one in findings:
        apart = one["interval"]["low"] > 0 or one["interval"]["high"] < 0
        tested = one["p_value"] < 0.05
        found.append(apart and tested if shown_alone else apart or tested)
    return float(np.mean(found))


def test_cases_of_the_same_patients_are_warned_of(commands: Commands):
    rng = np.random.default_rng(111)
    studies = 24
    rows = people((20, 20), (5, 5), studies)
    rows["dice"] = scipy.stats.beta.ppf(scipy.stats.norm.cdf(latent(rng, rows, 0.8)), 12, 1.5)
    by_case = commands.evaluate(rows, "-a", "group", "--unit", "case", "--bootstrap", "100")
    for text in (by_case.page, by_case.console, " ".join(by_case.data["notes"])):
        assert WARNING in text
    assert "200 cases come from 40 patients" in by_case.console
    # and it is so
    assert rate(of_labels(by_case), shown_alone=True) > 0.25
    by_patient = commands.evaluate(rows, "-a", "group", "--bootstrap", "100", name="patients")
    for text in (by_patient.page, by_patient.console):
        assert "although patients have several cases" not in text
        assert "200 cases come from 40 patients; statistics are by patient" in text
    assert rate(of_labels(by_patient), shown_alone=True) <= most(0.05, studies)


def test_the_warning_is_shared_and_only_given_where_it_applies(commands: Commands):
    rng = np.random.default_rng(112)
    rows = people((20, 20), (2, 2))
    rows["dice"] = rng.beta(12, 1.5, len(rows)).round(4)
    options = ("-a", "group", "--unit", "case")
    shared = commands.evaluate(rows, *options, "--shareable", name="shared")
    for text in (shared.page, shared.console, " ".join(shared.data["notes"])):
        assert WARNING in text
    single = commands.evaluate(rows.drop_duplicates("patient"), *options, name="single")
    assert "--unit case" not in single.console
    assert "although patients have several cases" not in single.page


def test_signs_among_twelve_equal_groups(commands: Commands):
    """They were on a quarter of such pages: one of eleven intervals excluded zero by chance."""
    rng, studies = np.random.default_rng(113), 40
    rows = people((8,) * 12, (1,) * 12, studies)
    share = scipy.stats.norm.cdf(latent(rng, rows, 0.0))
    rows["dice"] = np.where(share < 0.03, 0, scipy.stats.beta.ppf(share, 12, 1.5)).round(4)
    found = of_labels(commands.evaluate(rows, "-a", "group", "--bootstrap", "100"))
    assert len(found) == studies
    assert np.mean([one["verdict"] != "not_shown" for one in found]) <= most(0.10, studies)
    assert rate(found) == np.mean([one["verdict"] != "not_shown" for one in found])
    assert rate(found, shown_alone=True) <= most(0.05, studies)


def both_sides(n_both: int, n_single: int, n_labels: int = STUDIES) -> pd.DataFrame:
    """Return a row per organ: some patients have a left and a right one, some one of them."""
    own = np.r_[np.repeat(np.arange(n_both), 2), n_both + np.arange(n_single)]
    rows = pd.DataFrame(
        {
            "case": [f"c{number}" for number in range(len(own))],
            "patient": [f"p{number}" for number in own],
            "side": np.resize(["left", "right"], len(own)),
        }
    )
    labels = pd.DataFrame({"label": [f"l{number:03d}" for number in range(n_labels)]})
    return rows.merge(labels, how="cross")


LAWS = {
    "gaussian": lambda u: 0.7 + 0.05 * scipy.stats.norm.ppf(u),
    "skewed, with failures": lambda u: np.where(
        u < 0.08, 0, scipy.stats.beta.ppf(u, 12, 1.5).round(4)
    ),
    "ties at 1": lambda u: np.minimum(1, 1.15 * scipy.stats.beta.ppf(u, 8, 1)).round(2),
    "found or not": lambda u: (u > 0.1).astype(float),
}


@pytest.mark.parametrize(
    ("n_both", "n_single", "law"),
    [*((20, 0, law) for law in LAWS), *((6, 30, law) for law in LAWS), (1, 30, "ties at 1")],
)
def test_patients_in_both_groups(commands: Commands, n_both, n_single, law):
    rng = np.random.default_rng(114)
    rows = both_sides(n_both, n_single)
    noise = latent(rng, rows, 0.8)
    rows["dice"] = LAWS[law](scipy.stats.norm.cdf(noise)).clip(0, 1)
    found = of_labels(commands.evaluate(rows, "-a", "side", "--bootstrap", "100"))
    assert len(found) == STUDIES
    paired = "Stratified rank permutation" if n_single else "Wilcoxon signed-rank"
    assert {one["test"] for one in found} == {paired}
    assert np.mean([one["p_value"] < 0.05 for one in found]) <= most(0.05, STUDIES, 3)
    assert np.mean([one["verdict"] != "not_shown" for one in found]) <= most(0.10, STUDIES, 3)


def test_power_of_patients_compared_with_themselves(commands: Commands):
    """Half an SD between the sides of 30 patients.

    The interval of the difference of medians, which must exclude zero too, sees less of it.
    """
    rng = np.random.default_rng(115)
    rows = both_sides(30, 0)
    worse = 0.5 * (rows["side"] == "right").to_numpy()
    rows["dice"] = 0.7 + 0.05 * (latent(rng, rows, 0.8) - worse)
    found = of_labels(commands.evaluate(rows, "-a", "side"))
    unpaired = []
    for one in found:
        sides = rows[rows["label"] == one["label"]].pivot(index="patient", columns="side")["dice"]
        expected = scipy.stats.wilcoxon(sides["left"], sides["right"], method="exact").pvalue
        assert one["p_value"] == pytest.approx(expected)
        unpaired.append(scipy.stats.mannwhitneyu(sides["left"], sides["right"]).pvalue < 0.05)
    assert np.mean([one["p_value"] < 0.05 for one in found]) > 0.9
    assert rate(found, shown_alone=True) > 0.55
    assert np.mean(unpaired) < 0.7
    assert {one["who"][0] for one in found if one["verdict"] == "shown"} == {"right"}
