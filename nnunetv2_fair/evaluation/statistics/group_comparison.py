"""Statistics per group, fairness measures with intervals, and tests of no difference."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from nnunetv2_fair.evaluation.estimation.estimates import (
    SCALED,
    Estimates,
    FailureAware,
    GapKey,
    Summaries,
)
from nnunetv2_fair.evaluation.estimation.replicates import Replicates
from nnunetv2_fair.evaluation.estimation.resampling import bootstrap
from nnunetv2_fair.evaluation.estimation.shrinkage import shrunken_means
from nnunetv2_fair.evaluation.estimation.streams import Streams, seeded
from nnunetv2_fair.evaluation.estimation.two_part import Cases
from nnunetv2_fair.evaluation.estimation.units import Units
from nnunetv2_fair.evaluation.results.groups import (
    Comparison,
    Gap,
    GroupStatistics,
    PairEffect,
)
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval, Scale
from nnunetv2_fair.evaluation.statistics import effects
from nnunetv2_fair.evaluation.statistics.by_chance import N_PERMUTATIONS, exchanged, judged
from nnunetv2_fair.evaluation.statistics.detectable import Pair, detectable_gaps
from nnunetv2_fair.evaluation.statistics.dominance import cliffs_delta, dominance_interval
from nnunetv2_fair.evaluation.statistics.equivalence import mean_difference
from nnunetv2_fair.evaluation.statistics.pairwise import pair_tests
from nnunetv2_fair.evaluation.statistics.rank_tests import group_tests
from nnunetv2_fair.evaluation.statistics.small_groups import (
    FEWEST_PATIENTS,
    Observations,
    group_sizes,
    n_different,
    not_compared,
    patients_per_group,
)

Unit = Literal["patient", "case"]

#: The worst tenth of fewer units is no unit.
FEWEST_FOR_DECILE = 10


@dataclass(frozen=True)
class StatisticsSettings:
    """How cases are aggregated.

    Attributes:
        unit: ``patient``: a patient's value is the mean over that patient's cases in the group;
            ``case``: every case counts separately, as in most papers.
        min_patients: Groups with fewer patients are excluded from gaps and tests.
        n_bootstrap: Number of bootstrap resamples; 0 gives no intervals.
        confidence: Coverage of the intervals.
        seed: Seed of the bootstrap.
    """

    unit: Unit = "patient"
    min_patients: int = FEWEST_PATIENTS
    n_bootstrap: int = 2000
    confidence: float = 0.95
    seed: int = 0

    @classmethod
    def of_result(cls, given: Mapping[str, Any]) -> "StatisticsSettings":
        """Return how an evaluation aggregated, from the settings that it tells."""
        plain = cls()
        return cls(
            unit=given.get("unit", plain.unit),
            min_patients=int(given.get("min_patients", plain.min_patients)),
            n_bootstrap=int(given.get("bootstrap", plain.n_bootstrap)),
            confidence=float(given.get("confidence", plain.confidence)),
            seed=int(given.get("seed", plain.seed)),
        )

    @property
    def sizeable(self) -> int:
        """Patients that an interval and a test need."""
        return max(2, self.min_patients)

    def generator(self, *what: str) -> np.random.Generator:
        """Return the random numbers of one comparison; they do not depend on other comparisons."""
        return seeded(self.seed, *what)

    def streams(self, names: Sequence[str], *what: str) -> Streams:
        """Return the random numbers of one comparison, by group.

        Args:
            names: Names of all groups.
            what: Names of the comparison.
        """
        return Streams(self.seed, names, what)


def compare_groups(
    observations: Observations,
    *,
    attribute: str,
    metric: str,
    label: str,
    reference: str | None,
    error_measures: bool,
    settings: StatisticsSettings,
    scale: Scale | None = None,
    n_tests: int = 1,
    chosen: Collection[str] | None = None,
) -> Comparison:
    """Compare the groups by one metric.

    What is told of each group and of all together is the same whichever groups are chosen; gaps,
    tests and effects are those of the chosen ones alone, as if there were no others.

    Args:
        observations: The values.
        attribute: Attribute expression, for the result.
        metric: Name of the metric, for the result.
        label: Label, for the result.
        reference: Group that fairness gaps are measured from; None: see :func:`reference_index`.
        error_measures: Whether 1 minus the metric is an error rate: adds SER, SKEW and equity
            scaling.
        settings: How to aggregate.
        scale: Direction and range of the metric; higher is better and no range known if None.
        n_tests: Tests in the family, for which p-values will be corrected.
        chosen: Groups to compare; all if None.
    """
    scale = scale or Scale()
    names = observations.names
    defined = ~np.isnan(observations.values)
    patients = patients_per_group(observations, defined)
    small = not_compared(names, observations, patients, settings.min_patients)
    left_out = not_compared(names, observations, patients, settings.min_patients, chosen)
    large = [index for index, name in enumerate(names) if name not in small]
    enough = [index for index, name in enumerate(names) if name not in left_out]
    units = units_of(observations, defined, settings.unit, large)
    sizeable = settings.sizeable

    sizes = group_sizes(observations.patients, observations.groups, len(names))
    measured_from = reference_index(names, enough, sizes, reference)
    pairs = [
        (measured_from, other)
        for other in enough
        if measured_from is not None and other != measured_from
    ]
    where = (attribute, metric, label)

    def estimated(
        observed: Observations, of: Units, pairs: Sequence[tuple[int, int]]
    ) -> tuple[Estimates, Replicates]:
        drawn = bootstrap(of, settings.n_bootstrap, settings.streams(names, *where), pairs)
        made = Estimates.of(
            of,
            drawn,
            0,
            names=names,
            enough=enough,
            reference=measured_from,
            error_measures=error_measures,
            confidence=settings.confidence,
            aware=FailureAware.of_cases(
                _cases(observed, ~np.isnan(observed.values), settings.unit),
                scale,
                settings.n_bootstrap,
                settings.streams(names, *where, "failures"),
                settings.confidence,
            ),
        )
        return made, drawn

    estimates, replicates = estimated(observations, units, pairs if chosen is None else ())
    everybody, of_everybody = units, estimates
    within = [index for index, name in enumerate(names) if chosen is None or name in chosen]
    if chosen is not None:
        units = units.only(within)
        estimates, replicates = estimated(observations.of(within), units, pairs)
    together = estimates.simultaneous_gaps()
    shrunken = shrunken_means(of_everybody.samples)
    chances = _chances(units, estimates, settings, settings.generator(*where, "exchanged"))
    groups = {
        name: _statistics(
            observations,
            observations.groups == index,
            (everybody, index),
            (of_everybody.mean_interval(index), of_everybody.median_interval(index))
            if patients[index] >= sizeable
            else (NO_INTERVAL, NO_INTERVAL),
            scale,
            (float(shrunken.means[index]), shrunken.interval(index, settings.confidence)),
        )
        for index, name in enumerate(names)
    }

    def together_of(inside: np.ndarray, of: Units, found: Estimates) -> GroupStatistics:
        sized = n_different(observations.patients[defined & inside]) >= sizeable
        limits = (found.overall_mean_interval, found.overall_median_interval)
        return _statistics(
            observations,
            inside,
            (of, None),
            limits if sized else (NO_INTERVAL, NO_INTERVAL),
            scale,
        )

    return Comparison(
        attribute=attribute,
        metric=metric,
        label=label,
        overall=together_of(np.ones(len(defined), dtype=bool), everybody, of_everybody),
        groups=groups,
        left_out=left_out,
        gaps=tuple(
            Gap(
                key.name,
                value,
                found,
                key.between,
                together.get(key, NO_INTERVAL),
                *chances.get(key, (math.nan, math.nan)),
            )
            for key, (value, found) in estimates.gaps().items()
        ),
        test=group_tests.group_test(units, enough, settings.generator(*where, "test")),
        by_image=units.images is not None,
        effects=tuple(
            _effect(
                units,
                pair,
                replicates.dominance[:, column],
                estimates,
                (scale, (1 - settings.confidence) / n_tests),
                len(pairs),
            )
            for column, pair in enumerate(pairs)
        ),
        pairs=pair_tests(units, enough, names, settings.generator(*where, "pairs")),
        of_chosen=None
        if chosen is None
        else together_of(np.isin(observations.groups, within), units, estimates),
    )


def _chances(
    units: Units,
    estimates: Estimates,
    settings: StatisticsSettings,
    generator: np.random.Generator,
) -> dict[GapKey, tuple[float, float]]:
    """Return what every measure over all groups is by chance, and its p-value."""
    if len(estimates.enough) < 2 or not settings.n_bootstrap:
        return {}
    made = exchanged(units, estimates.enough, generator, medians=estimates.error_measures)
    means = np.full((len(made.means), units.n_groups), np.nan)
    medians = means.copy()
    means[:, estimates.enough] = made.means
    if made.medians is not None:
        medians[:, estimates.enough] = made.medians
    same = np.ones(len(means))
    drawn = estimates.gap_values(
        Summaries(
            means,
            medians,
            estimates.data.overall_mean * same,
            estimates.data.overall_median * same,
        )
    )
    finite = np.abs(units.values[0][np.isfinite(units.values[0])])
    largest = float(finite.max(initial=0.0))
    return {
        key: judged(float(value), drawn[key], largest=largest, lower_is_worse=key.name in SCALED)
        for key, value in estimates.gap_values(estimates.data).items()
        if key.name != "fairness_gap"
    }


def _cases(observations: Observations, defined: np.ndarray, unit: Unit) -> Cases:
    values = observations.values[defined]
    units = np.arange(len(values))
    if unit == "patient":
        units = np.asarray(pd.factorize(observations.patients[defined])[0])
    groups = observations.groups[defined]
    return Cases(values, observations.replaced[defined], units, groups, len(observations.names))


def _effect(
    units: Units,
    pair: tuple[int, int],
    draws: np.ndarray,
    estimates: Estimates,
    rule: tuple[Scale, float],
    n_pairs: int,
) -> PairEffect:
    (ours, weights), (theirs, their_weights) = (units.spread_out(index) for index in pair)
    sizes = (units.n_units(pair[0]), units.n_units(pair[1]))
    # resamples of equal values are equal, however few there are
    varied = bool(np.ptp(ours) > 0 and np.ptp(theirs) > 0)
    delta = cliffs_delta(ours, theirs, weights=(weights, their_weights))
    apart, apart_alone, apart_together = mean_difference(estimates, pair, n_pairs)
    scale, level = rule
    half, most = _detectable(units, pair, draws - delta, estimates, scale, level)
    return PairEffect(
        between=(estimates.names[pair[0]], estimates.names[pair[1]]),
        cliffs_delta=delta,
        interval=dominance_interval(delta, draws, sizes, estimates.confidence)
        if varied
        else NO_INTERVAL,
        detectable_gap=most,
        detectable_gap_half=half,
        mean_difference=apart,
        mean_difference_interval=apart_alone,
        mean_difference_together=apart_together,
    )


def _detectable(
    units: Units,
    pair: tuple[int, int],
    delta_moves: np.ndarray,
    estimates: Estimates,
    scale: Scale,
    level: float,
) -> tuple[float, float]:
    """Return the gaps that are shown with 50% and 80% probability."""
    if units.images is not None or (units.counts[:, estimates.enough] > 0).sum(axis=1).max() > 1:
        return math.nan, math.nan  # the test looks at images, or within patients
    reference, other = pair
    key = GapKey("fairness_gap", (estimates.names[reference], estimates.names[other]))
    value = float(estimates.gap_values(estimates.data)[key])
    limits = estimates.simultaneous_gaps()[key]
    sign = 1 if scale.better == "higher" else -1
    medians = estimates.drawn.medians
    with np.errstate(invalid="ignore"):
        moves = medians[:, reference] - medians[:, other] - value
    return detectable_gaps(
        Pair(
            sign * estimates.samples[reference],
            sign * estimates.samples[other],
            sign * scale.worst,
            sign * moves,
            sign * delta_moves,
            value - limits.low if sign > 0 else limits.high - value,
        ),
        level=level,
        n_groups=len(estimates.enough),
        n_compared=int(estimates.sizes[estimates.enough].sum()),
    )


def units_of(
    observations: Observations, defined: np.ndarray, unit: Unit, compared: Sequence[int]
) -> Units:
    """Average the defined values over each unit's cases.

    Args:
        observations: The values.
        defined: Which of them are defined.
        unit: What is counted.
        compared: Groups that are large enough to be compared.
    """
    names = observations.patients if unit == "patient" else np.arange(len(defined))
    return Units.from_cases(
        observations.values[None, defined],
        names[defined],
        observations.groups[defined],
        len(observations.names),
        compared,
    )


def reference_index(
    names: Sequence[str], enough: Sequence[int], sizes: Sequence[int], reference: str | None
) -> int | None:
    """Return the group that fairness gaps are measured from.

    Args:
        names: All groups.
        enough: Those that are compared.
        sizes: Patients of every group, also those without a value: which have one is an outcome
            and differs between metrics and labels, and the group must not.
        reference: The one that was chosen; None if none was.

    Returns:
        The chosen group if it is compared, else the largest that is (of equal ones the first);
        None if none is.
    """
    if reference is not None and reference in names and names.index(reference) in enough:
        return names.index(reference)
    return max(enough, key=lambda index: sizes[index], default=None)


def _statistics(
    observations: Observations,
    chosen: np.ndarray,
    of: tuple[Units, int | None],
    intervals: tuple[Interval, Interval],
    scale: Scale,
    shrunken: tuple[float, Interval] = (math.nan, NO_INTERVAL),
) -> GroupStatistics:
    units, group = of
    values = units.overall[0] if group is None else units.of_group(group)
    return GroupStatistics(
        n_cases=int(chosen.sum()),
        n_patients=n_different(observations.patients[chosen]),
        n_undefined=int(np.isnan(observations.values[chosen]).sum()),
        n_replaced=int(observations.replaced[chosen].sum()),
        mean=float(values.mean()) if values.size else math.nan,
        median=units.quantile(0.5, group),
        q1=units.quantile(0.25, group),
        q3=units.quantile(0.75, group),
        std=units.std(group),
        mean_interval=intervals[0],
        median_interval=intervals[1],
        n_units=len(values),
        shrunken_mean=shrunken[0],
        shrunken_interval=shrunken[1],
        worst_decile=units.quantile(0.1 if scale.better == "higher" else 0.9, group)
        if len(values) >= FEWEST_FOR_DECILE
        else math.nan,
    )


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
        "median": "Half of the units of a group are below it, half above.",
        "by_image": "Where patients of one group have more images than those of another, their "
        "means are not comparable: the more images, the less they vary. There medians, quartiles, "
        "standard deviations, Cliff's delta and the test are those of images, each weighted by 1 "
        "over the images of its patient in the group. Means are the same either way.",
        "iqr": "Interquartile range: from the value that a quarter of the units are below to the "
        "value that a quarter are above.",
        "std_within": "Sample standard deviation over the units of one group.",
        "mean_interval": "Interval of a mean: Student's t, stretched towards the side to which the "
        "values are skewed. Where it is known what a failure is (a Dice of 0, an infinite distance "
        "that is replaced), it is made from two parts: the share of failures and the mean of the "
        "other values. If no group has a failure, it still allows for as many as the number of all "
        "units together cannot exclude. None is given for groups in which fewer than two units are "
        "anything but failures, nor for distances of fewer than 150 units none of which stands out "
        "as a failure.",
        "interval": f"{settings.confidence:.0%} bootstrap interval (percentiles, widened for "
        f"small groups): {settings.n_bootstrap} resamples of whole "
        f"{settings.unit}s within each group. None is given for groups of fewer than "
        f"{settings.sizeable} patients.",
        "fairness_gap": "Median of the reference group minus median of the other group; 0 is "
        "equal, a positive value means that the reference group's values are higher.",
        "simultaneous": "Where several groups are compared with the reference group: intervals of "
        "the gaps, wide enough for all of them together. The chance that any of them misses its "
        f"true gap is at most about {1 - settings.confidence:.2g}.",
        "shrunken_mean": "The mean of a group, drawn towards those of the other groups as far as "
        "chance explains the difference (random-effects model): the fewer units a group has, the "
        "farther. It is the better guess of a small group's mean, never used to compare groups.",
        "worst_decile": "The value that the worst tenth of a group's units are at or beyond; none "
        f"is given for fewer than {FEWEST_FOR_DECILE} units.",
        "by_chance": "What a measure typically (median) is if no group differs: patients are "
        f"exchanged between the groups {N_PERMUTATIONS} times, with all their images, and patients "
        "in several groups have their values exchanged. Its p-value is the share of exchanges in "
        "which the measure is at least as bad; that of Delta is a test of the means. The corrected "
        "one allows for all attributes and labels by the same metric (Holm).",
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
        "test": group_tests.definition(),
        "overall": "All evaluated cases whose group is known, including those of small groups.",
        "of_chosen": "All cases of the groups that were chosen for the comparison.",
        **effects.definitions(settings.confidence),
    }
