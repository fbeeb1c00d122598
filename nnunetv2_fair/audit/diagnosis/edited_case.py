"""A case whose background is edited; runs in worker processes, so it imports no pandas."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnunetv2_fair.audit.causes.backgrounds import (
    Case,
    control,
    exchanged,
    neutralised,
    usual_margin,
    why_not,
)
from nnunetv2_fair.cropping.images import (
    Grid,
    grid_difference,
    grid_of_file,
    read_channel,
    read_mask,
    write_image,
)
from nnunetv2_fair.errors import ConversionError, EvaluationError
from nnunetv2_fair.files.nifti import quiet_itk

#: Folders of the edited images.
NEUTRALISED, EXCHANGED, CONTROL = "neutralised", "exchanged", "control"


@dataclass(frozen=True)
class CaseFiles:
    """A case to edit.

    Attributes:
        case: Its name.
        images: One file per channel.
        organ: Mask of what stays: everything that is not 0.
        margin: What stays around it, in mm (pixels of pictures); None: worked out for the case.
    """

    case: str
    images: tuple[Path, ...]
    organ: Path
    margin: float | None


@dataclass(frozen=True)
class Survey:
    """What is known of a case before it is edited.

    Attributes:
        why_not: Why its background cannot be edited; empty if it can.
        problem: What is wrong with its files; empty if nothing is.
        kind: Cases of one kind can be given each other's background: axes, channels, spacing.
    """

    why_not: str = ""
    problem: str = ""
    kind: tuple[float, ...] = ()


@dataclass(frozen=True)
class EditOrder:
    """A case to edit, with those whose background it is given.

    Attributes:
        files: The case.
        other: A case of another group; None without one.
        same: Cases of the same group.
        out: Folder of the three folders.
    """

    files: CaseFiles
    other: CaseFiles | None
    same: tuple[CaseFiles, ...]
    out: Path


@dataclass(frozen=True)
class Edited:
    """What was done.

    Attributes:
        strengths: Folder -> root mean square of the change, in standard deviations of the image.
    """

    strengths: dict[str, float]


def survey_case(files: CaseFiles) -> Survey:
    """Say whether a case can be edited; raises nothing on bad files."""
    with quiet_itk():
        try:
            case, grid = _read(files)
            spacing = _spacing(grid, case.organ.ndim)
            reason = why_not(case, _margin(files, case, spacing), spacing)
        except (ConversionError, EvaluationError, OSError) as error:
            return Survey(problem=f"case '{files.case}': {str(error).rstrip('.')}")
        kind = (case.organ.ndim, len(case.image), *(round(s, 3) for s in spacing))
        return Survey(reason, kind=tuple(map(float, kind)))


def edit_case(order: EditOrder) -> Edited:
    """Write the edited images of a case that can be edited."""
    with quiet_itk():
        case, grid = _read(order.files)
        spacing = _spacing(grid, case.organ.ndim)
        margin = _margin(order.files, case, spacing)
        made = {NEUTRALISED: neutralised(case, margin, spacing)}
        if order.other is not None and order.same:
            made[EXCHANGED] = exchanged(case, _read(order.other)[0], margin, spacing)
            donors = [_read(one)[0] for one in order.same]
            made[CONTROL] = control(case, donors, made[EXCHANGED].strength, margin, spacing)
        for name, edit in made.items():
            for path, channel in zip(
                order.files.images, _channels(edit.image, order.files), strict=True
            ):
                write_image(order.out / name / path.name, channel, grid.geometry)
        return Edited({name: edit.strength for name, edit in made.items()})


def _read(files: CaseFiles) -> tuple[Case, Grid]:
    """Return image and organ; a colour picture has three channels in one file."""
    grid = grid_of_file(files.images[0])
    for path in (*files.images[1:], files.organ):
        difference = grid_difference(grid, grid_of_file(path))
        if difference is not None:
            raise ConversionError(f"{difference}; resample both to one grid")
    organ = read_mask(files.organ) != 0
    channels = [read_channel(path) for path in files.images]
    parts = [np.moveaxis(c, -1, 0) if c.ndim > organ.ndim else c[None] for c in channels]
    return Case(np.concatenate(parts), organ), grid


def _channels(image: np.ndarray, files: CaseFiles) -> list[np.ndarray]:
    """Return what is written to each file."""
    each = len(image) // len(files.images)
    if each == 1:
        return list(image)
    return [np.moveaxis(part, 0, -1) for part in np.split(image, len(files.images))]


def _spacing(grid: Grid, n_axes: int) -> tuple[float, ...]:
    return (1.0,) * n_axes if grid.geometry is None else grid.geometry.spacing_mm[::-1]


def _margin(files: CaseFiles, case: Case, spacing: tuple[float, ...]) -> float:
    if files.margin is not None:
        return files.margin
    return usual_margin(case.organ, spacing) if case.organ.any() else math.prod(spacing)
