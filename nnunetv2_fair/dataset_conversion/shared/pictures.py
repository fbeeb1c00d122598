"""Reading PNG, JPEG, BMP and TIFF pictures and masks without silent losses.

Runs in worker processes, so it imports neither pandas nor SimpleITK.
"""

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from nnunetv2_fair.dataset_conversion.writing.case_files import CaseData
from nnunetv2_fair.errors import ConversionError, shorten
from nnunetv2_fair.files.fingerprints import files_hash
from nnunetv2_fair.files.integrity import fault_of_picture, reason_in_words
from nnunetv2_fair.files.labels import label_channel
from nnunetv2_fair.files.volumes import OriginalFile

#: TIFF's tag that says which number is white.
_PHOTOMETRIC = 262
#: Endings (lower case) of files that are taken for pictures.
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
JPEG_SUFFIXES = (".jpg", ".jpeg")

#: ``grey`` refuses colour, ``rgb`` makes three channels, ``to-grey`` turns colour into luminance.
Color = Literal["grey", "rgb", "to-grey"]

#: More different values than this and a mask is a photograph, not a drawing of labels.
MOST_VALUES = 64


@dataclass(frozen=True)
class MaskRules:
    """How the values of mask files become labels.

    Attributes:
        label_map: Pairs (value in the file, label). Empty: values are labels.
        threshold: Values above become 1, others 0; excludes ``label_map``.
        jpeg_threshold: The same for JPEG masks alone, whose values are blurred by compression.
    """

    label_map: tuple[tuple[int, int], ...] = ()
    threshold: int | None = None
    jpeg_threshold: int | None = None

    def threshold_of(self, path: Path) -> int | None:
        """Return the threshold for this file; None if its values are labels."""
        if self.jpeg_threshold is not None and path.suffix.lower() in JPEG_SUFFIXES:
            return self.jpeg_threshold
        return self.threshold

    def apply(self, values: NDArray[Any], path: Path) -> NDArray[Any]:
        """Return the labels of a mask.

        Args:
            values: Pixels as stored.
            path: The file, whose ending may choose the threshold.
        """
        threshold = self.threshold_of(path)
        if threshold is not None:
            return (values > threshold).astype(np.uint8)
        if not self.label_map:
            return values
        labels = np.zeros_like(values)
        for value, label in self.label_map:
            labels[values == value] = label
        return labels


@dataclass(frozen=True)
class PictureCase:
    """An image and its mask; calling it reads both.

    Attributes:
        images: Image files, one per channel; one of a colour picture.
        mask: Mask file of the same size.
        color: What to make of colour.
        size: (rows, columns) to resize to (image: linear, mask: nearest); None keeps the size.
        rules: How mask values become labels.
    """

    images: tuple[Path, ...]
    mask: Path
    color: Color = "grey"
    size: tuple[int, int] | None = None
    rules: MaskRules = field(default_factory=MaskRules)

    def __call__(self) -> CaseData:
        """Return the pixels, resized and mapped."""
        channels = [to_color(read_picture(path), self.color, path) for path in self.images]
        labels = self.rules.apply(read_mask(self.mask), self.mask)
        if self.size is not None:
            channels = [resize_linear(pixels, self.size) for pixels in channels]
            labels = resize_nearest(labels, self.size)
        return CaseData(channels, labels)


@dataclass(frozen=True)
class PairFacts:
    """What has to be known about an image and its mask before anything is written.

    Attributes:
        shape: ([slices,] rows, columns).
        n_bytes: Upper bound of the bytes on disk as they would be written.
        values: Up to :data:`MOST_VALUES` different values of the mask file, ascending.
        content: SHA-256 of all files.
        problems: What is wrong, in words; then the rest may be empty.
        copies: Files that can be copied as they are.
    """

    shape: tuple[int, ...] = ()
    n_bytes: int = 0
    values: tuple[int, ...] = ()
    content: str = ""
    problems: tuple[str, ...] = ()
    copies: tuple[OriginalFile, ...] = ()


def survey_pair(case: PictureCase) -> PairFacts:
    """Read all files completely and return what was found; raises nothing on bad files."""
    problems = []
    shapes: dict[Path, tuple[int, ...]] = {}
    n_bytes = 0
    values: tuple[int, ...] = ()
    for path in case.images:
        try:
            pixels = to_color(read_picture(path), case.color, path)
            shapes[path] = pixels.shape[:2]
            n_bytes += pixels.dtype.itemsize * (3 if pixels.ndim == 3 else 1)
        except ConversionError as error:
            problems.append(str(error))
    try:
        if case.mask.suffix.lower() in JPEG_SUFFIXES and case.rules.threshold_of(case.mask) is None:
            raise ConversionError(
                f"{_short(case.mask)} is a JPEG: compression blurs its values, so they are not "
                "labels. Export the mask as PNG, or make it binary with --threshold 127"
            )
        stored = read_mask(case.mask)
        shapes[case.mask] = stored.shape[:2]
        values = tuple(int(value) for value in np.unique(stored)[:MOST_VALUES])
    except ConversionError as error:
        problems.append(str(error))
    if problems:
        return PairFacts(problems=tuple(problems))
    first, shape = next(iter(shapes.items()))
    for path, other in shapes.items():
        if other != shape:
            what = "mask" if path == case.mask else "channel"
            problems.append(
                f"{_short(first)} has {shape[0]} rows and {shape[1]} columns, {_short(path)} has "
                f"{other[0]} and {other[1]}; both must be equal. Export the {what} again at the "
                "size of its image"
            )
    if problems:
        return PairFacts(problems=tuple(problems))
    rows, columns = case.size or shape
    files = (*case.images, case.mask)
    return PairFacts(shape, rows * columns * (n_bytes + 1), values, files_hash(files))


def read_picture(path: Path) -> NDArray[Any]:
    """Return a picture's pixels: (rows, columns) or (rows, columns, 3), uint8 or uint16.

    An orientation that a camera stored is applied, transparency is dropped, palettes are
    resolved to colours.

    Raises:
        ConversionError: If the file is damaged, has several pages or more than 8 bits per colour,
            or holds numbers that 16 bits cannot.
    """
    picture, _ = _opened(path)
    if picture.mode in ("P", "PA", "CMYK", "YCbCr", "RGBA", "RGBX"):
        picture = picture.convert("RGB")
    elif picture.mode in ("LA", "1"):
        picture = picture.convert("L")
    pixels = np.asarray(picture)
    if pixels.ndim == 3:
        if picture.mode != "RGB":
            raise ConversionError(
                f"{_short(path)} is a picture of mode {picture.mode}, expected grey or RGB. "
                "Export it as PNG"
            )
        return pixels
    return _unsigned(pixels, path)


def read_mask(path: Path) -> NDArray[Any]:
    """Return a mask's stored values: (rows, columns), uint8 or uint16.

    Of a picture with a palette the indices count. RGB is accepted if all channels are equal.

    Raises:
        ConversionError: If the file is damaged or has several pages, colours, transparent pixels
            that hold labels, or values that are not integers from 0 to 65535.
    """
    upright, white_is_zero = _opened(path)
    if white_is_zero:
        raise ConversionError(
            f"{_short(path)} says that 0 is white, so that some programs turn its numbers round "
            "and others do not. Save it as PNG, and look whether the background is 0"
        )
    picture, fault = label_channel(upright)
    if picture.mode == "1":
        return np.asarray(picture).astype(np.uint8)
    pixels = np.asarray(picture)
    if fault or pixels.ndim != 2:
        raise ConversionError(
            f"{_short(path)} has {fault or f'colours (mode {picture.mode})'}; expected one number "
            "per pixel that says which label it is. Export the mask as a grey or indexed PNG"
        )
    return _unsigned(pixels, path)


def to_color(pixels: NDArray[Any], color: Color, path: Path) -> NDArray[Any]:
    """Return the picture as grey or RGB.

    Args:
        pixels: As returned by :func:`read_picture`.
        color: What is wanted.
        path: For the message.

    Raises:
        ConversionError: If colour is found where grey was promised.
    """
    if color == "rgb":
        if pixels.dtype != np.uint8:
            raise ConversionError(
                f"{_short(path)} has 16 bits per pixel, colour pictures have 8 per channel. "
                "Convert it with --color grey, or export it with 8 bits"
            )
        return pixels if pixels.ndim == 3 else np.stack([pixels] * 3, axis=-1)
    if pixels.ndim == 2:
        return pixels
    if _is_grey(pixels):
        return np.ascontiguousarray(pixels[..., 0])
    if color == "to-grey":
        return np.asarray(Image.fromarray(pixels).convert("L"))
    raise ConversionError(
        f"{_short(path)} is in colour, but grey was promised. Take the colours as three channels "
        "with --color rgb, or turn them into grey levels with --color to-grey"
    )


def resize_linear(pixels: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Return the picture at another size, linearly interpolated.

    Where it shrinks, the triangle is widened to cover all pixels, so that nothing aliases.

    Args:
        pixels: (rows, columns) or (rows, columns, 3).
        size: (rows, columns).
    """
    if pixels.ndim == 3:
        return np.stack([resize_linear(pixels[..., i], size) for i in range(3)], axis=-1)
    picture = Image.fromarray(pixels.astype(np.float32))
    resized = np.asarray(picture.resize((size[1], size[0]), Image.Resampling.BILINEAR))
    limits = np.iinfo(pixels.dtype)
    return np.clip(np.rint(resized), limits.min, limits.max).astype(pixels.dtype)


def resize_nearest(labels: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Return the mask at another size; every pixel takes the label nearest to its centre.

    Args:
        labels: (rows, columns).
        size: (rows, columns).
    """
    rows, columns = (
        (2 * np.arange(new) + 1) * old // (2 * new)  # whole numbers: no rounding at borders
        for new, old in zip(size, labels.shape, strict=True)
    )
    return labels[np.ix_(rows, columns)]


def _is_grey(pixels: NDArray[Any]) -> bool:
    return bool((pixels == pixels[..., :1]).all())


def _opened(path: Path) -> tuple[Image.Image, bool]:
    """Return a picture as it is shown, and whether its file says that 0 is white."""
    try:
        data = path.read_bytes()
        if fault := fault_of_picture(data):
            raise ValueError(fault)
        with Image.open(io.BytesIO(data)) as picture:
            frames = getattr(picture, "n_frames", 1)
            # Pillow keeps only the upper 8 of 16 bits per colour, silently
            deep = picture.mode in ("RGB", "RGBA", "LA") and ";16" in str(picture.tile)
            white_is_zero = getattr(picture, "tag_v2", {}).get(_PHOTOMETRIC) == 0
            picture.load()
            upright = ImageOps.exif_transpose(picture)
    except (OSError, SyntaxError, TypeError, ValueError, Image.DecompressionBombError) as error:
        size = path.stat().st_size if path.is_file() else 0
        raise ConversionError(
            f"{_short(path)} cannot be read as a picture ({size} bytes): {reason_in_words(error)}. "
            "It is damaged or not of the type its name says; copy or export it again"
        ) from error
    if frames > 1:
        raise ConversionError(
            f"{_short(path)} has {frames} pages, expected one picture per file. Save each page as "
            "a file of its own"
        )
    if deep:
        raise ConversionError(
            f"{_short(path)} has 16 bits per colour channel, which would be cut to 8. Export it "
            "with 8 bits per channel, or as grey with 16"
        )
    return upright, white_is_zero


def _unsigned(pixels: NDArray[Any], path: Path) -> NDArray[Any]:
    """Return the same numbers as uint8 or uint16."""
    if pixels.dtype in (np.uint8, np.uint16):
        return pixels
    low, high = float(pixels.min()), float(pixels.max())
    # not (low >= 0) rather than low < 0: NaN must be caught too
    if not (low >= 0 and high <= 65535) or not np.array_equal(pixels, np.rint(pixels)):
        raise ConversionError(
            f"{_short(path)} holds numbers from {low:g} to {high:g} ({pixels.dtype}); expected "
            "integers from 0 to 65535. Export it with 8 or 16 bits per pixel"
        )
    return pixels.astype(np.uint16)


def _short(path: Path) -> str:
    """Return folder and name: enough to find the file, short enough to read."""
    return f"{path.parent.name}/{path.name}"


def list_values(values: tuple[int, ...]) -> str:
    """Return mask values for a message, such as ``0, 255``."""
    return shorten(values, 8)
