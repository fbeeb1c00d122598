"""What has to be known about a case before it can be cropped: its size, and where its organ is.

Runs in worker processes, so it imports no pandas.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from zlib_ng import zlib_ng

from nnunetv2_fair.cropping.box import Box, Window, box_of
from nnunetv2_fair.cropping.images import grid_difference, grid_of_file, read_channel, read_mask
from nnunetv2_fair.cropping.organs import Organ, organ_in
from nnunetv2_fair.dataset_conversion.shared.source import SourceCase
from nnunetv2_fair.dataset_conversion.writing.case_files import CaseData
from nnunetv2_fair.errors import ConversionError
from nnunetv2_fair.files.nifti import quiet_itk
from nnunetv2_fair.files.volumes import ImageGeometry


@dataclass(frozen=True)
class SurveyOrder:
    """A case to look at.

    Attributes:
        case: Its files.
        labels: Values of the labels that boxes are drawn around.
        boxes: Mask that says where the organ is, instead of the reference; None: the reference.
    """

    case: SourceCase
    labels: tuple[int, ...]
    boxes: Path | None = None


@dataclass(frozen=True)
class PackedMask:
    """A mask in few bytes.

    Attributes:
        shape: Its shape.
        box: What is around all labels; None if there are none.
        kind: Type of its numbers.
        data: Labels in the box, compressed.
    """

    shape: tuple[int, ...]
    box: Box | None
    kind: str
    data: bytes

    @classmethod
    def of(cls, mask: NDArray[Any]) -> "PackedMask":
        """Return a mask, packed."""
        box = box_of(mask)
        inside = mask[:0] if box is None else mask[box.slices]
        return cls(mask.shape, box, mask.dtype.str, zlib_ng.compress(inside.tobytes(), 1))

    @property
    def mask(self) -> NDArray[Any]:
        """The mask."""
        whole = np.zeros(self.shape, self.kind)
        if self.box is not None:
            inside = np.frombuffer(zlib_ng.decompress(self.data), self.kind)
            whole[self.box.slices] = inside.reshape(self.box.lengths)
        return whole


_NOTHING = PackedMask((0,), None, "|u1", b"")


@dataclass(frozen=True)
class CaseFacts:
    """What was found.

    Attributes:
        shape: Shape of the image.
        geometry: Where its voxels are; None for pictures.
        organ: In the mask that says where it is; None if that is empty.
        reference: In the reference.
        labels: All labels of the reference, so that it is read only once.
        problems: What is wrong, in words; then the rest is empty.
    """

    shape: tuple[int, ...] = ()
    geometry: ImageGeometry | None = None
    organ: Organ | None = None
    reference: Organ | None = None
    labels: PackedMask = _NOTHING
    problems: tuple[str, ...] = ()


def survey_case(order: SurveyOrder) -> CaseFacts:
    """Read headers and masks of a case; raises nothing on bad files."""
    with quiet_itk():
        try:
            return _survey(order)
        except (ConversionError, OSError) as error:
            return CaseFacts(problems=(f"case '{order.case.case}': {error}",))


def _survey(order: SurveyOrder) -> CaseFacts:
    case = order.case
    image = case.images[0]
    grid = grid_of_file(image)
    shape = grid.shape
    if len(shape) not in (2, 3):
        sizes = " x ".join(map(str, shape))
        raise ConversionError(f"{image} has {len(shape)} dimensions ({sizes}); expected 2 or 3.")
    others = [*case.images[1:], case.mask, *case.further.values()]
    problems = [
        f"case '{case.case}': {difference}. Resample both to one grid, or export them again"
        for other in [*others, *([order.boxes] if order.boxes else [])]
        if (difference := grid_difference(grid, grid_of_file(other))) is not None
    ]
    if problems:
        return CaseFacts(problems=tuple(problems))
    mask = read_mask(case.mask)
    reference = organ_in(mask, order.labels)
    organ = reference if order.boxes is None else organ_in(read_mask(order.boxes), order.labels)
    return CaseFacts(shape, grid.geometry, organ, reference, PackedMask.of(mask))


def share_outside(mask: NDArray[Any], labels: Sequence[int], window: Window) -> float:
    """Return the share of an organ's voxels that are outside a crop, from 0 to 1.

    Args:
        mask: Labels, among them some of the organ's.
        labels: Values that are foreground.
        window: The crop.
    """
    foreground = np.isin(mask, labels)
    return window.in_image.outside(foreground) / int(np.count_nonzero(foreground))


@dataclass(frozen=True)
class CroppedCase:
    """A case and its crop; calling it reads and cuts the images.

    Attributes:
        case: Its files.
        window: Its crop.
        labels: All labels of the reference.
        geometry: Of the whole image; None for pictures.
    """

    case: SourceCase
    window: Window
    labels: PackedMask
    geometry: ImageGeometry | None

    def __call__(self) -> CaseData:
        """Return the crop of every channel and mask.

        Where the image is smaller than the crop, images are padded with their lowest value, masks
        with background.

        Raises:
            ConversionError: If a file is damaged, or has changed since it was looked at.
        """
        with quiet_itk():
            channels = []
            for path in self.case.images:
                voxels = read_channel(path)
                if voxels.shape[: len(self.window.shape)] != self.window.shape:
                    raise ConversionError(f"{path} has changed. Run the same command again.")
                channels.append(self.window.cut(voxels, voxels.min()))
            further = {
                name: self.window.cut(read_mask(path)) for name, path in self.case.further.items()
            }
        geometry = None if self.geometry is None else self.window.moved(self.geometry)
        mask = self.window.cut(self.labels.mask)
        return CaseData(channels, mask, geometry, further_masks=further)
