"""Patients without a value of a metric, through the commands: they are never counted as having one.

An image without a lesion has no Dice of the lesion. Of 100 women 22 have one; what is said of women
rests on 22 patients.
"""

import re

import numpy as np
import pandas as pd
import pytest

from tests.cli.score_tables import Commands


def table(rng: np.random.Generator, with_value: int = 22, shift: float = 0.0) -> pd.DataFrame:
    """Return 100 men with a value, and 100 women of whom some have one."""
    dice = rng.beta(13, 7, 200).round(4)
    women = np.arange(200) >= 100
    dice = np.where(women, (dice - shift).clip(0), dice)
    dice[100 + with_value :] = np.nan
    return pd.DataFrame(
        {
            "case": [f"c{i:03d}" for i in range(200)],
            "patient": [f"p{i:03d}" for i in range(200)],
            "sex": np.where(women, "f", "m"),
            "dice": dice,
            "nsd": rng.beta(9, 2, 200).round(4),
        }
    )


def test_who_has_a_value_is_counted_everywhere(commands: Commands):
    found = commands.evaluate(
        table(np.random.default_rng(91)), "-a", "sex", "--reference", "sex=m",
        "--margin", "dice=0.2", "--failure", "dice=0.5", "--tables", "csv",
    )  # fmt: skip
    of_dice = found.findings(metric="dice")
    assert {one["kind"] for one in of_dice} == {"group_difference", "failure_rate", "equivalence"}
    for one in of_dice:
        assert one["n"] == {"f": 22, "m": 100}
    assert all(one["n"] == {"f": 100, "m": 100} for one in found.findings(metric="nsd"))
    (median,) = [one for one in of_dice if one["quantity"] == "median"]
    sizes = [f"{median['n'][who]}{' values' if not i else ''} of {who}"
             for i, who in enumerate(median["who"])]  # fmt: skip
    words = f"With {sizes[0]} and {sizes[1]}, a gap of"
    assert words in found.page
    assert words in found.console
    # beside every median and dot
    assert "Median Dice" in found.page
    assert found.page.count("f 22 of 100 patients") == 2
    assert "m 100 patients" in found.page
    assert "Dice: 78 cases of f undefined and left out." in found.page
    assert re.search(
        r"Dice cases patients .* f 100 22 of 100 0\.\d+ .* m 100 100 0\.", found.console
    )
    assert re.search(r"NSD cases patients .* f 100 100 0\.", found.console)
    # failures: 78 women who cannot fail are none of those who did not
    assert re.search(r"Dice 0\.5 or lessf[\d.]+% [\d.]+ to [\d.]+\d of 22p", found.page)
    rows = pd.read_csv(found.folder / "table_groups.csv")
    of_women = rows[rows["Group"] == "f"].set_index("Metric")
    assert list(of_women["Patients"]) == [100, 100]
    assert list(of_women["With a value"]) == [22, 100]
    statistics = found.data["comparisons"][0]["groups"]["f"]
    assert (statistics["n_patients"], statistics["n_undefined"], statistics["n_units"]) == (
        100,
        78,
        22,
    )


def test_all_is_as_if_they_were_not_there(commands: Commands):
    frame = table(np.random.default_rng(92))
    # all women count when the reference group is chosen, so it is named
    options = ("-a", "sex", "--reference", "sex=m", "--margin", "dice=0.1", "--failure", "dice=0.5")
    whole = commands.evaluate(frame.drop(columns="nsd"), *options, name="whole")
    known = frame[frame["dice"].notna()].drop(columns="nsd")
    fewer = commands.evaluate(known, *options, name="fewer")
    assert whole.data["findings"] == fewer.data["findings"]
    one, other = (written.data["comparisons"][0] for written in (whole, fewer))
    assert one["gaps"] == other["gaps"]
    assert one["effects"] == other["effects"]
    assert one["test"] == other["test"]


def test_gaps_below_the_detectable_one_of_those_with_a_value(commands: Commands):
    """100 patients would see far smaller gaps than 22; the sentence must not promise it."""
    rng = np.random.default_rng(93)
    few = commands.evaluate(
        table(rng, 22), "-a", "sex", "--reference", "sex=m", "--bootstrap", "1000", name="few"
    )
    all_of_them = commands.evaluate(
        table(rng, 100), "-a", "sex", "--reference", "sex=m", "--bootstrap", "1000", name="all"
    )
    detectable = [
        written.finding(kind="group_difference", quantity="median", metric="dice")["numbers"][
            "detectable_gap"
        ]
        for written in (few, all_of_them)
    ]
    assert detectable[0] > 1.3 * detectable[1]


def test_a_group_with_too_few_values_is_not_compared(commands: Commands):
    frame = table(np.random.default_rng(94), with_value=4, shift=0.4)
    found = commands.evaluate(frame, "-a", "sex", "--reference", "sex=m")
    one = found.finding(kind="group_difference", quantity="median", metric="dice")
    assert one["verdict"] == "not_comparable"
    assert found.data["comparisons"][0]["left_out"] == {
        "f": "4 patients with a value, fewer than 5"
    }
    told = "not compared: 4 patients with a value, fewer than 5"
    assert told in found.page
    assert f"f is {told}" in found.console


def test_no_value_in_some_images_of_a_patient(commands: Commands):
    """Two images each; a patient has a value if one image has."""
    frame = table(np.random.default_rng(95)).drop(columns="nsd")
    second = frame.assign(case=frame["case"] + "b")
    half = second["case"].str[1:4].astype(int) % 2 == 0
    second.loc[half, "dice"] = np.nan
    found = commands.evaluate(pd.concat([frame, second]), "-a", "sex", "--reference", "sex=m")
    one = found.finding(kind="group_difference", quantity="median")
    assert one["n"] == {"f": 22, "m": 100}
    known = pd.concat([frame, second]).dropna(subset="dice")
    means = known.groupby(["sex", "patient"])["dice"].mean().groupby("sex").mean()
    groups = found.data["comparisons"][0]["groups"]
    assert {name: groups[name]["mean"] for name in "fm"} == pytest.approx(dict(means))
    by_case = commands.evaluate(
        pd.concat([frame, second]), "-a", "sex", "--reference", "sex=m", "--unit", "case", name="c"
    )
    one = by_case.finding(kind="group_difference", quantity="median")
    assert one["n"] == {"f": 33, "m": 150}
    assert "f 33 of 200 cases" in by_case.page
    assert re.search(r" f 33 of 200 100 0\.\d+ ", by_case.console)


def test_models_are_compared_by_who_has_a_value_in_both(commands: Commands):
    first = table(np.random.default_rng(96)).drop(columns="nsd")
    second = first.assign(dice=(first["dice"] + 0.02).clip(upper=1).round(4))
    second.loc[[0, 1, 2, 100], "dice"] = np.nan  # three men, one woman
    evaluated = [
        commands.evaluate(frame, "-a", "sex", "--reference", "sex=m", name=name)
        for frame, name in ((first, "first"), (second, "second"))
    ]
    found = commands.compare(*evaluated)
    by_group = {one["who"][0]: one["n"] for one in found.findings(quantity="group_mean")}
    assert by_group == {"f": {"f": 21}, "m": {"m": 97}}
    entry = found.data["entries"][0]
    assert entry["group_patients"] == {"f": 21, "m": 97}
    assert (entry["n_cases"], entry["n_patients"]) == (118, 118)
    assert "118 patients" in found.page


def test_a_shared_page_does_not_tell_how_many_have_a_value(commands: Commands):
    """It hides that number, and does not pass off all patients as those with a value instead."""
    frame = table(np.random.default_rng(97))
    found = commands.evaluate(frame, "-a", "sex", "--shareable")
    assert "f 100 patients, perhaps some without a value" in found.page
    for text in (found.page, found.console):
        assert "22 of 100" not in text
        assert "With groups of 100" not in text
    assert found.data["comparisons"][0]["groups"]["f"]["n_units"] is None
    whole = frame.assign(dice=frame["dice"].fillna(0.5))
    assert "perhaps" not in commands.evaluate(whole, "-a", "sex", "--shareable", name="all").page
