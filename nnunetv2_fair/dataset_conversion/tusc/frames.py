"""Reading TUSC's ``dataset.hdf5`` one frame at a time: the file is larger than most memories.

Runs in worker processes, so it imports no pandas.

Source: code that reads the published file: keys ``image``, ``mask``, ``annot_id`` and
``frame_num``, frame first; identifiers such as ``b"12_"``, of shape (n,) or (n, 1).
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from nnunetv2_fair.dataset_conversion.shared.pictures import resize_linear, resize_nearest, to_color
from nnunetv2_fair.dataset_conversion.writing.case_files import CaseData
from nnunetv2_fair.errors import ConversionError, shorten
from nnunetv2_fair.tables.numbers import plain_number

IMAGE, MASK, CLIP, FRAME = "image", "mask", "annot_id", "frame_num"

#: More memory than this is not spent on frames that are stored together, whatever the layout.
_CACHE_LIMIT = 256 * 2**20
_SMALLEST_CACHE = 2**20


@dataclass(frozen=True)
class FrameCase:
    """One frame with its mask; calling it reads both.

    Attributes:
        path: The HDF5 file.
        index: Position of the frame in the file, from 0.
        cache_bytes: Memory for frames that are stored together with this one.
        size: (rows, columns) to resize to (image: linear, mask: nearest); None keeps the size.
    """

    path: Path
    index: int
    cache_bytes: int
    size: tuple[int, int] | None = None

    def __call__(self) -> CaseData:
        """Return grey levels and labels (1 nodule).

        Raises:
            ConversionError: If the frame is damaged or holds what it should not.
        """
        file = _open(self.path, self.path.stat().st_mtime_ns, self.cache_bytes)
        try:
            image, mask = file[IMAGE][self.index], file[MASK][self.index]
            absent = not image.any() and not _is_written(file[IMAGE], self.index)
        except (OSError, KeyError, RuntimeError) as error:
            raise ConversionError(
                f"the frame cannot be read: {error}. Download the file again"
            ) from error
        if absent:
            raise ConversionError("the frame was never written. Download the file again")
        pixels, labels = _grey(image, self.path), _nodule(mask)
        if self.size is not None:
            pixels, labels = resize_linear(pixels, self.size), resize_nearest(labels, self.size)
        return CaseData((pixels,), labels)


@dataclass(frozen=True)
class Contents:
    """What the file says about its frames, without their pixels.

    Attributes:
        clips: Clip of each frame, without the trailing underscore.
        frame_numbers: Number of each frame in its clip; None if the file does not say.
        shape: (rows, columns) of every frame.
        cache_bytes: Memory that lets frames that are stored together be decoded once.
        notes: What was decided.
    """

    clips: Sequence[str]
    frame_numbers: Sequence[float] | None
    shape: tuple[int, int]
    cache_bytes: int
    notes: Sequence[str]


def read_contents(path: Path) -> Contents:
    """Read which clip each frame is from.

    Raises:
        ConversionError: If the file is damaged, or lacks what it should hold.
    """
    if not path.is_file():
        raise ConversionError(f"{path} does not exist or is not a file.")
    _open.cache_clear()
    try:
        with h5py.File(path, "r", locking="best-effort") as file:
            return _contents(file, path)
    except (OSError, RuntimeError) as error:
        raise ConversionError(
            f"{path} cannot be read as HDF5 ({path.stat().st_size} bytes): {error}. It is damaged "
            "or only partly downloaded; download it again."
        ) from error


def _contents(file: h5py.File, path: Path) -> Contents:
    present = sorted(file)
    _refuse_references(file, path)
    missing = [key for key in (IMAGE, MASK, CLIP) if not isinstance(file.get(key), h5py.Dataset)]
    if missing:
        raise ConversionError(
            f"{path} has no {shorten(map(repr, missing))}. Found: {shorten(present, 12) or 'none'}."
            " Is it dataset.hdf5 of the Thyroid Ultrasound Cine-clip set?"
        )
    image, mask = file[IMAGE], file[MASK]
    clips = [normal_id(value) for value in file[CLIP][()].reshape(-1)]
    numbers = file[FRAME][()].reshape(-1) if FRAME in file else None
    lengths = {IMAGE: len(image), MASK: len(mask), CLIP: len(clips)}
    if numbers is not None:
        lengths[FRAME] = len(numbers)
    if len(set(lengths.values())) > 1 or not clips:
        listed = ", ".join(f"{key} {length}" for key, length in lengths.items())
        raise ConversionError(
            f"{path}: the arrays are not equally long, or empty ({listed} frames). Download it "
            "again."
        )
    if image.ndim not in (3, 4) or image.shape[1:3] != mask.shape[1:3]:
        raise ConversionError(
            f"{path}: '{IMAGE}' has shape {image.shape}, '{MASK}' {mask.shape}; expected (frames, "
            "rows, columns), and the same for both. Download it again."
        )
    if image.dtype != np.uint8:
        raise ConversionError(f"{path}: '{IMAGE}' is {image.dtype}, expected uint8 grey levels.")
    _refuse_unwritten((image, mask), path)
    notes = []
    parsed = None if numbers is None else _frame_numbers(numbers, path)
    if parsed is None:
        notes.append(f"the file has no '{FRAME}': frames are in the order of the file")
    needed = max(_bytes_beside(image), _bytes_beside(mask))
    if needed > _CACHE_LIMIT:
        notes.append(
            f"{needed / 2**20:.0f} MiB of the file have to be decoded for one frame, because of "
            "how it is stored: this will take long"
        )
    cache = min(max(needed, _SMALLEST_CACHE), _CACHE_LIMIT)
    return Contents(clips, parsed, (int(image.shape[1]), int(image.shape[2])), cache, notes)


def _refuse_references(file: h5py.File, path: Path) -> None:
    """Raise if an array is in another file: that could be any file of this machine."""
    for key in (IMAGE, MASK, CLIP, FRAME):
        link = file.get(key, getlink=True)
        if link is None:
            continue
        where = ""
        if not isinstance(link, h5py.HardLink):
            where = "is a link to another place"
        elif isinstance(array := file[key], h5py.Dataset):
            if array.is_virtual:
                where = "is put together from other files (a virtual dataset)"
            elif array.external:
                where = "is stored in other files (external storage)"
        if where:
            raise ConversionError(
                f"{path}: '{key}' {where}, which is not read. Use the original file, or copy it "
                "with the arrays inside: h5repack or h5py.Dataset[()]."
            )


def _refuse_unwritten(arrays: Sequence[h5py.Dataset], path: Path) -> None:
    """Raise if an array was never written: HDF5 reads it as black, without an error."""
    missing = [array.name[1:] for array in arrays if not array.id.get_storage_size()]
    if missing:
        raise ConversionError(
            f"{path}: {shorten(map(repr, missing))} was never written: all frames would be black. "
            "Download the file again."
        )


def _is_written(array: h5py.Dataset, index: int) -> bool:
    """Return whether the file holds a frame; asked only of black ones."""
    if array.chunks is None:
        return True
    beginnings = [range(0, length, step) for length, step in
                  zip(array.shape[1:], array.chunks[1:], strict=True)]  # fmt: skip
    first = index // array.chunks[0] * array.chunks[0]
    return any(
        array.id.get_chunk_info_by_coord((first, *place)).byte_offset is not None
        for place in product(*beginnings)
    )


def _bytes_beside(array: h5py.Dataset) -> int:
    """Return the size of all chunks that hold a piece of one frame; 0 if stored in one piece."""
    if array.chunks is None:
        return 0
    across = [math.ceil(n / c) for n, c in zip(array.shape[1:], array.chunks[1:], strict=True)]
    return math.prod(across) * math.prod(array.chunks) * array.dtype.itemsize


@lru_cache(maxsize=1)
def _open(path: Path, changed: int, cache_bytes: int) -> h5py.File:
    """Return the open file; it stays open, so that frames stored together are decoded once.

    Args:
        path: The file.
        changed: Time of its last change: another file of that name is opened again.
        cache_bytes: Memory for each of image and mask.
    """
    try:
        # slots: a prime well above the number of chunks, as the HDF5 library advises
        return h5py.File(
            path, "r", locking="best-effort", rdcc_nbytes=cache_bytes, rdcc_nslots=100_003
        )
    except OSError as error:
        raise ConversionError(f"it cannot be opened: {error}. Download it again") from error


def normal_id(value: Any) -> str:
    """Return an identifier as text: ``12`` for ``b"12_"``, ``"12_"``, ``12`` and ``12.0``."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    text = text.strip().rstrip("_").strip()
    match = re.fullmatch(r"(\d+)\.0*", text)
    return match[1] if match else text


def _frame_numbers(values: NDArray[Any], path: Path) -> list[float]:
    numbers = []
    for position, value in enumerate(values.tolist()):
        number = plain_number(normal_id(value))
        if number is None:
            raise ConversionError(
                f"{path}: '{FRAME}' of frame {position} is {value!r}, expected a number."
            )
        numbers.append(number)
    return numbers


def _grey(image: NDArray[Any], path: Path) -> NDArray[Any]:
    if image.ndim == 3:
        if image.shape[2] not in (1, 3):
            raise ConversionError(f"the frame has shape {image.shape}, expected grey or RGB.")
        image = image[..., 0] if image.shape[2] == 1 else to_color(image, "to-grey", path)
    return image


def _nodule(mask: NDArray[Any]) -> NDArray[np.uint8]:
    """Return 1 for nodule. Masks hold 0 and 255; copies with 0 and 1 are accepted as well."""
    if mask.ndim == 3:
        if not (mask == mask[..., :1]).all():
            raise ConversionError("the mask is in colour, expected one number per pixel.")
        mask = mask[..., 0]
    labels = mask != 0
    # counted, not compared with the maximum: -1, a half and not-a-number are no nodule
    if np.count_nonzero(labels) not in {np.count_nonzero(mask == high) for high in (1, 255)}:
        raise ConversionError(
            f"the mask holds {shorten(np.unique(mask).tolist(), 8)}; expected 0 and 255, or 0 and "
            "1. Values between mean blurred edges: use the original file."
        )
    return labels.view(np.uint8)
