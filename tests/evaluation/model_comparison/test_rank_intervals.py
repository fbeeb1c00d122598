"""Ranks from simultaneous comparisons of all pairs of models."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nnunetv2_fair.evaluation.estimation.units import Units
from nnunetv2_fair.evaluation.model_comparison.contrasts import MeanDifference
from nnunetv2_fair.evaluation.model_comparison.rank_intervals import rank_ranges
from nnunetv2_fair.evaluation.model_comparison.simultaneous import Family, RandomWeights
from nnunetv2_fair.evaluation.model_comparison.standard_errors import Means
from nnunetv2_fair.evaluation.results.comparison import ModelComparison, RankRange
from tests.report import factories


def ranges(scores: np.ndarray, higher: bool = True, confidence: float = 0.95):
    """Ranks by the mean of (models, units) scores."""
    count, size = scores.shape
    names = [f"p{i:04d}" for i in range(size)]
    means = Means.of(Units.from_cases(scores, names, np.zeros(size, dtype=int), 1))
    pairs = {
        (j, i): MeanDifference(means, j, i, 0) for i, j in itertools.combinations(range(count), 2)
    }
    family = Family(RandomWeights(names, np.random.default_rng(0)), confidence)
    family.add(names, list(pairs.values()))
    found = rank_ranges(pairs, family, higher)
    return [(found[i].first, found[i].last) for i in range(count)]


def standardised(rng, models: int, size: int) -> np.ndarray:
    """Scores whose means are 0 and whose pairs all have a standard error of 1."""
    noise = rng.normal(0, 1, (models, size))
    noise -= noise.mean(axis=1, keepdims=True)
    whitened = np.linalg.inv(np.linalg.cholesky(np.cov(noise))) @ noise
    return whitened * math.sqrt(size / 2)


def test_clear_differences_settle_ranks_and_unclear_ones_leave_ranges(rng):
    scores = standardised(rng, 4, 400) + np.array([0.0, 5.0, 5.5, 20.0])[:, None]
    assert ranges(scores) == [(4, 4), (2, 3), (2, 3), (1, 1)]
    assert ranges(scores, higher=False) == [(1, 1), (2, 3), (2, 3), (4, 4)]


@pytest.mark.parametrize("size", [6, 400])
def test_two_models_by_the_t_test_of_their_difference(rng, size):
    critical = stats.t.isf(0.025, size - 1)
    for factor, settled in ((0.95, False), (1.05, True)):
        scores = standardised(rng, 2, size) + np.array([0.0, factor * critical])[:, None]
        assert ranges(scores) == ([(2, 2), (1, 1)] if settled else [(1, 2), (1, 2)])


def test_all_pairs_together_need_tukeys_range(rng):
    models = 6
    critical = stats.studentized_range.ppf(0.95, models, 2000) / math.sqrt(2)
    for factor, settled in ((0.96, False), (1.04, True)):
        values = np.zeros(models)
        values[0] = critical * factor
        found = ranges(standardised(rng, models, 2000) + values[:, None])
        assert found[0] == ((1, 1) if settled else (1, models))


def test_equal_models_are_put_in_an_order_in_few_studies(rng):
    studies, wrong = 200, 0
    for _ in range(studies):
        scores = rng.normal(0.8, 0.1, (1, 30)) + rng.normal(0, 0.05, (5, 30))
        wrong += set(ranges(scores)) != {(1, 5)}
    # 5% of 200 are 10; 20 or more would come up in one of 400 sessions
    assert wrong < 20


def test_equal_models_share_all_ranks(rng):
    scores = rng.normal(0.8, 0.1, (1, 30)).repeat(3, axis=0)
    scores[2] += 1e-14
    assert ranges(scores) == [(1, 3)] * 3


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(-10, 10), min_size=2, max_size=6),
    st.floats(0.01, 5),
    st.integers(0, 1000),
)
def test_ranges_are_consistent(values, spread, seed):
    rng = np.random.default_rng(seed)
    data = np.array(values)
    scores = data[:, None] + rng.normal(0, spread, (len(data), 12))
    found, means = ranges(scores), scores.mean(axis=1)
    order = stats.rankdata(-means, method="min"), stats.rankdata(-means, method="max")
    for (first, last), best, worst in zip(found, *order, strict=True):
        assert 1 <= first <= best <= worst <= last <= len(data)
    for one, other in itertools.combinations(range(len(data)), 2):
        if found[one][1] < found[other][0]:  # only the better value can be ranked apart
            assert means[one] > means[other]
    assert ranges(-scores, higher=False) == found


@pytest.fixture(scope="module")
def compared() -> ModelComparison:
    base = factories.two_groups(gap=0.12, size=40)
    better = factories.two_groups(gap=0.01, size=40, name="better", seed=4)
    same = base.per_case.assign(dice=base.per_case["dice"] + 1e-5)
    twin = dataclasses.replace(base, per_case=same, name="twin")
    return factories.models([base, better, twin], ["base", "better", "twin"], 500)


def test_a_comparison_ranks_by_every_measure(compared):
    entry = compared.entry("sex", "dice", "nodule")
    assert set(entry.ranks) == {"overall_mean", "worst_group_mean", "between_groups"}
    for measure in entry.ranks:
        assert entry.ranks[measure]["better"] == RankRange(1, 1), measure
        assert entry.ranks[measure]["base"].last == 3, measure
    # higher by the same in every patient, however little: that is no chance
    assert entry.ranks["overall_mean"]["twin"] == RankRange(2, 2)
    assert entry.ranks["overall_mean"]["base"] == RankRange(3, 3)
    # the gap is the same
    gaps = entry.ranks["between_groups"]
    assert gaps["twin"] == gaps["base"] == RankRange(2, 3)


def test_ranks_agree_with_the_intervals_of_differences(compared):
    """Who is ranked apart also has an interval of the difference that excludes zero."""
    for entry in compared.entries:
        for model, found in entry.differences.items():
            for measure, difference in (
                ("overall_mean", found.overall),
                ("worst_group_mean", found.worst_group),
                ("between_groups", found.between_groups),
            ):
                if measure not in entry.ranks:
                    continue
                own, base = entry.ranks[measure][model], entry.ranks[measure]["base"]
                if own.last < base.first or own.first > base.last:
                    limits = difference.interval
                    assert limits.low > 0 or limits.high < 0, (entry.metric, measure, model)


def test_too_few_patients_are_not_ranked():
    base = factories.make_result({"sex": ("f", "m")}, {"f": 3, "m": 30})
    other = factories.make_result({"sex": ("f", "m")}, {"f": 3, "m": 30}, {"m": 0.2}, name="o")
    entry = factories.models([base, other], ["b", "o"], 200).entry("sex", "dice", "nodule")
    assert entry.ranks["overall_mean"]["b"] == RankRange(1, 1)
    assert "between_groups" not in entry.ranks


def test_ranks_are_read_back(compared, tmp_path):
    compared.write(tmp_path)
    read = ModelComparison.read(tmp_path)
    assert [entry.ranks for entry in read.entries] == [entry.ranks for entry in compared.entries]
    assert "rank" in read.definitions
