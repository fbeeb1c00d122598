"""Margins: how large a gap of means may be without mattering, as it is given and whether it can be.

Whether a gap beyond the margin is excluded follows from the two one-sided tests: each end of an
interval of coverage 1 - 2 alpha is tested at the level alpha.

Source: Schuirmann, A comparison of the two one-sided tests procedure and the power approach,
Journal of Pharmacokinetics and Biopharmaceutics 1987.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from nnunetv2_fair.errors import UsageError, shorten, shorten_lines
from nnunetv2_fair.evaluation.estimation.estimates import Estimates
from nnunetv2_fair.evaluation.estimation.quantiles import quantile
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval

_FORM = "expected METRIC=NUMBER, such as dice=0.03"


def mean_difference(
    estimates: Estimates, pair: tuple[int, int], n_pairs: int
) -> tuple[float, Interval, Interval]:
    """Return the difference of two groups' means, and the intervals that the tests need.

    Args:
        estimates: Of all groups.
        pair: Reference and other group.
        n_pairs: Pairs of the comparison.

    Returns:
        Reference minus other, and its interval of coverage 1 - 2 alpha where 1 - alpha is the
        confidence; made from the same two parts as the means' own intervals. The second interval
        divides alpha by the number of pairs. NaN if one of the means has no interval.
    """
    first, second = pair
    with np.errstate(invalid="ignore"):  # infinite means have no difference
        value = float(estimates.data.means[first] - estimates.data.means[second])
    aware = estimates.aware
    # as unknown as the means themselves: a failure that is missing could change them without limit
    if aware is None or any(math.isnan(aware.intervals[index].low) for index in pair):
        return value, NO_INTERVAL, NO_INTERVAL
    drawn = aware.means[:, first] - aware.means[:, second]
    if np.isnan(drawn).any():
        return value, NO_INTERVAL, NO_INTERVAL
    alone, together = (
        Interval(quantile(drawn, alpha), quantile(drawn, 1 - alpha))
        for alpha in (1 - estimates.confidence, (1 - estimates.confidence) / n_pairs)
    )
    return value, alone, together


def parse_margins(texts: Sequence[str]) -> dict[str, float]:
    """Return margins that are given as text.

    Args:
        texts: Each ``metric=margin``.

    Raises:
        UsageError: If a text is malformed or a metric is given twice; all problems at once.
    """
    found: dict[str, float] = {}
    problems = []
    for text in texts:
        name, separator, right = text.rpartition("=")
        name = name.strip()
        if not separator or not name:
            problems.append(f"--margin {text}: {_FORM}")
            continue
        try:
            margin = float(right)
        except ValueError:
            problems.append(f"--margin {text}: '{right.strip()}' is not a number; {_FORM}")
            continue
        if name in found:
            problems.append(f"--margin {text}: {name} is given twice; give it once")
            continue
        found[name] = margin
    if problems:
        raise UsageError(_listed(problems))
    return found


def check_margins(
    margins: Mapping[str, float], highest: Mapping[str, float], confidence: float
) -> None:
    """Raise a UsageError unless every margin is possible.

    Args:
        margins: Metric -> margin.
        highest: Metric that is evaluated -> its largest possible value.
        confidence: 1 minus the level of each of the two one-sided tests.

    Raises:
        UsageError: All problems at once.
    """
    problems = []
    if margins and confidence <= 0.5:
        problems.append(
            f"--margin with --confidence {confidence:g}: an interval of coverage "
            f"{2 * confidence - 1:.0%} excludes nothing; expected a confidence above 0.5"
        )
    for name, margin in margins.items():
        if name not in highest:
            problems.append(
                f"--margin {name}={margin:g}: '{name}' is not evaluated (evaluated: "
                f"{shorten(highest, 12)}); correct the name, or measure it with --metrics"
            )
        elif not math.isfinite(margin) or margin <= 0:
            problems.append(
                f"--margin {name}={margin:g}: expected a number above 0, the largest gap that "
                "does not matter"
            )
        elif margin >= highest[name]:
            problems.append(
                f"--margin {name}={margin:g}: no gap of {name} can be larger than "
                f"{highest[name]:g}; expected a number above 0 and below that"
            )
    if problems:
        raise UsageError(_listed(problems))


def _listed(problems: Sequence[str]) -> str:
    if len(problems) == 1:
        return f"{problems[0]}."
    return f"Some margins cannot be used:\n{shorten_lines(problems)}"
