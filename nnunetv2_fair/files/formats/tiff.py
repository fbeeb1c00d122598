"""Whether a TIFF file is whole: its pages, where their pixels are, and whether these inflate.

TIFF has no checksums of its own. Deflate brings one, which readers do not compare; of pixels that
are stored as they are, or by LZW, a flipped bit cannot be noticed.

Source: Adobe, TIFF revision 6.0; libtiff, BigTIFF.
"""

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from zlib_ng import zlib_ng

from nnunetv2_fair.files.formats.inflating import fault_of_compressed

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES = 256, 257, 258, 259, 277
_STRIPS, _ROWS_PER_STRIP, _STRIP_BYTES, _PLANAR = 273, 278, 279, 284
_PREDICTOR, _SAMPLE_FORMAT = 317, 339
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES = 322, 323, 324, 325
_STORED, _DEFLATE, _PACKBITS = 1, (8, 32946), 32773
#: Types of whole numbers -> struct's.
_TYPES = {1: "B", 3: "H", 4: "I", 16: "Q", 18: "Q"}
_SUBSAMPLED = 6  # photometric: YCbCr, whose rows are shorter
_PHOTOMETRIC = 262
#: More pages than this are a loop.
_MOST_PAGES = 1_000_000


class _FaultError(Exception):
    """What is wrong with a file, in words."""


@dataclass(frozen=True)
class _Form:
    """How numbers are stored: byte order, and struct's types of counts and of positions."""

    order: str
    count: str
    position: str

    def read(self, kinds: str, data: bytes, at: int) -> tuple[int, ...]:
        try:
            return struct.unpack_from(self.order + kinds, data, at)
        except struct.error as error:
            raise _FaultError("it ends early") from error


def fault_of_tiff(data: bytes) -> str | None:
    """Return in words what is wrong with a TIFF file; None if nothing is.

    Args:
        data: All its bytes. They need not be a TIFF file's: then there is nothing to compare.
    """
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        return None
    try:
        _check(data, order)
    except _FaultError as fault:
        return str(fault)
    return None


def planes_of_tiff(data: bytes) -> NDArray[Any] | None:
    """Return the planes of a file whose one page keeps whole numbers of three or more planes apart.

    Colour pictures are rarely stored so; tifffile stores volumes of three or four slices so.

    Args:
        data: All its bytes.

    Returns:
        The numbers (planes, rows, columns); None if the file is damaged, of another form, or
        compressed by other methods than Deflate.
    """
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        return None
    try:
        pages = list(islice(_pages(data, order), 2))
        if len(pages) != 1:
            return None
        tags = pages[0]
        _check_page(data, tags, 1)
    except _FaultError:
        return None
    planes, bits = _first(tags, _SAMPLES, 1), set(tags.get(_BITS, ()))
    kind = {1: "u", 2: "i"}.get(_first(tags, _SAMPLE_FORMAT, 1))
    compression = _first(tags, _COMPRESSION, _STORED)
    if (
        planes < 3
        or _first(tags, _PLANAR, 1) != 2
        or kind is None
        or bits not in ({8}, {16}, {32})
        or compression not in (_STORED, *_DEFLATE)
        or _first(tags, _PREDICTOR, 1) != 1
        or _TILES in tags
        or _STRIP_BYTES not in tags
    ):
        return None
    width, height = _first(tags, _WIDTH, 0), _first(tags, _HEIGHT, 0)
    pieces = [
        data[start : start + count]
        for start, count in zip(tags[_STRIPS], tags[_STRIP_BYTES], strict=True)
    ]
    if compression in _DEFLATE:  # _check_page has seen how long they become
        pieces = [bytes(zlib_ng.decompress(piece)) for piece in pieces]
    dtype = np.dtype(f"{order}{kind}{bits.pop() // 8}")
    of_plane = len(pieces) // planes
    # the last strip of a plane may be filled up
    wholes = [
        b"".join(pieces[i * of_plane : (i + 1) * of_plane])[: width * height * dtype.itemsize]
        for i in range(planes)
    ]
    values = np.frombuffer(b"".join(wholes), dtype).reshape(planes, height, width)
    return values.astype(dtype.newbyteorder("="))


def _check(data: bytes, order: str) -> None:
    for number, tags in enumerate(_pages(data, order), 1):
        _check_page(data, tags, number)


def _pages(data: bytes, order: str) -> Iterator[Mapping[int, tuple[int, ...]]]:
    """Yield the tags of each page; none of another format that begins alike."""
    (version,) = _Form(order, "H", "I").read("H", data, 2)
    if version not in (42, 43):
        return  # the reader will say so
    form = _Form(order, "H", "I") if version == 42 else _Form(order, "Q", "Q")
    (at,) = form.read(form.position, data, 4 if version == 42 else 8)
    seen: set[int] = set()
    while at:
        if at in seen or len(seen) > _MOST_PAGES:
            raise _FaultError("its pages follow each other in a circle")
        seen.add(at)
        tags, at = _page(data, form, at)
        yield tags
    if not seen:
        raise _FaultError("it has no page")


def _page(data: bytes, form: _Form, at: int) -> tuple[Mapping[int, tuple[int, ...]], int]:
    """Return the tags of a page that hold whole numbers, and the position of the next page."""
    (number,) = form.read(form.count, data, at)
    at += struct.calcsize(form.order + form.count)
    entry = struct.calcsize(form.order + "HH" + 2 * form.position)
    if number * entry > len(data):
        raise _FaultError("it ends early")
    tags: dict[int, tuple[int, ...]] = {}
    inline = struct.calcsize(form.order + form.position)
    for _ in range(number):
        tag, kind, count = form.read("HH" + form.position, data, at)
        value_at = at + entry - inline
        at += entry
        if kind not in _TYPES:
            continue
        if count * struct.calcsize(_TYPES[kind]) > inline:
            (value_at,) = form.read(form.position, data, value_at)
            if count > len(data):
                raise _FaultError("it ends early")
        tags[tag] = form.read(f"{count}{_TYPES[kind]}", data, value_at)
    (following,) = form.read(form.position, data, at)
    return tags, following


def _check_page(data: bytes, tags: Mapping[int, tuple[int, ...]], page: int) -> None:
    tiled = _TILES in tags
    starts = tags.get(_TILES if tiled else _STRIPS, ())
    counts = tags.get(_TILE_BYTES if tiled else _STRIP_BYTES)
    width, height = (_first(tags, tag, 0) for tag in (_WIDTH, _HEIGHT))
    if not width or not height or not starts:
        raise _FaultError(f"its page {page} lacks its size or its pixels")
    if counts is None:
        return  # some writers leave them out; then nothing says where pixels end
    bits, samples = _first(tags, _BITS, 1), _first(tags, _SAMPLES, 1)
    apart = _first(tags, _PLANAR, 1) == 2
    of_pixel = bits * (1 if apart else samples)
    if tiled:
        columns, rows = _first(tags, _TILE_WIDTH, 0), _first(tags, _TILE_HEIGHT, 0)
        if not columns or not rows:
            raise _FaultError(f"its page {page} lacks the size of its tiles")
        down = math.ceil(height / rows)
        pieces = math.ceil(width / columns) * down
    else:
        columns, rows = width, min(_first(tags, _ROWS_PER_STRIP, height), height)
        if not rows:
            raise _FaultError(f"its page {page} has strips without rows")
        down = pieces = math.ceil(height / rows)
    pieces *= samples if apart else 1
    if not len(starts) == len(counts) == pieces:
        raise _FaultError(
            f"its page {page} of {width} x {height} pixels should have {pieces} pieces, "
            f"and has {len(starts)}"
        )
    of_row = (columns * of_pixel + 7) // 8
    compression = _first(tags, _COMPRESSION, _STORED)
    whole = _first(tags, _PHOTOMETRIC, 0) != _SUBSAMPLED
    for i, (start, count) in enumerate(zip(starts, counts, strict=True)):
        if start + count > len(data) or not count:
            raise _FaultError("it ends early")
        last = not tiled and i % down == down - 1
        left = height - (down - 1) * rows if last else rows
        if whole:  # the last strip may be filled up
            fault = _fault_of_piece(
                data[start : start + count], compression, (left * of_row, rows * of_row)
            )
            if fault:
                raise _FaultError(f"on page {page}, {fault}")


def _fault_of_piece(piece: bytes, compression: int, lengths: tuple[int, ...]) -> str | None:
    if compression in _DEFLATE:
        return fault_of_compressed((piece,), lengths)
    if compression == _STORED:
        found = len(piece)
    elif compression == _PACKBITS:
        found = _length_of_packbits(piece)
    else:
        return None
    if found in lengths:
        return None
    return f"a piece of {found} bytes is stored, its header announces {lengths[0]}"


def _length_of_packbits(piece: bytes) -> int:
    """Return how many bytes run-length encoded data stands for."""
    at = found = 0
    while at < len(piece):
        run = piece[at]
        if run < 128:
            at += run + 2
            found += run + 1
        elif run == 128:
            at += 1
        else:
            at += 2
            found += 257 - run
    return found if at == len(piece) else -1


def _first(tags: Mapping[int, tuple[int, ...]], tag: int, otherwise: int) -> int:
    return next(iter(tags.get(tag, ())), otherwise)
