"""Gaps of a method adjusted for confounders: means over its trainings, which share their patients.

The weights of patients depend on confounders alone, so that the adjusted gap of mean values is the
mean of the trainings' adjusted gaps, and its standard error is at most the mean of theirs.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr, ndtri

from nnunetv2_fair.evaluation.confounding.adjusted_gaps import with_corrected_tests
from nnunetv2_fair.evaluation.estimation.trainings import (
    TrainingError,
    p_with_trainings,
    training_error,
    widened,
)
from nnunetv2_fair.evaluation.results.adjusted import AdjustedGap
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import GroupTest
from nnunetv2_fair.evaluation.results.trainings import TrainingKind
from nnunetv2_fair.evaluation.results.values import Interval
from nnunetv2_fair.evaluation.statistics.over_trainings import away_from_mean

_LEAST_P = 1e-300


def adjusted_gaps_of_method(
    each: Sequence[EvaluationResult], kind: TrainingKind, confidence: float
) -> tuple[AdjustedGap, ...]:
    """Return the adjusted gaps of a method; those that every training has.

    Args:
        each: Evaluations of the trainings.
        kind: How they differ.
        confidence: Coverage of the intervals.
    """
    by_training = [
        {(g.attribute, g.metric, g.label, g.between, g.confounders): g for g in r.adjusted_gaps}
        for r in each
    ]
    return with_corrected_tests(
        _over_trainings([gaps[key] for gaps in by_training], kind, confidence)
        for key in by_training[0]
        if all(key in gaps for gaps in by_training)
    )


def _over_trainings(
    gaps: Sequence[AdjustedGap], kind: TrainingKind, confidence: float
) -> AdjustedGap:
    values = np.array([gap.value for gap in gaps])
    crude = np.array([gap.crude for gap in gaps])
    error = training_error(away_from_mean(values), kind)
    return dataclasses.replace(
        gaps[0],
        crude=float(crude.mean()),
        crude_interval=_interval(
            crude,
            [gap.crude_interval for gap in gaps],
            training_error(away_from_mean(crude), kind),
            confidence,
        ),
        value=float(values.mean()),
        interval=_interval(values, [gap.interval for gap in gaps], error, confidence),
        test=_test(gaps, error),
        reason=next((gap.reason for gap in gaps if gap.reason), ""),
    )


def _interval(
    values: np.ndarray, intervals: Sequence[Interval], error: TrainingError, confidence: float
) -> Interval:
    below = np.mean([value - i.low for value, i in zip(values, intervals, strict=True)])
    above = np.mean([i.high - value for value, i in zip(values, intervals, strict=True)])
    mean = float(values.mean())
    return widened(mean, Interval(mean - float(below), mean + float(above)), error, confidence)


def _test(gaps: Sequence[AdjustedGap], error: TrainingError) -> GroupTest | None:
    """Return the test with the mean of the trainings' normal scores, each with its direction."""
    tests = [gap.test for gap in gaps if gap.test is not None]
    if len(tests) < len(gaps):
        return None
    scores = [
        math.copysign(-float(ndtri(max(test.p_value, _LEAST_P) / 2)), gap.value)
        for gap, test in zip(gaps, tests, strict=True)
    ]
    alone = min(1.0, 2 * float(ndtr(-abs(float(np.mean(scores))))))
    value = float(np.mean([gap.value for gap in gaps]))
    return dataclasses.replace(
        tests[0],
        name=f"{tests[0].name} over {len(tests)} trainings",
        statistic=math.nan,
        p_value=p_with_trainings(alone, value, error),
        corrected_p=math.nan,
    )
