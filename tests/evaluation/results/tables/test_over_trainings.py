"""Mean and standard deviation over trainings, against numpy and pandas."""

import dataclasses
import math

import numpy as np
import pytest

from nnunetv2_fair.evaluation.results.tables.over_trainings import (
    GROUP,
    GROUP_MEDIAN,
    OVERALL,
    WORST,
    OverTrainings,
    Quantity,
    caption,
    mean_std_cell,
    mean_std_table,
    over_trainings,
)
from nnunetv2_fair.evaluation.results.tables.text_table import to_csv, to_latex, to_markdown
from tests.evaluation.trainings.factories import evaluated, scores_of_trainings

LABEL = "segmentation"


@pytest.fixture(scope="module")
def table():
    return scores_of_trainings(trainings=4)


@pytest.fixture(scope="module")
def method(table, tmp_path_factory):
    return evaluated(table, tmp_path_factory.mktemp("method"))


@pytest.fixture(scope="module")
def single(table, tmp_path_factory):
    one = table[table["training"] == "run_0"].drop(columns="training")
    return evaluated(one, tmp_path_factory.mktemp("single"), None)


def test_every_quantity_is_that_of_each_training(table, method):
    found = over_trainings(method, "sex", "dice", LABEL)
    by_run = table.groupby("training")["dice"]
    groups = table.groupby(["training", "sex"])["dice"]
    means, medians = groups.mean().unstack(), groups.median().unstack()
    expected = {
        Quantity(OVERALL): by_run.mean(),
        Quantity(GROUP, ("f",)): means["f"],
        Quantity(GROUP_MEDIAN, ("m",)): medians["m"],
        Quantity(WORST): means.min(axis=1),
        Quantity("delta"): (means["f"] - means["m"]).abs(),
        Quantity("ser"): (1 - medians).max(axis=1) / (1 - medians).min(axis=1),
        Quantity("skew"): (1 - means).max(axis=1) / (1 - means).min(axis=1),
        Quantity("es_std"): by_run.mean() / (1 + means.std(axis=1, ddof=1)),
    }
    for quantity, values in expected.items():
        assert found[quantity].values == pytest.approx(tuple(values))
        assert found[quantity].mean == pytest.approx(values.mean())
        assert found[quantity].std == pytest.approx(values.std(ddof=1))
    (gap,) = [quantity for quantity in found if quantity.name == "fairness_gap"]
    assert found[gap].mean == pytest.approx(
        (medians[gap.groups[0]] - medians[gap.groups[1]]).mean()
    )
    # of the mean values of cases it would be another, smaller one
    assert found[Quantity("delta")].mean != pytest.approx(
        method.comparison("sex", "dice", LABEL).gap("delta").value
    )


def test_the_table_of_a_paper(method, single):
    table = mean_std_table({"ours": method, "alone": single}, "sex", "dice", LABEL)
    assert table.columns[:4] == ("Method", "All", "f", "m")
    assert table.title == "Dice, segmentation, by sex"
    found = over_trainings(method, "sex", "dice", LABEL)[Quantity(OVERALL)]
    assert table.rows[0][:2] == ("ours", f"{found.mean:.4f} ({found.std:.4f})")
    value = single.comparison("sex", "dice", LABEL).overall.mean
    assert table.rows[1][:2] == ("alone", f"{value:.4f}")
    assert "Mean over 4 trainings, in parentheses the standard deviation between" in table.notes[0]
    assert "A value without parentheses is that of one training." in table.notes[0]
    for text in (to_csv(table), to_markdown(table), to_latex(table)):
        assert f"{found.mean:.4f} ({found.std:.4f})" in text
    chosen = mean_std_table({"ours": method}, "sex", "dice", LABEL, measures=("delta", GROUP))
    assert chosen.columns == ("Method", "Delta", "f", "m")


def test_a_group_that_is_not_compared_is_in_no_table(table, tmp_path):
    few = table.copy()
    # four patients of a third group, fewer than are compared
    few.loc[few["case"].isin([f"c{i:03d}" for i in range(4)]), "sex"] = "x"
    result = evaluated(few, tmp_path)
    assert "x" in result.comparison("sex", "dice", LABEL).left_out
    found = over_trainings(result, "sex", "dice", LABEL)
    assert not [quantity for quantity in found if "x" in quantity.groups]
    assert [q.groups for q in found if q.name == GROUP] == [("f",), ("m",)]
    worst = few[few["sex"] != "x"].groupby(["training", "sex"])["dice"].mean().unstack().min(axis=1)
    assert found[Quantity(WORST)].values == pytest.approx(tuple(worst))


def test_nothing_tells_of_a_single_patient(table, tmp_path):
    few = table.copy()
    few.loc[few["case"] == "c000", "sex"] = "x"
    result = evaluated(few, tmp_path)
    settings = {**result.settings, "min_patients": 1}
    comparisons = tuple(dataclasses.replace(c, left_out={}) for c in result.comparisons)
    result = dataclasses.replace(result, settings=settings, comparisons=comparisons)
    assert over_trainings(result, "sex", "dice", LABEL) == {}
    made = mean_std_table({"m": result}, "sex", "dice", LABEL)
    assert made.columns == ("Method",)


@pytest.mark.parametrize(
    ("values", "unit", "expected"),
    [
        ((0.5, 0.7), "", "0.6000 (0.1414)"),
        ((0.5,), "", "0.5000"),
        ((1.0, 2.0, 3.0), "mm", "2.000 (1.000)"),
        ((math.nan, 0.5), "", ""),
        ((math.inf, 0.5), "mm", "inf"),
    ],
)
def test_cells(values, unit, expected):
    found = OverTrainings.of(values)
    assert mean_std_cell(found, unit) == expected
    if len(values) > 1 and np.isfinite(values).all():
        assert found.std == pytest.approx(np.std(values, ddof=1))


def test_captions(method, single):
    assert "without parentheses" not in caption({"a": method})
    two = dataclasses.replace(method, trainings=method.trainings[:2])
    assert "Mean over the trainings of each method" in caption({"a": method, "b": two})


def test_groups_that_are_not_chosen_have_means_and_no_share_in_fairness(table, tmp_path):
    three = table.copy()
    three.loc[three["case"].str[1:].astype(int) % 4 == 0, "sex"] = "x"
    low = three["sex"] == "x"
    three.loc[low, "dice"] -= 0.2
    result = evaluated(three, tmp_path, groups={"sex": ("f", "m")})
    assert "x" in result.comparison("sex", "dice", LABEL).left_out
    found = over_trainings(result, "sex", "dice", LABEL)
    means = three.groupby(["training", "sex"])["dice"].mean().unstack()
    assert found[Quantity(GROUP, ("x",))].values == pytest.approx(tuple(means["x"]))
    assert found[Quantity(WORST)].values == pytest.approx(tuple(means[["f", "m"]].min(axis=1)))
