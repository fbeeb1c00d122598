"""Gaps by source: Welch's test against an independent reference."""

import numpy as np
import pytest
from scipy import stats

from nnunetv2_fair.audit.labels.sources import common_of, gaps_by_source, heterogeneity_of
from nnunetv2_fair.audit.statistics.contrasts import Spread, mean_of
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings


def test_heterogeneity_is_welchs_analysis_of_variance():
    rng = np.random.default_rng(2)
    samples = [rng.normal(m, s, n) for m, s, n in ((0, 1, 12), (1, 2, 7), (0.5, 0.5, 30))]
    found = heterogeneity_of([mean_of(sample) for sample in samples])
    # Welch 1951, written out
    n = np.array([len(s) for s in samples])
    w = n / np.array([s.var(ddof=1) for s in samples])
    means = np.array([s.mean() for s in samples])
    grand = (w * means).sum() / w.sum()
    off = ((1 - w / w.sum()) ** 2 / (n - 1)).sum()
    statistic = ((w * (means - grand) ** 2).sum() / 2) / (1 + 2 * 1 / 8 * off)
    assert found.p_value == pytest.approx(stats.f.sf(statistic, 2, 8 / (3 * off)))
    assert found.value == pytest.approx(means.max() - means.min())


def test_two_sources_are_compared_as_by_welch():
    one, other = mean_of(np.arange(6.0)), mean_of(np.arange(9.0) * 2)
    welch = stats.ttest_ind(np.arange(6.0), np.arange(9.0) * 2, equal_var=False)
    assert heterogeneity_of([one, other]).p_value == pytest.approx(welch.pvalue)


def test_what_sources_have_in_common_is_weighted_by_size():
    found = common_of([Spread(1.0, 0.1, 10), Spread(4.0, 0.2, 20)], [(10, 10), (20, 20)])
    assert found.value == pytest.approx(3)
    assert found.error == pytest.approx(np.hypot(0.1 / 3, 0.2 * 2 / 3))


def test_small_sources_are_left_out():
    rng = np.random.default_rng(0)
    sources = np.repeat(["A", "B", "C", ""], [20, 20, 6, 10]).astype(object)
    groups = np.arange(56) % 2 * 1.0
    values = rng.normal(0, 0.01, 56) - 0.1 * groups * (sources == "B")
    people = np.array([f"p{i}" for i in range(56)], dtype=object)
    found = gaps_by_source(
        values, groups, people, sources, (0, 1), ("old", "young"), ("age", "dice", "organ"),
        StatisticsSettings(),
    )  # fmt: skip
    assert list(found.by_source) == ["A", "B"]
    assert found.left_out == {"C": "3 and 3 patients, fewer than 5 in a group"}
    assert found.by_source["B"].gap.value == pytest.approx(0.1, abs=0.01)
    assert found.heterogeneity.p_value < 0.001
    assert found.heterogeneity.value == pytest.approx(0.1, abs=0.02)
    alone = gaps_by_source(
        values[:20], groups[:20], people[:20], sources[:20], (0, 1), ("old", "young"),
        ("age", "dice", "organ"), StatisticsSettings(),
    )  # fmt: skip
    assert alone.heterogeneity.reason == "fewer than two sources have enough of both groups"
