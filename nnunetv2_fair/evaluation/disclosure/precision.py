"""How exactly a value may be shown, so that it says nothing about fewer than five patients.

Readers are taken to know the number of patients, how every number is computed, how it is rounded,
and which values are possible at all: a distance in pixels is the root of a whole number, and an
average of few of them has few explanations. So

- the fewer patients a group has, the fewer numbers are shown of it: together they would leave few
  sets of values. Below ten there is nothing but the mean, rounded to the standard deviation, and
  what is made of ranks; below twenty no median; below forty no quartile, no worst decile and no
  interval of the median;
- a median, a quartile or an end of their intervals, which is one patient's value or close to it,
  is rounded at least to its standard error, and until at least five patients' values would be
  rounded to the same number; where that takes a step of more than 1.5 standard deviations it is
  hidden;
- ends of intervals are rounded outward, so that what is shown holds the interval, and numbers of
  several groups so coarsely that they keep their order: rounded numbers must not contradict what
  is claimed of them;
- a mean is rounded to half its standard error, which is less than what chance does to it anyway,
  the ends of its interval to all of it, and a standard deviation to half its own error;
- a mean of few different values (such as detection, 0 or 1), or of values of which fewer than five
  lie far from all others (such as failures), is hidden: it would tell how many they are. Of few
  different values quartiles, intervals and tests are hidden too;
- p-values are rounded to a fifth of themselves, effects to half their standard error, what is
  made of standard deviations to a third of itself.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nnunetv2_fair.evaluation.disclosure.suppression import FEWEST
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval

#: Of groups with fewer patients nothing is shown but their number and their mean.
FEWEST_FOR_MORE = 10

#: Of groups with fewer patients no median is shown.
FEWEST_FOR_MEDIAN = 20

#: Of groups with fewer patients no other quantile is shown, nor what else tells of their spread.
FEWEST_FOR_QUARTILES = 40

#: Smallest step that values are rounded to.
FINEST = 0.001


_LEADING_DIGITS = (1, 2, 5)
# a coarser number would say less about the group than chance does
_COARSEST = 1.5
# standard error of a median of Gaussian values, in standard errors of their mean
_OF_MEDIAN = 1.25
# values are far from all others if the gap between them takes up this share of the range
_FAR = 0.75
_SAME = 9  # decimals to which values are the same
_ALMOST = 1e-6  # share of a step by which a multiple of it may be missed

#: Values in steps -> whole numbers of steps.
_Rounding = Callable[[np.ndarray], np.ndarray]


def _down(steps: np.ndarray) -> np.ndarray:
    return np.asarray(np.floor(steps + _ALMOST))


def _up(steps: np.ndarray) -> np.ndarray:
    return np.asarray(np.ceil(steps - _ALMOST))


@dataclass(frozen=True)
class Sample:
    """The values behind the numbers of one group.

    Attributes:
        values: (n,) defined values of its patients, or of its images where these are counted.
        patients: (n,) whose they are.
    """

    values: np.ndarray
    patients: np.ndarray

    @cached_property
    def per_patient(self) -> np.ndarray:
        """(patients,) ascending mean of every patient; infinite where one of its values is."""
        _, place, counts = np.unique(self.patients, return_inverse=True, return_counts=True)
        sums = np.bincount(place, weights=self.values, minlength=len(counts))
        return np.sort(sums / counts)

    @cached_property
    def n_patients(self) -> int:
        """Number of patients with a value."""
        return len(self.per_patient)

    @cached_property
    def spread(self) -> float:
        """Standard deviation over the patients; infinite if a value is."""
        values = self.per_patient
        if len(values) < 2 or not np.isfinite(values).all():
            return math.inf
        return float(values.std(ddof=1))

    @cached_property
    def is_few_valued(self) -> bool:
        """Whether there are few different values, and fewer than five patients have one of them.

        How many patients are beside the most frequent value follows from many numbers then.
        """
        return len(self._counts) < FEWEST and bool(self._counts.min(initial=FEWEST) < FEWEST)

    @property
    def tells_shares(self) -> bool:
        """Whether quartiles would tell which share of the patients have which of few values."""
        return len(self._counts) < FEWEST

    @cached_property
    def _counts(self) -> np.ndarray:
        return np.unique(self.per_patient.round(_SAME), return_counts=True)[1]

    @cached_property
    def tells_mean(self) -> bool:
        """Whether mean and standard deviation tell nothing about fewer than five patients."""
        values = self.per_patient
        if not len(values) or not np.isfinite(values).all():
            return False
        if self.is_few_valued:
            return False
        width = float(values[-1] - values[0])
        if width < 10**-_SAME:
            return True
        n_below = np.flatnonzero(np.diff(values) > _FAR * width) + 1
        return bool((np.minimum(n_below, len(values) - n_below) >= FEWEST).all())

    @property
    def is_small(self) -> bool:
        """Whether nothing but the mean is shown, because too few patients have a value."""
        return self.n_patients < FEWEST_FOR_MORE

    @property
    def tells_median(self) -> bool:
        """Whether there are enough patients to show their median."""
        return self.n_patients >= FEWEST_FOR_MEDIAN

    @property
    def tells_quartiles(self) -> bool:
        """Whether there are enough patients to show quartiles, and which gaps are detectable."""
        return self.n_patients >= FEWEST_FOR_QUARTILES

    @property
    def error(self) -> float:
        """Standard error of the mean; infinite if a value is, or there are fewer than two."""
        return self.spread / math.sqrt(max(self.n_patients, 1))

    @property
    def mean_step(self) -> float:
        """Step that the mean is rounded to: half its standard error, in small groups the spread."""
        return step_for(self.spread if self.is_small else self.error / 2)

    @property
    def end_step(self) -> float:
        """Step that ends of its interval are rounded to: its standard error."""
        return step_for(self.error)

    @property
    def spread_step(self) -> float:
        """Step that the standard deviation is rounded to."""
        return step_for(self.spread / math.sqrt(2 * max(1, self.n_patients - 1)) / 2)

    def quantile_step(
        self, value: float, least: float = 0.0, rounding: _Rounding = np.round
    ) -> float:
        """Return the step that one of the patients' values is rounded to.

        Args:
            value: Such as a median; infinity allowed.
            least: The step is not smaller.
            rounding: How it is rounded.

        Returns:
            Step, at least the standard error of a median, at which five patients' values become
            the same number as ``value``; NaN if there is none that is fine enough, or the group is
            too small.
        """
        if not self.tells_median or math.isnan(value):
            return math.nan
        if math.isinf(value):
            return FINEST if self._n_different(self.values == value) >= FEWEST else math.nan
        finest = max(least, _OF_MEDIAN * self.error)
        for step in _steps_between(finest, _COARSEST * self.spread):
            with np.errstate(invalid="ignore"):
                near = rounding(self.values / step) == rounding(np.array(value / step))
            if self._n_different(near) >= FEWEST:
                return step
        return math.nan

    def _n_different(self, chosen: np.ndarray) -> int:
        if self.n_patients == len(self.values):
            return int(np.count_nonzero(chosen))
        return len(np.unique(self.patients[chosen]))

    def n_within(self, others: np.ndarray, low: float, high: float) -> int:
        """Return how many patients have a value that is ``low`` to ``high`` above another's.

        Args:
            others: (n,) ascending values of others.
            low: Smallest difference.
            high: Largest difference.
        """
        first = np.searchsorted(others, self.values - high, side="left")
        last = np.searchsorted(others, self.values - low, side="right")
        return self._n_different(last > first)


def _steps_between(finest: float, coarsest: float) -> Iterator[float]:
    for step in steps():
        if step > max(FINEST, coarsest):
            return
        if step >= finest:
            yield step


def steps() -> Iterator[float]:
    """Yield the steps that values are rounded to, from fine to coarse."""
    power = FINEST
    while power < 1e9:
        yield from (round(digit * power, 6) for digit in _LEADING_DIGITS)
        power *= 10


def step_for(least: float) -> float:
    """Return the smallest step that is at least as large; NaN if there is none."""
    return next((step for step in steps() if step >= least), math.nan)


def to_step(value: float, step: float) -> float:
    """Round to a multiple of a step; NaN if the step is NaN."""
    if math.isnan(step) or not math.isfinite(value):
        return math.nan if math.isnan(step) else float(value)
    return round(round(value / step) * step, 6)


def limits_to_step(limits: Interval, low_step: float, high_step: float) -> Interval:
    """Round both ends outward, or hide both."""
    low = _outward(limits.low, low_step, _down)
    high = _outward(limits.high, high_step, _up)
    return NO_INTERVAL if math.isnan(low) or math.isnan(high) else Interval(low, high)


def _outward(value: float, step: float, rounding: _Rounding) -> float:
    if math.isnan(step) or not math.isfinite(value):
        return math.nan if math.isnan(step) else float(value)
    return round(float(rounding(np.array(value / step))) * step, 6) + 0.0  # no minus zero


def rounded_in_order(
    values: Mapping[str, float], step_of: Callable[[str, float], float]
) -> dict[str, float]:
    """Round values of several groups so that none that is larger than another looks smaller.

    Nor do equal ones look different. Where each rounded to its own step would do so, the finer one
    is rounded more coarsely.

    Args:
        values: Group -> its value.
        step_of: Group, and the smallest step allowed -> step; NaN if its value is hidden.

    Returns:
        Group -> its rounded value; NaN where hidden.
    """
    steps = {group: step_of(group, 0.0) for group in values}
    ascending = sorted(
        (group for group in values if not math.isnan(values[group])), key=lambda g: values[g]
    )
    while True:
        shown = {group: to_step(values[group], steps[group]) for group in values}
        wrong = next(
            (
                (low, high)
                for place, high in enumerate(ascending)
                for low in ascending[:place]
                if shown[low] > shown[high]
                or (values[low] == values[high] and shown[low] < shown[high])
            ),
            None,
        )
        if wrong is None:
            return shown
        finer, coarser = sorted(wrong, key=lambda group: steps[group])
        steps[finer] = step_of(finer, steps[coarser])


def quantile_limits(limits: Interval, sample: Sample, least: float = 0.0) -> Interval:
    """Round the ends of an interval of a median outward, or hide both.

    Args:
        limits: The interval.
        sample: The values.
        least: Smallest step allowed: that of the median, which is then inside.
    """
    if sample.tells_shares or not sample.tells_quartiles:
        return NO_INTERVAL
    return limits_to_step(
        limits,
        sample.quantile_step(limits.low, least, _down),
        sample.quantile_step(limits.high, least, _up),
    )


def difference_limits(limits: Interval, first: Sample, second: Sample) -> Interval:
    """Round the ends of an interval of a difference of medians outward, or hide both.

    Such an end is the difference between two patients: at least five patients of either group must
    differ from one of the other group by what is shown.

    Args:
        limits: Interval of the median of ``first`` minus that of ``second``.
        first: Values of the one group.
        second: Values of the other group.
    """
    if first.tells_shares or second.tells_shares:
        return NO_INTERVAL
    low = _difference_step(limits.low, first, second, _down)
    high = _difference_step(limits.high, first, second, _up)
    return limits_to_step(limits, low, high)


def _difference_step(value: float, first: Sample, second: Sample, rounding: _Rounding) -> float:
    if not (first.tells_median and second.tells_median and math.isfinite(value)):
        return math.nan
    ours, theirs = np.sort(first.values), np.sort(second.values)
    finest = _OF_MEDIAN * math.hypot(first.error, second.error)
    below = 0 if rounding is _down else 1
    for step in _steps_between(finest, _COARSEST * max(first.spread, second.spread)):
        shown = float(rounding(np.array(value / step))) * step
        low, high = shown - below * step, shown + (1 - below) * step
        one, other = first.n_within(theirs, low, high), second.n_within(ours, -high, -low)
        if min(one, other) >= FEWEST:
            return step
    return math.nan


def beside(value: float, shown: Interval, true: Interval) -> tuple[float, Interval]:
    """Return a rounded value and its rounded interval so that they contradict neither each other.

    An interval that does not reach zero must not look as if it did, nor its value as if it were
    zero: such a number is hidden.

    Args:
        value: The rounded value.
        shown: Its rounded interval.
        true: The interval before rounding.
    """
    if not (true.low > 0 or true.high < 0):
        return value, holding(shown, value)
    if not (shown.low > 0 or shown.high < 0):
        return (math.nan if value == 0 else value), NO_INTERVAL
    wide = holding(shown, value)
    return (value, wide) if wide.low > 0 or wide.high < 0 else (math.nan, shown)


def holding(limits: Interval, value: float) -> Interval:
    """Return a rounded interval, widened where it does not hold its rounded value."""
    if math.isnan(value) or math.isnan(limits.low):
        return limits
    return Interval(min(limits.low, value), max(limits.high, value))


def significant(value: float) -> float:
    """Round to a third of itself: what is made of standard deviations must not refine them."""
    return to_step(value, step_for(abs(value) / 3)) if math.isfinite(value) else math.nan


def significant_up(value: float) -> float:
    """Round up to a third of itself: a gap that would be shown at least as often as is said."""
    return _outward(value, step_for(abs(value) / 3), _up) if math.isfinite(value) else math.nan


def ratio_step(ratio: float, errors: np.ndarray, error_steps: np.ndarray) -> float:
    """Return the step of a ratio of errors that are known to some steps; NaN if there is none."""
    if not math.isfinite(ratio) or np.isnan(error_steps).any() or not (errors > 0).all():
        return math.nan
    relative = np.sort(error_steps / errors)[-2:].sum()
    return step_for(float(ratio * relative))


def shown_p(p_value: float, level: float) -> float:
    """Round a p-value to a fifth of itself: it must not tell the ranks it is made of.

    Args:
        p_value: The p-value.
        level: Level of the test, which rounding does not cross.
    """
    if not math.isfinite(p_value):
        return math.nan
    step = step_for(p_value / 5)
    shown = to_step(p_value, step)
    if p_value < level <= shown:
        return to_step(shown - step / 2, FINEST)
    return to_step(shown + step / 2, FINEST) if shown < level <= p_value else shown


def dominance_step(first: int, second: int) -> float:
    """Return the step of Cliff's delta of two groups of these sizes: half its standard error."""
    return step_for(math.sqrt((first + second + 1) / (3 * first * second)) / 2)
