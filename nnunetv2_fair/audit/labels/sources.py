"""The gap of two groups in every source of the data, and whether sources differ in it.

Source: Welch, On the comparison of several mean values, Biometrika 38, 1951: his test, here of
gaps, each with a variance and degrees of freedom of its own; it keeps its level where Cochran's Q,
which takes variances as known, rejects too often.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import fdtrc

from nnunetv2_fair.audit.labels.people import People
from nnunetv2_fair.audit.labels.scores import Scores
from nnunetv2_fair.audit.results.labels import Estimate, PairGap, SourceGaps
from nnunetv2_fair.audit.statistics.contrasts import (
    Spread,
    corrected,
    estimate_gap,
    gap_of,
    units_of,
)
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings

#: Standard error of a gap between groups in which nothing varies.
_LEAST_ERROR = 1e-9


def source_gaps(
    scores: Scores,
    metrics: Sequence[MetricInfo],
    labels: Sequence[str],
    people: People,
    sources: Mapping[str, str],
) -> tuple[SourceGaps, ...]:
    """Return the gaps in every source, of all attributes, labels and metrics.

    Tests of heterogeneity are corrected over all labels, attributes and pairs by the same metric,
    and so are the tests of the gaps, over all sources as well.

    Args:
        scores: Scores of the automated masks.
        metrics: Metrics.
        labels: Labels in the order to show.
        people: Who is in which group.
        sources: Case -> its source; empty where it is not known.
    """
    made: list[SourceGaps] = []
    for metric in metrics:
        family = []
        for label in labels:
            values = scores.values(metric, label)
            cases = values.index.tolist()
            of = np.array([sources.get(case, "") for case in cases], dtype=object)
            family += [
                gaps_by_source(
                    values.to_numpy()[:, 0],
                    groups.codes(cases),
                    people.counted(cases),
                    of,
                    pair,
                    groups.named(pair),
                    (groups.attribute, metric.name, label),
                    people.settings,
                )
                for groups in people.attributes
                for pair in groups.pairs
            ]
        differing = corrected(one.heterogeneity for one in family)
        gaps = iter(corrected(pair.gap for one in family for pair in one.by_source.values()))
        made += [
            dataclasses.replace(
                one,
                heterogeneity=heterogeneity,
                by_source={
                    source: dataclasses.replace(pair, gap=next(gaps))
                    for source, pair in one.by_source.items()
                },
            )
            for one, heterogeneity in zip(family, differing, strict=True)
        ]
    return tuple(made)


def gaps_by_source(
    values: np.ndarray,
    groups: np.ndarray,
    patients: np.ndarray,
    sources: np.ndarray,
    pair: tuple[int, int],
    names: tuple[str, str],
    about: tuple[str, str, str],
    settings: StatisticsSettings,
) -> SourceGaps:
    """Return the gap of two groups in every source.

    Args:
        values: (cases,) scores.
        groups: (cases,) index of each case's group; NaN if it has none.
        patients: (cases,) whom cases are of.
        sources: (cases,) source of each case; empty where it is not known.
        pair: Indices of the reference group and of the other one.
        names: Their names.
        about: Attribute expression, metric and label.
        settings: How to aggregate.
    """
    found: dict[str, PairGap] = {}
    spreads: list[Spread] = []
    left_out: dict[str, str] = {}
    for source in sorted(set(sources.tolist()) - {""}):
        inside = sources == source
        units = units_of(values[None, inside], groups[inside], patients[inside], pair)
        if min(units.n) < settings.sizeable:
            left_out[source] = (
                f"{units.n[0]} and {units.n[1]} patients, fewer than {settings.sizeable} in a group"
            )
            continue
        generator = settings.generator("source", *about, *names, source)
        gap = estimate_gap(units, settings.confidence, generator)
        found[source] = PairGap(names, units.n, gap)
        spreads.append(gap_of(units.values[0], units.second, units.clusters))
    common = heterogeneity = Estimate(reason="fewer than two sources have enough of both groups")
    if len(found) > 1:
        mean = common_of(spreads, [gap.n for gap in found.values()])
        common = Estimate(mean.value, mean.interval(settings.confidence))
        heterogeneity = heterogeneity_of(spreads)
    return SourceGaps(*about, names, found, left_out, common, heterogeneity)


def common_of(spreads: Sequence[Spread], sizes: Sequence[tuple[int, int]]) -> Spread:
    """Return the mean of independent gaps, weighted by the sizes of their groups.

    Weights by precision would favour sources in which, by chance, nothing failed.

    Args:
        spreads: The gaps.
        sizes: Units of both groups behind each.
    """
    harmonic = np.array([one * other / (one + other) for one, other in sizes])
    shares = harmonic / harmonic.sum()
    parts = np.array([one.error**2 for one in spreads]) * shares**2
    value = float((shares * np.array([one.value for one in spreads])).sum())
    total = float(parts.sum())
    freedom = np.array([one.freedom for one in spreads])
    below = float((parts**2 / freedom).sum())
    return Spread(value, math.sqrt(total), total**2 / below if below > 0 else float(freedom.min()))


def heterogeneity_of(spreads: Sequence[Spread]) -> Estimate:
    """Return the largest minus the smallest of independent gaps, with Welch's test of equal ones.

    Args:
        spreads: Two or more.
    """
    values = np.array([one.value for one in spreads])
    weights = 1 / np.array([max(one.error, _LEAST_ERROR) ** 2 for one in spreads])
    freedom = np.array([one.freedom for one in spreads])
    shares = weights / weights.sum()
    k = len(values)
    statistic = float((weights * (values - (shares * values).sum()) ** 2).sum()) / (k - 1)
    # the weights are estimated, and may be off by this
    off = float(((1 - shares) ** 2 / freedom).sum())
    statistic /= 1 + 2 * (k - 2) / (k**2 - 1) * off
    p_value = float(fdtrc(k - 1, (k**2 - 1) / (3 * off), statistic))
    return Estimate(float(values.max() - values.min()), p_value=p_value)
