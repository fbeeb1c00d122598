"""MetaImage and NRRD: which file holds the voxels, and whether they are whole.

Both have a header of text, which may name another file. ITK opens whatever is named, anywhere on
the machine, and counts through patterns such as ``slice%d.raw``; one downloaded header could so
show any file as an image. Here a header may name one file of its own folder.

Source: ITK, MetaIO documentation; Teem, definition of NRRD file formats.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from nnunetv2_fair.errors import DamagedFileError
from nnunetv2_fair.files.formats.inflating import fault_of_compressed

META_IMAGE_ENDINGS = (".mha", ".mhd")
NRRD_ENDINGS = (".nrrd", ".nhdr")
#: No header is longer; a line is not either.
_LONGEST = 1 << 20
_BLOCK = 1 << 20
_AGAIN = "Copy or create the file again."
#: Bytes of a voxel by the name of its type; longs differ between systems and are left to ITK.
_META_TYPES = {
    "MET_CHAR": 1, "MET_UCHAR": 1, "MET_SHORT": 2, "MET_USHORT": 2, "MET_INT": 4, "MET_UINT": 4,
    "MET_LONG_LONG": 8, "MET_ULONG_LONG": 8, "MET_FLOAT": 4, "MET_DOUBLE": 8,
}  # fmt: skip
_NRRD_TYPES = {
    **dict.fromkeys(("signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8"), 1),
    "uint8_t": 1,
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16"), 2),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), 2),
    "int16_t": 2,
    **dict.fromkeys(("int", "signed int", "int32", "int32_t", "uint", "unsigned int"), 4),
    **dict.fromkeys(("uint32", "uint32_t", "float"), 4),
    **dict.fromkeys(("longlong", "long long", "long long int", "int64", "int64_t"), 8),
    **dict.fromkeys(("ulonglong", "unsigned long long", "uint64", "uint64_t", "double"), 8),
}


@dataclass(frozen=True)
class Voxels:
    """Where the voxels of an image are.

    Attributes:
        file: The file that holds them: the image itself, or one beside it.
        at: Position of the first byte; None if only ITK finds it.
        stored: Bytes they take there; None: to the end of the file.
        plain: Bytes they take without compression; None if unknown.
        compressed: Whether they are compressed by zlib or gzip.
    """

    file: Path
    at: int | None
    stored: int | None
    plain: int | None
    compressed: bool


def voxels_of(path: Path) -> Voxels | None:
    """Return where the voxels of a MetaImage or NRRD file are; None for files of other names.

    Raises:
        DamagedFileError: If the header names no data, several files, or one outside its folder.
        OSError: If the file cannot be read.
    """
    name = path.name.lower()
    if name.endswith(META_IMAGE_ENDINGS):
        return _of_meta_image(path)
    return _of_nrrd(path) if name.endswith(NRRD_ENDINGS) else None


def check_voxels(path: Path, voxels: Voxels) -> None:
    """Check that voxels are all there, and those that are compressed to the last bit.

    Args:
        path: The image, for messages.
        voxels: What :func:`voxels_of` returned.

    Raises:
        DamagedFileError: If they are not.
        OSError: If a file cannot be read.
    """
    if voxels.at is None or not voxels.file.is_file():
        return  # ITK says what is wrong
    found = voxels.file.stat().st_size - voxels.at
    expected = voxels.stored
    if expected is None and not voxels.compressed:
        expected = voxels.plain
    if expected is not None and found < expected:
        raise DamagedFileError(
            f"{voxels.file} is truncated: it holds {found} bytes of voxels, its header announces "
            f"{expected}. {_AGAIN}"
        )
    if voxels.compressed:
        lengths = None if voxels.plain is None else (voxels.plain,)
        fault = fault_of_compressed(_blocks(voxels.file, voxels.at, voxels.stored), lengths)
        if fault:
            raise DamagedFileError(f"{path} is damaged: {fault}. {_AGAIN}")


def _blocks(path: Path, at: int, size: int | None) -> Iterator[bytes]:
    left = math.inf if size is None else size
    with path.open("rb") as file:
        file.seek(at)
        while left > 0 and (block := file.read(int(min(_BLOCK, left)))):
            left -= len(block)
            yield block


def _of_meta_image(path: Path) -> Voxels:
    header: dict[str, str] = {}
    with path.open("rb") as file:
        while "ElementDataFile" not in header and (line := file.readline(_LONGEST)):
            if file.tell() > _LONGEST or b"\0" in line:
                break
            match = re.match(r"\s*(\w+)\s*[=:]\s*(.*?)\s*$", line.decode("latin-1"))
            if match:
                header[match[1]] = match[2]
        behind = file.tell()
    source = header.get("ElementDataFile", "")
    if not source:
        raise DamagedFileError(f"{path} is no MetaImage: it names no ElementDataFile. {_AGAIN}")
    local = source.upper() == "LOCAL"
    data = path if local else _beside(path, source, "ElementDataFile")
    try:
        skipped = int(header.get("HeaderSize", "0"))
        plain = _plain_size(
            header.get("DimSize", ""),
            _META_TYPES.get(header.get("ElementType", "")),
            header.get("ElementNumberOfChannels", "1"),
        )
        stored = int(header["CompressedDataSize"]) if "CompressedDataSize" in header else None
    except ValueError as error:
        raise _not_whole(path, error) from error
    compressed = header.get("CompressedData", "").lower() == "true"
    if compressed and local and not stored:
        # ITK inflates from the wrong place then, and random bytes of memory become voxels
        raise DamagedFileError(
            f"{path} is damaged: its voxels are compressed, and its header does not say how many "
            f"bytes they take (CompressedDataSize). {_AGAIN}"
        )
    text = header.get("BinaryData", "true").lower() == "false"
    at = None if text or skipped else behind if local else 0
    return Voxels(data, at, stored or None if compressed else None, plain, compressed)


def _of_nrrd(path: Path) -> Voxels:
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        if not file.readline(_LONGEST).startswith(b"NRRD"):
            return Voxels(path, None, None, None, compressed=False)  # ITK says what is wrong
        while (line := file.readline(_LONGEST)) and line.strip(b"\r\n"):
            if file.tell() > _LONGEST or b"\0" in line:
                raise DamagedFileError(f"{path} is damaged: its header does not end. {_AGAIN}")
            name, sign, value = line.decode("latin-1").partition(":")
            if sign and not value.startswith("=") and not name.startswith("#"):
                fields[re.sub(r"[\s_-]", "", name.lower())] = value.strip()
            if "datafile" in fields and fields["datafile"].upper().startswith("LIST"):
                break
        behind = file.tell()
    source = fields.get("datafile", "")
    data = path if not source else _beside(path, source, "data file")
    encoding = fields.get("encoding", "").lower()
    skips = any(fields.get(name, "0") not in ("", "0") for name in ("lineskip", "byteskip"))
    if encoding not in ("raw", "gzip", "gz") or skips:
        return Voxels(data, None, None, None, compressed=False)
    try:
        size = _NRRD_TYPES.get(" ".join(fields.get("type", "").lower().split()))
        plain = _plain_size(fields.get("sizes", ""), size, "1")
    except ValueError as error:
        raise _not_whole(path, error) from error
    return Voxels(data, behind if data == path else 0, None, plain, encoding != "raw")


def _not_whole(path: Path, error: ValueError) -> DamagedFileError:
    return DamagedFileError(
        f"{path} is damaged: a size in its header is no whole number ({error}). {_AGAIN}"
    )


def _plain_size(lengths: str, bytes_per_value: int | None, channels: str) -> int | None:
    sizes = [int(length) for length in lengths.split()]
    if bytes_per_value is None:
        return None
    return math.prod(sizes) * bytes_per_value * int(channels)


def _beside(path: Path, name: str, field: str) -> Path:
    """Return the file that a header names.

    Raises:
        DamagedFileError: If it names several, or one outside its folder.
    """
    if name.upper().split()[0] == "LIST" or "%" in name:
        raise DamagedFileError(
            f"{path} takes its voxels from several files ('{name}' as its {field}), which is not "
            "read. Save the image as one file, such as .nrrd or .nii.gz."
        )
    # a Windows path must not be taken for a name on another system, nor the reverse
    parts = {*PurePosixPath(name).parts, *PureWindowsPath(name).parts}
    away = ".." in parts or PurePosixPath(name).is_absolute() or PureWindowsPath(name).anchor
    data = path.parent / name
    # in folders made of links (git-annex), image and data are both links
    linked = data.is_symlink() and not path.is_symlink()
    if away or (linked and path.parent.resolve() not in data.resolve().parents):
        raise DamagedFileError(
            f"{path} takes its voxels from outside its folder ('{name}' as its {field}), which is "
            f"refused. Copy the data beside {path.name} and write its bare name there, or save "
            "the image as one file, such as .nrrd or .nii.gz."
        )
    return data
