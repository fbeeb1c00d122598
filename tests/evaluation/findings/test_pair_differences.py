"""Which two of several groups differ: decided by both tests, worded by who is worse."""

import dataclasses

import pytest

from nnunetv2_fair.evaluation.findings.all_findings import brief, headline
from nnunetv2_fair.evaluation.findings.pair_differences import pair_differences
from nnunetv2_fair.evaluation.findings.sentences import plain
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import (
    Comparison,
    GroupStatistics,
    GroupTest,
    PairTest,
)
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, MetricInfo

NAMES = ("White", "Black", "Asian")


def result(
    of_all: float, of_pairs: dict[tuple[str, str], tuple[float, float]], better: str = "higher"
) -> EvaluationResult:
    """Return a result with a corrected p-value of all groups, and delta and p of each pair."""
    one = GroupStatistics(9, 9, 0, 0, *[0.5] * 5, NO_INTERVAL, NO_INTERVAL, 9)
    pairs = tuple(
        PairTest(between, delta, GroupTest("Mann-Whitney U", 1.0, p / 3, p, 3))
        for between, (delta, p) in of_pairs.items()
    )
    made = Comparison(
        "ethnicity", "dice", "heart", one, dict.fromkeys(NAMES, one), {}, (),
        GroupTest("Kruskal-Wallis", 1.0, of_all, of_all, 1), pairs=pairs,
    )  # fmt: skip
    metric = MetricInfo("dice", "Dice", "", better, "Overlap.", True)
    return EvaluationResult(
        "", None, (metric,), ("heart",), ("ethnicity",), (made,), settings={"confidence": 0.95}
    )


PAIRS = {
    ("White", "Black"): (0.4, 0.01),
    ("White", "Asian"): (0.1, 0.2),
    ("Black", "Asian"): (-0.4, 0.04),
}


def test_pairs_that_differ_worse_group_first():
    found = list(pair_differences(result(0.001, PAIRS)))
    assert [one.who for one in found] == [("Black", "White"), ("Black", "Asian")]
    assert [one.between for one in found] == [("White", "Black"), ("Black", "Asian")]
    assert {one.verdict for one in found} == {"shown"}
    assert found[0].sentence == (
        "Among the groups of ethnicity, segmentation of heart is worse for Black than for White by "
        "Dice (Cliff's delta 0.400; Mann-Whitney U p = 0.003, corrected p = 0.010)."
    )
    metric = result(0.001, PAIRS).metrics[0]
    assert plain(headline(found[0], metric)) == found[0].sentence
    assert plain(brief(found[0], metric)).startswith("worse for Black than for White (Cliff's")


def test_of_distances_the_larger_is_worse():
    found = list(pair_differences(result(0.001, PAIRS, better="lower")))
    assert [one.who for one in found] == [("White", "Black"), ("Asian", "Black")]


@pytest.mark.parametrize("of_all", [0.051, 0.3, float("nan")])
def test_nothing_is_said_of_pairs_where_the_test_of_all_does_not_reject(of_all):
    assert not list(pair_differences(result(of_all, PAIRS)))


def test_no_pair_without_a_direction():
    assert not list(pair_differences(result(0.001, {("White", "Black"): (0.0, 0.01)})))


def test_the_level_is_that_of_the_result():
    made = dataclasses.replace(result(0.001, PAIRS), settings={"confidence": 0.98})
    assert [one.who for one in pair_differences(made)] == [("Black", "White")]
