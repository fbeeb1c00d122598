"""Effect sizes, detectable differences, and the tests of an evaluation as one family."""

import dataclasses
import math
from collections.abc import Iterable, Mapping

import numpy as np
from scipy.special import stdtrit

from nnunetv2_fair.evaluation.results.groups import Comparison
from nnunetv2_fair.evaluation.statistics.corrections import holm

#: Probability with which a detectable gap is shown.
POWER = 0.8


def cliffs_delta(
    first: np.ndarray,
    second: np.ndarray,
    weights: tuple[np.ndarray, np.ndarray] | None = None,
) -> float:
    """Return P(first > second) - P(first < second) over all pairs of values.

    Args:
        first: (n,) values, infinity allowed.
        second: (m,) values.
        weights: (n,) and (m,) weight of each value; None weights them alike.

    Returns:
        In -1..1: 1 if every value of ``first`` is the larger one; NaN if one is empty.

    Source: Cliff, Dominance statistics, Psychological Bulletin 1993.
    """
    if not first.size or not second.size:
        return math.nan
    first_weights, second_weights = weights or (np.ones(first.size), np.ones(second.size))
    order = np.argsort(second)
    below = np.r_[0.0, np.cumsum(second_weights[order])]
    won = below[np.searchsorted(second[order], first, side="left")]
    not_lost = below[np.searchsorted(second[order], first, side="right")]
    net = float(((won + not_lost - below[-1]) * first_weights).sum())
    return min(1.0, max(-1.0, net / float(first_weights.sum() * below[-1])))


def detectable_gap(first: np.ndarray, second: np.ndarray, confidence: float = 0.95) -> float:
    """Return the smallest difference of means that is shown with 80% probability.

    Of a two-sided Welch test at the level 1 - confidence, for groups of these sizes and spreads:
    ``(t_(1 - level / 2) + t_0.8) * sqrt(s1^2 / n1 + s2^2 / n2)`` with Welch's degrees of freedom.

    Args:
        first: (n,) values.
        second: (m,) values.
        confidence: 1 minus the level of the test.

    Returns:
        In the unit of the values; NaN if a group has fewer than two values, one is infinite, or
        no value differs from another.

    Source: Cohen, Statistical power analysis for the behavioral sciences, 1988, chapter 2.
    """
    if first.size < 2 or second.size < 2:
        return math.nan
    pooled = np.concatenate([first, second])
    if not np.isfinite(pooled).all():
        return math.nan
    errors = np.array([first.var(ddof=1) / first.size, second.var(ddof=1) / second.size])
    if not errors.sum() > 0:
        return math.nan
    share = errors / errors.sum()
    freedom = 1 / (share**2 / np.array([first.size - 1, second.size - 1])).sum()
    quantiles = stdtrit(freedom, [(1 + confidence) / 2, POWER])
    return float(quantiles.sum() * math.sqrt(errors.sum()))


def correct_tests(comparisons: Iterable[Comparison]) -> tuple[Comparison, ...]:
    """Correct the tests of group differences for their number.

    A family is all tests by the same metric: those of every attribute and label. Metrics are
    views of the same masks, and their tests rise and fall together; choosing the metric that
    shows a difference needs a stricter correction.
    """
    made = list(comparisons)
    families: dict[str, list[int]] = {}
    for index, comparison in enumerate(made):
        if comparison.test is not None:
            families.setdefault(comparison.metric, []).append(index)
    for family in families.values():
        tests = {index: test for index in family if (test := made[index].test) is not None}
        corrected = holm([test.p_value for test in tests.values()])
        for (index, test), p_value in zip(tests.items(), corrected, strict=True):
            made[index] = dataclasses.replace(
                made[index],
                test=dataclasses.replace(test, corrected_p=p_value, family_size=len(family)),
            )
    return _with_corrected_measures(made)


def _with_corrected_measures(comparisons: list[Comparison]) -> tuple[Comparison, ...]:
    """Correct the p-values of measures over all groups: a family for each measure and metric."""
    families: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for index, comparison in enumerate(comparisons):
        for position, gap in enumerate(comparison.gaps):
            families.setdefault((comparison.metric, gap.name), []).append((index, position))
    gaps = [list(comparison.gaps) for comparison in comparisons]
    for family in families.values():
        corrected = holm([gaps[index][position].p_value for index, position in family])
        for (index, position), p_value in zip(family, corrected, strict=True):
            gaps[index][position] = dataclasses.replace(gaps[index][position], corrected_p=p_value)
    return tuple(
        dataclasses.replace(comparison, gaps=tuple(found))
        for comparison, found in zip(comparisons, gaps, strict=True)
    )


def definitions(confidence: float) -> Mapping[str, str]:
    """Return what effect sizes and corrected p-values are, in words."""
    return {
        "corrected_p": "p-value corrected by Holm's method over all tests by the same metric "
        "(every attribute and label): if no groups differ at all, the chance that any of these "
        f"corrected values is below {1 - confidence:.2g} is at most {1 - confidence:.2g}.",
        "cliffs_delta": "Cliff's delta: the share of pairs, one patient or case of each group, in "
        "which the reference group has the higher value, minus the share in which it has the "
        "lower one; 0 is no difference, 1 and -1 are complete separation. No interval is given "
        "where all values of one group are equal.",
        "detectable_gap": "Smallest difference of the two groups' means that a two-sided Welch "
        f"test at the level {1 - confidence:.2g} would show with {POWER:.0%} probability, given "
        "the groups' sizes and spreads. A smaller true difference will usually go undetected.",
    }
