"""Reading the npz files of Harvard-FairSeg and of FairDiff's synthetic packs.

The releases name the same arrays differently. Nothing is unpickled: a file could otherwise run
code on the machine that converts it. Runs in worker processes, so it imports no pandas.

Source: the README, the training code and the issues of Harvard-Ophthalmology-AI-Lab/FairSeg;
``MaskImageGen/packing.py`` and ``data_convert.py`` of wenyi-li/FairDiff.
"""

import math
import tokenize
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_fair.dataset_conversion.shared.pictures import resize_linear, resize_nearest, to_color
from nnunetv2_fair.dataset_conversion.writing.case_files import CaseData, fingerprint
from nnunetv2_fair.errors import ConversionError, shorten

#: Names of the fundus photograph and of its mask; the first that a file has is taken.
IMAGE_KEYS = ("slo_fundus", "fundus_slo", "fundus")
MASK_KEYS = ("disc_cup_mask", "disc_cup", "disc_cup_borders")

#: Names that each attribute has in some release.
ATTRIBUTE_KEYS: Mapping[str, tuple[str, ...]] = {
    "race": ("race",),
    "gender": ("gender",),
    "age": ("age",),
    "ethnicity": ("ethnicity", "hispanic"),
    "language": ("language",),
    "maritalstatus": ("maritalstatus", "marriagestatus"),
}
_PATIENT_KEY = "pid"
_UNREADABLE = (
    OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error,
    NotImplementedError,  # a compression that Python does not know
    RuntimeError,  # encrypted
    tokenize.TokenError,  # numpy's, of a damaged header
)  # fmt: skip
#: Bytes of a picture and of a single value, which may be text; their headers may announce any
#: number, and a small file may inflate to that.
_LARGEST_PICTURE = 1 << 28
_LARGEST_VALUE = 1 << 16


@dataclass(frozen=True)
class NpzCase:
    """An image and its mask in one npz file; calling it reads both.

    Attributes:
        path: The file.
        image_key: Name of the image's array.
        mask_key: Name of the mask's array.
        crop: (rows, columns) to cut out of the middle; None keeps everything.
        size: (rows, columns) to resize to afterwards (image: linear, mask: nearest).
    """

    path: Path
    image_key: str
    mask_key: str
    crop: tuple[int, int] | None = None
    size: tuple[int, int] | None = None

    def __call__(self) -> CaseData:
        """Return grey levels and labels (1 rim, 2 cup).

        Raises:
            ConversionError: If an array is damaged or holds what it should not.
        """
        try:
            with np.load(self.path, allow_pickle=False) as arrays:
                image, mask = arrays[self.image_key], arrays[self.mask_key]
        except _UNREADABLE as error:
            raise ConversionError(f"it cannot be read: {error}. Download it again") from error
        pixels = grey_levels(image, self.image_key, self.path)
        labels = rim_and_cup(mask, self.mask_key)
        if self.crop is not None:
            pixels, labels = central_part(pixels, self.crop), central_part(labels, self.crop)
        if self.size is not None:
            pixels, labels = resize_linear(pixels, self.size), resize_nearest(labels, self.size)
        return CaseData((pixels,), labels)


@dataclass(frozen=True)
class NpzFacts:
    """The metadata of an npz file, without its pixels.

    Attributes:
        image_key: Name of the image's array; empty if there is none.
        mask_key: The same for the mask.
        shape: (rows, columns).
        attributes: Content of each attribute that the file has, as text or number.
        patient: Content of ``pid`` as text; empty if absent.
        content: Changes when the file does.
        problems: What is wrong, in words.
    """

    image_key: str = ""
    mask_key: str = ""
    shape: tuple[int, int] = (0, 0)
    attributes: Mapping[str, str | float] = field(default_factory=dict)
    patient: str = ""
    content: str = ""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class NpzQuestion:
    """Which file to read, and which keys to look for.

    Attributes:
        path: The file.
        image_keys: Possible names of the image, the preferred one first.
        mask_keys: The same for the mask.
    """

    path: Path
    image_keys: tuple[str, ...] = IMAGE_KEYS
    mask_keys: tuple[str, ...] = MASK_KEYS


def survey_npz(question: NpzQuestion) -> NpzFacts:
    """Return a file's metadata; only headers and single values are read."""
    path = question.path
    try:
        with zipfile.ZipFile(path) as archive:
            return _survey(archive, question)
    except _UNREADABLE as error:
        size = path.stat().st_size if path.is_file() else 0
        return NpzFacts(
            problems=(
                f"{short(path)} cannot be read as npz ({size} bytes): {error}. It is damaged or "
                "only partly downloaded; download it again",
            )
        )


def _survey(archive: zipfile.ZipFile, question: NpzQuestion) -> NpzFacts:
    path = question.path
    present = []
    for name in archive.namelist():
        archive.open(name).close()  # compares the name with the one beside the data
        present.append(name.removesuffix(".npy"))
    problems: list[str] = []
    image_key = _first(question.image_keys, present, "image", path, problems)
    mask_key = _first(question.mask_keys, present, "mask", path, problems)
    shapes = []
    for key in (image_key, mask_key):
        if key:
            with archive.open(f"{key}.npy") as member:
                shape, dtype = _header(member)
            if dtype.hasobject:
                problems.append(_pickled(path, key))
            elif math.prod(shape) * dtype.itemsize > _LARGEST_PICTURE:
                problems.append(
                    f"{short(path)}: '{key}' has shape {shape}, more than "
                    f"{_LARGEST_PICTURE >> 20} MiB; expected one picture. Download the file again, "
                    "or leave it out"
                )
            shapes.append(plane_of(shape))
    if len(shapes) == 2 and shapes[0] != shapes[1] and not problems:
        problems.append(
            f"{short(path)}: '{image_key}' has {shapes[0][0]} rows and {shapes[0][1]} columns, "
            f"'{mask_key}' has {shapes[1][0]} and {shapes[1][1]}; both must be equal. Download "
            "the file again, or leave it out"
        )
    attributes: dict[str, str | float] = {}
    for name, keys in ATTRIBUTE_KEYS.items():
        attribute_key = next((key for key in keys if key in present), None)
        if attribute_key is not None:
            value = _single(archive, attribute_key, path, problems)
            if value is not None:
                attributes[name] = value
    patient = _single(archive, _PATIENT_KEY, path, []) if _PATIENT_KEY in present else None
    return NpzFacts(
        image_key,
        mask_key,
        shapes[0] if shapes else (0, 0),
        attributes,
        "" if patient is None else str(patient),
        fingerprint(files=(path,)),
        tuple(problems),
    )


def _first(
    keys: Sequence[str], present: Sequence[str], what: str, path: Path, problems: list[str]
) -> str:
    found = next((key for key in keys if key in present), "")
    if not found:
        problems.append(
            f"{short(path)} has no {what}: expected one of {', '.join(keys)}, found "
            f"{shorten(present, 20) or 'nothing'}. If the {what} has another name: "
            f"--{what}-key <name>"
        )
    return found


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(member)
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, _, dtype = read(member)
    return shape, dtype


def _single(
    archive: zipfile.ZipFile, key: str, path: Path, problems: list[str]
) -> str | float | None:
    """Return the only value of an array: text, a number, or None where it is not such an array."""
    with archive.open(f"{key}.npy") as member:
        shape, dtype = _header(member)
    if dtype.hasobject:
        problems.append(_pickled(path, key))
        return None
    if math.prod(shape) != 1 or dtype.itemsize > _LARGEST_VALUE:
        long = "" if dtype.itemsize <= _LARGEST_VALUE else f" of {dtype.itemsize} bytes each"
        problems.append(f"{short(path)}: '{key}' has shape {shape}{long}, expected a single value")
        return None
    with archive.open(f"{key}.npy") as member:
        value = np.lib.format.read_array(member, allow_pickle=False).reshape(-1)[0].item()
        member.read(1)  # at the end of a member its checksum is compared
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _pickled(path: Path, key: str) -> str:
    return (
        f"{short(path)}: '{key}' is an array of Python objects. Reading one runs code that the "
        "file brings along (pickle), so it is not read. If you trust the file, load it with "
        "np.load(..., allow_pickle=True), and save it again with plain numbers or text"
    )


def plane_of(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (rows, columns) of an array's shape, whether or not it has a channel axis."""
    if len(shape) == 3 and shape[0] == 1:
        return shape[1], shape[2]
    return (shape[0], shape[1]) if len(shape) >= 2 else (0, 0)


def grey_levels(image: NDArray[Any], key: str, path: Path) -> NDArray[Any]:
    """Return a picture as uint8 (rows, columns); colour becomes luminance.

    Args:
        image: (rows, columns), with a leading or trailing axis of 1, or a trailing one of 3.
        key: Its name, for the message.
        path: Its file, for the message.

    Raises:
        ConversionError: If it holds anything but whole numbers from 0 to 255.
    """
    if image.ndim == 3 and 1 in (image.shape[0], image.shape[2]):
        image = image.reshape(plane_of(image.shape))
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise ConversionError(f"'{key}' has shape {image.shape}, expected one picture.")
    if image.dtype != np.uint8:
        low, high = float(image.min()), float(image.max())
        # not (low >= 0) rather than low < 0: NaN must be caught too
        if not (low >= 0 and high <= 255) or not np.array_equal(image, np.rint(image)):
            raise ConversionError(
                f"'{key}' holds numbers from {low:g} to {high:g} ({image.dtype}); expected whole "
                "numbers from 0 to 255, as in the original files."
            )
        image = image.astype(np.uint8)
    return to_color(image, "to-grey", path)


def rim_and_cup(mask: NDArray[Any], key: str) -> NDArray[np.uint8]:
    """Return the labels 0, 1 (rim: disc without cup) and 2 (cup).

    Args:
        mask: 0, -1 and -2 as in the original files, of any type; in an unsigned one the negative
            values appear as its highest ones, such as 255 and 254. Copies with 1 and 2 are accepted
            as well.
        key: Its name, for the message.

    Raises:
        ConversionError: If it holds anything else.
    """
    if mask.ndim == 3 and 1 in (mask.shape[0], mask.shape[2]):
        mask = mask.reshape(plane_of(mask.shape))
    if mask.dtype.kind == "u":
        mask = np.ascontiguousarray(mask).view(mask.dtype.str.replace("u", "i"))
    with np.errstate(invalid="ignore"):  # not-a-number becomes some number, and differs from it
        signed = mask.astype(np.int8)
    low, high = (int(signed.min()), int(signed.max())) if mask.size else (0, 0)
    if low >= -2 and high <= 2 and not low < 0 < high and np.array_equal(signed, mask):
        return np.abs(signed).view(np.uint8)
    raise ConversionError(
        f"'{key}' holds {shorten(np.unique(mask).tolist(), 8)}; expected 0 (background), -1 (rim) "
        "and -2 (cup), or 0, 1 and 2."
    )


def central_part(pixels: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Return the middle of a picture, placed as in FairSeg's training code.

    Args:
        pixels: (rows, columns).
        size: (rows, columns), not larger than the picture.
    """
    top, left = (old // 2 - new // 2 for old, new in zip(pixels.shape, size, strict=True))
    return pixels[top : top + size[0], left : left + size[1]]


def short(path: Path) -> str:
    """Return folder and name: enough to find the file, short enough to read."""
    return f"{path.parent.name}/{path.name}"
