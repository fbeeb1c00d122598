"""Pictures of cases as arrays from -1 to 1, and back to pixels as the dataset has them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_fair.cropping.images import read_channel, read_mask
from nnunetv2_fair.errors import ConversionError, counted, shorten, shorten_lines


@dataclass(frozen=True)
class PictureFormat:
    """What the training images of a dataset look like.

    Attributes:
        example: The image that says so, for messages.
        shapes: Shape of each file of a case: (rows, columns), or (rows, columns, 3) in colour.
        dtype: Of their pixels.
        low: Lowest value of each channel in all of them.
        high: Highest value.
    """

    example: str
    shapes: tuple[tuple[int, ...], ...]
    dtype: np.dtype[Any]
    low: NDArray[np.float32] = field(repr=False)
    high: NDArray[np.float32] = field(repr=False)

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.shapes[0][0], self.shapes[0][1]

    def scaled(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Return ``(n, channels, y, x)`` pixels as -1 to 1; the same by channel where all are."""
        low, spread = self.low[:, None, None], (self.high - self.low)[:, None, None]
        return np.asarray((pixels - low) / np.where(spread > 0, spread, 1) * 2 - 1, np.float32)

    def files_of(self, image: NDArray[np.float32]) -> list[NDArray[Any]]:
        """Return the pixels of each file of a case.

        Args:
            image: ``(channels, y, x)``, -1 to 1.
        """
        low, spread = self.low[:, None, None], (self.high - self.low)[:, None, None]
        pixels = np.clip((image + 1) / 2, 0, 1) * spread + low
        values = np.rint(pixels).astype(self.dtype)
        files, first = [], 0
        for shape in self.shapes:
            if len(shape) == 3:
                files.append(np.moveaxis(values[first : first + shape[2]], 0, -1))
                first += shape[2]
            else:
                files.append(values[first])
                first += 1
        return files


def read_pictures(
    cases: Mapping[str, Sequence[Path]],
) -> tuple[NDArray[np.float32], PictureFormat]:
    """Read the images of training cases, which must be of one size and kind.

    Args:
        cases: Files of each case; at least one case.

    Returns:
        ``(n, channels, rows, columns)``, -1 to 1, in the order of the cases; and their format.

    Raises:
        ConversionError: If images cannot be read or differ in size or kind; all cases at once.
    """
    first = [read_channel(path) for path in next(iter(cases.values()))]
    shapes = tuple(array.shape for array in first)
    example = next(iter(cases.values()))[0].name
    pixels = _read(cases, shapes, first[0].dtype, example)
    low, high = (which(pixels, axis=(0, 2, 3)).astype(np.float32) for which in (np.min, np.max))
    form = PictureFormat(example, shapes, first[0].dtype, low, high)
    return form.scaled(pixels), form


def read_pictures_like(
    cases: Mapping[str, Sequence[Path]], form: PictureFormat
) -> NDArray[np.float32]:
    """Read the images of further cases, scaled as the training cases.

    Args:
        cases: Files of each case; at least one case.
        form: Of the training cases.

    Raises:
        ConversionError: If images cannot be read or are unlike the training cases; all at once.
    """
    return form.scaled(_read(cases, form.shapes, form.dtype, form.example))


def read_classes(
    masks: Mapping[str, Path], values: Sequence[int], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Read masks as numbers of classes: 0 background, then the labels in their order.

    Args:
        masks: File of each case.
        values: Labels besides the background, ascending.
        size: Rows and columns that every mask must have.

    Returns:
        ``(n, rows, columns)``.

    Raises:
        ConversionError: If a mask cannot be read, has another size or other labels; all at once.
    """
    known = np.array([0, *values])
    problems, found = [], []
    for path in masks.values():
        mask = read_mask(path)
        strange = sorted(set(np.unique(mask)) - set(known.tolist()))
        if mask.shape != size:
            problems.append(f"{path} is {_size(mask.shape)}, the images are {_size(size)}")
        elif strange:
            problems.append(
                f"{path} holds {shorten(map(str, strange))}, which dataset.json does not list, or "
                "as a label to be ignored"
            )
        else:
            found.append(np.searchsorted(known, mask).astype(np.uint8))
    if problems:
        raise ConversionError(
            f"{counted(len(problems), 'mask')} cannot be used. Correct them, or take the cases "
            f"out:\n{shorten_lines(problems)}"
        )
    return np.stack(found)


def padded(arrays: NDArray[Any], size: int) -> NDArray[Any]:
    """Return arrays whose last two axes are filled up with their margin, equally on both sides.

    Args:
        arrays: ``(..., y, x)``.
        size: Of both axes afterwards.
    """
    axes = [((size - n) // 2, size - n - (size - n) // 2) for n in arrays.shape[-2:]]
    return np.pad(arrays, [(0, 0)] * (arrays.ndim - 2) + axes, mode="edge")


def unpadded(arrays: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Return what :func:`padded` was given, from its result."""
    top, left = ((now - n) // 2 for now, n in zip(arrays.shape[-2:], size, strict=True))
    return arrays[..., top : top + size[0], left : left + size[1]]


def _read(
    cases: Mapping[str, Sequence[Path]],
    shapes: Sequence[tuple[int, ...]],
    dtype: np.dtype[Any],
    example: str,
) -> NDArray[Any]:
    problems, found = [], []
    for case, paths in cases.items():
        try:
            arrays = [read_channel(path) for path in paths]
        except ConversionError as error:
            problems.append(str(error))
            continue
        if [array.shape for array in arrays] != list(shapes):
            sizes = shorten([_size(array.shape) for array in arrays])
            problems.append(f"case '{case}' is {sizes}; {example} {shorten(map(_size, shapes))}")
        elif any(array.dtype != dtype for array in arrays):
            problems.append(f"case '{case}' has pixels of {arrays[0].dtype}; {example} {dtype}")
        else:
            found.append(
                np.concatenate([np.moveaxis(np.atleast_3d(array), -1, 0) for array in arrays])
            )
    if problems:
        raise ConversionError(
            f"{counted(len(problems), 'case')} cannot be used: expected pictures of one size and "
            "kind. Crop or resample the dataset first, such as with nnUNetv2_fair_crop, or export "
            f"these again:\n{shorten_lines(problems)}"
        )
    return np.stack(found)


def _size(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
