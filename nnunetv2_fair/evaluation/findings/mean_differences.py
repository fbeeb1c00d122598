"""Whether the means of groups differ, which failures and tails move while medians stay."""

import math

from nnunetv2_fair.evaluation.findings.wording import worst_first
from nnunetv2_fair.evaluation.results.findings import Finding, Verdict
from nnunetv2_fair.evaluation.results.groups import Comparison, Gap
from nnunetv2_fair.evaluation.results.values import MetricInfo

MEAN = "mean"

#: Name of the test, as readers see it.
TEST = "permutation test of means"

_DOUBT = "After correction for the number of tests, the test does not reject."


def mean_difference(comparison: Comparison, metric: MetricInfo, level: float) -> Finding | None:
    """Return what a comparison shows about means, not yet in words.

    Decided by the permutation test of Delta, the largest mean minus the smallest, alone. Where
    patients of one group have more images than those of another, their means vary less, so that
    patients cannot be exchanged: the test would show a difference of equal groups in up to 17% of
    studies, and nothing is said.

    Args:
        comparison: The comparison.
        metric: Its metric.
        level: Confidence, such as 0.95.

    Returns:
        The finding; None if there is no such test.
    """
    delta = comparison.gap("delta")
    means = worst_first(comparison, metric, lambda group: group.mean)
    exchangeable = not comparison.by_image
    if delta is None or math.isnan(delta.p_value) or len(means) < 2 or not exchangeable:
        return None
    verdict = _verdict(delta, 1 - level)
    worst, best = next(iter(means)), next(reversed(means))
    value, interval = delta.value, delta.interval
    if metric.better == "lower":
        value, interval = -value, interval.mirrored
    return Finding(
        kind="group_difference",
        verdict=verdict,
        attribute=comparison.attribute,
        metric=comparison.metric,
        label=comparison.label,
        quantity=MEAN,
        who=tuple(means),
        values=means,
        between=(best, worst),
        direction="" if verdict == "not_shown" else "worse",
        value=value,
        interval=interval,
        confidence=level,
        test=TEST,
        p_value=delta.p_value,
        corrected_p=delta.corrected_p,
        family_size=0 if comparison.test is None else comparison.test.family_size,
        n={name: comparison.groups[name].n_units for name in means},
        numbers={
            "fitting_gap": delta.interval.high,
            "detectable_gap": math.nan,
            "by_chance": delta.by_chance,
        },
        chosen=comparison.is_of_chosen,
        reason=_DOUBT if verdict == "signs" else "",
    )


def _verdict(delta: Gap, level: float) -> Verdict:
    corrected = delta.p_value if math.isnan(delta.corrected_p) else delta.corrected_p
    if corrected < level:
        return "shown"
    return "signs" if delta.p_value < level else "not_shown"
