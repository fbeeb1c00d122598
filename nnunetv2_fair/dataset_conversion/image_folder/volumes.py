"""Volumes of an image folder: checked whole, copied as they are where nothing has to change.

Runs in worker processes, so it imports no pandas.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_fair.dataset_conversion.shared.pictures import MOST_VALUES, MaskRules, PairFacts
from nnunetv2_fair.dataset_conversion.writing.case_files import VOLUME_ENDINGS, CaseData
from nnunetv2_fair.errors import ConversionError
from nnunetv2_fair.files.fingerprints import hash_of
from nnunetv2_fair.files.integrity import files_of_image, image_hash
from nnunetv2_fair.files.nifti import quiet_itk
from nnunetv2_fair.files.volumes import (
    OriginalFile,
    VolumeHeader,
    geometry_difference,
    holds_integers,
    original_file,
    read_header,
    read_image,
    read_labels,
)

#: Ending of a dataset whose originals cannot all be copied.
USUAL_ENDING = ".nii.gz"


@dataclass(frozen=True)
class VolumeCase:
    """The volumes of a case and its mask; calling it reads what has to be written anew.

    Attributes:
        images: One file per channel.
        mask: Mask file on the same grid.
        ending: The dataset's.
        rules: How mask values become labels.
        copies: Files that are copied as they are, by path; found by :func:`survey_volumes`.
    """

    images: tuple[Path, ...]
    mask: Path
    ending: str
    rules: MaskRules = field(default_factory=MaskRules)
    copies: tuple[OriginalFile, ...] = ()

    def __call__(self) -> CaseData:
        """Return channels, mask, and where they are.

        Raises:
            ConversionError: If a file has been damaged since it was checked.
        """
        import SimpleITK

        kept = {original.path: original for original in self.copies}
        channels: list[NDArray[Any] | OriginalFile] = []
        with quiet_itk():
            geometry = read_header(self.images[0]).geometry
            for path in self.images:
                if path in kept:
                    channels.append(kept[path])
                else:
                    channels.append(SimpleITK.GetArrayFromImage(read_image(path)))
            labels = self.rules.apply(read_labels(self.mask), self.mask)
        return CaseData(channels, labels, geometry, kept.get(self.mask))


def dataset_ending(paths: Sequence[Path]) -> str:
    """Return the ending of the dataset's files: that of all originals if nnU-Net reads it."""
    endings = {next((e for e in VOLUME_ENDINGS if p.name.lower().endswith(e)), "") for p in paths}
    return endings.pop() if len(endings) == 1 and "" not in endings else USUAL_ENDING


def survey_volumes(case: VolumeCase) -> PairFacts:
    """Read all files of a case completely and return what was found; raises nothing on bad ones."""
    with quiet_itk():
        try:
            return _survey(case)
        except ConversionError as error:
            return PairFacts(problems=(str(error),))


def _survey(case: VolumeCase) -> PairFacts:
    files = (*case.images, case.mask)
    headers, problems = [], []
    for path in files:
        try:
            header = read_header(path)
            headers.append(header)
            problems += _dimension_problem(header)
        except ConversionError as error:
            problems.append(str(error))
    if problems:
        return PairFacts(problems=tuple(problems))
    grid = headers[0]
    problems += [
        f"{_misplaced(grid, header, difference)}. "
        + (
            "Resample the mask to its image, or export it again"
            if header.path == case.mask
            else "Register and resample all channels of a case to one grid"
        )
        for header in headers[1:]
        if (difference := geometry_difference(grid, header)) is not None
    ]
    values: tuple[int, ...] = ()
    try:
        values = _different(read_labels(case.mask))
    except ConversionError as error:
        problems.append(str(error))
    copies: list[OriginalFile] = []
    n_bytes = 0
    for header in headers:
        try:
            copy, size = _read_whole(case, header, grid)
            copies += [copy] if copy is not None else []
            n_bytes += size
        except ConversionError as error:
            problems.append(str(error))
    if problems:
        return PairFacts(problems=tuple(dict.fromkeys(problems)))
    return PairFacts(grid.shape, n_bytes, values, _content(files), copies=tuple(copies))


def _content(files: Sequence[Path]) -> str:
    return hash_of(*(bytes.fromhex(image_hash(path)) for path in files))


def _misplaced(grid: VolumeHeader, other: VolumeHeader, difference: str) -> str:
    """Return how a file's grid differs from that of its image, with both in one sentence."""
    kind, _, values = difference.partition(" differ in ")[2].partition(": ")
    expected, _, found = values.rpartition(" and ")
    image = f"{grid.path.parent.name}/{grid.path.name}"
    return f"{other.path} differs from {image} in {kind}: found {found}, expected {expected}"


def _dimension_problem(header: VolumeHeader) -> list[str]:
    n = len(header.shape)
    if n in (2, 3):
        return []
    size = " x ".join(map(str, header.shape))
    return [
        f"{header.path} has {n} dimensions ({size}): a series over time, or channels in one file; "
        "expected a volume per file. Save each as one, such as case_0000.nii.gz and "
        "case_0001.nii.gz, for instance with nibabel.funcs.four_to_three"
    ]


def _read_whole(
    case: VolumeCase, header: VolumeHeader, grid: VolumeHeader
) -> tuple[OriginalFile | None, int]:
    """Check all bytes of a file; return it if it can be copied, and how many bytes it will need."""
    path = header.path
    is_mask = path == case.mask
    changed = is_mask and (
        bool(case.rules.label_map)
        or case.rules.threshold_of(path) is not None
        or not holds_integers(path)
    )
    # to the last bit: nnU-Net refuses channels whose spacings differ at all
    same_grid = header.geometry == grid.geometry
    # a header copied alone would name data that the dataset lacks
    alone = files_of_image(path) == (path,)
    copied = path.name.lower().endswith(case.ending) and same_grid and alone and not changed
    if not (copied and path.name.lower().endswith((".nii.gz", ".nii"))):
        _check_numbers(path)
    if copied:
        return original_file(header), path.stat().st_size
    return None, math.prod(header.shape) * (2 if is_mask else 8)


def _check_numbers(path: Path) -> None:
    """Raise if a file cannot be read, or holds voxels that nnU-Net refuses."""
    import SimpleITK

    voxels = SimpleITK.GetArrayViewFromImage(read_image(path))
    if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
        raise ConversionError(
            f"{path} holds NaN or infinite voxels, which nnU-Net refuses; replace them in the "
            "original"
        )


def _different(labels: NDArray[Any]) -> tuple[int, ...]:
    """Return up to :data:`MOST_VALUES` different values, ascending."""
    low, high = int(labels.min()), int(labels.max())
    if high - low > 65535:
        return tuple(int(value) for value in np.unique(labels)[:MOST_VALUES])
    # counting is several times as fast as sorting
    counts = np.bincount((labels - low if low else labels).ravel().astype(np.intp, copy=False))
    return tuple(int(i) + low for i in np.flatnonzero(counts)[:MOST_VALUES])
