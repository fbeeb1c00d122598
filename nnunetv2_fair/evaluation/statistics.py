"""Statistics per group, fairness measures with intervals, and tests of no difference."""

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.stats

from nnunetv2_fair.evaluation import gaps
from nnunetv2_fair.evaluation.result import (
    Comparison,
    Gap,
    GroupStatistics,
    GroupTest,
    Interval,
)
from nnunetv2_fair.evaluation.units import (
    Replicates,
    Units,
    bootstrap,
    percentile_interval,
    quantile,
)

Unit = Literal["patient", "case"]

NO_INTERVAL = Interval(math.nan, math.nan)


@dataclass(frozen=True)
class StatisticsSettings:
    """How cases are aggregated.

    Attributes:
        unit: ``patient``: a patient's value is the mean over that patient's cases in the group;
            ``case``: every case counts by itself, as in most papers.
        min_patients: Groups with fewer patients enter no gap and no test.
        n_bootstrap: Number of bootstrap resamples; 0 gives no intervals.
        confidence: Coverage of the intervals.
        seed: Seed of the bootstrap.
    """

    unit: Unit = "patient"
    min_patients: int = 5
    n_bootstrap: int = 2000
    confidence: float = 0.95
    seed: int = 0

    def generator(self, *what: str) -> np.random.Generator:
        """Return the random numbers of one comparison; they depend on no other comparison."""
        return np.random.default_rng([self.seed, zlib.crc32("|".join(what).encode())])


@dataclass(frozen=True)
class Observations:
    """One metric of one label: one entry per case of known group.

    Attributes:
        values: Values per case; NaN where undefined.
        replaced: Whether an infinite distance was replaced.
        patients: Patient of each case.
        groups: Index of each case's group.
        names: Names of all groups, also of those without cases.
    """

    values: np.ndarray
    replaced: np.ndarray
    patients: np.ndarray
    groups: np.ndarray
    names: tuple[str, ...]


def compare_groups(
    observations: Observations,
    *,
    attribute: str,
    metric: str,
    label: str,
    reference: str | None,
    error_measures: bool,
    settings: StatisticsSettings,
) -> Comparison:
    """Compare the groups by one metric.

    Args:
        observations: The values.
        attribute: Attribute expression, for the result.
        metric: Name of the metric, for the result.
        label: Label, for the result.
        reference: Group that fairness gaps are measured from; the group with most patients
            (among those large enough) if None or too small.
        error_measures: Whether 1 minus the metric is an error rate: adds SER, SKEW and equity
            scaling.
        settings: How to aggregate.
    """
    names = observations.names
    defined = ~np.isnan(observations.values)
    units = units_of(observations, defined, settings.unit)
    patients = patients_per_group(observations, defined)
    left_out = too_small(names, observations, patients, settings.min_patients)
    enough = [index for index, name in enumerate(names) if name not in left_out]
    sizeable = max(2, settings.min_patients)

    replicates = bootstrap(
        units, settings.n_bootstrap, settings.generator(attribute, metric, label)
    )
    groups = {
        name: _statistics(
            observations,
            observations.groups == index,
            units.of_group(index),
            (replicates.means[:, 0, index], replicates.medians[:, 0, index]),
            settings.confidence,
            with_interval=patients[index] >= sizeable,
        )
        for index, name in enumerate(names)
    }
    overall = _statistics(
        observations,
        np.ones(len(defined), dtype=bool),
        units.overall[0],
        (replicates.overall_mean[:, 0], replicates.overall_median[:, 0]),
        settings.confidence,
        with_interval=len(set(observations.patients[defined])) >= sizeable,
    )
    measured_from = reference_index(names, enough, patients, reference)
    found = gap_values(
        summaries_of(groups, names, overall), names, enough, measured_from, error_measures
    )
    drawn = gap_values(
        summaries_of_replicates(replicates, 0), names, enough, measured_from, error_measures
    )
    return Comparison(
        attribute=attribute,
        metric=metric,
        label=label,
        overall=overall,
        groups=groups,
        left_out=left_out,
        gaps=tuple(
            Gap(key.name, float(value), interval(drawn[key], settings.confidence), key.between)
            for key, value in found.items()
        ),
        test=group_test([units.of_group(index) for index in enough]),
    )


def units_of(observations: Observations, defined: np.ndarray, unit: Unit) -> Units:
    """Average the defined values over each unit's cases."""
    names = observations.patients if unit == "patient" else np.arange(len(defined)).astype(str)
    return Units.from_cases(
        observations.values[None, defined],
        names[defined],
        observations.groups[defined],
        len(observations.names),
    )


def patients_per_group(observations: Observations, defined: np.ndarray) -> list[int]:
    """Return how many patients of each group have a defined value."""
    return [
        len(set(observations.patients[defined & (observations.groups == index)]))
        for index in range(len(observations.names))
    ]


def too_small(
    names: Sequence[str], observations: Observations, patients: Sequence[int], min_patients: int
) -> dict[str, str]:
    """Return the groups that enter no gap and no test, with the reason."""
    reasons = {}
    for index, (name, count) in enumerate(zip(names, patients, strict=True)):
        if not (observations.groups == index).any():
            reasons[name] = "no cases"
        elif count == 0:
            reasons[name] = "no case has a defined value"
        elif count < min_patients:
            word = "patient" if count == 1 else "patients"
            reasons[name] = f"{count} {word} with a value, fewer than {min_patients}"
    return reasons


def reference_index(
    names: Sequence[str], enough: Sequence[int], patients: Sequence[int], reference: str | None
) -> int | None:
    """Return the group that fairness gaps are measured from; None if no group is large enough."""
    if reference is not None and reference in names and names.index(reference) in enough:
        return names.index(reference)
    return max(enough, key=lambda index: patients[index], default=None)


def _statistics(
    observations: Observations,
    chosen: np.ndarray,
    values: np.ndarray,
    replicates: tuple[np.ndarray, np.ndarray],
    confidence: float,
    *,
    with_interval: bool,
) -> GroupStatistics:
    means, medians = replicates
    with np.errstate(invalid="ignore"):  # infinite distances have no standard deviation
        std = float(values.std(ddof=1)) if values.size > 1 else math.nan
    return GroupStatistics(
        n_cases=int(chosen.sum()),
        n_patients=len(set(observations.patients[chosen])),
        n_undefined=int(np.isnan(observations.values[chosen]).sum()),
        n_replaced=int(observations.replaced[chosen].sum()),
        mean=float(values.mean()) if values.size else math.nan,
        median=float(np.median(values)) if values.size else math.nan,
        q1=quantile(values, 0.25),
        q3=quantile(values, 0.75),
        std=std,
        mean_interval=interval(means, confidence) if with_interval else NO_INTERVAL,
        median_interval=interval(medians, confidence) if with_interval else NO_INTERVAL,
    )


def interval(replicates: np.ndarray, confidence: float) -> Interval:
    """Return the percentile interval of bootstrap replicates."""
    return Interval(*percentile_interval(replicates, confidence))


@dataclass(frozen=True)
class Summaries:
    """Means and medians of the groups, of the data or of many resamples at once.

    Attributes:
        means: (..., groups).
        medians: (..., groups).
        overall_mean: (...).
    """

    means: np.ndarray
    medians: np.ndarray
    overall_mean: np.ndarray


@dataclass(frozen=True)
class GapKey:
    """Which fairness measure, between which groups."""

    name: str
    between: tuple[str, ...]


def summaries_of(
    groups: Mapping[str, GroupStatistics], names: Sequence[str], overall: GroupStatistics
) -> Summaries:
    """Return the summaries of the data."""
    return Summaries(
        np.array([groups[name].mean for name in names]),
        np.array([groups[name].median for name in names]),
        np.asarray(overall.mean),
    )


def summaries_of_replicates(replicates: Replicates, model: int) -> Summaries:
    """Return the summaries of one model's bootstrap resamples."""
    return Summaries(
        replicates.means[:, model], replicates.medians[:, model], replicates.overall_mean[:, model]
    )


#: Fairness measures over all groups: name -> (only for errors, function of summaries and groups).
_MEASURES: Mapping[str, tuple[bool, Callable[[Summaries, list[int]], np.ndarray]]] = {
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


def gap_values(
    summaries: Summaries,
    names: Sequence[str],
    enough: list[int],
    reference: int | None,
    error_measures: bool,
) -> dict[GapKey, np.ndarray]:
    """Compute every fairness measure.

    Args:
        summaries: Means and medians.
        names: Names of all groups.
        enough: Groups that are large enough.
        reference: Group that fairness gaps are measured from.
        error_measures: Whether to add SER, SKEW and equity scaling.

    Returns:
        Measure -> (...) values; NaN throughout if fewer than two groups are large enough.
    """
    found: dict[GapKey, np.ndarray] = {}
    undefined = np.full(summaries.overall_mean.shape, np.nan)
    comparable = len(enough) >= 2
    between = tuple(names[index] for index in enough)
    if comparable and reference is not None:
        for other in enough:
            if other != reference:
                key = GapKey("fairness_gap", (names[reference], names[other]))
                with np.errstate(invalid="ignore"):
                    found[key] = summaries.medians[..., reference] - summaries.medians[..., other]
    else:
        found[GapKey("fairness_gap", between)] = undefined
    for name, (only_errors, function) in _MEASURES.items():
        if error_measures or not only_errors:
            found[GapKey(name, between)] = function(summaries, enough) if comparable else undefined
    return found


def group_test(samples: Sequence[np.ndarray]) -> GroupTest | None:
    """Test two-sidedly whether the groups' values come from one distribution.

    Args:
        samples: One array of unit values per group.

    Returns:
        Mann-Whitney U for two groups, Kruskal-Wallis for more, None for fewer. If all values are
        equal there is nothing to tell apart and p is 1.
    """
    if len(samples) < 2:
        return None
    pooled = np.concatenate(samples)
    identical = bool((pooled == pooled[0]).all())
    if len(samples) == 2:
        first, second = samples
        if identical:
            return GroupTest("Mann-Whitney U", first.size * second.size / 2, 1.0)
        u = scipy.stats.mannwhitneyu(first, second, alternative="two-sided")
        return GroupTest("Mann-Whitney U", float(u.statistic), float(u.pvalue))
    if identical:
        return GroupTest("Kruskal-Wallis", 0.0, 1.0)
    h = scipy.stats.kruskal(*samples)
    return GroupTest("Kruskal-Wallis", float(h.statistic), float(h.pvalue))


def definitions(settings: StatisticsSettings) -> dict[str, str]:
    """Return what every statistic and fairness measure is, in words."""
    unit = (
        "One value per patient: the mean over the patient's cases in that group."
        if settings.unit == "patient"
        else "One value per case, even if several cases come from one patient."
    )
    return {
        "unit": unit,
        "mean": "Average over the units of a group.",
        "median": "Half of the units of a group lie below it, half above.",
        "iqr": "Interquartile range: from the value that a quarter of the units lie below to the "
        "value that a quarter lie above.",
        "std_within": "Sample standard deviation over the units of one group.",
        "interval": f"{settings.confidence:.0%} percentile bootstrap interval: "
        f"{settings.n_bootstrap} resamples of whole {settings.unit}s within each group. None is "
        f"given for groups of fewer than {max(2, settings.min_patients)} patients.",
        "fairness_gap": "Median of the reference group minus median of the other group; 0 is "
        "equal, a positive value means that the reference group's values are higher.",
        "ser": "Skewed error ratio: the largest group error divided by the smallest, where a "
        "group's error is 1 minus its median; 1 is equal.",
        "delta": "Largest group mean minus smallest group mean; 0 is equal.",
        "std": "Sample standard deviation over the groups' means; 0 is equal.",
        "skew": "As SER, but with means instead of medians; 1 is equal.",
        "es_std": "Equity-scaled score: the overall mean divided by 1 plus the sample standard "
        "deviation over the groups' means (FairDiff's form); at most the overall mean, higher "
        "is better.",
        "es_absolute": "Equity-scaled score: the overall mean divided by 1 plus the sum of the "
        "absolute differences between the overall mean and the groups' means (FairSeg's form); "
        "at most the overall mean, higher is better.",
        "test": "Two-sided test of no difference between the groups over the units: Mann-Whitney "
        "U for two groups, Kruskal-Wallis for more. The p-values are not corrected for testing "
        "several metrics, labels and attributes.",
        "overall": "All evaluated cases whose group is known, also those of small groups.",
    }
