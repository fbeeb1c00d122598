"""A gap against expert masks, from cases that all have automated masks and some have expert ones.

The scores against expert masks of the few are corrected by how the few differ from all in their
scores against automated masks, as far as both scores go together (double sampling, also known as
prediction-powered inference)::

    E = mean_n(E - w A) + w mean_m(A),    w = b m / (n + m)

for each group, where n of its patients have both masks and m the automated one alone. b is the
slope of E on A among the patients with both, within groups and common to both, kept within 0 and 1.
What is wrong with the automated masks cancels, whatever it is, as long as those who were labelled
twice are a random part of their group.

A slope of each group by itself would be as right with many patients. With few it is not: where the
few happen to hold no mask that failed, it is that of ordinary scores, the standard error knows
nothing of failures, and gaps of equal groups would be shown too often.

Source: Cochran, Sampling Techniques, 3rd edition 1977, chapter 12 (regression estimator in double
sampling); Angelopoulos, Duchi and Zrnic, PPI++, arXiv:2311.01453 (the same weight).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from nnunetv2_fair.audit.results.labels import Width
from nnunetv2_fair.audit.statistics.contrasts import Spread, mean_of

#: Patients that need masks of both kinds, in each group: fewer do not show how scores go together.
FEWEST_DOUBLE = 5
#: Times as many patients with expert masks as there are, in the plan of what more would buy.
STEPS = (1.0, 1.5, 2.0, 3.0, 5.0, 10.0)


class Sample(NamedTuple):
    """Scores of one group.

    Attributes:
        expert: (n,) against expert masks, of the patients who have both masks; n of
            :data:`FEWEST_DOUBLE` or more.
        both: (n,) of the same patients against automated masks.
        automated: (m,) of the other patients against automated masks; m may be 0.
    """

    expert: np.ndarray
    both: np.ndarray
    automated: np.ndarray

    @property
    def share_of_others(self) -> float:
        """Share of all patients who have the automated mask alone."""
        return len(self.automated) / (len(self.expert) + len(self.automated))

    @property
    def correlation(self) -> float:
        """Of both scores among those who have both; NaN if one does not vary."""
        spreads = self.expert.std(), self.both.std()
        if not min(spreads) > 0:
            return math.nan
        return float(np.corrcoef(self.expert, self.both)[0, 1])


class Combined(NamedTuple):
    """The gap of two groups against expert masks.

    Attributes:
        gap: Mean of the first group minus mean of the second.
        weights: w above, of each group.
    """

    gap: Spread
    weights: tuple[float, float]


def combined(first: Sample, second: Sample) -> Combined:
    """Return the gap of two groups without patients in common."""
    slope = common_slope((first, second))
    n = len(first.expert) + len(second.expert)
    one, other = (slope * sample.share_of_others for sample in (first, second))
    gap = difference(_mean(first, one, n), _mean(second, other, n))
    return Combined(gap, (one, other))


def common_slope(samples: Sequence[Sample]) -> float:
    """Return the slope of expert on automated scores within groups, kept within 0 and 1."""
    together = spread = 0.0
    for sample in samples:
        away = sample.both - sample.both.mean()
        together += float((away * sample.expert).sum())
        spread += float((away**2).sum())
    return min(1.0, max(0.0, together / spread)) if spread > 0 else 0.0


def _mean(sample: Sample, weight: float, n_both_groups: int) -> Spread:
    """Return the mean of one group."""
    n, m = len(sample.expert), len(sample.automated)
    if m < 2 or weight == 0:
        return mean_of(sample.expert)
    rest = sample.expert - weight * sample.both
    # the slope is estimated from the same patients, which costs a degree of freedom, and adds as
    # much as it is off times as the mean automated score of the few is
    off = 1 + m / (n + m) / (n_both_groups - 4)
    of_rest = float(((rest - rest.mean()) ** 2).sum()) / (n - 2) / n * off
    of_others = weight**2 * float(np.var(sample.automated, ddof=1)) / m
    total = of_rest + of_others
    below = of_rest**2 / (n - 2) + of_others**2 / (m - 1)
    value = float(rest.mean() + weight * sample.automated.mean())
    return Spread(value, math.sqrt(total), total**2 / below if below > 0 else n - 2.0)


def difference(first: Spread, second: Spread) -> Spread:
    """Return the difference of two independent numbers (Satterthwaite's degrees of freedom)."""
    parts = [(one.error**2, one.freedom) for one in (first, second)]
    total = sum(part for part, _ in parts)
    below = sum(part**2 / freedom for part, freedom in parts if freedom > 0)
    freedom = total**2 / below if below > 0 else min(first.freedom, second.freedom)
    return Spread(first.value - second.value, math.sqrt(total), freedom)


def widths(
    n: tuple[int, int],
    n_all: tuple[int, int],
    spreads: tuple[float, float],
    correlations: tuple[float, float],
    confidence: float,
) -> list[Width]:
    """Return how wide intervals would be with more expert masks, as scores vary now.

    The variance of a group's combined mean is s^2 ((1 - r^2) / n + r^2 / N), that of the mean of
    the expert scores alone s^2 / n.

    Args:
        n: Patients of both groups with masks of both kinds.
        n_all: Patients of both groups.
        spreads: Standard deviations of both groups' scores against expert masks.
        correlations: Of the two scores; NaN counts as 0, and so does a negative one.
        confidence: Coverage of the intervals.
    """
    made: list[Width] = []
    for step in STEPS:
        more = tuple(min(whole, round(step * few)) for few, whole in zip(n, n_all, strict=True))
        if made and made[-1].n == more:
            break
        r = [max(0.0, c) if math.isfinite(c) else 0.0 for c in correlations]
        alone = [s**2 / k for s, k in zip(spreads, more, strict=True)]
        combined = [
            s**2 * ((1 - c**2) / k + c**2 / whole)
            for s, c, k, whole in zip(spreads, r, more, n_all, strict=True)
        ]
        made.append(
            Width(
                (more[0], more[1]), _width(combined, more, confidence),
                _width(alone, more, confidence),
            )
        )  # fmt: skip
    return made


def _width(variances: Sequence[float], n: Sequence[int], confidence: float) -> float:
    total = sum(variances)
    if not total > 0:
        return 0.0
    freedom = total**2 / sum(v**2 / (k - 1) for v, k in zip(variances, n, strict=True))
    return 2 * math.sqrt(total) * float(stdtrit(freedom, (1 + confidence) / 2))
