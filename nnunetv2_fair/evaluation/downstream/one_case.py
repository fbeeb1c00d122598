"""The measures of one case, from its reference and its prediction; what worker processes run."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.downstream.cubes import surface_area
from nnunetv2_fair.evaluation.downstream.cup_disc import cup_to_disc
from nnunetv2_fair.evaluation.downstream.images import Images, energy, read_intensities
from nnunetv2_fair.evaluation.downstream.measures import CUP_DISC, SETS, Parts, parts_of_any
from nnunetv2_fair.evaluation.downstream.shapes import (
    largest_diameter,
    mesh_area,
    perimeter,
    squares,
)
from nnunetv2_fair.evaluation.masks.foreground import Foreground, crop
from nnunetv2_fair.evaluation.masks.label_maps import LabelMap
from nnunetv2_fair.evaluation.measuring.one_case import CasePair, FurtherMeasures
from nnunetv2_fair.evaluation.measuring.resuming import measuring_code
from nnunetv2_fair.evaluation.metrics.regions import region_mask

#: Why a measure is undefined in a case.
BOTH_EMPTY, NO_IMAGE, NO_DISC = "both masks empty", "no image", "no disc"
#: Further source files that decide what is measured.
_CODE = ("evaluation/downstream/*.py", "evaluation/results/values.py")
#: Millimetres cubed in a millilitre.
_ML = 1000.0


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
        dimensions: Of its masks.
        values: (label, measure) -> its values.
        volumes: Label of a part of the heart -> its volume in ml.
        image: Name of its image; empty if none was read.
        scaling: How the header of the image scales intensities; empty if it does not.
    """

    dimensions: int
    values: Mapping[tuple[str, str], Pair]
    volumes: Mapping[str, Pair]
    image: str = ""
    scaling: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as :meth:`from_json` takes it."""
        values = [[*key, *asdict(pair).values()] for key, pair in self.values.items()]
        volumes = {label: list(asdict(pair).values()) for label, pair in self.volumes.items()}
        return {
            "dimensions": self.dimensions, "values": values, "volumes": volumes,
            "image": self.image, "scaling": self.scaling,
        }  # fmt: skip

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "CaseMeasured":
        """Return what was measured.

        Raises:
            ValueError: If the values are damaged; or TypeError, KeyError, AttributeError.
        """
        return cls(
            int(found["dimensions"]),
            {
                (str(label), str(name)): Pair(float(ours), float(theirs), str(remark))
                for label, name, ours, theirs, remark in found["values"]
            },
            {
                str(label): Pair(float(ours), float(theirs), str(remark))
                for label, (ours, theirs, remark) in found["volumes"].items()
            },
            str(found["image"]),
            str(found["scaling"]),
        )


@dataclass(frozen=True)
class DownstreamTask:
    """What to measure, small enough to send to another process.

    Attributes:
        sets: Names of the sets of measures.
        parts: Labels and their measures; None measures every label that occurs.
        ignore: Value of reference voxels that are left out of both masks; None if there is none.
        unit: ``mm`` or ``px``.
        images: Where intensities are read; None measures none.
    """

    sets: tuple[str, ...]
    parts: Parts | None
    ignore: int | None
    unit: str
    images: Images | None

    @property
    def about(self) -> object:
        """All that changes the measures of a case, apart from its files."""
        parts = None if self.parts is None else asdict(self.parts)
        energy_of = self.images is not None
        return [measuring_code(*_CODE), self.sets, parts, self.ignore, self.unit, energy_of]

    def files(self, case: str) -> tuple[Path, ...]:
        """Return the image of a case, if it has one."""
        image = None if self.images is None else self.images.of(case)
        return () if image is None else (image,)

    def measure(self, pair: CasePair, reference: LabelMap, prediction: LabelMap) -> FurtherMeasures:
        """Measure a case.

        Raises:
            EvaluationError: If its masks have other dimensions than a set needs, or its image
                cannot be read.
        """
        images = self.files(pair.case)
        first, second = reference.foreground, prediction.foreground
        shape, spacing = reference.geometry.shape, reference.geometry.spacing
        parts = self.parts
        if parts is None:
            parts = parts_of_any(self.sets, {*_values(first), *_values(second)})
        if (parts.heart or parts.cup) and len(spacing) != (3 if parts.heart else 2):
            needed = "volumes for --downstream cardiac" if parts.heart else (
                "pictures for --downstream cup_disc"
            )  # fmt: skip
            raise EvaluationError(
                f"{pair.reference} has {len(spacing)} dimensions; expected {needed}."
            )
        if self.ignore is not None and (first.labels == self.ignore).any():
            scored = first.whole != self.ignore
            first, second = (crop(np.where(scored, found.whole, 0)) for found in (first, second))
        read = [read_intensities(path, shape) for path in images]
        intensities = read[0].values if read else None
        measured = CaseMeasured(
            len(spacing),
            dict(self._measures(parts, (first, second), spacing, intensities)),
            dict(_volumes(parts, (first, second), spacing)),
            images[0].name if images else "",
            read[0].scaling if read else "",
        )
        return FurtherMeasures(measured.as_json(), tuple(one.sha256 for one in read))

    def check(self, values: Mapping[str, Any]) -> None:
        """Raise if what was kept of a case is damaged."""
        CaseMeasured.from_json(values)

    def _measures(
        self,
        parts: Parts,
        maps: tuple[Foreground, Foreground],
        spacing: Sequence[float],
        intensities: np.ndarray | None,
    ) -> Iterator[tuple[tuple[str, str], Pair]]:
        for label, names in parts.shapes.items():
            asked = fitting(names, len(spacing), with_energy=self.images is not None)
            found = [
                dict(_shapes(m, parts.regions[label], asked, spacing, self.unit, intensities))
                for m in maps
            ]
            empty = not any(one["voxels"] for one in found)
            for name in asked:
                yield (label, name), _pair(*(one[name] for one in found), empty=empty)
        if parts.cup:
            cup, disc = parts.regions[parts.cup], parts.disc_values
            ratios = [
                cup_to_disc(region_mask(m.labels, cup), region_mask(m.labels, disc)) for m in maps
            ]
            for name, ours, theirs in zip(SETS[CUP_DISC], *ratios, strict=True):
                remark = NO_DISC if math.isnan(ours + theirs) else ""
                yield (parts.cup, name), Pair(ours, theirs, remark)


def _volumes(
    parts: Parts, maps: tuple[Foreground, Foreground], spacing: Sequence[float]
) -> Iterator[tuple[str, Pair]]:
    """Yield the volume of every part of the heart, in ml."""
    size = math.prod(spacing) / _ML
    for label in parts.heart.values():
        first, second = (_voxels(found, parts.regions[label]) * size for found in maps)
        yield label, Pair(first, second)


def fitting(names: Sequence[str], dimensions: int, *, with_energy: bool) -> list[str]:
    """Return the measures that masks of so many dimensions have."""
    absent = {"volume" if dimensions == 2 else "perimeter", "" if with_energy else "energy"}
    return [name for name in names if name not in absent]


def _values(found: Foreground) -> list[int]:
    """Return the labels that occur."""
    return [value for value in np.unique(found.labels).tolist() if value]


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
