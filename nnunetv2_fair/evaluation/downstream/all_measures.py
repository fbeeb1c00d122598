"""The downstream measures of all cases, and their errors compared by group."""

import dataclasses
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from nnunetv2_fair.errors import EvaluationError, UsageError, counted, shorten
from nnunetv2_fair.evaluation.downstream.groups import compare_errors, with_corrected_tests
from nnunetv2_fair.evaluation.downstream.heart import NO_VOLUME, Beat, beats_of, heart_measures
from nnunetv2_fair.evaluation.downstream.images import images_in
from nnunetv2_fair.evaluation.downstream.measures import (
    CARDIAC,
    CUP_DISC,
    RADIOMICS,
    SETS,
    TUMOUR,
    Parts,
    measure_info,
    measured,
    parts_of,
)
from nnunetv2_fair.evaluation.downstream.one_case import (
    BOTH_EMPTY,
    CaseMeasured,
    DownstreamTask,
    Pair,
    fitting,
)
from nnunetv2_fair.evaluation.downstream.settings import DownstreamSettings
from nnunetv2_fair.evaluation.masks.label_maps import read_geometry
from nnunetv2_fair.evaluation.measuring.labels import LabelSet
from nnunetv2_fair.evaluation.measuring.one_case import CaseMeasures
from nnunetv2_fair.evaluation.measuring.plan import EvaluationPlan
from nnunetv2_fair.evaluation.results.downstream.cases import case_columns
from nnunetv2_fair.evaluation.results.downstream.comparison import DownstreamComparison
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import chosen_of
from nnunetv2_fair.evaluation.results.tables.per_case import AVERAGE, evaluated_rows
from nnunetv2_fair.evaluation.statistics.all_comparisons import GroupVocabulary
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.files.nifti import quiet_itk
from nnunetv2_fair.subgroups.table import DemographicsTable


def check_downstream(plan: EvaluationPlan, settings: DownstreamSettings) -> None:
    """Raise unless the measures can be taken, as far as that is known before masks are read.

    Args:
        plan: What will be evaluated.
        settings: Which measures.

    Raises:
        UsageError: If labels, frames or millimetres that they need are missing.
        EvaluationError: If the header of a mask cannot be read.
    """
    references = {pair.case: pair.reference for pair in plan.pairs}
    check_references(settings, plan.labels, references, plan.table, in_mm=plan.unit == "mm")


@quiet_itk()
def check_references(
    settings: DownstreamSettings,
    labels: LabelSet | None,
    references: Mapping[str, Path],
    table: DemographicsTable,
    *,
    in_mm: bool,
) -> None:
    """Raise unless the measures can be taken from references.

    Args:
        settings: Which measures.
        labels: What ``dataset.json`` says; None if there is none.
        references: Case -> its mask, at least one.
        table: Demographics of the cases.
        in_mm: Whether the masks have a spacing in millimetres.

    Raises:
        UsageError: If labels, frames or millimetres that they need are missing.
        EvaluationError: If the header of a mask cannot be read.
    """
    settings.check(None if labels is None else list(labels.regions))
    of_names = [name for name in settings.sets if name in (CARDIAC, CUP_DISC)]
    if labels is not None:
        parts_of(settings.sets, labels.regions)
    elif of_names:
        parts_of(of_names, {"numbers without names, as there is no dataset.json": (1,)})
    with_volume = [name for name in settings.sets if name in (CARDIAC, TUMOUR)]
    first = next(iter(references.values()))
    dimensions = read_geometry(first).dimensions
    if with_volume and (not in_mm or dimensions != 3):
        raise UsageError(
            f"--downstream {' '.join(with_volume)} needs volumes with spacing in millimetres; "
            f"{first} is {'a single slice' if in_mm else 'a picture'}. Leave it out, or evaluate "
            "masks in NIfTI, NRRD or MetaImage."
        )
    if CUP_DISC in settings.sets and dimensions != 2:
        raise UsageError(
            f"--downstream {CUP_DISC} needs pictures of two dimensions; {first} has {dimensions}. "
            "Leave it out."
        )
    if CARDIAC in settings.sets:
        beats_of(list(references), table, settings.frames)


def downstream_task(
    plan: EvaluationPlan, settings: DownstreamSettings, images: Path | None
) -> DownstreamTask:
    """Return what to measure in every case while its masks are read.

    Args:
        plan: What will be evaluated, as :func:`check_downstream` accepts it.
        settings: Which measures.
        images: Folder of the images, for intensities; None if there is none.
    """
    cases = [pair.case for pair in plan.pairs if pair.prediction is not None]
    read = images is not None and RADIOMICS in settings.sets
    labels = plan.labels
    return DownstreamTask(
        settings.sets,
        None if labels is None else parts_of(settings.sets, labels.regions),
        None if labels is None else labels.ignore,
        plan.unit,
        images_in(images, cases) if read and images is not None else None,
    )


def with_downstream(
    result: EvaluationResult,
    plan: EvaluationPlan,
    settings: DownstreamSettings,
    task: DownstreamTask,
    cases: Iterable[CaseMeasures],
) -> EvaluationResult:
    """Return the result with downstream measures of every case, and their errors by group.

    Args:
        result: The evaluation, with its cases.
        plan: Where the masks are.
        settings: Which measures.
        task: What was measured.
        cases: What was measured, of every case.

    Raises:
        UsageError: If a label that a set needs does not exist.
        EvaluationError: If some masks have two dimensions and some three.
    """
    settings.check([label for label in result.labels if label != AVERAGE])
    parts = parts_of(settings.sets, result.settings["regions"])
    found = {
        case.case: CaseMeasured.from_json(case.further.values)
        for case in cases
        if case.further is not None
    }
    _check_dimensions(found)
    beats = (
        beats_of([p.case for p in plan.pairs], plan.table, settings.frames) if parts.heart else ()
    )
    energy = task.images is not None
    rows = _rows(result, found, beats, parts, plan.unit, with_energy=energy)
    return dataclasses.replace(
        result,
        downstream=_comparisons(result, rows, parts, plan.unit, settings),
        downstream_cases=rows,
        notes=(*result.notes, *_notes(settings, beats, found, rows, energy=energy)),
        settings={
            **result.settings,
            "downstream": {
                "sets": list(settings.sets),
                "frames": settings.frames or "",
                "thresholds": [str(threshold) for threshold in settings.thresholds],
                "images": "" if task.images is None else str(task.images.folder),
            },
        },
    )


def _check_dimensions(found: Mapping[str, CaseMeasured]) -> None:
    flat = sorted(case for case, one in found.items() if one.dimensions == 2)
    solid = sorted(case for case, one in found.items() if one.dimensions == 3)
    if flat and solid:
        raise EvaluationError(
            f"--downstream needs masks of one kind: {flat[0]} has two dimensions, {solid[0]} "
            "three. Evaluate them apart, or leave out --downstream."
        )


def _rows(
    result: EvaluationResult,
    found: Mapping[str, CaseMeasured],
    beats: Iterable[Beat],
    parts: Parts,
    unit: str,
    *,
    with_energy: bool,
) -> pd.DataFrame:
    """Return the table of cases; of the heart a row is one of two frames."""
    evaluated = evaluated_rows(result.per_case)
    first = evaluated[evaluated["label"] == evaluated["label"].iloc[0]]
    columns = ["patient", *result.attributes]
    people = dict(zip(first["case"], first[columns].to_dict("records"), strict=True))
    units = {name: measure_info(name, unit).unit for _, name in measured(parts)}
    volumes = {case: one.volumes for case, one in found.items() if case in people}
    made: list[dict[str, Any]] = []
    for beat in beats:
        case = next((c for c in beat.frames.values() if c in people), None)
        if case is not None:
            person = {**people[case], "case": beat.name}
            for label, name, pair in heart_measures(beat, volumes, parts.heart):
                made.append({**person, **_numbers(label, name, pair, units)})
    for case, known in people.items():
        for label, name in _in_order(parts, found[case].dimensions, with_energy=with_energy):
            # where it was not known which labels there are, those of other cases are missing
            pair = found[case].values.get((label, name), Pair(math.nan, math.nan, BOTH_EMPTY))
            row = {**known, "case": case, **_numbers(label, name, pair, units)}
            if name == "energy":
                row |= {"image": found[case].image, "scaling": found[case].scaling}
            made.append(row)
    return pd.DataFrame(made, columns=list(case_columns(result.attributes)))


def _in_order(parts: Parts, dimensions: int, *, with_energy: bool) -> Iterator[tuple[str, str]]:
    """Yield label and measure of all that is measured in a single case."""
    for label, names in parts.shapes.items():
        yield from ((label, n) for n in fitting(names, dimensions, with_energy=with_energy))
    if parts.cup:
        yield from ((parts.cup, name) for name in SETS[CUP_DISC])


def _numbers(label: str, name: str, pair: Pair, units: Mapping[str, str]) -> dict[str, Any]:
    error = pair.prediction - pair.reference
    return {
        "label": label, "measure": name, "unit": units[name], "reference": pair.reference,
        "prediction": pair.prediction, "error": error, "absolute_error": abs(error),
        "remark": pair.remark, "image": "", "scaling": "",
    }  # fmt: skip


def _comparisons(
    result: EvaluationResult,
    rows: pd.DataFrame,
    parts: Parts,
    unit: str,
    settings: DownstreamSettings,
) -> tuple[DownstreamComparison, ...]:
    statistics = StatisticsSettings.of_result(result.settings)
    by_measure = dict(list(rows.groupby(["label", "measure"], sort=False)))
    made = []
    for attribute in result.attributes:
        vocabulary = GroupVocabulary(
            attribute,
            tuple(result.settings["groups"][attribute]),
            result.settings["reference_groups"].get(attribute),
            chosen_of(result.settings, attribute),
        )
        for label, name in measured(parts):
            if (label, name) in by_measure:
                thresholds = [
                    t for t in settings.thresholds if t.measure == name and t.label in ("", label)
                ]
                made.append(
                    compare_errors(
                        by_measure[label, name],
                        label,
                        measure_info(name, unit),
                        vocabulary,
                        statistics,
                        thresholds,
                    )
                )
    return tuple(with_corrected_tests(made))


def _notes(
    settings: DownstreamSettings,
    beats: Iterable[Beat],
    found: Mapping[str, CaseMeasured],
    rows: pd.DataFrame,
    *,
    energy: bool,
) -> Iterator[str]:
    lacking = [f"{beat.name} {' and '.join(beat.missing)}" for beat in beats if beat.missing]
    if lacking:
        yield (
            f"Measures of the heart that need both frames are undefined for "
            f"{counted(len(lacking), 'heart')}, as a frame is missing: {shorten(lacking, 12)}."
        )
    hollow = list(dict.fromkeys(rows["case"][rows["remark"] == NO_VOLUME]))
    if hollow:
        yield (
            f"The ejection fraction is undefined for {counted(len(hollow), 'heart')}, as its "
            "end-diastolic volume is 0 in the reference or in the prediction: "
            f"{shorten(hollow, 12)}."
        )
    if RADIOMICS in settings.sets and not energy:
        yield (
            "Energy is not measured, as no image <case>_0000 was found (--images names their "
            "folder)."
        )
    scaled = Counter(one.scaling for one in found.values() if one.scaling)
    if scaled:
        listed = shorten(f"{how} ({n})" for how, n in scaled.most_common())
        yield (
            "Energy is that of intensities as the headers of the images scale them: "
            f"{counted(sum(scaled.values()), 'image')} with {listed}."
        )
