"""The images of cases: intensities inside a mask, and how the file scales them."""

import io
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
import SimpleITK as sitk  # noqa: N813

from nnunetv2_fair.errors import DamagedFileError, EvaluationError
from nnunetv2_fair.evaluation.masks.label_maps import mask_ending
from nnunetv2_fair.files.fingerprints import hash_of
from nnunetv2_fair.files.integrity import check_file, itk_reader
from nnunetv2_fair.files.nifti import NIFTI_ENDINGS, NiftiStream

#: Pictures that Pillow reads several times as fast as ITK.
_PLAIN_PICTURES = (".png", ".bmp", ".jpg", ".jpeg")
#: Bytes of a NIfTI file that are read together.
_BLOCK = 1 << 20
#: Weights of red, green and blue in luminance (ITU-R BT.601).
_LUMINANCE = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Images:
    """The first channels of cases, small enough to send to another process.

    Attributes:
        folder: Where they are.
        endings: Endings of their names, in the order in which they are looked for.
    """

    folder: Path
    endings: tuple[str, ...]

    def of(self, case: str) -> Path | None:
        """Return the first channel of a case: ``<case>_0000.<ending>``; None if it has none."""
        paths = (self.folder / f"{case}_0000{ending}" for ending in self.endings)
        return next((path for path in paths if os.path.lexists(path)), None)


@dataclass(frozen=True)
class Intensities:
    """An image.

    Attributes:
        values: Its intensities.
        scaling: How its header scales those that are stored; empty if it does not.
        sha256: Hash of the bytes of all its files.
    """

    values: np.ndarray
    scaling: str
    sha256: str


def images_in(folder: Path, cases: Iterable[str]) -> Images | None:
    """Return where the images of cases are; None if none of them has one."""
    wanted = {f"{case}_0000" for case in cases}
    endings = {
        ending
        for path in folder.iterdir()
        if (ending := mask_ending(path)) and path.name[: -len(ending)] in wanted
    }
    return Images(folder, tuple(sorted(endings))) if endings else None


def read_intensities(path: Path, shape: tuple[int, ...]) -> Intensities:
    """Read an image.

    Args:
        path: The file.
        shape: Shape of the case's masks, axes of length 1 left out.

    Returns:
        Its intensities, in this shape.

    Raises:
        EvaluationError: If it is unreadable or of another size.
    """
    try:
        if path.name.lower().endswith(_PLAIN_PICTURES):
            found = _picture(path)
        else:
            found = _plain_nifti(path) or _volume(path)
    except (DamagedFileError, OSError, RuntimeError) as error:
        raise EvaluationError(f"{path} cannot be read ({error}). Copy it again.") from error
    values = found.values
    if tuple(n for n in values.shape if n > 1) != tuple(n for n in shape if n > 1):
        raise EvaluationError(
            f"{path} has the size {' x '.join(map(str, values.shape))}, the masks of the case "
            f"{' x '.join(map(str, shape))}. Pass the folder of the images that the masks belong "
            "to with --images."
        )
    return Intensities(values.reshape(shape), found.scaling, found.sha256)


def energy(intensities: np.ndarray, mask: np.ndarray) -> float:
    """Return the sum of the squared intensities inside a mask; 0 if it is empty."""
    inside = intensities[mask].astype(np.float64)
    # in one thread: the sum is then the same on every machine
    return float(np.einsum("i,i->", inside, inside))


def _picture(path: Path) -> Intensities:
    data = path.read_bytes()
    # Pillow notices itself what is damaged
    with PIL.Image.open(io.BytesIO(data)) as image:
        # a palette is colours by number
        values = np.asarray(image.convert("RGB") if image.mode in ("P", "PA") else image)
    return Intensities(_grey(values) if values.ndim == 3 else values, "", hash_of(data))


def _plain_nifti(path: Path) -> Intensities | None:
    """Read and check a NIfTI file in one go; None if it needs interpretation, or is another file.

    Values that are not finite need it, too: SimpleITK decides what becomes of them.
    """
    if not path.name.lower().endswith(NIFTI_ENDINGS):
        return None
    with NiftiStream(path) as stream:
        header = stream.header
        if header is None or header.dtype is None or not header.is_plain:
            return None
        content = b"".join(stream.voxel_blocks(_BLOCK))
        digest = stream.finish()
    values = np.frombuffer(content, header.dtype).reshape(header.shape)
    if header.dtype.kind == "f" and not np.isfinite(values).all():
        return None
    return Intensities(values, "", digest)


def _volume(path: Path) -> Intensities:
    checked = check_file(path)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO(itk_reader(path))
    image = reader.Execute()
    values = sitk.GetArrayFromImage(image)
    several = image.GetNumberOfComponentsPerPixel() > 1
    return Intensities(_grey(values) if several else values, _scaling(reader), checked.sha256)


def _grey(values: np.ndarray) -> np.ndarray:
    """Return the luminance of colours, which come last; of grey and transparency the grey."""
    if values.shape[-1] < 3:
        return np.asarray(values[..., 0])
    return np.asarray(values[..., :3] @ np.array(_LUMINANCE))


def _scaling(reader: sitk.ImageFileReader) -> str:
    keys = set(reader.GetMetaDataKeys())
    if not {"scl_slope", "scl_inter"} <= keys:
        return ""
    slope, intercept = (float(reader.GetMetaData(key)) for key in ("scl_slope", "scl_inter"))
    scaled = slope not in (0, 1) or (slope != 0 and intercept != 0)
    return f"slope {slope:g}, intercept {intercept:g}" if scaled else ""
