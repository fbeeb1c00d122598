"""One case: read both masks, check them, measure every label.

This is what worker processes run, so it imports neither pandas nor anything heavier.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from nnunetv2_fair.errors import EvaluationError, shorten
from nnunetv2_fair.evaluation.masks.geometry import geometry_difference
from nnunetv2_fair.evaluation.masks.label_maps import LabelMap, read_label_map
from nnunetv2_fair.evaluation.metrics.regions import LabelMapPair
from nnunetv2_fair.evaluation.metrics.registry import metrics_named
from nnunetv2_fair.files.nifti import quiet_itk


@dataclass(frozen=True)
class CasePair:
    """Files of one case.

    Attributes:
        case: Case name.
        reference: Reference mask.
        prediction: Predicted mask; None if it is missing.
    """

    case: str
    reference: Path
    prediction: Path | None


@dataclass(frozen=True)
class FurtherMeasures:
    """What else was measured in a case.

    Attributes:
        values: As JSON.
        sha256: Hashes of the bytes of all files that were read besides the masks.
    """

    values: Mapping[str, Any]
    sha256: tuple[str, ...] = ()


class Further(Protocol):
    """What else is measured while both masks are in memory, small enough to send elsewhere."""

    @property
    def about(self) -> object:
        """As JSON: all that changes the measures of a case, apart from its files."""

    def files(self, case: str) -> tuple[Path, ...]:
        """Return the files that are read besides the masks."""

    def measure(self, pair: CasePair, reference: LabelMap, prediction: LabelMap) -> FurtherMeasures:
        """Measure a case.

        Raises:
            EvaluationError: If it cannot be measured; the message names files, not the case.
        """

    def check(self, values: Mapping[str, Any]) -> None:
        """Raise ValueError, TypeError, KeyError or AttributeError if values are damaged."""


@dataclass(frozen=True)
class CaseTask:
    """What to measure, small enough to send to another process.

    Attributes:
        metrics: Names of the metrics.
        tolerance: For NSD, in the unit of the spacing.
        regions: Name -> label values; None evaluates every label that occurs.
        ignore: Value of reference voxels that are excluded from metrics.
        known: Values a mask may hold; None allows all.
        labels_source: What ``known`` was read from, for messages.
        further: What else to measure; None: nothing.
    """

    metrics: tuple[str, ...]
    tolerance: float
    regions: Mapping[str, tuple[int, ...]] | None
    ignore: int | None = None
    known: frozenset[int] | None = None
    labels_source: str = ""
    further: Further | None = None


@dataclass(frozen=True)
class LabelMeasures:
    """One label of one case.

    Attributes:
        values: One per metric, in the order of the task.
        reference_voxels: Voxels of the reference.
        prediction_voxels: Voxels of the prediction.
    """

    values: tuple[float, ...]
    reference_voxels: int
    prediction_voxels: int


@dataclass(frozen=True)
class CaseMeasures:
    """Everything measured in one case.

    Attributes:
        case: Case name.
        labels: Label -> measures; empty if the case has problems.
        reference_values: Label values that occur in the reference, without 0.
        prediction_values: As ``reference_values``.
        diagonal: Image diagonal, in the unit of the spacing.
        sha256: Hashes of both masks' bytes, of all their files.
        problems: What is wrong with the case, one sentence each.
        further: What else was asked for; None without a prediction.
    """

    case: str
    labels: Mapping[str, LabelMeasures] = field(default_factory=dict)
    reference_values: tuple[int, ...] = ()
    prediction_values: tuple[int, ...] = ()
    diagonal: float = math.nan
    sha256: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    further: FurtherMeasures | None = None


@quiet_itk()
def measure_case(pair: CasePair, task: CaseTask) -> CaseMeasures:
    """Measure one case; problems are returned, not raised, so that all cases are checked first."""
    maps: list[LabelMap] = []
    problems: list[str] = []
    for path in (pair.reference, pair.prediction):
        if path is not None:
            try:
                maps.append(read_label_map(path))
            except EvaluationError as error:
                problems.append(str(error))
            except OSError as error:
                problems.append(
                    f"{path} cannot be read ({error.strerror or error}). Check the file."
                )
            except MemoryError:
                problems.append(f"{path} does not fit into memory. Use fewer processes (-np 1).")
    if problems or pair.prediction is None:
        hashes = tuple(found.sha256 for found in maps)
        return CaseMeasures(pair.case, sha256=hashes, problems=tuple(problems))
    try:
        return _measure(pair, pair.prediction, maps[0], maps[1], task)
    except EvaluationError as error:
        return CaseMeasures(pair.case, problems=(str(error),))


def _further(
    pair: CasePair, first: LabelMap, second: LabelMap, task: CaseTask
) -> FurtherMeasures | None:
    if task.further is None:
        return None
    try:
        return task.further.measure(pair, first, second)
    except (EvaluationError, OSError, MemoryError) as error:
        raise EvaluationError(f"case '{pair.case}': {error}") from error


def _measure(
    pair: CasePair, prediction_path: Path, first: LabelMap, second: LabelMap, task: CaseTask
) -> CaseMeasures:
    different = geometry_difference(first.geometry, second.geometry)
    if different is not None:
        raise EvaluationError(
            geometry_message(pair.case, prediction_path, pair.reference, different)
        )
    pair_of_maps = LabelMapPair(
        first.foreground, second.foreground, first.geometry.spacing, task.tolerance
    )
    in_reference, in_prediction = pair_of_maps.reference_values, pair_of_maps.prediction_values
    if task.known is not None:
        problems = [
            message
            for path, values in ((pair.reference, in_reference), (prediction_path, in_prediction))
            if (message := unknown_labels(path, values, task.known, task.labels_source))
        ]
        if task.ignore is not None and task.ignore in in_prediction:
            problems.append(
                f"{prediction_path} holds {task.ignore}, the ignore label of {task.labels_source}, "
                "which only references may hold. Pass predictions without it."
            )
        if problems:
            raise EvaluationError(" ".join(problems))
    if task.ignore is not None and task.ignore in in_reference:
        pair_of_maps = pair_of_maps.without(task.ignore)
    regions = task.regions
    if regions is None:
        regions = {str(value): (value,) for value in sorted({*in_reference, *in_prediction})}
    metrics = metrics_named(task.metrics)
    labels = {}
    for name, values in regions.items():
        region = pair_of_maps.region(values)
        measured = tuple(metric.compute(region) for metric in metrics)
        labels[name] = LabelMeasures(measured, region.counts.reference, region.counts.prediction)
    return CaseMeasures(
        pair.case,
        labels,
        in_reference,
        in_prediction,
        first.geometry.diagonal,
        (first.sha256, second.sha256),
        further=_further(pair, first, second, task),
    )


def geometry_message(case: str, prediction: Path, reference: Path, different: str) -> str:
    """Say that a prediction is on a different grid from its reference, and what to do."""
    return (
        f"case '{case}': {prediction} and {reference} differ in {different}. Predict again from "
        "the images the reference belongs to, or resample the prediction onto the reference's grid "
        "with nearest neighbour"
    )


def unknown_labels(
    path: Path, values: tuple[int, ...], known: frozenset[int], source: str
) -> str | None:
    """Say which label values are not known, and what to do; None if all are."""
    unknown = sorted(set(values) - known)
    if not unknown:
        return None
    if unknown == [255]:
        hint = "A mask of 0 and 255 has to be mapped to 0 and 1 first"
    elif source.startswith("-"):  # an option
        hint = f"Add {'it' if len(unknown) == 1 else 'them'}, such as --labels NAME={unknown[0]}"
    else:
        hint = "Map the values, or pass the dataset.json that describes them with --dataset-json"
    return (
        f"{path} holds the label values {shorten(unknown)}, which {source} does not know "
        f"(known: {shorten(sorted(known), 12)}). {hint}."
    )
