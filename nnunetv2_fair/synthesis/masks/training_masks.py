"""The training masks of a dataset, by group, as outlines; and those that have none.

Test cases, synthetic cases and cases of no known group take no part.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_fair.cropping.images import PICTURE_ENDINGS, read_mask
from nnunetv2_fair.dataset_conversion.shared.source import (
    SourceDataset,
    people_of,
    read_source,
)
from nnunetv2_fair.errors import (
    ConversionError,
    DatasetError,
    UsageError,
    counted,
    did_you_mean,
    shorten,
    shorten_lines,
)
from nnunetv2_fair.subgroups.groups import group_cases
from nnunetv2_fair.synthesis.masks.outlines import nesting_order, outlines, regions_of
from nnunetv2_fair.synthesis.quality.memorisation import averaged

#: Points of each outline.
POINTS = 64
#: Patients of a group below which nothing is learnt from it, and below which a warning is given.
FEWEST, FEW = 3, 10
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
    folder: Path, attribute: str | None, wanted: Sequence[str], *, leave_out: bool
) -> TrainingMasks:
    """Find and read the training masks of a dataset.

    Args:
        folder: Dataset folder in ``nnUNet_raw``.
        attribute: Attribute expression; None: the dataset's default one.
        wanted: Groups to draw masks of; none of them means all.
        leave_out: Leave out masks that have no outline, instead of refusing them.

    Raises:
        UsageError: If there is no such group.
        DatasetError: If the dataset is not there, or a group has too few patients.
        DemographicsError: If the table or the attribute cannot be used.
        ConversionError: If masks are missing, cannot be read, or have no outline.
    """
    source = read_source(folder, "learnt from")
    if source.ending not in PICTURE_ENDINGS:
        raise ConversionError(
            f"{folder.name} holds {source.ending} files. Masks are drawn for pictures "
            f"({', '.join(PICTURE_ENDINGS)}) only; volumes have no single outline."
        )
    table = people_of(source)
    grouping = group_cases(table, attribute)
    real = [
        case.case
        for case in source.cases
        if case.part == "train" and case.case not in table.synthetic_cases
    ]
    members = grouping.members(real)
    unknown = [name for name in wanted if name not in members]
    if unknown:
        raise UsageError(
            f"--group {unknown[0]}: '{grouping.expression}' has no such group."
            f"{did_you_mean(unknown[0], grouping.names)} Groups: {shorten(grouping.names, 20)}."
        )
    if not any(members.values()):
        raise DatasetError(
            f"No training case of {folder.name} is in a group of '{grouping.expression}'. Fill "
            "the column in demographics.csv, or choose another attribute with -a."
        )
    names = tuple(wanted) or grouping.names
    patients = table.patients
    kept = _large_enough(members, names, patients, grouping.expression)
    files = {case.case: case.mask for case in source.cases}
    order = _order(source, [files[case] for cases in kept.values() for case in cases])
    read = _Reading(order)
    found: dict[str, list[str]] = {}
    for group, cases in kept.items():
        found[group] = [case for case in cases if read.add(case, files[case])]
    if read.problems and not leave_out:
        raise ConversionError(
            f"{counted(len(read.problems), 'training mask')} of {folder.name} cannot be learnt "
            "from: every structure needs one closed outline. Correct them, or leave them out with "
            f"--unusable skip:\n{shorten_lines(read.problems.values())}"
        )
    kept = _large_enough(found, names, patients, grouping.expression)
    sentences = []
    without = len(grouping.unknown(real))
    if without:
        sentences.append(f"{counted(without, 'training case')} of no known group took no part")
    for group, cases in members.items():
        lost = len([case for case in cases if case in read.problems])
        if lost:
            sentences.append(f"{lost} of {len(cases)} masks of {group} have no outline: left out")
    for group in names:
        n = _people(kept[group], patients)
        if n < FEW:
            sentences.append(
                f"{group} has {n} training patients, fewer than {FEW}: drawn masks can hardly "
                "differ from theirs"
            )
    small = [group for group, cases in members.items() if cases and group not in kept]
    if small:
        sentences.append(f"{shorten(small)}: too few patients, not learnt from")
    return TrainingMasks(
        grouping.expression,
        names,
        {group: read.of(cases, patients) for group, cases in kept.items()},
        order,
        read.shape,
        read.dtype,
        source.ending,
        tuple(sentences),
    )


class _Reading:
    """Masks read one after the other, of which only what is needed is kept."""

    def __init__(self, order: tuple[int, ...]) -> None:
        self.order = order
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
        points, why = outlines(mask, self.order, POINTS)
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


def _large_enough(
    members: Mapping[str, Sequence[str]],
    wanted: Collection[str],
    patients: Mapping[str, str],
    attribute: str,
) -> dict[str, Sequence[str]]:
    """Return the groups that can be learnt from; refuse if one of the wanted ones cannot."""
    sizes = {group: _people(cases, patients) for group, cases in members.items()}
    few = [group for group in wanted if sizes[group] < FEWEST]
    if few:
        enough = [group for group, n in sizes.items() if n >= FEWEST]
        other = f" Name the others: --group {' '.join(map(repr, enough))}." if enough else ""
        raise DatasetError(
            f"'{attribute}': {shorten(few)} has fewer than {FEWEST} training patients whose masks "
            f"can be used; what is drawn would show these patients.{other}"
        )
    return {group: cases for group, cases in members.items() if sizes[group] >= FEWEST}


def _people(cases: Sequence[str], patients: Mapping[str, str]) -> int:
    return len({patients[case] for case in cases})


def _order(source: SourceDataset, files: Sequence[Path]) -> tuple[int, ...]:
    return nesting_order([read_mask(path) for path in files[:_LOOKED_AT]], source.values_of(()))


def _size(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
