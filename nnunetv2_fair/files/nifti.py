"""The bytes of NIfTI files: header, and voxels as a stream that notices when something is missing.

Label maps are small on disk and large in memory, so they are checked while they inflate. Where a
volume is in space is left to SimpleITK, which knows the many ways to encode it.
"""

import hashlib
import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from zlib_ng import zlib_ng

from nnunetv2_fair.errors import DamagedFileError

NIFTI_ENDINGS = (".nii", ".nii.gz")

#: Compressed bytes read at a time: few, because the part not yet inflated is copied each time.
_COMPRESSED_BLOCK = 1 << 16
_BLOCK = 1 << 20
_NIFTI1_HEADER, _NIFTI2_HEADER = 348, 540
_NIFTI1_EXTENSION = 4
#: NIfTI's data type codes -> numpy's, without byte order.
_TYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4",
    1024: "i8", 1280: "u8",
}  # fmt: skip
#: Bytes that a file may hold behind its voxels.
_MOST_BEHIND = 1 << 26
_GZIP_BEGIN = b"\x1f\x8b"
_GZIP = 16 + zlib_ng.MAX_WBITS


@contextmanager
def quiet_itk() -> Iterator[None]:
    """Silence ITK's own warnings, which name files; restored on exit."""
    import SimpleITK

    process = SimpleITK.ProcessObject
    before = process.GetGlobalWarningDisplay()
    process.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        process.SetGlobalWarningDisplay(before)


@dataclass(frozen=True)
class NiftiHeader:
    """What a header says about the voxels of its file.

    Attributes:
        shape: Lengths of all axes, slowest first, as the array would have them.
        dtype: Type of the voxels, byte order included; None if it is not a plain number.
        voxels_at: Position of the first voxel in the (uncompressed) file.
        file_length: Bytes that the (uncompressed) file must have.
        begins_behind: Whether the first voxel is behind the header.
        is_plain: Whether the voxels are plain numbers to be used as stored: valid lengths and
            type, and no scaling.
    """

    shape: tuple[int, ...]
    dtype: np.dtype | None
    voxels_at: int
    file_length: int
    begins_behind: bool
    is_plain: bool


class NiftiStream:
    """The uncompressed bytes of one file, in order; a context manager.

    Attributes:
        header: The header; None if the file does not begin with one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb", buffering=0)
        self._hash = hashlib.sha256()
        # some files are called .gz and are not compressed: SimpleITK and nnU-Net read them
        compressed = path.name.lower().endswith(".gz") and self._begins_like_gzip()
        self._inflater = _Inflater() if compressed else None
        self._position = 0
        try:
            self.header = self._read_header()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "NiftiStream":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def voxel_blocks(self, size: int) -> Iterator[bytes]:
        """Yield the bytes of the voxels, ``size`` at a time and what is left at the end.

        Raises:
            DamagedFileError: If the compressed data is damaged.
        """
        if self.header is None:
            return
        skipped = self.header.voxels_at - self._position
        while skipped > 0 and (block := self._read(min(skipped, _BLOCK))):
            skipped -= len(block)
        left = self.header.file_length - self._position
        while left > 0 and (block := self._read(min(size, left))):
            left -= len(block)
            yield block

    def finish(self) -> str:
        """Read what is left, and return the SHA-256 of the file's own bytes as 64 hex digits.

        Raises:
            DamagedFileError: If the file is truncated or its compressed data is damaged, or if it
                holds far more than its voxels.
        """
        most = math.inf if self.header is None else self.header.file_length + _MOST_BEHIND
        while self._read(_BLOCK):
            if self._position > most:
                raise DamagedFileError(
                    f"{self._path} is damaged: it holds more than {_MOST_BEHIND >> 20} MiB behind "
                    "its voxels. Copy or create the file again."
                )
        if self._inflater is not None and not self._inflater.complete:
            raise DamagedFileError(
                f"{self._path} is damaged: its compressed data ends early. Copy or create the "
                "file again."
            )
        if self.header is not None and self._position < self.header.file_length:
            raise DamagedFileError(
                f"{self._path} is truncated: it holds {self._position} bytes, its header announces "
                f"{self.header.file_length}. Copy or create the file again."
            )
        return self._hash.hexdigest()

    def _read(self, size: int) -> bytes:
        """Return the next ``size`` bytes, or fewer at the end of the file."""
        parts = []
        missing = size
        while missing and (part := self._next(missing)):
            parts.append(part)
            missing -= len(part)
        self._position += size - missing
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _next(self, size: int) -> bytes:
        """Return some bytes, at most ``size``; none at the end of the file."""
        if self._inflater is None:
            return self._raw(size)
        try:
            while not (plain := self._inflater.take(size)):
                compressed = self._raw(_COMPRESSED_BLOCK)
                if not compressed:
                    break
                self._inflater.give(compressed)
        except zlib_ng.error as error:  # type: ignore[misc]  # their stub declares it as an instance
            raise DamagedFileError(
                f"{self._path} is damaged: its compressed data cannot be read ({error}). Copy or "
                "create the file again."
            ) from error
        return plain

    def _begins_like_gzip(self) -> bool:
        begin = self._file.read(2) or b""
        self._file.seek(0)
        return begin == _GZIP_BEGIN or len(begin) < 2

    def _raw(self, size: int) -> bytes:
        block = self._file.read(size) or b""
        self._hash.update(block)
        return block

    def _read_header(self) -> NiftiHeader | None:
        """Return the header, None if there is none.

        Raises:
            DamagedFileError: If voxels begin inside it: programs then read different ones.
        """
        header = self._header()
        if header is not None and not header.begins_behind:
            raise DamagedFileError(
                f"{self._path} is damaged: its header says that voxels begin inside the header "
                "(vox_offset). Copy or create the file again; if it was so from the beginning, "
                "save it with nibabel: nibabel.save(nibabel.load(old), new)"
            )
        return header

    def _header(self) -> NiftiHeader | None:
        start = self._read(_NIFTI1_HEADER)
        if len(start) < _NIFTI1_HEADER:
            return None
        for order in "<>":
            (length,) = struct.unpack_from(f"{order}i", start)
            if length == _NIFTI1_HEADER:
                return _nifti1(start, order)
            if length == _NIFTI2_HEADER:
                start += self._read(_NIFTI2_HEADER - len(start))
                return _nifti2(start, order) if len(start) == _NIFTI2_HEADER else None
        if start[344:347] in (b"n+1", b"ni1"):  # SimpleITK would read it, complete or not
            (length,) = struct.unpack_from("<i", start)
            raise DamagedFileError(
                f"{self._path} is damaged: its header says that it has {length} bytes, expected "
                f"{_NIFTI1_HEADER} or {_NIFTI2_HEADER}. Copy or create the file again."
            )
        return None


def plain_voxels(path: Path) -> NDArray[Any] | None:
    """Read the voxels of a NIfTI file, in a fraction of the time that SimpleITK takes.

    Returns:
        The voxels as an array (slowest axis first, as SimpleITK's), in the machine's byte order;
        None if the file is not a NIfTI file, or needs more than copying (scaling, colours).

    Raises:
        DamagedFileError: If the file is truncated or its compressed data is damaged.
        OSError: If the file cannot be read.
    """
    if not path.name.lower().endswith(NIFTI_ENDINGS):
        return None
    with NiftiStream(path) as stream:
        header = stream.header
        if header is None or header.dtype is None or not header.is_plain:
            return None
        content = b"".join(stream.voxel_blocks(_BLOCK))
        stream.finish()
    shape = header.shape
    while len(shape) > 3 and shape[0] == 1:  # as SimpleITK does
        shape = shape[1:]
    voxels = np.frombuffer(content, header.dtype).reshape(shape)
    return voxels.astype(header.dtype.newbyteorder("="))


def _nifti1(header: bytes, order: str) -> NiftiHeader:
    dims = struct.unpack_from(f"{order}8h", header, 40)
    code, bits = struct.unpack_from(f"{order}2h", header, 70)
    at, slope, intercept = struct.unpack_from(f"{order}3f", header, 108)
    place = int(at) if math.isfinite(at) and at > 0 else 0
    smallest = _NIFTI1_HEADER + _NIFTI1_EXTENSION
    return _header(order, dims, code, bits, place, slope, intercept, smallest)


def _nifti2(header: bytes, order: str) -> NiftiHeader:
    code, bits = struct.unpack_from(f"{order}2h", header, 12)
    dims = struct.unpack_from(f"{order}8q", header, 16)
    (at,) = struct.unpack_from(f"{order}q", header, 168)
    slope, intercept = struct.unpack_from(f"{order}2d", header, 176)
    smallest = _NIFTI2_HEADER + _NIFTI1_EXTENSION
    return _header(order, dims, code, bits, max(0, at), slope, intercept, smallest)


def _header(
    order: str,
    dims: tuple[int, ...],
    code: int,
    bits: int,
    voxels_at: int,
    slope: float,
    intercept: float,
    smallest_start: int,
) -> NiftiHeader:
    lengths = dims[1 : 1 + max(0, dims[0])]
    shape = tuple(max(1, length) for length in lengths)[::-1]
    dtype = np.dtype(order + _TYPES[code]) if code in _TYPES else None
    unscaled = slope == 0 or (slope == 1 and intercept == 0)
    sane = 1 <= dims[0] <= 7 and all(length > 0 for length in lengths)
    # readers go by the type, not by the bits that the header says it has
    size = 8 * dtype.itemsize if dtype is not None else bits
    return NiftiHeader(
        shape=shape,
        dtype=dtype,
        voxels_at=voxels_at,
        file_length=voxels_at + (math.prod(shape) * size + 7) // 8,
        begins_behind=voxels_at >= smallest_start,
        is_plain=sane and unscaled and dtype is not None and bits == 8 * dtype.itemsize,
    )


class _Inflater:
    """Inflates gzip data, possibly of several members."""

    def __init__(self) -> None:
        self._member = zlib_ng.decompressobj(_GZIP)
        self._waiting = b""
        self._trailing = False

    @property
    def complete(self) -> bool:
        """Whether the last member has ended and its checksum was right."""
        return bool(self._member.eof)

    def give(self, compressed: bytes) -> None:
        """Accept the next bytes of the file; call it only when ``take`` returns none."""
        self._waiting += compressed

    def take(self, size: int) -> bytes:
        """Return up to ``size`` bytes; none if more compressed ones are needed."""
        while True:
            if self._member.eof:
                # zeros after the last member are padding; anything else that is no member is
                # ignored, as gunzip does
                self._waiting = self._waiting.lstrip(b"\0")
                if not self._waiting or self._trailing:
                    self._waiting = b""
                    return b""
                if not _GZIP_BEGIN.startswith(self._waiting[:2]):
                    self._trailing = True
                    self._waiting = b""
                    return b""
                self._member = zlib_ng.decompressobj(_GZIP)
            plain = bytes(self._member.decompress(self._waiting, size))
            ended = self._member.eof
            self._waiting = self._member.unused_data if ended else self._member.unconsumed_tail
            if plain or not ended:
                return plain
