"""Group statistics and fairness measures of the data and of its resamples."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nnunetv2_fair.evaluation import gaps
from nnunetv2_fair.evaluation.intervals import (
    NO_INTERVAL,
    expanded_interval,
    spread_interval,
)
from nnunetv2_fair.evaluation.result import Interval
from nnunetv2_fair.evaluation.units import Replicates, Units


@dataclass(frozen=True)
class Summaries:
    """Means and medians, of the data or of many resamples at once.

    Attributes:
        means: (..., groups); NaN for groups without units.
        medians: (..., groups).
        overall_mean: (...).
        overall_median: (...).
    """

    means: np.ndarray
    medians: np.ndarray
    overall_mean: np.ndarray
    overall_median: np.ndarray


@dataclass(frozen=True)
class GapKey:
    """Which fairness measure, between which groups."""

    name: str
    between: tuple[str, ...]


def _log_errors(scores: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(1.0 - scores)


_Measure = Callable[[Summaries, list[int]], np.ndarray]

#: Fairness measures over all groups: name -> (only for errors, function of summaries and groups).
_MEASURES: Mapping[str, tuple[bool, _Measure]] = {
    "ser": (True, lambda s, g: gaps.skewed_error_ratio_along(s.medians[..., g])),
    "delta": (False, lambda s, g: gaps.max_min_gap_along(s.means[..., g])),
    "std": (False, lambda s, g: gaps.group_std_along(s.means[..., g])),
    "skew": (True, lambda s, g: gaps.skewed_error_ratio_along(s.means[..., g])),
    "es_std": (
        True,
        lambda s, g: gaps.equity_scaled_along(s.overall_mean, s.means[..., g], "std"),
    ),
    "es_absolute": (
        True,
        lambda s, g: gaps.equity_scaled_along(s.overall_mean, s.means[..., g], "absolute"),
    ),
}

#: Those that measure the spread over groups: name -> (group values, spread over the last axis,
#: whether the measure is the exponential of the spread).
_SPREADS: Mapping[str, tuple[_Measure, Callable[[np.ndarray], np.ndarray], bool]] = {
    "ser": (lambda s, g: _log_errors(s.medians[..., g]), gaps.max_min_gap_along, True),
    "delta": (lambda s, g: s.means[..., g], gaps.max_min_gap_along, False),
    "std": (lambda s, g: s.means[..., g], gaps.group_std_along, False),
    "skew": (lambda s, g: _log_errors(s.means[..., g]), gaps.max_min_gap_along, True),
}


@dataclass(frozen=True)
class Estimates:
    """One model's statistics with their intervals.

    Attributes:
        names: Names of all groups.
        enough: Groups that are large enough for fairness measures.
        reference: Group that fairness gaps are measured from; None if no group is large enough.
        error_measures: Whether 1 minus the metric is an error rate: adds SER, SKEW and equity
            scaling.
        data: Summaries of the data.
        drawn: Summaries of the resamples, along the first axis.
        sizes: (groups,) units of each group.
        total: Number of units.
        confidence: Coverage of the intervals.
    """

    names: Sequence[str]
    enough: list[int]
    reference: int | None
    error_measures: bool
    data: Summaries
    drawn: Summaries
    sizes: np.ndarray
    total: int
    confidence: float

    @classmethod
    def of(
        cls,
        units: Units,
        replicates: Replicates,
        model: int,
        *,
        names: Sequence[str],
        enough: list[int],
        reference: int | None,
        error_measures: bool,
        confidence: float,
    ) -> "Estimates":
        """Summarise one model's units."""
        groups = [units.of_group(index, model) for index in range(len(names))]
        overall = units.overall[model]
        data = Summaries(
            np.array([values.mean() if values.size else math.nan for values in groups]),
            np.array([np.median(values) if values.size else math.nan for values in groups]),
            np.asarray(overall.mean() if overall.size else math.nan),
            np.asarray(np.median(overall) if overall.size else math.nan),
        )
        drawn = Summaries(
            replicates.means[:, model],
            replicates.medians[:, model],
            replicates.overall_mean[:, model],
            replicates.overall_median[:, model],
        )
        return cls(
            names, enough, reference, error_measures, data, drawn,
            replicates.sizes, replicates.total, confidence,
        )  # fmt: skip

    def mean_interval(self, group: int) -> Interval:
        """Interval of a group's mean."""
        return self._expanded(self.drawn.means[:, group], self.drawn.means, [group])

    def median_interval(self, group: int) -> Interval:
        """Interval of a group's median."""
        return self._expanded(self.drawn.medians[:, group], self.drawn.medians, [group])

    @property
    def overall_mean_interval(self) -> Interval:
        """Interval of the mean of all units."""
        return self._overall(self.drawn.overall_mean)

    @property
    def overall_median_interval(self) -> Interval:
        """Interval of the median of all units."""
        return self._overall(self.drawn.overall_median)

    def gaps(self) -> dict[GapKey, tuple[float, Interval]]:
        """Return every fairness measure with its interval."""
        values = self.gap_values(self.data)
        draws = self.gap_values(self.drawn)
        return {
            key: (float(value), self._gap_interval(key, float(value), draws[key]))
            for key, value in values.items()
        }

    def gap_values(self, summaries: Summaries) -> dict[GapKey, np.ndarray]:
        """Compute every fairness measure of the data or of the resamples.

        Returns:
            Measure -> (...) values; NaN throughout if fewer than two groups are large enough.
        """
        found: dict[GapKey, np.ndarray] = {}
        undefined = np.full(summaries.overall_mean.shape, np.nan)
        comparable = len(self.enough) >= 2
        between = tuple(self.names[index] for index in self.enough)
        if comparable and self.reference is not None:
            for other in self.enough:
                if other != self.reference:
                    key = GapKey("fairness_gap", (self.names[self.reference], self.names[other]))
                    medians = summaries.medians
                    with np.errstate(invalid="ignore"):
                        found[key] = medians[..., self.reference] - medians[..., other]
        else:
            found[GapKey("fairness_gap", between)] = undefined
        for name, (only_errors, function) in _MEASURES.items():
            if self.error_measures or not only_errors:
                value = function(summaries, self.enough) if comparable else undefined
                found[GapKey(name, between)] = value
        return found

    def _gap_interval(self, key: GapKey, value: float, draws: np.ndarray) -> Interval:
        if len(self.enough) < 2 or not draws.size:
            return NO_INTERVAL
        if key.name == "fairness_gap":
            pair = [self.names.index(name) for name in key.between]
            return self._expanded(draws, self.drawn.medians, pair)
        source = self.drawn.medians if key.name == "ser" else self.drawn.means
        if key.name not in _SPREADS or not math.isfinite(value):
            return self._expanded(draws, source, self.enough)
        values, spread, exponential = _SPREADS[key.name]
        with np.errstate(invalid="ignore"):
            away = values(self.drawn, self.enough) - values(self.data, self.enough)
            # a resample without any error is infinitely far away
            deviations = np.nan_to_num(spread(away), nan=np.inf, posinf=np.inf)
        found = spread_interval(
            math.log(value) if exponential else value, deviations, self.confidence,
            *self._sources(source, self.enough),
        )  # fmt: skip
        return Interval(*map(_exp, (found.low, found.high))) if exponential else found

    def _expanded(self, draws: np.ndarray, source: np.ndarray, groups: list[int]) -> Interval:
        if not draws.size:
            return NO_INTERVAL
        return expanded_interval(draws, self.confidence, *self._sources(source, groups))

    def _sources(self, source: np.ndarray, groups: list[int]) -> tuple[np.ndarray, np.ndarray]:
        with np.errstate(invalid="ignore"):  # infinite values have no variance
            return source[:, groups].var(axis=0), self.sizes[groups]

    def _overall(self, draws: np.ndarray) -> Interval:
        if not draws.size:
            return NO_INTERVAL
        return expanded_interval(draws, self.confidence, np.ones(1), np.array([self.total]))


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf
