"""Means of two groups of patients compared: the gap, how sure it is, and whether chance makes it.

Intervals are Welch's; p-values are those of a permutation test of Welch's statistic, which keeps
its level where values are skewed and groups are of different size. Where patients have images in
both groups they cannot be exchanged, and the p-value is that of a standard error by patient.
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from nnunetv2_fair.audit.results.labels import Estimate
from nnunetv2_fair.evaluation.boundary_maps.map_test import FEWEST_PATIENTS, compare_maps
from nnunetv2_fair.evaluation.estimation.trainings import (
    NO_ERROR,
    TrainingError,
    p_with_trainings,
    widened,
)
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval
from nnunetv2_fair.evaluation.statistics.corrections import holm

_TINY = 1e-12


class Spread(NamedTuple):
    """A number with its standard error.

    Attributes:
        value: The number.
        error: Its standard error, 0 or more.
        freedom: Degrees of freedom of the standard error.
    """

    value: float
    error: float
    freedom: float

    def interval(self, confidence: float) -> Interval:
        """Return Student's interval; NaN without degrees of freedom."""
        if not self.freedom > 0:
            return NO_INTERVAL
        half = self.error * float(stdtrit(self.freedom, (1 + confidence) / 2))
        return Interval(self.value - half, self.value + half)

    @property
    def p_value(self) -> float:
        """Two-sided p-value of the number being 0; 1 of a 0 without error, NaN if unknown."""
        if not self.freedom > 0:
            return math.nan
        if self.error < _TINY:
            return 1.0 if abs(self.value) < _TINY else 0.0
        return float(2 * stdtr(self.freedom, -abs(self.value) / self.error))


@dataclass(frozen=True)
class Units:
    """Patients of two groups; one who has images in both is there twice.

    Attributes:
        values: (rows, units) means over the unit's cases in the group; a row is a training.
        second: (units,) whether a unit is of the second group.
        clusters: (units,) numbers from 0, the same for the same patient.
    """

    values: np.ndarray
    second: np.ndarray
    clusters: np.ndarray

    @property
    def n(self) -> tuple[int, int]:
        """Units of the first and of the second group."""
        return int((~self.second).sum()), int(self.second.sum())

    @property
    def in_both(self) -> bool:
        """Whether a patient has images in both groups."""
        return len(np.unique(self.clusters)) < len(self.clusters)


def units_of(
    values: np.ndarray, groups: np.ndarray, patients: np.ndarray, pair: tuple[int, int]
) -> Units:
    """Average the cases of each patient in each of two groups.

    Args:
        values: (rows, cases); a case with a value that is not finite is left out.
        groups: (cases,) index of each case's group; NaN if it has none.
        patients: (cases,) names.
        pair: Indices of the two groups.
    """
    kept = np.isin(groups, pair) & np.isfinite(values).all(axis=0)
    inside, of_second = values[:, kept], groups[kept] == pair[1]
    patient, _ = pd.factorize(patients[kept])
    keys, unit, counts = np.unique(patient * 2 + of_second, return_inverse=True, return_counts=True)
    means = [np.bincount(unit, weights=row, minlength=len(keys)) / counts for row in inside]
    return Units(
        np.array(means).reshape(len(values), len(keys)), keys % 2 == 1, (keys // 2).astype(int)
    )


def mean_of(values: np.ndarray) -> Spread:
    """Return the mean of (n,) values."""
    n = len(values)
    if n < 2:
        return Spread(float(values.mean()) if n else math.nan, math.nan, 0.0)
    return Spread(float(values.mean()), float(values.std(ddof=1) / math.sqrt(n)), n - 1.0)


def estimate_mean(values: np.ndarray, confidence: float) -> Estimate:
    """Return the mean of (n,) values with interval and p-value, allowing for skewness.

    Student's t of one sample rejects too often where values are skewed, as errors of masks are, and
    the transformation that removes skewness does where they have heavy tails: what the more careful
    of the two says holds.

    Args:
        values: Finite.
        confidence: Coverage of the interval.

    Source: Hall, On the removal of skewness by transformation, Journal of the Royal Statistical
    Society B 54, 1992.
    """
    spread = mean_of(values)
    interval, p_value = spread.interval(confidence), spread.p_value
    n = len(values)
    if n < 3 or spread.error < _TINY:
        return Estimate(spread.value, interval, p_value)
    skewness = float(((values - spread.value) ** 3).mean() / values.std() ** 3)
    bend, shift = skewness / math.sqrt(n) / 3, skewness / math.sqrt(n) / 6
    t = spread.value / spread.error
    transformed = t + bend * t**2 + bend**2 * t**3 / 3 + shift
    quantile = float(stdtrit(n - 1, (1 + confidence) / 2))
    if abs(bend) > _TINY:
        ends = [
            spread.value - spread.error * (float(np.cbrt(1 + 3 * bend * (end - shift))) - 1) / bend
            for end in (quantile, -quantile)
        ]
        interval = Interval(min(interval.low, *ends), max(interval.high, *ends))
    return Estimate(
        spread.value, interval, max(p_value, float(2 * stdtr(n - 1, -abs(transformed))))
    )


def gap_of(values: np.ndarray, second: np.ndarray, clusters: np.ndarray) -> Spread:
    """Return the mean of the first group minus the mean of the second.

    Args:
        values: (units,) finite.
        second: (units,) whether a unit is of the second group.
        clusters: (units,) number of each unit's patient.

    Returns:
        The gap, with Welch's standard error and degrees of freedom where nobody is in both groups,
        and one by patient otherwise; NaN if a group has fewer than two units.
    """
    away, parts, means = np.zeros(len(values)), [], []
    for inside, sign in ((~second, 1.0), (second, -1.0)):
        n = int(inside.sum())
        if n < 2:
            return Spread(math.nan, math.nan, 0.0)
        mean = float(values[inside].mean())
        own = (values[inside] - mean) / math.sqrt(n * (n - 1))
        away[inside] = sign * own
        parts.append((float((own**2).sum()), n - 1))
        means.append(mean)
    error = math.sqrt(float((np.bincount(clusters, weights=away) ** 2).sum()))
    total = sum(part for part, _ in parts)
    freedom = (
        total**2 / sum(part**2 / n for part, n in parts)
        if total > 0
        else float(min(n for _, n in parts))
    )
    return Spread(means[0] - means[1], error, freedom)


def chance_of(units: Units, values: np.ndarray, generator: np.random.Generator) -> float:
    """Return the p-value of equal means; NaN if a group has fewer than five units.

    Args:
        units: The two groups.
        values: (units,) finite.
        generator: For the permutations.

    Source: Janssen, Statistics and Probability Letters 36, 1997.
    """
    if min(units.n) < FEWEST_PATIENTS:
        return math.nan
    if units.in_both:
        return gap_of(values, units.second, units.clusters).p_value
    first, other = (values[inside][:, None] for inside in (~units.second, units.second))
    return float(compare_maps(first, other, generator).p_value)


def estimate_gap(
    units: Units,
    confidence: float,
    generator: np.random.Generator,
    error: TrainingError = NO_ERROR,
) -> Estimate:
    """Return the gap of the mean over all rows, with interval and p-value.

    Args:
        units: The two groups.
        confidence: Coverage of the interval.
        generator: For the permutations.
        error: What other trainings would change.
    """
    values = units.values.mean(axis=0)
    spread = gap_of(values, units.second, units.clusters)
    p_value = chance_of(units, values, generator)
    return Estimate(
        spread.value,
        widened(spread.value, spread.interval(confidence), error, confidence),
        p_with_trainings(p_value, spread.value, error),
    )


def corrected(estimates: Iterable[Estimate]) -> list[Estimate]:
    """Return estimates of one family with p-values corrected by Holm's method."""
    found: Sequence[Estimate] = list(estimates)
    p_values = [one.p_value for one in found]
    size = sum(not math.isnan(p) for p in p_values)
    return [
        one
        if math.isnan(one.p_value)
        else dataclasses.replace(one, corrected_p=p, family_size=size)
        for one, p in zip(found, holm(p_values), strict=True)
    ]
