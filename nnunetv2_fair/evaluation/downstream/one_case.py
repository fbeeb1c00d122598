"""The measures of one case, from its reference and its prediction; what worker processes run."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.downstream.cubes import surface_area
from nnunetv2_fair.evaluation.downstream.cup_disc import cup_to_disc
from nnunetv2_fair.evaluation.downstream.images import energy, read_intensities
from nnunetv2_fair.evaluation.downstream.measures import CUP_DISC, SETS, Parts
from nnunetv2_fair.evaluation.downstream.shapes import (
    largest_diameter,
    mesh_area,
    perimeter,
    squares,
)
from nnunetv2_fair.evaluation.masks.foreground import Foreground, crop
from nnunetv2_fair.evaluation.masks.label_maps import read_label_map
from nnunetv2_fair.evaluation.measuring.one_case import CasePair
from nnunetv2_fair.evaluation.metrics.regions import region_mask
from nnunetv2_fair.files.nifti import quiet_itk

#: Why a measure is undefined in a case.
BOTH_EMPTY, NO_IMAGE, NO_DISC = "both masks empty", "no image", "no disc"
#: Millimetres cubed in a millilitre.
_ML = 1000.0


@dataclass(frozen=True)
class DownstreamTask:
    """What to measure, small enough to send to another process.

    Attributes:
        parts: Labels and their measures.
        ignore: Value of reference voxels that are left out of both masks; None if there is none.
        unit: ``mm`` or ``px``.
        images: Case -> its image; empty without intensities.
    """

    parts: Parts
    ignore: int | None
    unit: str
    images: Mapping[str, Path]


@dataclass(frozen=True)
class Pair:
    """A measure of the reference and of the prediction.

    Attributes:
        reference: From the reference; NaN if it is undefined.
        prediction: From the prediction; NaN if it is undefined.
        remark: Why either is undefined; empty if both are defined.
    """

    reference: float
    prediction: float
    remark: str = ""


@dataclass(frozen=True)
class CaseMeasured:
    """What was measured in one case.

    Attributes:
        case: Case name.
        dimensions: Of its masks.
        values: (label, measure) -> its values.
        volumes: Label of a part of the heart -> its volume in ml.
        image: Name of its image; empty if none was read.
        scaling: How the header of the image scales intensities; empty if it does not.
        problem: Why the case could not be measured; empty if it could.
    """

    case: str
    dimensions: int = 0
    values: Mapping[tuple[str, str], Pair] = field(default_factory=dict)
    volumes: Mapping[str, Pair] = field(default_factory=dict)
    image: str = ""
    scaling: str = ""
    problem: str = ""


@quiet_itk()
def measure_downstream(pair: CasePair, task: DownstreamTask) -> CaseMeasured:
    """Measure a case that has a prediction; problems are returned, not raised."""
    if pair.prediction is None:
        return CaseMeasured(pair.case)
    try:
        return _measure(pair.case, pair.reference, pair.prediction, task)
    except (EvaluationError, OSError, MemoryError) as error:
        return CaseMeasured(pair.case, problem=f"case '{pair.case}': {error}")


def _measure(case: str, reference: Path, prediction: Path, task: DownstreamTask) -> CaseMeasured:
    first, second = read_label_map(reference), read_label_map(prediction)
    spacing = first.geometry.spacing
    if (task.parts.heart or task.parts.cup) and len(spacing) != (3 if task.parts.heart else 2):
        needed = "volumes for --downstream cardiac" if task.parts.heart else (
            "pictures for --downstream cup_disc"
        )  # fmt: skip
        raise EvaluationError(f"{reference} has {len(spacing)} dimensions; expected {needed}.")
    maps = [first.foreground, second.foreground]
    if task.ignore is not None:
        scored = maps[0].whole != task.ignore
        maps = [crop(np.where(scored, found.whole, 0)) for found in maps]
    intensities, scaling, image = None, "", task.images.get(case)
    if image is not None:
        intensities, scaling = read_intensities(image, first.geometry.shape)
    values: dict[tuple[str, str], Pair] = {}
    for label, names in task.parts.shapes.items():
        asked = _fitting(names, len(spacing))
        found = [
            dict(_shapes(m, task.parts.regions[label], asked, spacing, task.unit, intensities))
            for m in maps
        ]
        for name in asked:
            values[label, name] = _pair(*(one[name] for one in found), empty=not any(
                one["voxels"] for one in found))  # fmt: skip
    if task.parts.cup:
        cup = task.parts.regions[task.parts.cup]
        ratios = [
            cup_to_disc(region_mask(m.labels, cup), region_mask(m.labels, task.parts.disc_values))
            for m in maps
        ]
        for name, ours, theirs in zip(SETS[CUP_DISC], *ratios, strict=True):
            remark = NO_DISC if math.isnan(ours + theirs) else ""
            values[task.parts.cup, name] = Pair(ours, theirs, remark)
    size = math.prod(spacing) / _ML
    volumes = {
        label: Pair(
            _voxels(maps[0], task.parts.regions[label]) * size,
            _voxels(maps[1], task.parts.regions[label]) * size,
        )
        for label in task.parts.heart.values()
    }
    name = image.name if image is not None else ""
    return CaseMeasured(case, len(spacing), values, volumes, name, scaling)


def _fitting(names: Sequence[str], dimensions: int) -> list[str]:
    """Return the measures that masks of so many dimensions have."""
    absent = "volume" if dimensions == 2 else "perimeter"
    return [name for name in names if name != absent]


def _shapes(
    found: Foreground,
    values: Sequence[int],
    names: Sequence[str],
    spacing: Sequence[float],
    unit: str,
    intensities: np.ndarray | None,
) -> Iterator[tuple[str, float]]:
    """Yield the measures of one mask, and its number of voxels."""
    inside = crop(region_mask(found.labels, values))
    mask = inside.labels.astype(bool)
    yield "voxels", float(np.count_nonzero(mask))
    flat = squares(mask) if mask.ndim == 2 else None
    for name in names:
        if name == "perimeter" and flat is not None:
            yield name, perimeter(flat, spacing)
        elif name == "surface_area":
            area = mesh_area(flat, spacing) if flat is not None else surface_area(mask, spacing)
            yield name, area
        elif name == "diameter":
            yield name, largest_diameter(mask, spacing)
        elif name == "volume":
            size = math.prod(spacing) / (_ML if unit == "mm" else 1)
            yield name, np.count_nonzero(mask) * size
        elif name == "energy":
            start = [a + b for a, b in zip(found.offset, inside.offset, strict=True)]
            box = tuple(slice(a, a + n) for a, n in zip(start, mask.shape, strict=True))
            yield name, math.nan if intensities is None else energy(intensities[box], mask)


def _voxels(found: Foreground, values: Sequence[int]) -> int:
    return int(np.count_nonzero(region_mask(found.labels, values)))


def _pair(reference: float, prediction: float, *, empty: bool) -> Pair:
    if empty:
        return Pair(math.nan, math.nan, BOTH_EMPTY)
    return Pair(reference, prediction, NO_IMAGE if math.isnan(reference + prediction) else "")
