"""Errors of a measure by group: distribution, agreement, divergence from the reference group."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from nnunetv2_fair.evaluation.downstream.decisions import decisions_of
from nnunetv2_fair.evaluation.downstream.divergence import (
    bin_edges,
    compare_counts,
    counts_in_bins,
)
from nnunetv2_fair.evaluation.downstream.settings import Threshold
from nnunetv2_fair.evaluation.results.downstream.comparison import (
    DownstreamComparison,
    ErrorDivergence,
    GroupErrors,
)
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval, MetricInfo
from nnunetv2_fair.evaluation.statistics.all_comparisons import GroupVocabulary
from nnunetv2_fair.evaluation.statistics.corrections import holm
from nnunetv2_fair.evaluation.statistics.group_comparison import (
    StatisticsSettings,
    reference_index,
)
from nnunetv2_fair.evaluation.statistics.small_groups import NOT_CHOSEN

_SEVERAL = "some patients have images in both groups, which the test does not allow for"
#: Standard deviations that 95% of normal errors lie within.
_AGREEMENT = 1.96


def compare_errors(
    rows: pd.DataFrame,
    label: str,
    measure: MetricInfo,
    vocabulary: GroupVocabulary,
    settings: StatisticsSettings,
    thresholds: Sequence[Threshold],
) -> DownstreamComparison:
    """Compare the groups of one attribute by one measure of one label.

    Args:
        rows: Its rows of the table of cases, without those whose group is unknown.
        label: Label that the measure is taken from.
        measure: The measure.
        vocabulary: Groups of the attribute.
        settings: How to aggregate.
        thresholds: Where decisions change, in this measure.
    """
    attribute, names = vocabulary.expression, vocabulary.names
    person = "case" if settings.unit == "case" else "patient"
    members = {name: rows[rows[attribute] == name] for name in names}
    units = {name: _units(own, person) for name, own in members.items()}
    reasons = {
        name: NOT_CHOSEN
        if vocabulary.chosen is not None and name not in vocabulary.chosen
        else _reason(len(members[name]), len(units[name]), settings.min_patients)
        for name in names
    }
    left_out = {name: reason for name, reason in reasons.items() if reason}
    enough = [index for index, name in enumerate(names) if name not in left_out]
    one_each = len({n for index in enough for n in units[names[index]]["cases"]}) > 1
    errors = {
        names[index]: _absolute_errors(members[names[index]], person, settings, one_each=one_each)
        for index in enough
    }
    edges = bin_edges(np.concatenate(list(errors.values()))) if errors else ()
    sizes = [members[name]["patient"].nunique() for name in names]
    reference = reference_index(names, enough, sizes, vocabulary.reference)
    divergences = [
        _divergence(
            (names[reference], names[other]),
            errors,
            edges,
            settings.generator("downstream", attribute, label, measure.name, names[other]),
            settings,
        )
        for other in enough
        if reference is not None and other != reference
    ]
    generator = settings.generator("decisions", attribute, label, measure.name)
    defined = {name: own[own["error"].notna()] for name, own in members.items()}
    compared = [names[index] for index in enough]
    return DownstreamComparison(
        attribute=attribute,
        label=label,
        measure=measure,
        edges=edges,
        groups={
            name: _errors(
                units[name], len(members[name]) - len(defined[name]), errors.get(name), edges
            )
            for name in names
        },
        left_out=left_out,
        divergences=tuple(divergences),
        decisions=tuple(
            decisions_of(defined, threshold.value, compared, person, settings.confidence, generator)
            for threshold in thresholds
        ),
        one_each=one_each,
    )


def with_corrected_tests(
    made: Sequence[DownstreamComparison],
) -> Iterator[DownstreamComparison]:
    """Yield the comparisons with corrected p-values.

    Of divergences a family is all measures, labels and pairs of an attribute; of decisions all
    thresholds of the result.
    """
    decided = [d.test for found in made for d in found.decisions]
    tested = sum(test is not None for test in decided)
    of_decisions = iter(holm([math.nan if t is None else t.p_value for t in decided]))
    corrected = {}
    for attribute in dict.fromkeys(found.attribute for found in made):
        ours = [d.p_value for found in made if found.attribute == attribute
                for d in found.divergences]  # fmt: skip
        corrected[attribute] = iter(holm(ours)), sum(not math.isnan(p) for p in ours)
    for found in made:
        p_values, size = corrected[found.attribute]
        yield dataclasses.replace(
            found,
            divergences=tuple(
                dataclasses.replace(d, corrected_p=next(p_values), family_size=size)
                for d in found.divergences
            ),
            decisions=tuple(
                dataclasses.replace(
                    d,
                    test=d.test and dataclasses.replace(d.test, corrected_p=p, family_size=tested),
                )
                for d, p in ((d, next(of_decisions)) for d in found.decisions)
            ),
        )


def _units(rows: pd.DataFrame, person: str) -> pd.DataFrame:
    """Return the mean values of every patient with a value, and the number of cases."""
    by_person = rows[rows["error"].notna()].groupby(person, sort=False)
    columns = ["reference", "prediction", "error", "absolute_error"]
    return by_person[columns].mean().assign(cases=by_person.size())


def _absolute_errors(
    rows: pd.DataFrame, person: str, settings: StatisticsSettings, *, one_each: bool
) -> "pd.Series[float]":
    """Return one absolute error of every patient, by patient.

    The mean over many cases varies less than that over few. Where patients have different numbers
    of cases, groups would differ in that alone, so that one case of each patient is drawn.
    """
    defined = rows[rows["error"].notna()]
    if one_each:
        # the same cases for every measure
        order = settings.generator("one case of each patient").permutation(len(rows))
        defined = rows.iloc[order]
        defined = defined[defined["error"].notna()].drop_duplicates(person)
    found: pd.Series[float] = defined.groupby(person, sort=False)["absolute_error"].mean()
    return found


def _reason(n_cases: int, with_value: int, fewest: int) -> str:
    """Return why a group is too small to be compared; empty if it is not."""
    if not n_cases:
        return "no cases"
    if not with_value:
        return "no case has a defined value"
    return f"{with_value} with a value, fewer than {fewest}" if with_value < fewest else ""


def _errors(
    units: pd.DataFrame,
    n_undefined: int,
    in_bins: "pd.Series[float] | None",
    edges: Sequence[float],
) -> GroupErrors:
    if not len(units):
        nan = math.nan
        return GroupErrors(0, n_undefined, nan, nan, nan, NO_INTERVAL, nan, nan, nan, nan, ())
    signed = units["error"].to_numpy(float)
    absolute = units["absolute_error"].to_numpy(float)
    bias, spread = signed.mean(), signed.std(ddof=1) if len(units) > 1 else math.nan
    q1, median, q3 = (float(q) for q in np.quantile(absolute, (0.25, 0.5, 0.75)))
    counts: Sequence[int] = ()
    if in_bins is not None:
        counts = counts_in_bins(in_bins.to_numpy(float), edges).tolist()
    return GroupErrors(
        n=len(units),
        n_undefined=n_undefined,
        reference=float(units["reference"].mean()),
        prediction=float(units["prediction"].mean()),
        bias=float(bias),
        limits=Interval(float(bias - _AGREEMENT * spread), float(bias + _AGREEMENT * spread)),
        mean=float(absolute.mean()),
        q1=q1,
        median=median,
        q3=q3,
        shares=tuple(float(count / len(units)) for count in counts),
    )


def _divergence(
    between: tuple[str, str],
    errors: "Mapping[str, pd.Series[float]]",
    edges: Sequence[float],
    generator: np.random.Generator,
    settings: StatisticsSettings,
) -> ErrorDivergence:
    first, second = (errors[name] for name in between)
    nan = math.nan
    if first.index.intersection(second.index).size:
        return ErrorDivergence(between, nan, nan, NO_INTERVAL, nan, nan, nan, 0, _SEVERAL)
    counts = [counts_in_bins(one.to_numpy(float), edges) for one in (first, second)]
    found = compare_counts(
        counts[0], counts[1], generator,
        n_bootstrap=settings.n_bootstrap, confidence=settings.confidence,
    )  # fmt: skip
    return ErrorDivergence(
        between, found.value, found.corrected, found.interval, found.by_chance, found.p_value,
        found.p_value, 1,
    )  # fmt: skip
