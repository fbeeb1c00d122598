"""When a segmentation counts as failed: criteria as they are given, and whether they make sense."""

import math
from collections.abc import Iterator, Sequence

from nnunetv2_fair.errors import UsageError, shorten
from nnunetv2_fair.evaluation.failures.limits import LimitOption, in_one, parse_limits
from nnunetv2_fair.evaluation.metrics.registry import METRICS
from nnunetv2_fair.evaluation.results.failures import FailureCriterion
from nnunetv2_fair.evaluation.results.tables.per_case import AVERAGE
from nnunetv2_fair.evaluation.results.values import MetricInfo

#: A Dice of at most 0.1 is a failure unless criteria are given: the structure was missed, found
#: elsewhere, or found where there is none, and the mask is of no use in any application.
USUAL = FailureCriterion("dice", 0.1)

_OPTION = LimitOption("--failure", "METRIC", "dice=0.1 or lesion:dice=0.3")


def parse_failures(texts: Sequence[str]) -> tuple[FailureCriterion, ...]:
    """Return criteria that are given as text.

    Args:
        texts: Each ``metric=threshold`` or ``label:metric=threshold``.

    Raises:
        UsageError: If a text is malformed, or two are about the same; all problems at once.
    """
    limits = parse_limits(texts, _OPTION)
    return tuple(FailureCriterion(metric, number, label) for label, metric, number in limits)


def check_failures(
    criteria: Sequence[FailureCriterion],
    metrics: Sequence[str],
    labels: Sequence[str] | None,
) -> None:
    """Raise a UsageError unless every criterion is about something that is evaluated.

    Args:
        criteria: The criteria.
        metrics: Names of the metrics.
        labels: Labels and regions; None if they are not known yet.

    Raises:
        UsageError: All problems at once.
    """
    problems = [p for c in criteria for p in _problems(c, metrics, labels)]
    if problems:
        raise UsageError(in_one(problems, "Some failure criteria cannot be used"))


def criteria_of(
    criteria: Sequence[FailureCriterion] | None, metrics: Sequence[MetricInfo]
) -> tuple[FailureCriterion, ...]:
    """Return the criteria that apply: those given, else the usual one where Dice is known."""
    if criteria is not None:
        return tuple(criteria)
    return (USUAL,) if any(metric.name == USUAL.metric for metric in metrics) else ()


def by_label(
    criteria: Sequence[FailureCriterion], labels: Sequence[str]
) -> Iterator[tuple[str, FailureCriterion]]:
    """Yield the criteria of each label; one of its own replaces that for all labels."""
    for label in labels:
        own = {c.metric: c for c in criteria if c.label == label}
        general = [c for c in criteria if not c.label and c.metric not in own]
        if label != AVERAGE:
            yield from ((label, criterion) for criterion in (*own.values(), *general))


def _problems(
    criterion: FailureCriterion, metrics: Sequence[str], labels: Sequence[str] | None
) -> Iterator[str]:
    if criterion.metric not in metrics:
        yield (
            f"--failure {criterion}: '{criterion.metric}' is not evaluated (evaluated: "
            f"{shorten(metrics, 12)}); correct the name, or measure it with --metrics"
        )
    if criterion.label and labels is not None and criterion.label not in labels:
        yield (
            f"--failure {criterion}: there is no label '{criterion.label}' (labels: "
            f"{shorten(labels, 12)})"
        )
    low, high, said = _range(criterion.metric)
    if not low <= criterion.threshold < high:
        yield (
            f"--failure {criterion}: {criterion.threshold:g} is not a threshold of "
            f"{criterion.metric}; expected {said}"
        )


def _range(metric: str) -> tuple[float, float, str]:
    """Return the lowest threshold, the one that all are below, and both in words."""
    known = METRICS.get(metric)
    if known is None:
        return -math.inf, math.inf, "a number"
    if known.better == "higher":
        return 0.0, 1.0, "0 or more and less than 1, as every case fails at 1"
    return math.ulp(0.0), math.inf, "more than 0, as every case fails at 0"
