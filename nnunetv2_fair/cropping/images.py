"""Reading and writing the images of an nnU-Net dataset, pictures and volumes alike."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_fair.errors import ConversionError, DamagedFileError
from nnunetv2_fair.files.integrity import fault_of_picture, reason_in_words
from nnunetv2_fair.files.nifti import plain_voxels
from nnunetv2_fair.files.volumes import (
    ImageGeometry,
    VolumeHeader,
    geometry_difference,
    read_header,
    read_image,
    read_labels,
    verify_volume,
    write_volume,
)

#: Endings of files without spacing, which Pillow reads.
PICTURE_ENDINGS = (".png",)
#: Pillow's modes of grey and of colour that hold exactly what nnU-Net reads.
_MODES = ("L", "RGB", "I;16")


def is_picture(path: Path) -> bool:
    """Return whether a file is a picture, without spacing and origin."""
    return path.name.lower().endswith(PICTURE_ENDINGS)


def read_channel(path: Path) -> NDArray[Any]:
    """Return the voxels of an image file as it stores them.

    Args:
        path: A picture, (rows, columns) or (rows, columns, 3); or a volume, ([slices,] rows,
            columns).

    Raises:
        ConversionError: If the file is unreadable or damaged, or a picture of another kind.
    """
    if is_picture(path):
        return _read_picture(path)
    try:
        voxels = plain_voxels(path)  # several times as fast as SimpleITK
    except DamagedFileError as error:
        raise ConversionError(str(error)) from error
    if voxels is None:
        import SimpleITK

        voxels = SimpleITK.GetArrayFromImage(read_image(path))
    return voxels


def read_mask(path: Path) -> NDArray[Any]:
    """Return the labels of a mask as integers.

    Raises:
        ConversionError: As :func:`read_channel`, and if it holds colours or broken numbers.
    """
    if not is_picture(path):
        return read_labels(path)
    labels = _read_picture(path)
    if labels.ndim != 2:
        raise ConversionError(f"{path} is in colour; expected one label per pixel (grey).")
    return labels


@dataclass(frozen=True)
class Grid:
    """Size of an image, and where its voxels are.

    Attributes:
        path: Its file.
        shape: ([slices,] rows, columns).
        geometry: Where the voxels of a volume are; None for a picture.
    """

    path: Path
    shape: tuple[int, ...]
    geometry: ImageGeometry | None


def grid_of_file(path: Path) -> Grid:
    """Return the grid of an image without reading its voxels.

    Raises:
        ConversionError: If the file is unreadable.
    """
    if not is_picture(path):
        header = read_header(path)
        return Grid(path, header.shape, header.geometry)
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return Grid(path, (picture.height, picture.width), None)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _unreadable(path, error) from error


def grid_difference(first: Grid, second: Grid) -> str | None:
    """Return in words how two grids differ; None if they are the same up to rounding."""
    if first.geometry is not None and second.geometry is not None:
        one, other = (
            VolumeHeader(first.path, first.shape, first.geometry),
            VolumeHeader(second.path, second.shape, second.geometry),
        )
        return geometry_difference(one, other)
    if first.shape == second.shape:
        return None
    sizes = (" x ".join(map(str, grid.shape)) for grid in (first, second))
    names = f"{first.path.name} and {second.path.name}"
    return f"{names} differ in size: {' and '.join(sizes)} pixels"


def write_image(path: Path, voxels: NDArray[Any], geometry: ImageGeometry | None) -> None:
    """Write a file, read it back and compare.

    Args:
        path: New file; its ending names the format.
        voxels: As :func:`read_channel` returns them.
        geometry: Where they are; None for a picture.

    Raises:
        ConversionError: If it cannot be written, or read back differs.
        OSError: If the disk is full.
    """
    if geometry is not None:
        write_volume(path, voxels, geometry)
        verify_volume(path, voxels, geometry)
        return
    from PIL import Image

    Image.fromarray(np.ascontiguousarray(voxels)).save(path)
    if not np.array_equal(_read_picture(path), voxels):
        raise ConversionError(f"{path.name}, read back, differs from what was written.")


def _read_picture(path: Path) -> NDArray[Any]:
    from PIL import Image

    try:
        data = path.read_bytes()
        if fault := fault_of_picture(data):
            raise ValueError(fault)
        with Image.open(io.BytesIO(data)) as picture:
            mode = picture.mode
            pixels = np.asarray(picture)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _unreadable(path, error) from error
    if mode not in _MODES:
        raise ConversionError(
            f"{path} is a picture of mode {mode}; expected grey or RGB without transparency. "
            "Export it again."
        )
    return pixels


def _unreadable(path: Path, error: Exception) -> ConversionError:
    return ConversionError(
        f"{path} cannot be read as a picture ({reason_in_words(error)}). Copy or export it again."
    )
