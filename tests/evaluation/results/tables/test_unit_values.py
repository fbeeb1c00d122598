"""The dots of a plot are the values behind the evaluation's own statistics."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.tables.per_case import AVERAGE
from nnunetv2_fair.evaluation.results.tables.unit_values import unit_values
from nnunetv2_fair.evaluation.statistics.all_comparisons import GroupVocabulary, compare_all
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from tests.report import factories

LABELS = ("liver", "tumour", AVERAGE)


def evaluated(unit: str, policy: str) -> EvaluationResult:
    """Several cases per patient, some undefined, some infinite, one of unknown group."""
    random = np.random.default_rng(2)
    rows = []
    for case in range(60):
        patient = f"p{case // 3}"
        group = "" if case == 59 else str(1 + (case // 3) % 2)
        for label in LABELS:
            dice = float(random.uniform(0.3, 0.9))
            distance = float(random.uniform(1, 30))
            flags = ""
            if label != "liver" and case % 11 == 0:
                distance = math.inf
            if label == "tumour" and case % 7 == 0:
                dice = distance = math.nan
                flags = "both_empty"
            if case == 20:
                dice = distance = math.nan
                flags = "missing_prediction"
            rows.append((f"c{case}", patient, group, label, dice, distance, 200.0 + case, flags))
    columns = ["case", "patient", "site", "label", "dice", "hd95_mm", "diagonal_mm", "flags"]
    frame = pd.DataFrame(rows, columns=columns)
    single = frame[frame["label"] != AVERAGE]
    frame.loc[frame["label"] == AVERAGE, "dice"] = (
        single.groupby("case", sort=False)["dice"].mean().to_numpy()
    )
    metrics = (factories.DICE, factories.HD95)
    settings = StatisticsSettings(unit=unit, n_bootstrap=20)
    made = compare_all(
        frame, metrics, LABELS, [GroupVocabulary("site", ("1", "2"), None)], policy, settings
    )
    return EvaluationResult(
        "x", frame, metrics, LABELS, ("site",), made,
        settings={"unit": unit, "empty_distance": policy},
    )  # fmt: skip


@pytest.mark.parametrize("unit", ["patient", "case"])
@pytest.mark.parametrize("policy", ["diagonal", "inf", "nan"])
def test_median_and_quartiles_agree_with_the_evaluation(unit, policy):
    result = evaluated(unit, policy)
    assert len(result.comparisons) == 6
    for comparison in result.comparisons:
        values = unit_values(result, "site", comparison.metric, comparison.label)
        assert list(values) == ["1", "2"]
        for group, found in comparison.groups.items():
            assert list(values[group]) == sorted(values[group])
            if comparison.by_image:
                assert len(values[group]) == found.n_cases - found.n_undefined
                assert values[group][0] <= found.q1 <= found.median <= values[group][-1]
            else:
                assert len(values[group]) == found.n_units
                assert np.median(values[group]) == pytest.approx(found.median)
                assert values[group].mean() == pytest.approx(found.mean)


def test_every_image_where_patients_of_one_group_have_more():
    rng = np.random.default_rng(0)
    cases = [(f"p{i}", str(1 + i % 2)) for i in range(24) for _ in range(4 if i % 2 else 1)]
    frame = pd.DataFrame(cases, columns=["patient", "site"])
    frame = frame.assign(
        case=[f"c{i}" for i in range(len(cases))], label="liver", flags="",
        dice=rng.random(len(cases)),
    )  # fmt: skip
    made = compare_all(
        frame, (factories.DICE,), ("liver",), [GroupVocabulary("site", ("1", "2"), None)],
        "diagonal", StatisticsSettings(n_bootstrap=20),
    )  # fmt: skip
    assert made[0].by_image
    result = EvaluationResult("x", frame, (factories.DICE,), ("liver",), ("site",), made)
    values = unit_values(result, "site", "dice", "liver")
    for group, found in values.items():
        expected = np.sort(frame["dice"][frame["site"] == group])
        np.testing.assert_array_equal(found, expected)
        # twelve patients with equally many images within the group
        assert made[0].groups[group].median == pytest.approx(np.median(expected))
        assert made[0].groups[group].n_units == 12


def test_the_policies_differ_where_a_mask_is_empty():
    means = {
        policy: unit_values(evaluated("patient", policy), "site", "hd95", "average")["1"].mean()
        for policy in ("diagonal", "inf", "nan")
    }
    assert means["inf"] == math.inf
    assert means["nan"] < means["diagonal"] < means["inf"]


def test_groups_that_look_like_numbers_survive_a_file(tmp_path):
    result = evaluated("patient", "diagonal")
    result.write(tmp_path)
    read = EvaluationResult.read(tmp_path)
    assert set(read.per_case["site"]) == {"1", "2", ""}
    values = unit_values(read, "site", "dice", "liver")
    np.testing.assert_allclose(values["1"], unit_values(result, "site", "dice", "liver")["1"])


def test_numeric_groups_are_found_too():
    result = evaluated("patient", "diagonal")
    known = result.per_case[result.per_case["site"] != ""]
    result = dataclasses.replace(result, per_case=known.assign(site=known["site"].astype(int)))
    assert len(unit_values(result, "site", "dice", "liver")["2"]) == 10


def test_absent_columns_and_groups_give_empty_arrays():
    result = factories.two_groups()
    result = dataclasses.replace(result, per_case=result.per_case.drop(columns="sex"))
    values = unit_values(result, "sex", "dice", "nodule")
    assert {name: len(found) for name, found in values.items()} == {"female": 0, "male": 0}
