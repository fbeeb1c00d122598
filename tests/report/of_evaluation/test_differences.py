import math

import pytest

from nnunetv2_fair.evaluation.findings.all_findings import main_findings
from nnunetv2_fair.evaluation.results.values import Interval
from nnunetv2_fair.report.of_evaluation.differences import (
    Disadvantage,
    all_pairs,
    disadvantage,
    of_difference,
    usual_reference,
    worst_and_best,
)
from nnunetv2_fair.report.of_evaluation.overview import title_of
from tests.report import factories


@pytest.mark.parametrize(
    ("value", "low", "high", "words", "interval"),
    [
        (0.05, 0.01, 0.09, "0.050 worse", "0.010 to 0.090"),
        (-0.05, -0.09, -0.01, "0.050 better", "0.010 to 0.090"),
        (0.05, -0.01, 0.09, "0.050 worse", "0.010 better to 0.090 worse"),
        (-0.01, 0.02, 0.09, "0.010 better", "0.020 to 0.090 worse"),
        (0.0, -0.01, 0.01, "0.000", "0.010 better to 0.010 worse"),
        (0.05, math.nan, math.nan, "0.050 worse", ""),
    ],
)
def test_differences_in_words(value, low, high, words, interval):
    found = Disadvantage(value, Interval(low, high), "")
    assert found.words == words
    assert found.interval_words == interval


def test_longer_distances_are_worse():
    limits = Interval(-4, -1)
    found = of_difference(-2.0, limits, factories.HD95)
    assert (found.words, found.interval_words) == ("2.00 worse", "1.00 to 4.00")
    assert of_difference(-2.0, limits, factories.DICE).words == "2.000 better"


def test_every_pair_is_its_mirror_and_only_computed_intervals_are_told():
    result = factories.full()
    comparison = result.comparison("sex+age", "dice", "average")
    reference = usual_reference(comparison)
    names = [name for name in comparison.groups if name not in comparison.left_out]
    for one in names:
        for other in names:
            if one == other:
                continue
            found = disadvantage(comparison, factories.DICE, one, other)
            mirror = disadvantage(comparison, factories.DICE, other, one)
            medians = [comparison.groups[name].median for name in (one, other)]
            assert found.value == pytest.approx(medians[0] - medians[1])
            assert mirror.value == pytest.approx(-found.value)
            told = not math.isnan(found.interval.low)
            assert told == (reference in (one, other))
            if told:
                assert (mirror.interval.low, mirror.interval.high) == pytest.approx(
                    (-found.interval.high, -found.interval.low)
                )
    assert len(all_pairs([(factories.DICE, comparison)]).rows) == len(names) * (len(names) - 1)
    (main,) = main_findings(result, comparison.attribute, comparison.label)[:1]
    worst, best = worst_and_best(comparison, main)
    assert comparison.groups[worst].median == min(comparison.groups[n].median for n in names)
    assert comparison.groups[best].median == max(comparison.groups[n].median for n in names)


@pytest.mark.parametrize(
    ("name", "dataset", "trainer", "expected"),
    [
        ("predictions", "Dataset042_Lungs", "nnUNetTrainer", "Dataset042_Lungs: nnUNetTrainer"),
        ("mine", "Dataset042_Lungs", "", "Dataset042_Lungs: mine"),
        ("mine", "", "nnUNetTrainer", "mine (nnUNetTrainer)"),
        ("Dataset042_Lungs, fold 0", "Dataset042_Lungs", "", "Dataset042_Lungs, fold 0"),
        ("mine", "", "", "mine"),
    ],
)
def test_title_names_dataset_and_trainer(name, dataset, trainer, expected):
    made = factories.two_groups(size=5, name=name)
    made.settings.update(dataset=dataset, trainer=trainer)
    assert title_of(made) == expected
