"""Whether an image file is whole, of which files it consists, and their hash.

SimpleITK and Pillow read some damaged files without an error. The missing part of a truncated NIfTI
file (and, in old versions, of a MetaImage) becomes zeros, which would pass for an empty part of
a mask; so do NaN and infinite values in NIfTI files. Checksums of compressed voxels are not
compared by either (NIfTI and GIPL excepted), so that a flipped bit becomes other labels.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnunetv2_fair.errors import DamagedFileError
from nnunetv2_fair.files.fingerprints import files_hash
from nnunetv2_fair.files.formats.png import fault_of_png
from nnunetv2_fair.files.formats.text_headers import check_voxels, voxels_of
from nnunetv2_fair.files.formats.tiff import fault_of_tiff
from nnunetv2_fair.files.nifti import NIFTI_ENDINGS, NiftiStream

#: Bytes checked at a time; a multiple of the size of every type.
_BLOCK = 1 << 20
TIFF_ENDINGS = (".tif", ".tiff")
#: ITK's reader of each ending. Left to itself, ITK goes by the content: HDF5 files called .nii
#: could then name other files, and pictures called .nrrd would not be checked as pictures.
_ITK_READERS = {
    ".nii": "NiftiImageIO", ".nii.gz": "NiftiImageIO", ".hdr": "NiftiImageIO",
    ".mha": "MetaImageIO", ".mhd": "MetaImageIO", ".nrrd": "NrrdImageIO", ".nhdr": "NrrdImageIO",
    ".gipl": "GiplImageIO", ".gipl.gz": "GiplImageIO", ".tif": "TIFFImageIO",
    ".tiff": "TIFFImageIO", ".png": "PNGImageIO", ".bmp": "BMPImageIO", ".jpg": "JPEGImageIO",
    ".jpeg": "JPEGImageIO",
}  # fmt: skip


@dataclass(frozen=True)
class CheckedFile:
    """An image whose bytes were all read.

    Attributes:
        sha256: As :func:`image_hash`.
        not_finite: NaN and infinite voxels of a NIfTI file; 0 for every other file.
    """

    sha256: str
    not_finite: int


def itk_reader(path: Path) -> str:
    """Return the name of the reader that ITK has for files of this ending; empty for others."""
    name = path.name.lower()
    return next((reader for end, reader in _ITK_READERS.items() if name.endswith(end)), "")


def files_of_image(path: Path) -> tuple[Path, ...]:
    """Return the files that an image consists of: itself, then what it names or what lies beside.

    That is the data of a MetaImage or NRRD header, the ``.img`` of a ``.hdr``, and nnU-Net's json
    file with the spacing of a TIFF volume. Files that are absent are left out.

    Raises:
        DamagedFileError: If the file names several files, or one outside its folder.
        OSError: If the file cannot be read.
    """
    name = path.name.lower()
    beside: tuple[Path, ...] = ()
    if name.endswith(TIFF_ENDINGS):
        beside = (path.with_suffix(".json"),)
    elif name.endswith(".hdr"):
        stem = path.name[: -len(".hdr")]
        beside = tuple(path.with_name(f"{stem}{e}") for e in (".img", ".IMG", ".img.gz"))
    elif (voxels := voxels_of(path)) is not None and voxels.file != path:
        beside = (voxels.file,)
    return (path, *(other for other in beside if other.is_file()))


def image_hash(path: Path) -> str:
    """Return the hash of the bytes of all files of an image, as 64 hex digits.

    Raises:
        DamagedFileError: As :func:`files_of_image`.
        OSError: If a file cannot be read.
    """
    return files_hash(files_of_image(path))


def check_file(path: Path) -> CheckedFile:
    """Read all bytes of an image and check that nothing is missing or damaged, as far as it shows.

    In voxels that are stored without compression, or by a method without checksums, a flipped bit
    cannot be noticed.

    Raises:
        DamagedFileError: If an image is truncated, if compressed data is damaged, and as
            :func:`files_of_image`.
        OSError: If the file cannot be read.
    """
    name = path.name.lower()
    if name.endswith(NIFTI_ENDINGS):
        return _check_nifti(path)
    voxels = voxels_of(path)
    if voxels is not None:
        check_voxels(path, voxels)
    elif name.endswith((".png", *TIFF_ENDINGS)):
        fault = fault_of_picture(path.read_bytes())
        if fault:
            raise DamagedFileError(f"{path} is damaged: {fault}. Copy or create the file again.")
    return CheckedFile(image_hash(path), 0)


def fault_of_picture(data: bytes) -> str | None:
    """Return in words what is wrong with a PNG or TIFF file; None if nothing is.

    Args:
        data: All its bytes; those of other files are not looked at.
    """
    return fault_of_png(data) or fault_of_tiff(data)


def reason_in_words(error: Exception) -> str:
    """Return why a reader of images failed: the last line of what it says, without addresses."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = lines[-1].split("sitk::ERROR: ")[-1] if lines else "no reason given"
    if "cannot identify image file" in reason:  # Pillow shows an object of Python
        return "this is no picture of a known type"
    return re.sub(r"\(0x[0-9a-f]+\)", "", reason).removeprefix("ITK ERROR: ")


def _check_nifti(path: Path) -> CheckedFile:
    not_finite = 0
    with NiftiStream(path) as stream:
        kind = stream.header.dtype if stream.header is not None else None
        if kind is not None and kind.kind == "f":
            for block in stream.voxel_blocks(_BLOCK):
                values = np.frombuffer(block[: len(block) // kind.itemsize * kind.itemsize], kind)
                not_finite += int(np.count_nonzero(~np.isfinite(values)))
        return CheckedFile(stream.finish(), not_finite)
