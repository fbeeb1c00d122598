import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nnunetv2_fair.evaluation.estimation.intervals import Sources
from nnunetv2_fair.evaluation.model_comparison.comparison import compare_models
from nnunetv2_fair.evaluation.model_comparison.rank_intervals import rank_ranges
from nnunetv2_fair.evaluation.results.comparison import ModelComparison, RankRange
from tests.report import factories

LARGE = Sources(np.ones(1), np.array([10**9]))


def ranges(values, replicates, higher=True, sources=LARGE, confidence=0.95):
    found = rank_ranges(
        np.asarray(values, float),
        np.asarray(replicates, float),
        higher_is_better=higher,
        confidence=confidence,
        sources=sources,
    )
    return [None if r is None else (r.first, r.last) for r in found]


def resampled(scores: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Means of (units, models) scores in n resamples that all models share."""
    drawn = rng.integers(len(scores), size=(n, len(scores)))
    return scores[drawn].mean(axis=1)


def test_clear_differences_settle_ranks_and_unclear_ones_leave_ranges(rng):
    noise = rng.normal(0, 1, (4000, 4))
    values = np.array([0.0, 5.0, 5.5, 20.0])
    replicates = values + noise
    assert ranges(values, replicates) == [(4, 4), (2, 3), (2, 3), (1, 1)]
    assert ranges(values, replicates, higher=False) == [(1, 1), (2, 3), (2, 3), (4, 4)]


def test_two_models_by_the_normal_interval_of_their_difference(rng):
    noise = rng.normal(0, 1, 200_000)
    for distance, settled in ((1.90, False), (2.02, True)):
        values = np.array([0.0, distance])
        replicates = np.stack([np.zeros_like(noise), distance + noise], axis=-1)
        expected = [(2, 2), (1, 1)] if settled else [(1, 2), (1, 2)]
        assert ranges(values, replicates) == expected


def test_all_pairs_together_need_tukeys_range(rng):
    """With m equal spreads the critical value is that of the studentised range."""
    models = 6
    noise = rng.normal(0, 1, (100_000, models))
    critical = stats.studentized_range.ppf(0.95, models, math.inf)  # in units of one model's SD
    for factor, settled in ((0.97, False), (1.03, True)):
        values = np.zeros(models)
        values[0] = critical * factor
        found = ranges(values, values + noise)
        assert found[0] == ((1, 1) if settled else (1, models))


def test_small_groups_need_more(rng):
    noise = rng.normal(0, 1, 100_000)
    few = Sources(np.ones(1), np.array([5]))
    reach = stats.t.ppf(0.975, 4) * math.sqrt(5 / 4)  # about 3.10 in place of 1.96
    for distance, settled in ((reach * 0.97, False), (reach * 1.03, True)):
        values = np.array([0.0, distance])
        replicates = np.stack([noise, np.full_like(noise, distance)], axis=-1)
        assert (ranges(values, replicates, sources=few)[1] == (1, 1)) is settled
        assert ranges(values, replicates)[1] == (1, 1)


def test_equal_models_are_put_in_an_order_in_few_studies(rng):
    studies, wrong = 300, 0
    for _ in range(studies):
        patients = rng.normal(0.8, 0.1, (30, 1))
        scores = patients + rng.normal(0, 0.05, (30, 5))
        drawn = resampled(scores, 400, rng)
        sources = Sources(np.ones(1), np.array([30]))
        wrong += set(ranges(scores.mean(axis=0), drawn, sources=sources)) != {(1, 5)}
    # 5% of 300 are 15; 28 or more would come up in one of 500 sessions
    assert wrong < 28


def test_models_without_a_value_do_not_count(rng):
    values = np.array([1.0, math.nan, 9.0, math.inf])
    replicates = values + rng.normal(0, 0.1, (500, 4))
    assert ranges(values, replicates) == [(2, 2), None, (1, 1), None]
    assert ranges([1.0, math.nan], replicates[:, :2]) == [None, None]
    assert ranges(values, np.empty((0, 4))) == [None] * 4


def test_infinite_resamples_settle_nothing(rng):
    values = np.array([1.0, 9.0, 20.0])
    replicates = values + rng.normal(0, 0.1, (500, 3))
    replicates[7, 1] = math.inf
    assert ranges(values, replicates) == [(2, 3), (1, 3), (1, 2)]


def test_equal_models_share_all_ranks():
    replicates = np.random.default_rng(1).normal(0.8, 0.1, (500, 1)).repeat(3, axis=1)
    assert ranges([0.8, 0.8, 0.8 + 1e-14], replicates) == [(1, 3)] * 3


@pytest.mark.filterwarnings("error")
def test_confidence_beyond_reach_settles_only_what_does_not_vary():
    replicates = np.tile([0.0, 0.1, 5.0], (2000, 1))
    replicates[5, :2] += 1.0  # a single resample is more than 40 deviations away
    few = Sources(np.ones(1), np.array([4]))
    found = ranges([0.0, 0.1, 5.0], replicates, sources=few, confidence=1 - 1e-9)
    assert found == [(2, 3), (1, 2), (1, 3)]


@given(
    st.lists(st.floats(-10, 10), min_size=2, max_size=6),
    st.floats(0.01, 5),
    st.integers(0, 1000),
)
def test_ranges_are_consistent(values, spread, seed):
    rng = np.random.default_rng(seed)
    data = np.array(values)
    replicates = data + rng.normal(0, spread, (200, len(data)))
    found = ranges(data, replicates)
    order = stats.rankdata(-data, method="min"), stats.rankdata(-data, method="max")
    for (first, last), best, worst in zip(found, *order, strict=True):
        assert 1 <= first <= best <= worst <= last <= len(data)
    for one, other in itertools.combinations(range(len(data)), 2):
        if found[one][1] < found[other][0]:  # only the better value can be ranked apart
            assert data[one] > data[other]
    turned = ranges(-data, -replicates, higher=False)
    assert turned == found


@pytest.fixture(scope="module")
def compared() -> ModelComparison:
    base = factories.two_groups(gap=0.12, size=40)
    better = factories.two_groups(gap=0.01, size=40, name="better", seed=4)
    same = base.per_case.assign(dice=base.per_case["dice"] + 1e-5)
    twin = dataclasses.replace(base, per_case=same, name="twin")
    return factories.models([base, better, twin], ["base", "better", "twin"], 500)


def test_a_comparison_ranks_by_every_measure(compared):
    entry = compared.entry("sex", "dice", "nodule")
    gaps = entry.per_model["base"].gaps
    assert set(entry.ranks) == {"overall_mean", "worst_group_mean", *gaps}
    for measure in ("overall_mean", "worst_group_mean", "delta", "std", "fairness_gap", "es_std"):
        assert entry.ranks[measure]["better"] == RankRange(1, 1), measure
        assert entry.ranks[measure]["base"].last == 3, measure
    # higher by the same in every patient, however little: that is no chance
    assert entry.ranks["overall_mean"]["twin"] == RankRange(2, 2)
    assert entry.ranks["overall_mean"]["base"] == RankRange(3, 3)
    # the gap is the same
    assert entry.ranks["delta"]["twin"] == entry.ranks["delta"]["base"] == RankRange(2, 3)


def test_ranks_agree_with_the_intervals_of_differences(compared):
    """Who is ranked apart also has an interval of the difference that excludes zero."""
    for entry in compared.entries:
        for model, found in entry.differences.items():
            for measure, difference in (
                ("overall_mean", found.overall),
                ("worst_group_mean", found.worst_group),
                *found.gaps.items(),
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
    assert "delta" not in entry.ranks
    assert compare_models([base, other], n_bootstrap=0).entries[0].ranks == {}


def test_ranks_are_read_back(compared, tmp_path):
    compared.write(tmp_path)
    read = ModelComparison.read(tmp_path)
    assert [entry.ranks for entry in read.entries] == [entry.ranks for entry in compared.entries]
    assert "rank" in read.definitions
