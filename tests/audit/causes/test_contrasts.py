"""Contrasts against independent references."""

import math

import numpy as np
import pytest
from scipy import stats

from nnunetv2_fair.audit.causes.contrasts import (
    FEW_EXPERT,
    NO_OVERLAP,
    NOT_DONE,
    ONE_TRAINING,
    gap,
    removals,
)
from nnunetv2_fair.audit.causes.evidence import Evidence


@pytest.fixture
def rng():
    return np.random.default_rng(3)


SECOND = np.repeat([False, True], [30, 45])


def scores(rng, trainings=4, gap=0.1):
    patient = rng.normal(0.8, 0.1, len(SECOND)) - gap * SECOND
    return patient + rng.normal(0, 0.02, (trainings, len(SECOND)))


def of(values):
    """Means of the first group minus the second's, training by training."""
    return np.array([row[~SECOND].mean() - row[SECOND].mean() for row in values])


@pytest.mark.parametrize(("gap_before", "gap_after"), [(0.1, 0.02), (-0.1, -0.02), (0.1, 0.3)])
def test_shortcut_is_welch_of_each_patients_difference(rng, gap_before, gap_after):
    before, after = scores(rng, gap=gap_before), scores(rng, gap=gap_after)
    found = removals(Evidence(before, SECOND, neutral=after))["shortcut"]
    sign = math.copysign(1, gap_before)
    for number, share in ((found.removed, 1.0), (found.contrast, 0.5)):
        each = share * before - after
        value = sign * (share * of(before).mean() - of(after).mean())
        assert number.spread.value == pytest.approx(value)
        mean = each.mean(axis=0)
        welch = stats.ttest_ind(mean[~SECOND], mean[SECOND], equal_var=False)
        assert number.spread.p_value == pytest.approx(welch.pvalue)
        # each of both sources of error with its own quantile
        reach = stats.t.ppf(0.975, 3) * of(each).std(ddof=1) / 2
        half = welch.confidence_interval(0.95).high - welch.statistic * found_error(welch)
        assert number.interval(0.95).high == pytest.approx(value + math.hypot(half, reach))
        assert number.p_above == pytest.approx(
            number.p_value / 2 if value > 0 else 1 - number.p_value / 2
        )


def found_error(welch):
    interval = welch.confidence_interval(0.95)
    return (interval.high - interval.low) / 2 / stats.t.ppf(0.975, welch.df)


def test_representation_pools_the_variance_between_trainings(rng):
    before, after = scores(rng), scores(rng, 6, 0.0)
    found = removals(Evidence(before, SECOND, balanced=after))["representation"]
    assert found.contrast.spread.value == pytest.approx(of(before).mean() / 2 - of(after).mean())
    pooled = (3 * of(before).var(ddof=1) + 5 * of(after).var(ddof=1)) / 8
    assert found.contrast.error.variances == pytest.approx([pooled * (0.25 / 4 + 1 / 6)])
    assert found.contrast.error.freedom.tolist() == [8]
    assert found.removed.error.variances == pytest.approx([pooled * (1 / 4 + 1 / 6)])


def test_difficulty_is_the_coefficient_of_a_regression(rng):
    """Its standard error is that of a bootstrap over patients."""
    covariates = rng.normal(0, 1, (len(SECOND), 2)) + 0.5 * SECOND[:, None]
    before = scores(rng) - 0.05 * covariates[:, 0]

    def left(rows):
        design = np.column_stack([np.ones(len(rows)), ~SECOND[rows], covariates[rows]])
        return np.linalg.lstsq(design, before.mean(axis=0)[rows], rcond=None)[0][1]

    everybody = np.arange(len(SECOND))
    found = removals(Evidence(before, SECOND, covariates=covariates))["difficulty"]
    value = of(before).mean()
    assert found.contrast.spread.value == pytest.approx(value / 2 - left(everybody))
    assert found.removed.spread.value == pytest.approx(value - left(everybody))
    drawn = []
    for _ in range(600):
        rows = np.concatenate([rng.choice(everybody[inside], inside.sum())
                               for inside in (~SECOND, SECOND)])  # fmt: skip
        mean = before.mean(axis=0)[rows]
        drawn.append((mean[~SECOND].mean() - mean[SECOND].mean()) / 2 - left(rows))
    assert found.contrast.spread.error == pytest.approx(np.std(drawn), rel=0.15)
    assert found.contrast.spread.freedom == len(SECOND) - 4


def test_labels_with_expert_masks_of_all_is_paired(rng):
    before, expert = scores(rng), scores(rng, gap=0.0)
    paired = removals(Evidence(before, SECOND, neutral=expert))["shortcut"].contrast
    found = removals(Evidence(before, SECOND, expert=expert))["labels"].contrast
    assert found.spread.value == pytest.approx(paired.spread.value)
    assert found.spread.error == pytest.approx(paired.spread.error)


def test_labels_use_those_with_automated_masks_alone(rng):
    """The regression estimator, by hand."""
    before = scores(rng)
    expert = 0.7 * before + 0.2 + rng.normal(0, 0.01, before.shape)
    both = rng.random(len(SECOND)) < 0.5
    partly = np.where(both, expert, np.nan)
    a, e = before.mean(axis=0), expert.mean(axis=0) - before.mean(axis=0) / 2
    away = np.concatenate([a[both & g] - a[both & g].mean() for g in (~SECOND, SECOND)])
    values = np.concatenate([e[both & g] for g in (~SECOND, SECOND)])
    slope = (away @ values) / (away @ away)
    means = [
        e[both & g].mean() + slope * (a[g].mean() - a[both & g].mean()) for g in (~SECOND, SECOND)
    ]
    found = removals(Evidence(before, SECOND, expert=partly))["labels"].contrast
    assert found.spread.value == pytest.approx(means[1] - means[0])


def test_what_cannot_be_told(rng):
    before = scores(rng)
    few = np.where(np.arange(len(SECOND)) > 70, before, np.nan)
    found = removals(
        Evidence(before, SECOND, before[:1], (SECOND * 2.0)[:, None] + rng.random((75, 1)), few)
    )
    assert found == {
        "representation": ONE_TRAINING, "difficulty": NO_OVERLAP, "labels": FEW_EXPERT,
        "shortcut": NOT_DONE,
    }  # fmt: skip


def test_one_training_speaks_of_itself(rng):
    before = scores(rng, 1)
    assert gap(Evidence(before, SECOND)).error.reach(0.025) == 0
