"""Errors by group where patients have different numbers of cases, and by case."""

import numpy as np
import pandas as pd
import pytest

from nnunetv2_fair.evaluation.downstream.groups import compare_errors, with_corrected_tests
from nnunetv2_fair.evaluation.downstream.measures import measure_info
from nnunetv2_fair.evaluation.downstream.settings import Threshold
from nnunetv2_fair.evaluation.statistics.all_comparisons import GroupVocabulary
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings


def rows_of(images, generator, n=40):
    """Errors of one distribution; patients of the second group have more images."""
    made = []
    for group, each in zip("ab", images, strict=True):
        for patient in range(n):
            skill = generator.gamma(2, 1)
            for image in range(each):
                reference = 100 + 10 * generator.normal()
                made.append((f"{group}{patient}_{image}", f"{group}{patient}", group, reference,
                             reference + skill * generator.normal()))  # fmt: skip
    frame = pd.DataFrame(made, columns=["case", "patient", "group", "reference", "prediction"])
    error = frame["prediction"] - frame["reference"]
    return frame.assign(error=error, absolute_error=error.abs())


def compare(rows, unit="patient", thresholds=(), **settings):
    return compare_errors(
        rows, "organ", measure_info("volume", "mm"), GroupVocabulary("group", ("a", "b"), "a"),
        StatisticsSettings(unit, n_bootstrap=0, **settings), thresholds,
    )  # fmt: skip


def test_of_several_images_of_a_patient_the_mean_counts():
    rows = rows_of((3, 3), np.random.default_rng(0))
    found = compare(rows)
    means = rows[rows["group"] == "a"].groupby("patient")["absolute_error"].mean()
    assert not found.one_each
    assert found.groups["a"].n == 40
    assert found.groups["a"].mean == pytest.approx(means.mean())
    assert compare(rows, "case").groups["a"].n == 120


def test_of_different_numbers_of_images_one_counts():
    found = compare(rows_of((1, 5), np.random.default_rng(0)))
    assert found.one_each
    assert sum(found.groups["b"].shares) == pytest.approx(1)
    assert found.groups["b"].shares[0] * 40 == pytest.approx(
        round(found.groups["b"].shares[0] * 40)
    )


def test_no_false_claims_where_one_group_has_more_images():
    """Means of five images vary less than single ones, which must not look like other errors."""
    generator = np.random.default_rng(5)
    p_values = [
        compare(rows_of((1, 5), generator, 25), seed=seed).divergences[0].p_value
        for seed in range(60)
    ]
    assert (np.array(p_values) < 0.05).mean() <= 0.134  # 0.05 and three standard errors


def test_thresholds_are_corrected_together():
    rows = rows_of((1, 1), np.random.default_rng(1))
    thresholds = [Threshold("volume", value) for value in (95, 100, 105)]
    found = list(with_corrected_tests([compare(rows, thresholds=thresholds)]))
    tests = [d.test for d in found[0].decisions]
    assert [t.family_size for t in tests] == [3, 3, 3]
    assert all(t.corrected_p >= t.p_value for t in tests)
    at_100 = found[0].decisions[1].groups["a"]
    own = rows[rows["group"] == "a"]
    assert at_100.upward == ((own["reference"] < 100) & (own["prediction"] >= 100)).sum()
    assert at_100.downward == ((own["reference"] >= 100) & (own["prediction"] < 100)).sum()


def test_divergences_are_corrected_over_the_attribute():
    generator = np.random.default_rng(2)
    made = [compare(rows_of((1, 1), generator)) for _ in range(3)]
    found = list(with_corrected_tests(made))
    assert {d.family_size for c in found for d in c.divergences} == {3}
    smallest = min(d.p_value for c in found for d in c.divergences)
    assert min(d.corrected_p for c in found for d in c.divergences) == min(1, 3 * smallest)


def test_groups_that_were_not_chosen_are_shown_and_not_compared():
    generator = np.random.default_rng(3)
    rows = pd.concat([rows_of((1, 1), generator), rows_of((1, 1), generator).assign(group="c")])
    found = compare_errors(
        rows, "organ", measure_info("volume", "mm"),
        GroupVocabulary("group", ("a", "b", "c"), None, ("a", "b")),
        StatisticsSettings("case", n_bootstrap=0), [Threshold("volume", 100)],
    )  # fmt: skip
    assert list(found.left_out) == ["c"]
    assert [d.between for d in found.divergences] == [("a", "b")]
    assert found.groups["c"].n == 80
    assert found.groups["c"].shares == ()
