"""The part of a label map that is not background: all that any metric needs to look at."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

#: Bytes of voxels looked at together: few enough to stay in the processor's cache.
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Foreground:
    """A label map cropped to what is not zero.

    Attributes:
        labels: Labels in the smallest box that holds all that are not zero; no voxels if all are.
        offset: Position of that box in the label map.
        shape: Shape of the label map.
    """

    labels: np.ndarray
    offset: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def whole(self) -> np.ndarray:
        """The label map, uncropped; a new array each time."""
        labels = np.zeros(self.shape, dtype=self.labels.dtype)
        box = zip(self.offset, self.labels.shape, strict=True)
        labels[tuple(slice(start, start + length) for start, length in box)] = self.labels
        return labels

    def part(self, low: Sequence[int], high: Sequence[int]) -> np.ndarray:
        """Return a view of the labels from ``low`` to ``high`` (inclusive), which are in the box.

        Args:
            low: Position in the label map.
            high: As ``low``.
        """
        corners = zip(low, high, self.offset, strict=True)
        return self.labels[tuple(slice(a - start, b - start + 1) for a, b, start in corners)]


def crop(labels: np.ndarray) -> Foreground:
    """Return the foreground of a label map of one to three dimensions."""
    shape = labels.shape
    volume = np.ascontiguousarray(labels).reshape((1,) * (3 - len(shape)) + shape)
    pieces = _Pieces()
    pieces.add(volume, 0)
    return pieces.together(shape)


def slice_bytes(shape: tuple[int, ...], dtype: np.dtype) -> int:
    """Return the bytes of a slice: one position along the first of three axes."""
    rows, columns = (1, 1, *shape)[-2:]
    return rows * columns * dtype.itemsize


def slices_per_block(size: int) -> int:
    """Return how many slices of this size to look at together."""
    return max(1, _BLOCK // size)


def crop_blocks(blocks: Iterable[bytes], shape: tuple[int, ...], dtype: np.dtype) -> Foreground:
    """Return the foreground of a label map that comes in blocks and is never whole in memory.

    Args:
        blocks: Bytes of the voxels in C order; each a whole number of slices, except that the last
            may end anywhere.
        shape: Shape of the label map, of one to three dimensions.
        dtype: Type of the voxels.
    """
    rows, columns = (1, 1, *shape)[-2:]
    size = slice_bytes(shape, dtype)
    pieces = _Pieces()
    position = 0
    for block in blocks:
        number = len(block) // size
        slab = np.frombuffer(block, dtype, number * rows * columns).reshape(number, rows, columns)
        pieces.add(slab, position)
        position += number
    return pieces.together(shape)


class _Pieces:
    """Cropped parts of a volume, in order along its first axis."""

    def __init__(self) -> None:
        self._found: list[tuple[tuple[int, int, int], np.ndarray]] = []

    def add(self, slab: np.ndarray, position: int) -> None:
        """Keep a copy of what is not zero in some slices, of which the first has this position."""
        box = _occupied(slab)
        if box is not None:
            start = (position + box[0].start, box[1].start, box[2].start)
            self._found.append((start, _narrow(slab[box])))

    def together(self, shape: tuple[int, ...]) -> Foreground:
        """Return the whole foreground of a label map of this shape."""
        if not self._found:
            none = (0,) * len(shape)
            return Foreground(np.zeros(none, dtype=np.uint8), none, shape)
        starts = np.array([start for start, _ in self._found])
        stops = starts + [piece.shape for _, piece in self._found]
        low, high = starts.min(axis=0), stops.max(axis=0)
        if len(self._found) == 1:
            labels = self._found[0][1]
        else:
            kind = np.result_type(*{piece.dtype for _, piece in self._found})
            labels = np.zeros(tuple((high - low).tolist()), dtype=kind)
            for start, stop, (_, piece) in zip(starts - low, stops - low, self._found, strict=True):
                labels[tuple(map(slice, start, stop))] = piece
        added = 3 - len(shape)
        return Foreground(labels.reshape(labels.shape[added:]), tuple(low.tolist()[added:]), shape)


def _occupied(slab: np.ndarray) -> tuple[slice, slice, slice] | None:
    """Return the smallest box of a contiguous volume that holds every bit that is not zero."""
    number = np.dtype(f"u{slab.dtype.itemsize}")
    bits = slab.view(number)
    # eight bytes at a time where rows allow it
    words = bits.view(np.uint64) if bits.shape[2] * number.itemsize % 8 == 0 else bits
    if not words.size or not words.max():
        return None
    lines = np.bitwise_or.reduce(words, axis=2)
    first, second = _range(lines.any(axis=1)), _range(lines.any(axis=0))
    columns = np.bitwise_or.reduce(words[first, second], axis=(0, 1))
    return first, second, _range(columns.view(number))


def _range(occupied: np.ndarray) -> slice:
    found = np.flatnonzero(occupied)
    return slice(int(found[0]), int(found[-1]) + 1)


def _narrow(labels: np.ndarray) -> np.ndarray:
    """Return a copy, as bytes if these hold all values."""
    with np.errstate(invalid="ignore"):
        small = labels.astype(np.uint8)
    if labels.dtype == np.uint8 or np.array_equal(small, labels):
        return small
    return labels.astype(labels.dtype.newbyteorder("="))
