"""Hash of a file, and whether a NIfTI file is whole.

SimpleITK reads a truncated NIfTI file without complaint and fills the rest with zeros, which would
pass for an empty part of a mask.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from nnunetv2_fair.errors import EvaluationError

_BLOCK = 1 << 20
_NIFTI1_HEADER, _NIFTI2_HEADER = 348, 540
_GZIP = 16 + zlib.MAX_WBITS


def checked_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, as 64 hex digits; for NIfTI check that it is whole.

    Raises:
        EvaluationError: If a NIfTI file is truncated or its compressed data is damaged.
        OSError: If the file cannot be read.
    """
    name = path.name.lower()
    digest = hashlib.sha256()
    if not name.endswith((".nii", ".nii.gz")):
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        return digest.hexdigest()

    compressed = name.endswith(".gz")
    header, length = b"", 0
    inflater = _Inflater() if compressed else None
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                for plain in inflater.feed(block) if inflater is not None else (block,):
                    length += len(plain)
                    if len(header) < _NIFTI2_HEADER:
                        header += plain[: _NIFTI2_HEADER - len(header)]
    except zlib.error as error:
        raise EvaluationError(
            f"{path} is damaged: its compressed data cannot be read ({error}). Copy or create the "
            "file again."
        ) from error
    if inflater is not None and not inflater.complete:
        raise EvaluationError(
            f"{path} is damaged: its compressed data ends early. Copy or create the file again."
        )
    expected = _expected_length(header)
    if expected is not None and length < expected:
        raise EvaluationError(
            f"{path} is truncated: it holds {length} bytes, its header announces {expected}. Copy "
            "or create the file again."
        )
    return digest.hexdigest()


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


def _expected_length(header: bytes) -> int | None:
    """Return how many bytes a NIfTI file must have; None if the header is of another kind."""
    for order in "<>":
        if len(header) < _NIFTI1_HEADER:
            return None
        (size,) = struct.unpack_from(f"{order}i", header)
        if size == _NIFTI1_HEADER:
            dims = struct.unpack_from(f"{order}8h", header, 40)
            (bits,) = struct.unpack_from(f"{order}h", header, 72)
            (offset,) = struct.unpack_from(f"{order}f", header, 108)
        elif size == _NIFTI2_HEADER and len(header) >= _NIFTI2_HEADER:
            (bits,) = struct.unpack_from(f"{order}h", header, 14)
            dims = struct.unpack_from(f"{order}8q", header, 16)
            (offset,) = struct.unpack_from(f"{order}q", header, 168)
        else:
            continue
        voxels = 1
        for length in dims[1 : 1 + dims[0]]:
            voxels *= max(1, length)
        return int(offset) + (voxels * bits + 7) // 8
    return None
