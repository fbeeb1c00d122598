"""The volumes of one MAMA-MIA patient: checked, and as they are or on a common grid.

Runs in worker processes, so it imports no pandas.

Source: the README and ``src/preprocessing.py`` of LidiaGarrucho/MAMA-MIA (pooled z-score over all
phases, before resampling); RAS and 1 mm as in
:mod:`~nnunetv2_fair.dataset_conversion.shared.resampling`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_fair.cropping.box import Box
from nnunetv2_fair.cropping.boxes import box_on_grid
from nnunetv2_fair.dataset_conversion.shared.resampling import to_isotropic, to_ras
from nnunetv2_fair.dataset_conversion.writing.case_files import CaseData
from nnunetv2_fair.errors import ConversionError, shorten
from nnunetv2_fair.files.volumes import (
    OriginalFile,
    VolumeHeader,
    geometry_difference,
    geometry_of,
    original_file,
    read_header,
    read_image,
    read_labels,
)

if TYPE_CHECKING:
    import SimpleITK

#: Beginning of the folders' names that hold the automatic masks.
AUTOMATIC = "automatic"
#: Beginning of the folder's name that holds the experts' masks where automatic ones are labels.
EXPERT = "expert"
SPACING_MM = 1.0


@dataclass(frozen=True)
class BreastCase:
    """Files of one patient and what to make of them; calling it reads them.

    Attributes:
        phases: The chosen phases, one per channel.
        mask: The experts' mask.
        automatic: The automatic mask, if there is one.
        pooled: All phases of the examination for the pooled z-score; empty to leave intensities.
        isotropic: Whether to go to RAS and 1 mm.
        swapped: Whether the automatic mask is the label, and the experts' one kept beside it.
    """

    phases: tuple[Path, ...]
    mask: Path
    automatic: Path | None = None
    pooled: tuple[Path, ...] = ()
    isotropic: bool = False
    swapped: bool = False

    @property
    def masks(self) -> dict[str, Path]:
        """The mask that is the label, as ``labels``, and the other one, if there is one."""
        if self.automatic is None:
            return {"labels": self.mask}
        if self.swapped:
            return {"labels": self.automatic, EXPERT: self.mask}
        return {"labels": self.mask, AUTOMATIC: self.automatic}

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that the result depends on."""
        phases = dict.fromkeys((*self.phases, *self.pooled))
        return (*phases, self.mask, *([self.automatic] if self.automatic else []))

    def __call__(self) -> CaseData:
        """Return the channels, the mask that is the label and the other one.

        Raises:
            ConversionError: If a file is damaged, or grids differ.
        """
        headers = {path: read_header(path) for path in self.files}
        problems = grid_problems(list(headers.values()))
        if problems:
            raise ConversionError("; ".join(problems))
        grid = headers[self.phases[0]]
        masks = self.masks
        labels = {name: binary_labels(path) for name, path in masks.items()}
        if self.isotropic:
            return self._on_common_grid(labels)
        kept = {
            name: original_file(headers[path]) if _same_grid(headers[path], grid) else labels[name]
            for name, path in masks.items()
        }
        channels: Sequence[NDArray[Any] | OriginalFile]
        if self.pooled:
            channels = [_array(image) for image in self._normalised()]
        else:
            channels = [
                original_file(headers[path])
                if _same_grid(headers[path], grid)
                else _array(read_image(path))
                for path in self.phases
            ]
        mask = kept.pop("labels")
        mask_file = mask if isinstance(mask, OriginalFile) else None
        return CaseData(channels, labels["labels"], grid.geometry, mask_file, kept)

    def _on_common_grid(self, labels: dict[str, NDArray[Any]]) -> CaseData:
        import SimpleITK

        images = self._normalised() if self.pooled else [read_image(p) for p in self.phases]
        template = images[0]
        channels = []
        for image in images:
            image.CopyInformation(template)
            channels.append(to_isotropic(to_ras(image), SPACING_MM))
        masks = {}
        for name, array in labels.items():
            image = SimpleITK.GetImageFromArray(array.astype(np.uint8))
            image.CopyInformation(template)
            masks[name] = _array(to_isotropic(to_ras(image), SPACING_MM, labels=True))
        geometry = geometry_of(channels[0])
        return CaseData(
            [_array(c) for c in channels], masks.pop("labels"), geometry, further_masks=masks
        )

    def _normalised(self) -> "list[SimpleITK.Image]":
        """Return the chosen phases, z-scored by mean and deviation of all voxels of all phases."""
        import SimpleITK

        counts, means, variances = [], [], []
        chosen: dict[Path, SimpleITK.Image] = {}
        for path in self.pooled:
            image = read_image(path)
            values = SimpleITK.GetArrayViewFromImage(image)
            counts.append(values.size)
            means.append(float(values.mean(dtype=np.float64)))
            variances.append(float(values.var(dtype=np.float64)))
            if path in self.phases:
                chosen[path] = image
        mean = float(np.average(means, weights=counts))
        spread = np.asarray(variances) + (np.asarray(means) - mean) ** 2
        deviation = math.sqrt(float(np.average(spread, weights=counts)))
        if deviation == 0:
            raise ConversionError(
                f"all phases in {self.phases[0].parent} hold the value {mean:g} only, so they have "
                "no z-score. Download them again."
            )
        result = []
        for path in self.phases:
            values = (_array(chosen[path]) - mean) / deviation
            image = SimpleITK.GetImageFromArray(values.astype(np.float32))
            image.CopyInformation(chosen[path])
            result.append(image)
        return result


@dataclass(frozen=True)
class BreastQuestion:
    """A case to check before anything is written.

    Attributes:
        case: Its files.
        box: Box around the breast, on the grid of the files.
    """

    case: BreastCase
    box: Box | None = None


@dataclass(frozen=True)
class BreastFacts:
    """What is known about a case before it is written.

    Attributes:
        problems: What is wrong, in words.
        has_label: Whether the experts' mask marks anything.
        n_bytes: Upper bound of the bytes on disk.
        shape: Shape of the arrays that will be written.
        box: Box on the grid that will be written.
        outside: Voxels of the experts' mask outside the box.
    """

    problems: tuple[str, ...] = ()
    has_label: bool = False
    n_bytes: int = 0
    shape: tuple[int, ...] = ()
    box: Box | None = None
    outside: int = 0


def survey_case(question: BreastQuestion) -> BreastFacts:
    """Read headers and the experts' mask of a case, and check what they say."""
    case = question.case
    headers, problems = [], []
    for path in case.files:
        try:
            headers.append(read_header(path))
        except ConversionError as error:
            problems.append(str(error))
    problems += grid_problems(headers)
    try:
        mask = binary_labels(case.mask)
        if case.swapped:
            binary_labels(case.masks["labels"])
    except ConversionError as error:
        problems.append(str(error))
    if problems:
        return BreastFacts(tuple(dict.fromkeys(problems)))
    grid = headers[0]
    if question.box is not None and not question.box.fits(grid.shape):
        return BreastFacts((_misfit(question.box, grid),))
    outside = question.box.outside(mask) if question.box is not None else 0
    shape, box = grid.shape, question.box
    if case.isotropic:
        image = to_isotropic(to_ras(_empty_like(grid)), SPACING_MM, labels=True)
        shape = tuple(image.GetSize())[::-1]
        if box is not None:
            box = box_on_grid(box, grid.geometry, grid.shape, geometry_of(image), shape)
    if case.isotropic or case.pooled:
        n_masks = 2 if case.automatic else 1
        n_bytes = math.prod(shape) * (4 * len(case.phases) + n_masks)
    else:
        n_bytes = sum(path.stat().st_size for path in case.files)
    return BreastFacts((), bool(mask.any()), n_bytes, shape, box, outside)


def binary_labels(path: Path) -> NDArray[Any]:
    """Read a mask that marks the tumour.

    Raises:
        ConversionError: If it is damaged or holds anything but 0 and 1.
    """
    labels = read_labels(path)
    strange = sorted(set(np.unique(labels).tolist()) - {0, 1})
    if strange:
        raise ConversionError(
            f"{path} holds {shorten(strange, 8)}; expected 0 and 1 (tumour) only. Download the "
            "mask again, or set the tumour to 1."
        )
    return labels


def grid_problems(headers: Sequence[VolumeHeader]) -> list[str]:
    """Return why volumes cannot be the same patient's on the same grid, in words."""
    flat = [header for header in headers if len(header.shape) != 3]
    if flat:
        return [f"{flat[0].path} has {len(flat[0].shape)} dimensions; expected 3"]
    found = {other.path: geometry_difference(headers[0], other) for other in headers[1:]}
    return [
        # masks of experts and automatic ones have the same name
        f"{difference} (the second from the folder {path.parent.name}); download both again, or "
        "leave the patient out (move its folder away)"
        for path, difference in found.items()
        if difference
    ]


def _misfit(box: Box, grid: VolumeHeader) -> str:
    turned = Box(box.start[::-1], box.end[::-1])
    hint = (
        ". With x and z exchanged it would fit: x must count along the first axis of the array "
        "(slices), as in the original files"
        if turned.fits(grid.shape)
        else ""
    )
    return (
        f"its breast box ends at {box.end}, the image has {' x '.join(map(str, grid.shape))} "
        f"voxels (slices, rows, columns){hint}. Correct breast_coordinates in its json file, or "
        "move that file away to do without the box"
    )


def _same_grid(one: VolumeHeader, other: VolumeHeader) -> bool:
    # to the last bit: nnU-Net refuses channels whose spacings differ at all
    return one.geometry == other.geometry


def _empty_like(header: VolumeHeader) -> "SimpleITK.Image":
    import SimpleITK

    image = SimpleITK.Image(list(header.shape[::-1]), SimpleITK.sitkUInt8)
    image.SetSpacing(header.geometry.spacing_mm)
    image.SetOrigin(header.geometry.origin_mm)
    image.SetDirection(header.geometry.direction)
    return image


def _array(image: "SimpleITK.Image") -> NDArray[Any]:
    import SimpleITK

    return SimpleITK.GetArrayFromImage(image)
