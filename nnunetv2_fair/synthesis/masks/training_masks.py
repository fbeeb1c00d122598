"""The training masks of a dataset, by group, as outlines; and those that have none.

Test cases, synthetic cases and cases of no known group take no part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_fair.cropping.images import read_mask
from nnunetv2_fair.dataset_conversion.shared.source import (
    SourceDataset,
)
from nnunetv2_fair.errors import (
    ConversionError,
    counted,
    shorten_lines,
)
from nnunetv2_fair.synthesis.masks.outlines import nesting_order, outlines, regions_of
from nnunetv2_fair.synthesis.quality.memorisation import averaged
from nnunetv2_fair.synthesis.training_cases.by_group import cases_by_group

#: Points of each outline, for models of ordered outlines.
POINTS = 64
#: Masks that the order of the structures is found from.
_LOOKED_AT = 100


@dataclass(frozen=True)
class GroupMasks:
    """Training masks of one group.

    Attributes:
        outlines: (cases, structures, points, 2), outermost structure first.
        areas: (cases, structures), pixels of each structure with all that lies within.
        averaged: (cases, structures, 16, 16), share of each structure.
        patients: Patient of each case.
    """

    outlines: NDArray[np.float64] = field(repr=False)
    areas: NDArray[np.int64] = field(repr=False)
    averaged: NDArray[np.float64] = field(repr=False)
    patients: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class TrainingMasks:
    """Training masks of a dataset.

    Attributes:
        attribute: Attribute expression.
        wanted: Groups to draw masks of.
        groups: All groups that are learnt from.
        order: Labels, outermost first.
        shape: Rows and columns of every mask.
        dtype: Of their pixels.
        ending: Of their files.
        warnings: Sentences, without full stop.
    """

    attribute: str
    wanted: tuple[str, ...]
    groups: Mapping[str, GroupMasks] = field(repr=False)
    order: tuple[int, ...]
    shape: tuple[int, ...]
    dtype: Any
    ending: str
    warnings: tuple[str, ...]


def read_training_masks(
    folder: Path,
    attribute: str | None,
    wanted: Sequence[str],
    *,
    leave_out: bool,
    points: int = POINTS,
) -> TrainingMasks:
    """Find and read the training masks of a dataset.

    Args:
        folder: Dataset folder in ``nnUNet_raw``.
        attribute: Attribute expression; None: the dataset's default one.
        wanted: Groups to draw masks of; none of them means all.
        leave_out: Leave out masks that have no outline, instead of refusing them.
        points: Of each outline.

    Raises:
        UsageError: If there is no such group.
        DatasetError: If the dataset is not there, or a group has too few patients.
        DemographicsError: If the table or the attribute cannot be used.
        ConversionError: If masks are missing, cannot be read, or have no outline.
    """
    known = cases_by_group(
        folder, attribute, wanted, "masks are drawn as outlines, and volumes have no single one"
    )
    source, patients = known.source, known.patients
    kept = known.large_enough(known.members)
    files = {name: case.mask for name, case in known.files().items()}
    order = _order(source, [files[case] for cases in kept.values() for case in cases])
    read = _Reading(order, points)
    found: dict[str, list[str]] = {}
    for group, cases in kept.items():
        found[group] = [case for case in cases if read.add(case, files[case])]
    if read.problems and not leave_out:
        raise ConversionError(
            f"{counted(len(read.problems), 'training mask')} of {folder.name} cannot be learnt "
            "from: every structure needs one closed outline. Correct them, or leave them out with "
            f"--unusable skip:\n{shorten_lines(read.problems.values())}"
        )
    kept = known.large_enough({group: found.get(group, []) for group in known.members})
    sentences = known.sentences(kept, "masks")
    for group, cases in known.members.items():
        lost = len([case for case in cases if case in read.problems])
        if lost:
            sentences.append(f"{lost} of {len(cases)} masks of {group} have no outline: left out")
    return TrainingMasks(
        known.attribute,
        known.wanted,
        {group: read.of(cases, patients) for group, cases in kept.items()},
        order,
        read.shape,
        read.dtype,
        source.ending,
        tuple(sentences),
    )


class _Reading:
    """Masks read one after the other, of which only what is needed is kept."""

    def __init__(self, order: tuple[int, ...], points: int) -> None:
        self.order, self.points = order, points
        self.problems: dict[str, str] = {}
        self.shape: tuple[int, ...] = ()
        self.dtype: Any = None
        self._first: Path | None = None
        self._kept: dict[str, tuple[Any, Any, Any]] = {}

    def add(self, case: str, path: Path) -> bool:
        """Read a mask; return whether it has outlines."""
        mask = read_mask(path)
        if self._first is None:
            self._first, self.shape, self.dtype = path, mask.shape, mask.dtype
        if mask.shape != self.shape:
            raise ConversionError(
                f"{path} is {_size(mask.shape)}, {self._first.name} {_size(self.shape)}; "
                "expected masks of one size. Crop or resample the dataset first, such as with "
                "nnUNetv2_fair_crop."
            )
        points, why = outlines(mask, self.order, self.points)
        if why is not None:
            self.problems[case] = f"{path.name}: {why}"
            return False
        regions = np.stack(regions_of(mask, self.order))
        self._kept[case] = (points, regions.sum(axis=(1, 2)), averaged(regions[None])[0])
        return True

    def of(self, cases: Sequence[str], patients: Mapping[str, str]) -> GroupMasks:
        points, areas, shares = zip(*(self._kept[case] for case in cases), strict=True)
        people = tuple(patients[case] for case in cases)
        return GroupMasks(np.stack(points), np.stack(areas), np.stack(shares), people)


def _order(source: SourceDataset, files: Sequence[Path]) -> tuple[int, ...]:
    return nesting_order([read_mask(path) for path in files[:_LOOKED_AT]], source.values_of(()))


def _size(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
