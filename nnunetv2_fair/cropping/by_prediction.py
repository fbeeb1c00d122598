"""A case of a cascade: the crop that a first prediction leads to, and the way back.

Runs in worker processes, so it imports no pandas.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnunetv2_fair.cropping.box import Box, Window
from nnunetv2_fair.cropping.images import (
    grid_difference,
    grid_of_file,
    read_channel,
    read_mask,
    write_image,
)
from nnunetv2_fair.cropping.organs import CropRule, organ_in
from nnunetv2_fair.errors import ConversionError
from nnunetv2_fair.files.atomic import replacing
from nnunetv2_fair.files.nifti import quiet_itk


@dataclass(frozen=True)
class CropOrder:
    """An image to crop.

    Attributes:
        case: Its name.
        images: One file per channel.
        mask: First prediction; or the reference, whose box is then exact.
        reference: Reference to compare the box with; None if there is none.
        rule: How the second model's dataset was cropped.
        factor: How many times longer or shorter than those of training cases a box may be; None if
            ``mask`` is the reference.
        out: Folder for the crops, of the same names.
    """

    case: str
    images: tuple[Path, ...]
    mask: Path
    reference: Path | None
    rule: CropRule
    factor: float | None
    out: Path


@dataclass(frozen=True)
class BoxOfCase:
    """Where the organ was found.

    Attributes:
        case: Name of the case.
        box: Box of the organ; None if nothing plausible was found.
        window: Its crop; None as well.
        reason: Why nothing was found; empty otherwise.
        spacing_mm: Distance of voxels along the axes of the array; None for pictures.
        reference: Box of the reference; None without a reference, or if that is empty.
        covered: Share of the reference's organ in the crop, from 0 to 1; None as ``reference``.
    """

    case: str
    box: Box | None
    window: Window | None
    reason: str = ""
    spacing_mm: tuple[float, ...] | None = None
    reference: Box | None = None
    covered: float | None = None


def crop_by_mask(order: CropOrder) -> BoxOfCase | str:
    """Write the crop of a case where its mask shows something plausible.

    Returns:
        Where the organ is, or what is wrong with the files, in words.
    """
    with quiet_itk():
        try:
            return _cropped(order)
        except ConversionError as error:
            return f"case '{order.case}': {error}"


def _cropped(order: CropOrder) -> BoxOfCase:
    rule = order.rule
    grid = grid_of_file(order.images[0])
    if len(grid.shape) < len(rule.size):
        raise ConversionError(f"{grid.path} has no slices, which the training images had.")
    for path in (*order.images[1:], order.mask, *([order.reference] if order.reference else [])):
        difference = grid_difference(grid, grid_of_file(path))
        if difference is not None:
            raise ConversionError(f"{difference}; both must be on one grid")
    organ = organ_in(read_mask(order.mask), rule.labels)
    if order.factor is None:
        box = None if organ is None else organ.box
    else:
        box = rule.find(organ, order.factor)
    geometry = grid.geometry
    spacing = None if geometry is None else tuple(reversed(geometry.spacing_mm))
    if box is None:
        return BoxOfCase(order.case, None, None, rule.why_not(organ), spacing)
    window = rule.window(box, grid.shape)
    for path in order.images:
        voxels = read_channel(path)
        crop = window.cut(voxels, voxels.min())
        with replacing(order.out / path.name, durable=False) as temporary:
            write_image(temporary, crop, None if geometry is None else window.moved(geometry))
    exact, covered = None, None
    if order.reference is not None:
        labels = read_mask(order.reference)
        reference = organ_in(labels, rule.labels)
        if reference is not None:
            foreground = np.isin(labels, rule.labels)
            exact = reference.box
            outside = window.in_image.outside(foreground)
            covered = 1 - outside / int(np.count_nonzero(foreground))
    return BoxOfCase(order.case, box, window, "", spacing, exact, covered)


@dataclass(frozen=True)
class PasteOrder:
    """A prediction of a crop that goes back into its image's grid.

    Attributes:
        case: Its name.
        image: First channel of the whole image.
        prediction: Labels of the crop.
        window: The crop.
        target: File to write.
    """

    case: str
    image: Path
    prediction: Path
    window: Window
    target: Path


def paste_back(order: PasteOrder) -> str | None:
    """Write the labels of a crop on the grid of the whole image, with background around them.

    Returns:
        What is wrong with the files, in words; None if nothing is.
    """
    with quiet_itk():
        try:
            labels = read_mask(order.prediction)
            if labels.shape != order.window.size:
                raise ConversionError(
                    f"{order.prediction} has {' x '.join(map(str, labels.shape))} voxels, the crop "
                    f"{' x '.join(map(str, order.window.size))}"
                )
            geometry = grid_of_file(order.image).geometry
            write_image(order.target, order.window.pasted(labels), geometry)
        except ConversionError as error:
            return f"case '{order.case}': {error}"
    return None


def damaged(path: Path) -> bool:
    """Return whether a mask that an interrupted run has left cannot be read."""
    with quiet_itk():
        try:
            read_mask(path)
        except (ConversionError, OSError):
            return True
    return False
