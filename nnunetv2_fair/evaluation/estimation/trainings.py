"""What another training of the same method would change: errors of several trainings.

Patients that were drawn and trainings that were made are two independent sources of error of a
method's score. Each has a variance of its own, estimated with its own degrees of freedom: that of
three trainings with two, however many patients there are. An interval reaches

    sqrt(t_n^2 * variance by patients + t_K^2 * variance by trainings)

where t_n and t_K are quantiles of Student's distribution, each for its own degrees of freedom. This
covers at least as often as promised for every mixture of the two variances. A single quantile for
their sum does not: with Satterthwaite's degrees of freedom, intervals from two trainings miss in
12% instead of 5% of all studies where both sources matter, as two trainings are alike by chance too
often.

Source: Banerjee, On confidence interval for two-means problem based on separate estimates of
variances and tabulated values of t-table, Sankhya A 1961 (the bound); Zou and Donner, Construction
of confidence limits about effect measures, Statistics in Medicine 2008 (the same with intervals
that are not symmetric); Nadeau and Bengio, Inference for the generalization error, Machine
Learning 2003 (trainings that share data).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtri, stdtrit

from nnunetv2_fair.evaluation.results.trainings import TrainingKind
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval

#: Halvings of the logarithm of a p-value that is looked for: 60 leave no digit open.
_HALVINGS = 60
_LEAST_P = 1e-300


@dataclass(frozen=True)
class TrainingError:
    """Error of a value that another set of trainings would change.

    Attributes:
        variances: (methods,) variance of the value by the trainings of each method that it is made
            from; NaN if unknown.
        freedom: (methods,) degrees of freedom of each variance.
    """

    variances: np.ndarray
    freedom: np.ndarray

    def reach(self, tail: float) -> float:
        """Return how far the value may be off, leaving out ``tail`` on each side; 0 of no method.

        Args:
            tail: Share beyond each end, such as 0.025; above 0.
        """
        quantiles = stdtrit(self.freedom, 1 - tail)
        return float(np.sqrt((quantiles**2 * self.variances).sum()))

    def __add__(self, other: "TrainingError") -> "TrainingError":
        """Return the error of a value that two methods contribute to."""
        return TrainingError(
            np.concatenate([self.variances, other.variances]),
            np.concatenate([self.freedom, other.freedom]),
        )


#: The error of what is said of a trained model: another training does not matter.
NO_ERROR = TrainingError(np.zeros(0), np.zeros(0))


def share_of_variance(kind: TrainingKind, number: int) -> float:
    """Return the variance of a mean over trainings as a share of the variance between them.

    Repeats are independent: 1 / K. Folds share training data, so that they resemble each other
    more than independent trainings would, and their mean varies more than by 1 / K: the share
    that is left out over the share that is trained on, 1 / (K - 1), is added.

    Args:
        kind: How the trainings differ.
        number: K, the number of trainings, 2 or more.

    Source: Nadeau and Bengio 2003, equation 9 (for K folds of one data set).
    """
    return 1 / number + (1 / (number - 1) if kind == "folds" else 0.0)


def training_error(deviations: Sequence[float] | np.ndarray, kind: TrainingKind) -> TrainingError:
    """Return the error of a value by one method's trainings.

    Args:
        deviations: (trainings,) how far each training's value is from their mean, two or more; a
            value of many groups has one distance, 0 or more, per training.
        kind: How the trainings differ.
    """
    away = np.asarray(deviations, dtype=float)
    variance = (away**2).sum() / (len(away) - 1)
    return TrainingError(
        np.array([variance * share_of_variance(kind, len(away))]), np.array([len(away) - 1.0])
    )


def widened(value: float, interval: Interval, error: TrainingError, confidence: float) -> Interval:
    """Return the interval of a value, widened for the error by trainings.

    Args:
        value: The value.
        interval: Its interval by patients.
        error: Its error by trainings.
        confidence: Coverage of the interval.

    Returns:
        The interval; NaN if it or the error is not known.
    """
    reach = error.reach((1 - confidence) / 2)
    if math.isnan(reach) or math.isnan(interval.low) or math.isnan(interval.high):
        return NO_INTERVAL
    return Interval(
        value - math.hypot(value - interval.low, reach),
        value + math.hypot(interval.high - value, reach),
    )


def no_p_reason(values: np.ndarray) -> str:
    """Say why a test over trainings has no p-value; empty if none of its values is undefined.

    Args:
        values: (trainings, pairs) what is tested, of each training; NaN where a group has no value.
    """
    lacking = int(np.isnan(values).any(axis=1).sum())
    if not lacking:
        return ""
    return f"in {lacking} of the {len(values)} trainings a group has no value"


def p_with_trainings(p_value: float, value: float, error: TrainingError, groups: int = 2) -> float:
    """Return the p-value of a test by patients, with the error by trainings.

    It is the p whose quantiles solve ``value^2 = t_K(p)^2 * variance by trainings + q(p) / q(p
    alone) * value^2``, q being chi-squared's quantile with one degree of freedom less than there
    are groups: the level at which an interval as of :func:`widened` just reaches 0.

    Args:
        p_value: Two-sided, of patients alone.
        value: What is tested to be 0: a difference, or how far several groups are apart.
        error: Its error by trainings.
        groups: Number of groups that the test compares.

    Returns:
        At least ``p_value``; NaN if it or the error is not known.
    """
    if math.isnan(p_value) or np.isnan(error.variances).any() or math.isnan(value):
        return math.nan
    if not error.variances.any():
        return p_value
    if value == 0 or p_value >= 1:
        return 1.0
    relative = TrainingError(error.variances / value**2, error.freedom)
    least = max(p_value, _LEAST_P)
    alone = chdtri(groups - 1, least)
    low, high = math.log(least), 0.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        p = math.exp(middle)
        if relative.reach(p / 2) ** 2 + chdtri(groups - 1, p) / alone > 1:
            low = middle
        else:
            high = middle
    return max(p_value, math.exp(high))
