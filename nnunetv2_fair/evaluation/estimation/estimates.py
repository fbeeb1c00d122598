"""Group statistics and fairness measures of the data and of its resamples."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nnunetv2_fair.evaluation.estimation import gaps
from nnunetv2_fair.evaluation.estimation.intervals import (
    Sources,
    expanded_interval,
    least_range,
    mean_interval,
    scaled_interval,
    simultaneous_interval,
    spread_interval,
)
from nnunetv2_fair.evaluation.estimation.replicates import Replicates
from nnunetv2_fair.evaluation.estimation.streams import Streams
from nnunetv2_fair.evaluation.estimation.two_part import Cases, Parts, parts_of
from nnunetv2_fair.evaluation.estimation.units import Units
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval, Scale


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

#: For draws that have t's quantiles in them already.
_NO_WIDENING = Sources(np.ones(1), np.array([1e12]))

_Spread = Callable[[np.ndarray, np.ndarray], np.ndarray]

#: Those that measure the spread over groups: name -> (group values, spread of (..., groups)
#: values around (...) overall values, whether the measure is the exponential of the spread).
_SPREADS: Mapping[str, tuple[_Measure, _Spread, bool]] = {
    "ser": (lambda s, g: _log_errors(s.medians[..., g]), lambda v, _: _range(v), True),
    "delta": (lambda s, g: s.means[..., g], lambda v, _: _range(v), False),
    "std": (lambda s, g: s.means[..., g], lambda v, _: gaps.group_std_along(v), False),
    "skew": (lambda s, g: _log_errors(s.means[..., g]), lambda v, _: _range(v), True),
}

#: The spread that an overall score is scaled down by.
SCALED: Mapping[str, _Spread] = {
    "es_std": lambda v, _: gaps.group_std_along(v),
    "es_absolute": lambda v, overall: np.abs(overall[..., None] - v).sum(axis=-1),
}


def _range(values: np.ndarray) -> np.ndarray:
    return gaps.max_min_gap_along(values)


@dataclass(frozen=True)
class FailureAware:
    """Means with intervals that allow for failures where it is known what those are.

    Attributes:
        means: (draws, groups) means of each group that the data are compatible with.
        overall: (draws,) means of all units.
        intervals: Interval of each group's mean.
        overall_interval: Interval of the mean of all units.
    """

    means: np.ndarray
    overall: np.ndarray
    intervals: tuple[Interval, ...]
    overall_interval: Interval

    @classmethod
    def of_cases(
        cls,
        cases: Cases,
        scale: Scale,
        n_draws: int,
        streams: Streams,
        confidence: float,
    ) -> "FailureAware | None":
        """Draw from what the cases show; None if there is no finite mean or nothing to draw."""
        values = cases.values
        if not values.size or not np.isfinite(values).all() or not n_draws:
            return None
        return cls.of(parts_of(cases, scale), n_draws, streams, confidence)

    @classmethod
    def of(cls, parts: Parts, n_draws: int, streams: Streams, confidence: float) -> "FailureAware":
        """Draw from every group's parts."""
        sources = [streams.of([group]) for group in range(len(parts.groups))]
        groups = list(zip(parts.groups, sources, strict=True))
        of_all = streams.of([])
        return cls(
            np.stack([part.leaning(n_draws, source) for part, source in groups], axis=-1),
            parts.overall.leaning(n_draws, of_all),
            tuple(part.interval(n_draws, source, confidence) for part, source in groups),
            parts.overall.interval(n_draws, of_all, confidence),
        )


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
        samples: Values of each group's units.
        overall: (units,) values.
        confidence: Coverage of the intervals.
        aware: Means with intervals that allow for failures, also for those that the data may lack;
            None if values are infinite or there are no resamples.
    """

    names: Sequence[str]
    enough: list[int]
    reference: int | None
    error_measures: bool
    data: Summaries
    drawn: Summaries
    samples: Sequence[np.ndarray]
    overall: np.ndarray
    confidence: float
    aware: FailureAware | None = None

    @property
    def sizes(self) -> np.ndarray:
        """(groups,) units of each group."""
        return np.array([sample.size for sample in self.samples])

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
        aware: FailureAware | None = None,
    ) -> "Estimates":
        """Summarise one model's units."""
        groups = [units.of_group(index, model) for index in range(len(names))]
        overall = units.overall[model]
        data = Summaries(
            np.array([values.mean() if values.size else math.nan for values in groups]),
            np.array([units.quantile(0.5, index, model) for index in range(len(names))]),
            np.asarray(overall.mean() if overall.size else math.nan),
            np.asarray(units.quantile(0.5, None, model)),
        )
        drawn = Summaries(
            replicates.means[:, model],
            replicates.medians[:, model],
            replicates.overall_mean[:, model],
            replicates.overall_median[:, model],
        )
        return cls(
            names,
            enough,
            reference,
            error_measures,
            data,
            drawn,
            groups,
            overall,
            confidence,
            aware,
        )

    def mean_interval(self, group: int) -> Interval:
        """Interval of a group's mean."""
        if self.aware is not None:
            return self.aware.intervals[group]
        draws, sources = self.drawn.means[:, group], self._sources(self.drawn.means, [group])
        return mean_interval(draws, self.samples[group], self.confidence, sources)

    def median_interval(self, group: int) -> Interval:
        """Interval of a group's median."""
        sources = self._sources(self.drawn.medians, [group])
        return expanded_interval(self.drawn.medians[:, group], self.confidence, sources)

    @property
    def overall_mean_interval(self) -> Interval:
        """Interval of the mean of all units."""
        if self.aware is not None:
            return self.aware.overall_interval
        sources = Sources(np.ones(1), np.array([self.overall.size]))
        return mean_interval(self.drawn.overall_mean, self.overall, self.confidence, sources)

    @property
    def overall_median_interval(self) -> Interval:
        """Interval of the median of all units."""
        sources = Sources(np.ones(1), np.array([self.overall.size]), of_means=False)
        return expanded_interval(self.drawn.overall_median, self.confidence, sources)

    def gaps(self) -> dict[GapKey, tuple[float, Interval]]:
        """Return every fairness measure with its interval."""
        values = self.gap_values(self.data)
        draws = self.gap_values(self.drawn)
        return {
            key: (float(value), self._gap_interval(key, float(value), draws[key]))
            for key, value in values.items()
        }

    def simultaneous_gaps(self) -> dict[GapKey, Interval]:
        """Return intervals of the fairness gaps that hold for all of them together.

        Returns:
            Gap between the reference and another group -> interval; the chance that any of them
            misses its gap is 1 minus the confidence. Empty if fewer than two groups are large
            enough. NaN if there are no resamples.
        """
        values = self.gap_values(self.data)
        draws = self.gap_values(self.drawn)
        keys = [key for key in values if key.name == "fairness_gap"] if len(self.enough) > 1 else []
        found = {}
        for key in keys:
            pair = [self.names.index(name) for name in key.between]
            found[key] = simultaneous_interval(
                float(values[key]),
                draws[key],
                self.confidence,
                len(keys),
                self._sources(self.drawn.medians, pair),
            )
        return found

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
        confidence = self.confidence
        if key.name == "fairness_gap":
            pair = [self.names.index(name) for name in key.between]
            return expanded_interval(draws, confidence, self._sources(self.drawn.medians, pair))
        drawn, sources = self._drawn_for(key)
        if key.name in ("ser", "skew") and value == math.inf:
            errors = _SPREADS[key.name][0](drawn, self.enough)
            return Interval(_exp(least_range(errors, confidence, sources)), math.inf)
        if not math.isfinite(value) or (key.name in SCALED and value <= 0):
            return expanded_interval(draws, confidence, sources)
        if key.name in SCALED:
            away = drawn.means[:, self.enough] - self.data.means[self.enough]
            overall = drawn.overall_mean - self.data.overall_mean
            with np.errstate(divide="ignore"):
                ratio = np.log(drawn.overall_mean) - np.log(self.data.overall_mean)
            deviations = SCALED[key.name](away, overall)
            return scaled_interval(value, ratio, deviations, confidence, sources)
        values, spread, exponential = _SPREADS[key.name]
        with np.errstate(invalid="ignore"):
            away = values(drawn, self.enough) - values(self.data, self.enough)
            # a resample without any error is infinitely far away
            deviations = np.nan_to_num(spread(away, drawn.overall_mean), nan=np.inf, posinf=np.inf)
        if exponential and self.aware is not None:
            # the fewer failures, the farther their share may be off on a logarithmic scale: at
            # nominal coverage, 0.91 to 0.93 of the intervals would hold
            confidence = 1 - (1 - confidence) / 2
        start = math.log(value) if exponential else value
        found = spread_interval(start, deviations, confidence, sources)
        return Interval(_exp(found.low), _exp(found.high)) if exponential else found

    def _drawn_for(self, key: GapKey) -> tuple[Summaries, Sources]:
        """Return what a measure's interval is made from."""
        if key.name == "ser":
            return self.drawn, self._sources(self.drawn.medians, self.enough)
        if self.aware is None:
            return self.drawn, self._sources(self.drawn.means, self.enough)
        drawn = dataclasses.replace(
            self.drawn, means=self.aware.means, overall_mean=self.aware.overall
        )
        return drawn, _NO_WIDENING

    def _sources(self, source: np.ndarray, groups: list[int]) -> Sources:
        if not len(source):
            return Sources(np.ones(len(groups)), self.sizes[groups])
        with np.errstate(invalid="ignore"):  # infinite values have no variance
            variances = source[:, groups].var(axis=0)
        return Sources(variances, self.sizes[groups], of_means=source is self.drawn.means)


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf
