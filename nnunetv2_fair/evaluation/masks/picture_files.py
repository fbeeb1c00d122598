"""Label maps in picture files, read by Pillow.

SimpleITK turns grey BMP files, palettes of label numbers and bits into colours, and takes the alpha
of grey TIFF files for labels; Pillow does not.
"""

import io
import warnings
from pathlib import Path

import numpy as np
import PIL.Image

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.masks.foreground import Foreground, crop
from nnunetv2_fair.evaluation.masks.geometry import ArrayGeometry
from nnunetv2_fair.files.fingerprints import hash_of
from nnunetv2_fair.files.integrity import fault_of_picture, reason_in_words
from nnunetv2_fair.files.labels import label_channel

PILLOW_ENDINGS = (".png", ".bmp", ".gif", ".jpg", ".jpeg")
#: Pillow's modes with one number per pixel: bits, bytes, palette indices, 16 and 32 bits.
_LABEL_MODES = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L", "I;16N", "F")
#: Those with a byte per pixel in memory: some versions of Pillow misplace the box of 16 bits.
_BYTE_MODES = ("1", "L", "P")
_ERRORS = (OSError, SyntaxError, TypeError, ValueError, PIL.Image.DecompressionBombError)


#: TIFF's tags: which number is white, how the picture is turned, whether channels are stored one
#: after the other (as slices of a volume are), whether numbers are signed.
_PHOTOMETRIC, _ORIENTATION, _PLANAR, _SAMPLE_FORMAT = 262, 274, 284, 339
_WHITE_IS_ZERO, _APART, _UNSIGNED = 0, 2, 1


def is_picture_in_tiff(path: Path) -> bool:
    """Return whether a TIFF file is one picture of bytes, which Pillow reads, not a volume."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged tags: what is wrong is said later
            picture = PIL.Image.open(path, formats=["TIFF"])
        with picture:
            tags = getattr(picture, "tag_v2", {})
            formats = tags.get(_SAMPLE_FORMAT, _UNSIGNED)
            unsigned = set(formats if isinstance(formats, tuple) else (formats,)) == {_UNSIGNED}
            known = picture.mode in (*_BYTE_MODES, "LA", "PA", "RGB", "RGBA", "RGBX")
            apart = tags.get(_PLANAR) == _APART
            return known and unsigned and not apart and getattr(picture, "n_frames", 1) == 1
    except _ERRORS:
        return False  # SimpleITK reads more kinds, and says what is wrong


def pixel_geometry(shape: tuple[int, ...]) -> ArrayGeometry:
    """Return the grid of a picture, whose distances are in pixels."""
    return ArrayGeometry(shape, (1.0,) * len(shape), "px", None)


def read_picture_geometry(path: Path) -> ArrayGeometry:
    """Read the size of a picture without its pixels.

    Raises:
        EvaluationError: If the file is unreadable or has several values per pixel.
    """
    try:
        with PIL.Image.open(path) as picture:
            return _geometry(_one_channel(picture, path), path)
    except _ERRORS as error:
        raise unreadable(path, error) from error


def read_picture(path: Path) -> tuple[Foreground, ArrayGeometry, str]:
    """Read a picture.

    Returns:
        What is not zero, the picture's grid, and the SHA-256 of the file's bytes as 64 hex digits.

    Raises:
        EvaluationError: If the file is unreadable or damaged, or has several values per pixel.
        OSError: If the file cannot be opened.
    """
    data = path.read_bytes()
    try:
        if fault := fault_of_picture(data):
            raise ValueError(fault)
        with PIL.Image.open(io.BytesIO(data)) as picture:
            labels = _one_channel(picture, path)
            _refuse_turned(picture, path)
            return _foreground(labels), _geometry(labels, path), hash_of(data)
    except _ERRORS as error:
        raise unreadable(path, error) from error


def _foreground(picture: PIL.Image.Image) -> Foreground:
    box = picture.getbbox() if picture.mode in _BYTE_MODES else None
    if box is None:
        return crop(np.array(picture))
    left, upper, _, _ = box
    return Foreground(np.array(picture.crop(box)), (upper, left), (picture.height, picture.width))


def _one_channel(picture: PIL.Image.Image, path: Path) -> PIL.Image.Image:
    """Return a picture without transparency and without channels that repeat the first.

    Raises:
        EvaluationError: If it has colours or several pages, transparent pixels that hold labels, or
            if programs read it in different ways.
    """
    pages = getattr(picture, "n_frames", 1)
    if pages > 1:
        raise EvaluationError(
            f"{path} has {pages} pages; expected one picture per file. Save each page as a file of "
            "its own."
        )
    if getattr(picture, "tag_v2", {}).get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        raise EvaluationError(
            f"{path} says that 0 is white, so that some programs turn its numbers round and others "
            "do not. Save it as PNG, and look whether the background is 0."
        )
    channel, fault = label_channel(picture)
    if fault:
        raise colourful(path, fault)
    return channel


def _refuse_turned(picture: PIL.Image.Image, path: Path) -> None:
    """Raise if readers are to turn a picture; of PNG, only its end may say so."""
    told = picture.info or picture.format == "TIFF"  # asking takes longer than reading most masks
    if told and picture.getexif().get(_ORIENTATION, 1) != 1:
        raise EvaluationError(
            f"{path} says that it is to be shown turned or mirrored, which some programs do and "
            "others do not. Turn its pixels and remove the orientation, for example by opening it "
            "and saving it as PNG."
        )


def _geometry(picture: PIL.Image.Image, path: Path) -> ArrayGeometry:
    if picture.mode not in _LABEL_MODES:
        raise colourful(path, f"colours (mode {picture.mode})")
    return pixel_geometry((picture.height, picture.width))


def colourful(path: Path, found: str) -> EvaluationError:
    """Say that a file has several values per pixel."""
    return EvaluationError(
        f"{path} has {found}; expected one label number per pixel. Save the mask as a "
        "single-channel picture of label numbers."
    )


def unreadable(path: Path, error: Exception) -> EvaluationError:
    """Say that a file is not an image, with the reader's reason."""
    reason = reason_in_words(error)
    if "orthonormal" in reason:
        return EvaluationError(
            f"{path} has axes in its header that are not perpendicular, which SimpleITK does not "
            "accept. Copying it again does not help: make them perpendicular in references and "
            "predictions, with nibabel: image.set_qform(image.affine, 1, strip_shears=True); "
            "image.set_sform(None, 0)"
        )
    return EvaluationError(
        f"{path} cannot be read as an image ({reason}). Copy or create the file again."
    )
