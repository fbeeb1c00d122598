"""Whether a NIfTI or MetaImage file is whole.

SimpleITK reads some damaged files without an error. The missing part of a truncated NIfTI
file (and, in old versions, of a MetaImage) becomes zeros, which would pass for an empty part of
a mask; so do NaN and infinite values in NIfTI files.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnunetv2_fair.errors import DamagedFileError
from nnunetv2_fair.files.fingerprints import file_hash
from nnunetv2_fair.files.nifti import NIFTI_ENDINGS, NiftiStream

#: Bytes checked at a time; a multiple of the size of every type.
_BLOCK = 1 << 20
#: MetaImage's voxel types -> bytes; longs differ between systems and are left to SimpleITK.
_META_TYPES = {
    "MET_CHAR": 1, "MET_UCHAR": 1, "MET_SHORT": 2, "MET_USHORT": 2, "MET_INT": 4, "MET_UINT": 4,
    "MET_LONG_LONG": 8, "MET_ULONG_LONG": 8, "MET_FLOAT": 4, "MET_DOUBLE": 8,
}  # fmt: skip


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
    if name.endswith(NIFTI_ENDINGS):
        return _check_nifti(path)
    if name.endswith((".mha", ".mhd")):
        _check_meta_image(path)
    return CheckedFile(file_hash(path), 0)


def _check_nifti(path: Path) -> CheckedFile:
    not_finite = 0
    with NiftiStream(path) as stream:
        kind = stream.header.dtype if stream.header is not None else None
        if kind is not None and kind.kind == "f":
            for block in stream.voxel_blocks(_BLOCK):
                values = np.frombuffer(block[: len(block) // kind.itemsize * kind.itemsize], kind)
                not_finite += int(np.count_nonzero(~np.isfinite(values)))
        return CheckedFile(stream.finish(), not_finite)


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
        return  # size unknown: SimpleITK will decide
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
