"""The images of cases: intensities inside a mask, and how the file scales them."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import PIL.Image
import SimpleITK as sitk  # noqa: N813

from nnunetv2_fair.errors import DamagedFileError, EvaluationError
from nnunetv2_fair.evaluation.masks.label_maps import mask_ending
from nnunetv2_fair.files.integrity import check_file, itk_reader

#: Pictures that Pillow reads several times as fast as ITK.
_PLAIN_PICTURES = (".png", ".bmp", ".jpg", ".jpeg")
#: Weights of red, green and blue in luminance (ITU-R BT.601).
_LUMINANCE = (0.299, 0.587, 0.114)


def images_of(folder: Path, cases: Iterable[str]) -> dict[str, Path]:
    """Return the first channel of every case that has one: ``<case>_0000.<ending>``."""
    wanted = {f"{case}_0000": case for case in cases}
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        ending = mask_ending(path)
        case = wanted.get(path.name[: -len(ending)]) if ending else None
        if case is not None:
            found.setdefault(case, path)
    return found


def read_intensities(path: Path, shape: tuple[int, ...]) -> tuple[np.ndarray, str]:
    """Read an image.

    Args:
        path: The file.
        shape: Shape of the case's masks, axes of length 1 left out.

    Returns:
        Its intensities in this shape, and how its header scales those that are stored, empty if it
        does not.

    Raises:
        EvaluationError: If it is unreadable or of another size.
    """
    try:
        if path.name.lower().endswith(_PLAIN_PICTURES):
            values, scaling = _picture(path), ""
        else:
            values, scaling = _volume(path)
    except (DamagedFileError, OSError, RuntimeError) as error:
        raise EvaluationError(f"{path} cannot be read ({error}). Copy it again.") from error
    if tuple(n for n in values.shape if n > 1) != tuple(n for n in shape if n > 1):
        raise EvaluationError(
            f"{path} has the size {' x '.join(map(str, values.shape))}, the masks of the case "
            f"{' x '.join(map(str, shape))}. Pass the folder of the images that the masks belong "
            "to with --images."
        )
    return values.reshape(shape), scaling


def energy(intensities: np.ndarray, mask: np.ndarray) -> float:
    """Return the sum of the squared intensities inside a mask; 0 if it is empty."""
    inside = intensities[mask].astype(np.float64)
    return float(inside @ inside)


def _picture(path: Path) -> np.ndarray:
    # Pillow notices itself what is damaged
    with PIL.Image.open(path) as image:
        # a palette is colours by number
        values = np.asarray(image.convert("RGB") if image.mode in ("P", "PA") else image)
    return _grey(values) if values.ndim == 3 else values


def _volume(path: Path) -> tuple[np.ndarray, str]:
    check_file(path)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO(itk_reader(path))
    image = reader.Execute()
    values = sitk.GetArrayFromImage(image)
    several = image.GetNumberOfComponentsPerPixel() > 1
    return _grey(values) if several else values, _scaling(reader)


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
