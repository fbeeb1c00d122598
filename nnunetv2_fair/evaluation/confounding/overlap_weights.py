"""The difference of two groups' means among patients whom either group could have.

Patients of one group are weighted by the probability that someone with their confounders is in the
other. That balances the means of all terms of the logistic model exactly, needs no model of the
metric, and, unlike weights by the inverse probability, never rests on a few patients of extreme
weight.

Source: Li, Morgan and Zaslavsky (2018), Balancing covariates via propensity score weighting, JASA
113; Li, Thomas and Li (2019), Addressing extreme propensity scores via the overlap weights,
American Journal of Epidemiology 188 (variance by M-estimation).
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import expit, stdtrit

from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval

_MOST_STEPS = 50
_CLOSE = 1e-8
#: Keeps the logistic model finite where groups are nearly separated.
_RIDGE = 1e-4


class WeightedGap(NamedTuple):
    """A difference of means.

    Attributes:
        value: Mean of the first group minus mean of the second.
        interval: Interval of it; NaN if it cannot be computed.
        effective: Effective number of units of both groups.
    """

    value: float
    interval: Interval
    effective: tuple[float, float]


def weighted_gap(
    values: np.ndarray,
    second: np.ndarray,
    terms: np.ndarray,
    clusters: np.ndarray,
    confidence: float,
) -> WeightedGap:
    """Return the difference of two groups' means with overlap weights.

    Args:
        values: (n,) values of the metric, finite.
        second: (n,) bool, whether a unit is of the second group; each group has some.
        terms: (n, k) confounders; with k = 0 the difference of the plain means.
        clusters: (n,) numbers from 0; units of the same patient have the same.
        confidence: Coverage of the interval.
    """
    x = np.column_stack([np.ones(len(values)), _standardised(terms)])
    z = second.astype(float)
    chance = _propensity(x, z)
    weight = np.where(second, 1 - chance, chance)
    if not (weight[second].sum() > 0 and weight[~second].sum() > 0):
        return WeightedGap(math.nan, NO_INTERVAL, (0.0, 0.0))
    spread = chance * (1 - chance)
    # the model's part of the variance: the weights are estimated
    information = (x * spread[:, None]).T @ x
    scores = x * (z - chance)[:, None]
    means, influences, effective = [], [], []
    for inside, sign in ((~second, 1.0), (second, -1.0)):
        w = weight[inside]
        mean = float(np.average(values[inside], weights=w))
        away = np.where(inside, values - mean, 0.0)
        slope = (sign * spread * away) @ x
        by_model = scores @ np.linalg.lstsq(information, slope, rcond=None)[0]
        influences.append((weight * away + by_model) / w.sum())
        means.append(mean)
        effective.append(float(w.sum() ** 2 / (w**2).sum()))
    both = np.bincount(clusters, weights=influences[0] - influences[1])
    # as in a regression with as many terms
    lost = len(both) / max(1, len(both) - x.shape[1] - 1)
    error = math.sqrt(lost * float((both**2).sum()))
    parts = [float(np.square(np.bincount(clusters, weights=i)).sum()) for i in influences]
    return WeightedGap(
        means[0] - means[1],
        _interval(means[0] - means[1], error, parts, effective, confidence),
        (effective[0], effective[1]),
    )


def _interval(
    value: float, error: float, parts: list[float], effective: list[float], confidence: float
) -> Interval:
    total = sum(parts)
    if min(effective) <= 1 or not total > 0:
        return NO_INTERVAL
    # Welch's degrees of freedom, with effective numbers
    freedom = total**2 / sum(p**2 / (n - 1) for p, n in zip(parts, effective, strict=True))
    half = error * float(stdtrit(freedom, (1 + confidence) / 2))
    return Interval(value - half, value + half)


def _standardised(terms: np.ndarray) -> np.ndarray:
    """Return the terms that vary, with mean 0 and standard deviation 1."""
    spread = terms.std(axis=0)
    varies = spread > 1e-12 * (1 + np.abs(terms).max(axis=0, initial=0.0))
    return np.asarray((terms[:, varies] - terms[:, varies].mean(axis=0)) / spread[varies])


def _propensity(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return the probability of the second group by logistic regression (Newton's method)."""
    penalty = np.full(x.shape[1], _RIDGE)
    penalty[0] = 0.0
    beta = np.zeros(x.shape[1])
    for _ in range(_MOST_STEPS):
        chance = expit(x @ beta)
        gradient = x.T @ (z - chance) - penalty * beta
        curvature = (x * (chance * (1 - chance))[:, None]).T @ x + np.diag(penalty + 1e-10)
        step = np.linalg.solve(curvature, gradient)
        # far steps of nearly separated groups overshoot
        step *= min(1.0, 4.0 / max(1e-12, float(np.abs(step).max())))
        beta += step
        if np.abs(step).max() < _CLOSE:
            break
    return np.asarray(expit(x @ beta))
