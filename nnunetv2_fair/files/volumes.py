"""Volumes with spacing, origin and direction: reading them whole, writing them exactly.

An original that needs no change is copied byte for byte (:class:`OriginalFile`): writing its
pixels again would round the geometry (NIfTI holds it in 32 bits), and lose scale and intercept.

Workers that write pictures import this module too, so SimpleITK is imported where it is used.
"""

import errno
import math
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_fair.errors import ConversionError, DamagedFileError, FairError
from nnunetv2_fair.files.integrity import (
    CheckedFile,
    check_file,
    files_of_image,
    itk_reader,
    reason_in_words,
)
from nnunetv2_fair.files.labels import whole_labels
from nnunetv2_fair.files.nifti import plain_voxels

if TYPE_CHECKING:
    import SimpleITK

#: Differences in position below this share of a voxel are rounding.
_SUBVOXEL = 0.1
_SPACING_TOLERANCE = 1e-3
_DIRECTION_TOLERANCE = 1e-3


@dataclass(frozen=True)
class ImageGeometry:
    """Where voxels are, in SimpleITK's order (x, y[, z]): the reverse of an array's axes.

    Attributes:
        spacing_mm: Distance of neighbouring voxels.
        origin_mm: Position of the first voxel.
        direction: Direction cosines, row by row.
    """

    spacing_mm: tuple[float, ...]
    origin_mm: tuple[float, ...]
    direction: tuple[float, ...]


@dataclass(frozen=True)
class OriginalFile:
    """A file that goes into the dataset byte for byte.

    Attributes:
        path: The file; it has the dataset's file ending.
        shape: Shape of its array ([slices,] rows, columns).
        sha256: Hash of its bytes when it was checked (see :func:`original_file`).
    """

    path: Path
    shape: tuple[int, ...]
    sha256: str


@dataclass(frozen=True)
class VolumeHeader:
    """What a file's header says about its voxels.

    Attributes:
        path: The file.
        shape: Voxels along each axis of the array: the reverse of SimpleITK's order.
        geometry: Where they are.
    """

    path: Path
    shape: tuple[int, ...]
    geometry: ImageGeometry

    def __str__(self) -> str:
        size = " x ".join(map(str, self.shape))
        spacing = " x ".join(f"{s:.4g}" for s in reversed(self.geometry.spacing_mm))
        return f"{size} voxels of {spacing} mm"


def read_header(path: Path) -> VolumeHeader:
    """Read size and geometry of a volume without its voxels.

    Raises:
        ConversionError: If the file is unreadable, names data outside its folder, has several
            values per voxel, or an invalid spacing.
    """
    reader = _header_reader(path)
    components = reader.GetNumberOfComponents()
    if components != 1:
        raise ConversionError(
            f"{path} has {components} values per voxel; expected one. Colours, vectors and "
            "overlapping segments are not read: save each component as a file of its own (a "
            "channel), or segments as one label map."
        )
    shape = tuple(int(n) for n in reader.GetSize())[::-1]
    if not shape or not all(shape):
        raise ConversionError(
            f"{path} is damaged: its header announces {' x '.join(map(str, shape)) or 'no'} "
            "voxels. Download or copy the file again."
        )
    geometry = ImageGeometry(
        tuple(float(v) for v in reader.GetSpacing()),
        tuple(float(v) for v in reader.GetOrigin()),
        tuple(float(v) for v in reader.GetDirection()),
    )
    if not all(math.isfinite(s) and s > 0 for s in geometry.spacing_mm):
        raise ConversionError(
            f"{path} has the spacing {geometry.spacing_mm} in its header; expected positive "
            "millimetres. Correct the header."
        )
    return VolumeHeader(path, shape, geometry)


def read_image(path: Path) -> "SimpleITK.Image":
    """Read a volume, having checked that it is whole and holds numbers only.

    Raises:
        ConversionError: If the file is unreadable, truncated or damaged, or holds NaN or infinite
            values (SimpleITK would read zeros for all of these).
    """
    import SimpleITK

    _checked(path)
    try:
        return SimpleITK.ReadImage(str(path), imageIO=itk_reader(path))
    except RuntimeError as error:
        raise _unreadable(path, error) from error


def read_labels(path: Path) -> NDArray[Any]:
    """Read a mask as an integer array ([slices,] rows, columns).

    Raises:
        ConversionError: As :func:`read_image`, and if it holds values that are not integers.
    """
    try:
        labels = plain_voxels(path)
    except DamagedFileError as error:
        raise ConversionError(str(error)) from error
    # read_image says what is wrong with values that are not finite
    if labels is None or not np.isfinite(labels).all():
        import SimpleITK

        labels = SimpleITK.GetArrayFromImage(read_image(path))
    whole, fault = whole_labels(labels)
    if fault:
        raise ConversionError(f"{path} holds {fault}. Download or export the mask again.")
    return whole


def holds_integers(path: Path) -> bool:
    """Return whether a file's voxels, as SimpleITK reads them, are integers.

    Raises:
        ConversionError: If the file is unreadable.
    """
    import SimpleITK

    reader = _header_reader(path)
    return "integer" in SimpleITK.GetPixelIDValueAsString(reader.GetPixelID())


def original_file(header: VolumeHeader) -> OriginalFile:
    """Return a volume to be copied unchanged, having checked all its bytes.

    Args:
        header: What :func:`read_header` returned.

    Raises:
        ConversionError: If the file is truncated or damaged, or holds NaN or infinite values.
    """
    return OriginalFile(header.path, header.shape, _checked(header.path).sha256)


def geometry_difference(first: VolumeHeader, second: VolumeHeader) -> str | None:
    """Return in words how two grids differ, or None if they are the same up to rounding."""
    names = f"{first.path.name} and {second.path.name}"
    if first.shape != second.shape:
        return f"{names} differ in size: {first} and {second}"
    one, other = first.geometry, second.geometry
    if not np.allclose(one.spacing_mm, other.spacing_mm, rtol=_SPACING_TOLERANCE, atol=0):
        return f"{names} differ in spacing: {first} and {second}"
    if not np.allclose(one.direction, other.direction, rtol=0, atol=_DIRECTION_TOLERANCE):
        return (
            f"{names} differ in orientation: directions {_numbers(one.direction)} and "
            f"{_numbers(other.direction)}"
        )
    tolerance = _SUBVOXEL * min(one.spacing_mm)
    if not np.allclose(one.origin_mm, other.origin_mm, rtol=0, atol=tolerance):
        return (
            f"{names} differ in position: origins {_numbers(one.origin_mm)} mm and "
            f"{_numbers(other.origin_mm)} mm"
        )
    return None


def write_volume(path: Path, pixels: NDArray[Any], geometry: ImageGeometry) -> None:
    """Write a volume, compressed.

    Args:
        path: New file; its ending names the format.
        pixels: ([slices,] rows, columns). 64-bit floats become 32-bit floats.
        geometry: Where the voxels are.

    Raises:
        ConversionError: If SimpleITK cannot write it.
        OSError: If the disk is full.
    """
    import SimpleITK

    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(_storable(pixels)))
    try:
        image.SetSpacing(geometry.spacing_mm)
        image.SetOrigin(geometry.origin_mm)
        image.SetDirection(geometry.direction)
        SimpleITK.WriteImage(image, str(path), useCompression=True)
    except (RuntimeError, ValueError, TypeError) as error:
        _check_space(path)
        raise ConversionError(f"SimpleITK cannot write it: {error}") from error


def verify_volume(path: Path, pixels: NDArray[Any], geometry: ImageGeometry) -> None:
    """Read a volume back and compare it with what was to be written.

    Raises:
        ConversionError: If anything differs.
        OSError: If the disk is full.
    """
    try:
        found = read_header(path).geometry
        same = (
            _holds(path, _storable(pixels))
            # NIfTI stores the geometry as 32-bit floats
            and np.allclose(found.spacing_mm, geometry.spacing_mm, rtol=1e-5)
            and np.allclose(found.origin_mm, geometry.origin_mm, rtol=1e-5, atol=1e-3)
            and np.allclose(found.direction, geometry.direction, atol=1e-4)
        )
    except (RuntimeError, FairError) as error:
        _check_space(path)
        raise ConversionError(
            f"SimpleITK wrote it, but it cannot be read back: {error}. Does the direction "
            f"{geometry.direction} consist of perpendicular unit vectors?"
        ) from error
    if not same:
        raise ConversionError(
            f"{path.name}, read back, has other pixels, spacing, origin or direction than was "
            f"written (found {found.spacing_mm}, {found.origin_mm}, {found.direction}; expected "
            f"{geometry.spacing_mm}, {geometry.origin_mm}, {geometry.direction})."
        )


def geometry_of(image: "SimpleITK.Image") -> ImageGeometry:
    """Return where the voxels of an image are."""
    return ImageGeometry(
        tuple(image.GetSpacing()), tuple(image.GetOrigin()), tuple(image.GetDirection())
    )


def _header_reader(path: Path) -> "SimpleITK.ImageFileReader":
    """Return SimpleITK's reader of a file whose header it has read.

    Raises:
        ConversionError: If the header is unreadable, or names data outside its folder.
    """
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO(itk_reader(path))
    try:
        files_of_image(path)  # before ITK opens whatever a header names
        reader.ReadImageInformation()
    except DamagedFileError as error:
        raise ConversionError(str(error)) from error
    except (RuntimeError, OSError) as error:
        raise _unreadable(path, error) from error
    return reader


def _holds(path: Path, pixels: NDArray[Any]) -> bool:
    """Whether a file holds exactly these voxels, and is complete."""
    found = plain_voxels(path)
    if found is None:
        import SimpleITK

        found = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
    return found.dtype == pixels.dtype and np.array_equal(found, pixels)


def _storable(pixels: NDArray[Any]) -> NDArray[Any]:
    return pixels.astype(np.float32) if pixels.dtype == np.float64 else pixels


def _checked(path: Path) -> CheckedFile:
    try:
        checked = check_file(path)
    except DamagedFileError as error:
        raise ConversionError(str(error)) from error
    if checked.not_finite:
        raise ConversionError(
            f"{path} holds {checked.not_finite} NaN or infinite voxels, which SimpleITK would read "
            "as zeros; replace them in the original, or leave the file out."
        )
    return checked


def _unreadable(path: Path, error: Exception) -> ConversionError:
    reason = reason_in_words(error)
    if "orthonormal" in reason:
        return ConversionError(
            f"{path} has axes in its header that are not perpendicular, which SimpleITK does not "
            "accept. Copying it again does not help: leave it out, or make them "
            "perpendicular, with nibabel: image.set_qform(image.affine, 1, strip_shears=True); "
            "image.set_sform(None, 0)"
        )
    return ConversionError(
        f"{path} cannot be read as a volume ({reason}). Download or copy the file again."
    )


def _numbers(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{value + 0.0:.4g}" for value in values) + ")"  # no -0


def _check_space(path: Path) -> None:
    """Raise if the disk is full: SimpleITK's own message would not say so."""
    if shutil.disk_usage(path.parent).free < 1 << 20:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
