"""Subgroups found by the command where attributes vary within patients, or nothing differs.

An image of a patient is no patient of its own: where scanner and phase differ between the images
of patients, a search that takes the images of one scanner for people of their own counts each
patient of a site several times, and names a site on nearly every page.
"""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from tests.cli.score_tables import Commands, Written, most

PATIENTS, IMAGES = 60, 4
PAGES = 7


def patients(rng: np.random.Generator, correlation: float, blocks: bool) -> pd.DataFrame:
    """Return images of patients; whom they are of decides nothing but how they resemble.

    Args:
        rng: Source of randomness.
        correlation: Of the images of a patient.
        blocks: Whether a patient's images are mostly of one scanner, so that a scanner is nearly a
            set of patients.
    """
    n = PATIENTS * IMAGES
    patient = np.repeat(np.arange(PATIENTS), IMAGES)
    usual = rng.integers(0, 5, PATIENTS)[patient]
    scanner = np.where(rng.random(n) < (0.85 if blocks else 0.0), usual, rng.integers(0, 5, n))
    own, noise = rng.standard_normal(PATIENTS)[patient], rng.standard_normal(n)
    share = scipy.stats.norm.cdf(np.sqrt(correlation) * own + np.sqrt(1 - correlation) * noise)
    return pd.DataFrame(
        {
            "case": [f"c{i:03d}" for i in range(n)],
            "patient": [f"p{i:02d}" for i in patient],
            "sex": rng.choice(["f", "m"], PATIENTS)[patient],
            "site": rng.choice(["A", "B", "C", "D"], PATIENTS)[patient],
            "age": rng.choice(["a", "b", "c", "d", "e"], PATIENTS)[patient],
            "scanner": np.array(list("ABCDE"))[scanner],
            "phase": rng.choice(["early", "late", "native"], n),
            "dice": np.where(share < 0.03, 0, scipy.stats.beta.ppf(share, 12, 1.5)).round(4),
        }
    )


def searched(commands: Commands, frame: pd.DataFrame, *options: str, name: str) -> Written:
    options = ("-a", "sex", "--discover", "--permutations", "199", "--bootstrap", "0", *options)
    return commands.evaluate(frame, *options, name=name)


@pytest.mark.parametrize(("correlation", "blocks"), [(0.4, True), (0.8, True), (0.8, False)])
def test_attributes_that_vary_within_patients(commands: Commands, correlation, blocks):
    rng = np.random.default_rng(16)
    named = []
    for number in range(PAGES):
        frame = patients(rng, correlation, blocks)
        found = searched(commands, frame, name=f"null{number}")
        claims = [one for one in found.findings(kind="subgroup") if one["verdict"] == "shown"]
        named.append(bool(claims))
        if not claims:
            (none,) = found.findings(kind="subgroup")
            for text in (found.page, found.console):
                assert "no subgroup is shown to differ from the others" in text
            assert none["verdict"] == "not_shown"
    assert np.mean(named) <= most(0.07, PAGES)


def test_a_scanner_that_is_worse_within_patients_is_found(commands: Commands):
    rng = np.random.default_rng(17)
    frame = patients(rng, 0.8, blocks=False)
    worse = (frame["scanner"] == "C") & (frame["phase"] == "late")
    frame["dice"] = (frame["dice"] - 0.15 * worse).clip(0).round(4)
    found = searched(commands, frame, name="planted")
    first = found.findings(kind="subgroup")[0]
    assert first["verdict"] == "shown"
    assert first["items"] == {"scanner": "C", "phase": "late"}
    assert first["direction"] == "worse"
    for text in (found.page, found.console):
        assert "is worse where scanner is C and phase is late" in text


@pytest.mark.parametrize("law", ["dice", "detection"])
def test_nothing_is_named_where_nothing_differs(commands: Commands, law: str):
    """The tables of 200 patients and six attributes on which half of all pages named a subgroup."""
    levels = {
        "sex": "mf", "site": "ABC", "scanner": ["s1", "s2", "s3", "s4"], "race": ["w", "x", "y"],
        "smoker": "ny", "age": ["a", "b", "c", "d", "e"],
    }  # fmt: skip
    named = []
    for seed in range(PAGES):
        rng = np.random.default_rng(seed)
        frame = pd.DataFrame({"case": [f"c{i:03d}" for i in range(200)]})
        for attribute, of in levels.items():
            rare = np.array([0.7] + [0.3 / (len(of) - 1)] * (len(of) - 1))
            frame[attribute] = rng.choice(list(of), 200, p=rare)
        frame[law] = rng.beta(12, 1.5, 200).round(5) if law == "dice" else rng.random(200) > 0.1
        frame[law] = frame[law].astype(float)
        found = searched(commands, frame, name=f"null{seed}")
        named.append(any(f["verdict"] == "shown" for f in found.findings(kind="subgroup")))
        rate = "a search like this would name one in about 5% of studies"
        assert rate in found.page
    assert np.mean(named) <= most(0.07, PAGES)
