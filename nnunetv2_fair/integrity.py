"""Hash of a file, and whether a NIfTI or MetaImage file is whole.

SimpleITK reads files without complaint where it should not. What is missing of a truncated NIfTI
file (and, in old versions, of a MetaImage) becomes zero, which would pass for an empty part of
a mask; so do NaN and infinite values in NIfTI files.
"""

import hashlib
import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnunetv2_fair.errors import DamagedFileError

_BLOCK = 1 << 20
_NIFTI1_HEADER, _NIFTI2_HEADER = 348, 540
#: NIfTI's codes of floating point voxels -> bytes per voxel.
_NIFTI_FLOATS = {16: 4, 64: 8}
#: MetaImage's types of voxels -> bytes; longs differ between systems and are left to the reader.
_META_TYPES = {
    "MET_CHAR": 1, "MET_UCHAR": 1, "MET_SHORT": 2, "MET_USHORT": 2, "MET_INT": 4, "MET_UINT": 4,
    "MET_LONG_LONG": 8, "MET_ULONG_LONG": 8, "MET_FLOAT": 4, "MET_DOUBLE": 8,
}  # fmt: skip
_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True)
class CheckedFile:
    """A file whose bytes were all read.

    Attributes:
        sha256: Hash of the bytes, as 64 hex digits.
        not_finite: NaN and infinite voxels of a NIfTI file; 0 for every other file.
    """

    sha256: str
    not_finite: int


def check_file(path: Path) -> CheckedFile:
    """Read a file's bytes, in blocks, and check that nothing is missing.

    Raises:
        DamagedFileError: If a NIfTI or MetaImage file is truncated, or if a NIfTI file's compressed
            data is damaged.
        OSError: If the file cannot be read.
    """
    name = path.name.lower()
    digest = hashlib.sha256()
    if name.endswith((".mha", ".mhd")):
        _check_meta_image(path)
    is_nifti = name.endswith((".nii", ".nii.gz"))
    inflater = _Inflater() if name.endswith(".nii.gz") else None
    content = _NiftiContent()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                if is_nifti:
                    for plain in inflater.feed(block) if inflater is not None else (block,):
                        content.feed(plain)
        content.finish()
    except zlib.error as error:
        raise DamagedFileError(
            f"{path} is damaged: its compressed data cannot be read ({error}). Copy or create the "
            "file again."
        ) from error
    if inflater is not None and not inflater.complete:
        raise DamagedFileError(
            f"{path} is damaged: its compressed data ends early. Copy or create the file again."
        )
    if content.length < content.expected_length:
        raise DamagedFileError(
            f"{path} is truncated: it holds {content.length} bytes, its header announces "
            f"{content.expected_length}. Copy or create the file again."
        )
    return CheckedFile(digest.hexdigest(), content.not_finite)


def _check_meta_image(path: Path) -> None:
    """Raise if a MetaImage holds fewer bytes of voxels than its header announces."""
    header: dict[str, str] = {}
    with path.open("rb") as file:
        while "ElementDataFile" not in header and (line := file.readline(_BLOCK)):
            key, _, value = line.decode("latin-1").partition("=")
            header[key.strip()] = value.strip()
        voxels_at = file.tell()
    source = header.get("ElementDataFile", "")
    data = path if source == "LOCAL" else path.parent / source
    size = _META_TYPES.get(header.get("ElementType", ""))
    if size is None or not data.is_file():
        return  # nothing known: SimpleITK will say what it makes of it
    try:
        if header.get("CompressedData", "").lower() == "true":
            expected = int(header.get("CompressedDataSize", "0"))
        else:
            lengths = [int(length) for length in header.get("DimSize", "").split()]
            expected = math.prod(lengths) * size * int(header.get("ElementNumberOfChannels", "1"))
    except ValueError:
        return
    found = data.stat().st_size - (voxels_at if data == path else 0)
    if found < expected:
        raise DamagedFileError(
            f"{data} is truncated: it holds {found} bytes of voxels, its header announces "
            f"{expected}. Copy or create the file again."
        )


class _NiftiContent:
    """Looks at the uncompressed bytes of a NIfTI file as they pass by.

    Attributes:
        length: Bytes seen.
        expected_length: Bytes that the header announces; 0 if there is no readable header.
        not_finite: NaN and infinite voxels seen.
    """

    def __init__(self) -> None:
        self.length = 0
        self.expected_length = 0
        self.not_finite = 0
        self._waiting = b""
        self._position = 0  # in the file, of what comes next
        self._header_read = False
        self._voxels_at = 0
        self._float: np.dtype | None = None

    def feed(self, plain: bytes) -> None:
        """Take the next bytes of the file."""
        self.length += len(plain)
        if not self._header_read:
            self._waiting += plain
            if len(self._waiting) >= _NIFTI2_HEADER:
                self._start()
        elif self._float is not None:
            self._look_at_voxels(plain, self._float)

    def finish(self) -> None:
        """Say that there are no more bytes."""
        if not self._header_read and len(self._waiting) >= _NIFTI1_HEADER:
            self._start()

    def _start(self) -> None:
        plain, self._waiting = self._waiting, b""
        self._read_header(plain)
        if self._float is not None:
            self._look_at_voxels(plain, self._float)

    def _read_header(self, header: bytes) -> None:
        self._header_read = True
        for order in "<>":
            (size,) = struct.unpack_from(f"{order}i", header)
            if size == _NIFTI1_HEADER:
                dims = struct.unpack_from(f"{order}8h", header, 40)
                kind, bits = struct.unpack_from(f"{order}2h", header, 70)
                offset = int(struct.unpack_from(f"{order}f", header, 108)[0])
            elif size == _NIFTI2_HEADER:
                kind, bits = struct.unpack_from(f"{order}2h", header, 12)
                dims = struct.unpack_from(f"{order}8q", header, 16)
                (offset,) = struct.unpack_from(f"{order}q", header, 168)
            else:
                continue
            voxels = math.prod(max(1, length) for length in dims[1 : 1 + max(0, dims[0])])
            self.expected_length = offset + (voxels * bits + 7) // 8
            self._voxels_at = offset
            if kind in _NIFTI_FLOATS:
                self._float = np.dtype(f"{order}f{_NIFTI_FLOATS[kind]}")

    def _look_at_voxels(self, plain: bytes, kind: np.dtype) -> None:
        skipped = max(0, self._voxels_at - self._position)
        self._position += len(plain)
        data = self._waiting + plain[skipped:]
        whole = len(data) // kind.itemsize * kind.itemsize
        self._waiting = data[whole:]
        values = np.frombuffer(data[:whole], dtype=kind)
        self.not_finite += int(np.count_nonzero(~np.isfinite(values)))


class _Inflater:
    """Inflates gzip data, possibly of several members, in blocks of bounded size."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)

    @property
    def complete(self) -> bool:
        """Whether the last member has ended and its checksum was right."""
        return self._member.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what ``data`` inflates to; zeros after the last member are padding."""
        while True:
            if self._member.eof:
                if not data.strip(b"\0"):
                    return
                self._member = zlib.decompressobj(_GZIP)
            plain = self._member.decompress(data, _BLOCK)
            yield plain
            if self._member.eof:
                data = self._member.unused_data
            else:
                data = self._member.unconsumed_tail
                if not data and len(plain) < _BLOCK:
                    return
