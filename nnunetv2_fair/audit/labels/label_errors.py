"""Errors of automated masks by group: whether they are too small, too large, or shifted."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from nnunetv2_fair.audit.labels.mask_errors import MEASURES
from nnunetv2_fair.audit.labels.people import Groups, People
from nnunetv2_fair.audit.results.labels import Estimate, GroupMean, LabelErrors, PairGap
from nnunetv2_fair.audit.statistics.contrasts import (
    corrected,
    estimate_gap,
    estimate_mean,
    units_of,
)
from nnunetv2_fair.evaluation.estimation.units import Units

#: case -> label -> measure -> value.
Errors = Mapping[str, Mapping[str, Mapping[str, float]]]


def label_errors(
    errors: Errors, labels: Sequence[str], people: People, unit: str
) -> tuple[LabelErrors, ...]:
    """Return the errors of every group, with tests corrected over all by the same measure.

    Means of volume and boundary error are tested to be 0 (Student's t over patients, corrected for
    skewness); all measures
    are compared with the reference group. A family is all of either kind by one measure.

    Args:
        errors: What was measured.
        labels: Labels, without the average.
        people: Who is in which group.
        unit: Unit of distances.
    """
    made = [
        _of_group(errors, label, measure, groups, people, unit)
        for groups in people.attributes
        for label in labels
        for measure in MEASURES
    ]
    return tuple(_corrected(made))


def _of_group(
    errors: Errors, label: str, measure: str, groups: Groups, people: People, unit: str
) -> LabelErrors:
    settings = people.settings
    known = {case: of[label][measure] for case, of in errors.items() if label in of}
    cases = sorted(errors)
    codes = groups.codes(cases)
    values = np.array([known.get(case, math.nan) for case in cases])
    patients = people.counted(cases)
    found: dict[str, GroupMean] = {}
    left_out: dict[str, str] = {}
    compared = {index for pair in groups.pairs for index in pair}
    for index, name in enumerate(groups.names):
        inside = codes == index
        defined = inside & np.isfinite(values)
        per_patient = Units.from_cases(
            values[None, defined], patients[defined], np.zeros(int(defined.sum()), dtype=int), 1
        ).overall[0]
        enough = index in compared and len(per_patient) >= settings.sizeable
        if not enough:
            left_out[name] = _reason(len(per_patient), index in compared, settings.sizeable)
        mean = estimate_mean(per_patient, settings.confidence)
        if not enough:
            mean = Estimate(mean.value)
        elif not MEASURES[measure]:
            mean = Estimate(mean.value, mean.interval)
        found[name] = GroupMean(len(per_patient), int(inside.sum() - defined.sum()), mean)
    gaps = []
    for pair in groups.pairs:
        names = groups.named(pair)
        if set(names) & set(left_out):
            continue
        units = units_of(values[None, :], codes, patients, pair)
        generator = settings.generator("label errors", groups.attribute, label, measure, *names)
        gaps.append(PairGap(names, units.n, estimate_gap(units, settings.confidence, generator)))
    return LabelErrors(
        groups.attribute, label, measure, "" if measure == "volume" else unit, found, left_out,
        tuple(gaps),
    )  # fmt: skip


def _reason(n: int, compared: bool, fewest: int) -> str:
    if n < fewest:
        return f"{n} with a value, fewer than {fewest}"
    return "" if compared else "no other group to compare it with, or not chosen"


def _corrected(made: Sequence[LabelErrors]) -> Iterator[LabelErrors]:
    means, gaps = {}, {}
    for measure in MEASURES:
        ours = [one for one in made if one.measure == measure]
        means[measure] = iter(corrected(g.mean for one in ours for g in one.groups.values()))
        gaps[measure] = iter(corrected(p.gap for one in ours for p in one.gaps))
    for one in made:
        yield dataclasses.replace(
            one,
            groups={
                name: dataclasses.replace(group, mean=next(means[one.measure]))
                for name, group in one.groups.items()
            },
            gaps=tuple(dataclasses.replace(p, gap=next(gaps[one.measure])) for p in one.gaps),
        )
