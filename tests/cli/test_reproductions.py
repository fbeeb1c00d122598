"""Sentences that were once false, each from its table to the page, through the commands."""

import numpy as np
import pandas as pd
import pytest

from tests.cli.score_tables import Commands


def test_an_average_makes_no_gap_that_no_label_has(commands: Commands):
    """Half of the women have no lesion; their organ alone made them 0.911 against 0.802."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(200):
        sex = "f" if i % 2 else "m"
        has = rng.random() < (0.95 if sex == "m" else 0.5)
        organ, lesion = round(rng.beta(95, 5), 4), round(rng.beta(13, 7), 4)
        rows.append({"case": f"c{i}", "label": "organ", "sex": sex, "dice": organ})
        rows.append({"case": f"c{i}", "label": "lesion", "sex": sex, "dice": lesion if has else ""})
    frame = pd.DataFrame(rows)
    found = commands.evaluate(frame, "-a", "sex")
    every = found.findings(kind="group_difference")
    assert {one["label"] for one in every} == {"average", "organ", "lesion"}
    assert {one["verdict"] for one in every} == {"not_shown"}
    by_case = frame.assign(dice=pd.to_numeric(frame["dice"])).pivot(
        index=["case", "sex"], columns="label", values="dice"
    )
    complete = by_case.dropna().mean(axis=1).groupby("sex").median()
    average = found.finding(kind="group_difference", quantity="median", label="average")
    assert average["values"] == pytest.approx(dict(complete), abs=1e-6)
    assert "averaged over all labels, between m and f could be shown" in found.page
    assert "the cases in which every label has a Dice" in found.page
    assert "the cases in which every label has a Dice" in found.console


def test_a_model_with_half_the_noise_is_not_fairer(commands: Commands):
    rng = np.random.default_rng(3)
    groups, shared = np.repeat(list("abcdefgh"), 20), rng.standard_normal(160)
    evaluated, beyond_chance = [], []
    for number, spread in enumerate((0.12, 0.06, 0.06)):
        noise = 0.84 * shared + 0.55 * rng.standard_normal(160)
        frame = pd.DataFrame({"case": [f"c{i}" for i in range(160)], "grp": groups})
        frame["dice"] = (0.8 + spread * noise).clip(0, 1).round(4)
        of_group = frame.groupby("grp")["dice"]
        beyond_chance.append(of_group.mean().var() - (of_group.var() / of_group.size()).mean())
        evaluated.append(commands.evaluate(frame, "-a", "grp", name=f"m{number}"))
    found = commands.compare(*evaluated)
    (entry,) = found.data["entries"]
    for number, model in enumerate(("m1", "m2"), start=1):
        # what used to decide: the largest difference between groups, which noise enlarges
        assert entry["differences"][model]["gaps"]["delta"]["value"] < -0.02
        change = found.finding(quantity="between_group_variance", model=model)
        assert change["value"] == pytest.approx(beyond_chance[number] - beyond_chance[0])
        assert change["verdict"] == "not_shown"
        for text in (found.page, found.console):
            assert f"With {model}, no change of the gap in Dice between the groups of grp" in text


def test_extra_failures_are_told_where_medians_are_equal(commands: Commands):
    """3% against 15% in 50 + 50, which the median shows in 7% of studies: here in half."""
    rng = np.random.default_rng(5)
    women, claimed, of_medians = np.arange(100) % 2 == 1, 0, 0
    for number in range(16):
        failed = rng.random(100) < np.where(women, 0.15, 0.03)
        frame = pd.DataFrame({"case": [f"c{i}" for i in range(100)]})
        frame["sex"] = np.where(women, "f", "m")
        frame["dice"] = np.where(failed, 0, rng.beta(12, 1.5, 100)).round(4)
        found = commands.evaluate(frame, "-a", "sex", name=f"study{number}")
        rate = found.finding(kind="failure_rate")
        of_medians += (
            found.finding(quantity="median", kind="group_difference")["verdict"] == "shown"
        )
        assert rate["values"] == pytest.approx(
            {sex: failed[women == (sex == "f")].mean() for sex in "fm"}
        )
        if rate["verdict"] == "shown":
            claimed += 1
            for text in (found.page, found.console):
                assert "fails more often for f than for m: Dice of 0.1 or less in" in text
    assert claimed >= 5
    assert claimed > of_medians


def test_one_training_is_not_taken_for_the_method(commands: Commands):
    """Two trainings of one method differ: claimed of trained models alone, never of methods."""
    rng = np.random.default_rng(7)
    people = pd.DataFrame({"case": [f"c{i}" for i in range(120)], "sex": ["f", "m"] * 60})
    own = rng.normal(0.8, 0.05, 120)

    def trainings(number: int) -> pd.DataFrame:
        made = []
        for name in range(number):
            shift = rng.normal(0, 0.02, 2)[np.arange(120) % 2]
            dice = (own + shift + rng.normal(0, 0.02, 120)).clip(0, 1).round(4)
            made.append(people.assign(dice=dice, training=f"run_{name}"))
        return pd.concat(made)

    single = [
        commands.evaluate(trainings(1).drop(columns="training"), "-a", "sex", name=f"single_{n}")
        for n in range(2)
    ]
    found = commands.compare(*single)
    assert any(one["verdict"] == "shown" for one in found.findings(kind="model_change"))
    assert "Each model is one training: what is said holds for this trained model" in found.page
    for text in (single[0].page, single[0].console):
        assert "All of this is about this trained model." in text
    several = [
        commands.evaluate(trainings(4), "-a", "sex", "--trainings", "repeats", name=f"method_{n}")
        for n in range(2)
    ]
    assert "this trained model" not in several[0].page
    found = commands.compare(*several, options=("--overwrite",))
    assert "Each model is a method of 4 trainings" in found.page
    assert not any(one["verdict"] == "shown" for one in found.findings(kind="model_change"))


def test_who_loses_is_told_first(commands: Commands):
    """Women gain and men lose 0.015: a smaller gap, and better overall, but not for men."""
    rng = np.random.default_rng(1)
    women = np.arange(120) % 2 == 0
    frame = pd.DataFrame(
        {"case": [f"c{i}" for i in range(120)], "sex": np.where(women, "female", "male")}
    )
    before = np.where(women, 0.75, 0.85) + rng.normal(0, 0.04, 120)
    after = before + np.where(women, 0.05, -0.015) + rng.normal(0, 0.02, 120)
    evaluated = [
        commands.evaluate(frame.assign(dice=dice.clip(0, 1).round(4)), "-a", "sex", name=name)
        for dice, name in ((before, "old"), (after, "new"))
    ]
    found = commands.compare(*evaluated)
    said = "With new, the gap in Dice between the groups of sex is smaller: male loses 0.0"
    for text in (found.page, found.console):
        assert said in text
        assert "female gains 0.0" in text
    (male,) = (f for f in found.findings(quantity="group_mean") if f["who"] == ["male"])
    assert (male["verdict"], male["direction"]) == ("shown", "worse")
    assert -0.03 < male["interval"]["low"] < male["interval"]["high"] < 0


def test_equal_errors_on_smaller_structures_are_told_as_such(commands: Commands):
    """The same error of one pixel on discs of radius 10 and 14."""
    women = np.arange(80) % 2 == 1
    radius = np.where(women, 10.0, 14.0)
    reference, predicted = np.pi * radius**2, np.pi * (radius + 1) ** 2
    frame = pd.DataFrame({"case": [f"c{i}" for i in range(80)]})
    frame["sex"] = np.where(women, "female", "male")
    frame["dice"] = (2 * reference / (reference + predicted) + np.linspace(0, 0.002, 80)).round(5)
    frame["hd95_mm"] = 1.0
    frame["reference_voxels"] = reference.round().astype(int) + np.arange(80) // 2
    found = commands.evaluate(frame, "-a", "sex")
    difference = found.finding(kind="group_difference", quantity="median", metric="dice")
    assert difference["verdict"] == "shown"
    said = "Most of it is explained by the size of the structures."
    assert difference["sentence"].endswith(said)
    for text in (found.page, found.console):
        assert said in text
    assert found.finding(kind="size_explains")["verdict"] == "shown"
    assert found.finding(quantity="median", metric="hd95")["verdict"] == "not_shown"
