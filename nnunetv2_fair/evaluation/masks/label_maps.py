"""Finding and reading label maps."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813  (the usual name)

from nnunetv2_fair.errors import DamagedFileError, EvaluationError, counted, shorten
from nnunetv2_fair.evaluation.masks.foreground import (
    Foreground,
    crop,
    crop_blocks,
    slice_bytes,
    slices_per_block,
)
from nnunetv2_fair.evaluation.masks.geometry import ArrayGeometry
from nnunetv2_fair.evaluation.masks.picture_files import (
    PILLOW_ENDINGS,
    colourful,
    is_picture_in_tiff,
    pixel_geometry,
    read_picture,
    read_picture_geometry,
    unreadable,
)
from nnunetv2_fair.files.formats.text_headers import NRRD_ENDINGS
from nnunetv2_fair.files.formats.tiff import planes_of_tiff
from nnunetv2_fair.files.integrity import TIFF_ENDINGS, check_file, files_of_image, itk_reader
from nnunetv2_fair.files.json_files import read_json_object
from nnunetv2_fair.files.labels import whole_labels
from nnunetv2_fair.files.nifti import NIFTI_ENDINGS, NiftiStream

#: Formats without a physical grid: the spacing in such files is print resolution at best.
PICTURE_ENDINGS = (".png", ".bmp", ".tif", ".tiff", ".jpg", ".jpeg", ".gif")
VOLUME_ENDINGS = (".nii.gz", ".nii", ".mha", ".mhd", ".nrrd", ".nhdr", ".gipl", ".gipl.gz")
#: What 3D Slicer puts between the name and the ending of a segmentation.
_SLICER_WORD = ".seg"


def mask_ending(path: Path) -> str | None:
    """Return the ending of an image file, such as ``.nii.gz``; None for any other file."""
    name = path.name.lower()
    fitting = [e for e in (*VOLUME_ENDINGS, *PICTURE_ENDINGS) if name.endswith(e) and name != e]
    longest = max(fitting, key=len, default=None)
    return None if longest is None else path.name[-len(longest) :]


def find_masks(folder: Path, what: str, suffix: str = "") -> dict[str, Path]:
    """Return the mask file of each case of a folder, sorted by case.

    Other files (nnU-Net's json files, tables, hidden files) are skipped.

    Args:
        folder: Folder with one file per case, ``<case><suffix><ending>``. Without a suffix,
            Slicer's ``<case>.seg.nrrd`` is the case, too.
        what: What it should hold, for messages.
        suffix: What all names of masks have behind the case; other files are skipped.

    Raises:
        EvaluationError: If the folder is missing or has no masks, or a case has two files.
    """
    if not folder.is_dir():
        raise EvaluationError(
            f"{folder} does not exist or is not a folder; expected the folder of the {what}."
        )
    found: dict[str, list[Path]] = {}
    others = []
    for path in sorted(folder.iterdir()):
        ending = mask_ending(path)
        if path.name.startswith(".") or not path.is_file():
            continue
        name = path.name[: -len(ending)] if ending is not None else ""
        if not suffix and (ending or "").lower() in NRRD_ENDINGS:
            name = name.removesuffix(_SLICER_WORD) or name
        if not name or not name.endswith(suffix) or name == suffix:
            others.append(path.name)
        else:
            found.setdefault(name.removesuffix(suffix), []).append(path)
    if not found:
        inside = [p for p in sorted(folder.iterdir()) if p.is_dir() and p.name[0] != "."]
        seen = f"only {shorten(others)}" if others else "nothing"
        if inside:
            example = next((f"{p.parent.name}/{p.name}" for p in inside[0].iterdir()), "empty")
            count = "1 folder" if len(inside) == 1 else f"{len(inside)} folders"
            seen = f"{count} ({example})" if not others else f"{seen}, and {count} ({example})"
        raise EvaluationError(
            f"{folder} has no {what}: found {seen}, expected one label map per case, such as "
            f"case_001{suffix}.nii.gz or case_001{suffix}.png (endings: "
            f"{', '.join(VOLUME_ENDINGS)}, "
            f"{', '.join(PICTURE_ENDINGS)})."
        )
    twice = {case: paths for case, paths in found.items() if len(paths) > 1}
    if twice:
        listed = shorten(f"{case} ({', '.join(p.name for p in ps)})" for case, ps in twice.items())
        raise EvaluationError(
            f"{folder} has more than one file for {counted(len(twice), 'case')}: {listed}. "
            f"Remove all but one of each{_slicer_hint(twice)}."
        )
    return {case: paths[0] for case, paths in sorted(found.items())}


def _slicer_hint(twice: Mapping[str, Sequence[Path]]) -> str:
    """Return what to do where images and Slicer's segmentations share a folder."""
    if any(path.name.lower().endswith(".seg.nrrd") for paths in twice.values() for path in paths):
        return ", or take the segmentations alone: --suffix-gt .seg or --suffix-pred .seg"
    return ""


def has_physical_spacing(path: Path) -> bool:
    """Return whether distances in this file are millimetres rather than pixels."""
    return _sidecar(path) is not None or not path.name.lower().endswith(PICTURE_ENDINGS)


def _sidecar(path: Path) -> Path | None:
    """Return nnU-Net's json file with the spacing of a TIFF volume, if there is one."""
    if path.name.lower().endswith(TIFF_ENDINGS):
        beside = path.with_suffix(".json")
        return beside if beside.is_file() else None
    return None


def _is_picture(path: Path) -> bool:
    """Return whether Pillow reads a file."""
    name = path.name.lower()
    if name.endswith(TIFF_ENDINGS):
        return _sidecar(path) is None and is_picture_in_tiff(path)
    return name.endswith(PILLOW_ENDINGS)


def read_geometry(path: Path) -> ArrayGeometry:
    """Read the grid of a label map without its voxels.

    Raises:
        EvaluationError: If the file is unreadable, names data outside its folder, has several
            values per voxel, or more than three dimensions.
    """
    if _is_picture(path):
        return read_picture_geometry(path)
    if (slices := _slices(path)) is not None:
        return _sidecar_geometry(path, slices.shape)
    try:
        files_of_image(path)  # before ITK opens whatever a header names
    except DamagedFileError as error:
        raise EvaluationError(str(error)) from error
    except OSError as error:
        raise unreadable(path, error) from error
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO(itk_reader(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise unreadable(path, error) from error
    if reader.GetNumberOfComponents() != 1:
        raise _of_several_values(path, reader.GetNumberOfComponents())
    size = tuple(int(length) for length in reader.GetSize())[::-1]
    kept = _kept_axes(size)
    if not size or not all(size):
        raise EvaluationError(
            f"{path} is damaged: its header announces {' x '.join(map(str, size)) or 'no'} voxels. "
            "Copy or create the file again."
        )
    if len(kept) > 3:
        raise EvaluationError(f"{path} has {len(kept)} dimensions {size}; expected 2 or 3.")
    shape = tuple(size[axis] for axis in kept)
    if not has_physical_spacing(path):
        return pixel_geometry(shape)
    if _sidecar(path) is not None:
        return _sidecar_geometry(path, size)
    spacing = tuple(float(s) for s in reader.GetSpacing())[::-1]
    if not all(math.isfinite(s) and s > 0 for s in spacing):
        raise EvaluationError(
            f"{path} has the spacing {spacing} in its header; expected positive millimetres. "
            "Correct the header."
        )
    placement = (
        tuple(float(v) for v in reader.GetOrigin()),
        tuple(float(v) for v in reader.GetDirection()),
    )
    return ArrayGeometry(shape, tuple(spacing[axis] for axis in kept), "mm", placement)


def _kept_axes(size: tuple[int, ...]) -> list[int]:
    return [axis for axis, length in enumerate(size) if length > 1] or [max(0, len(size) - 1)]


def _slices(path: Path) -> np.ndarray | None:
    """Return a volume of three or four slices as nnU-Net writes it into a TIFF; None for others.

    Its writer (tifffile) takes slices for the planes of a colour picture then. The json file
    beside it says that they are none.
    """
    return None if _sidecar(path) is None else planes_of_tiff(path.read_bytes())


def _of_several_values(path: Path, number: int) -> EvaluationError:
    message = colourful(path, f"{number} values per pixel")
    if path.name.lower().endswith(TIFF_ENDINGS) and planes_of_tiff(path.read_bytes()) is not None:
        return EvaluationError(
            f"{message} If these are the slices of a volume, write their spacing into "
            f'{path.with_suffix(".json").name} beside it: {{"spacing": [z, y, x]}} in millimetres.'
        )
    return message


def _sidecar_geometry(path: Path, size: tuple[int, ...]) -> ArrayGeometry:
    sidecar = path.with_suffix(".json")
    expected = 'Expected {"spacing": [z, y, x]} in millimetres, of the TIFF next to it.'
    try:
        spacing = [
            float(length) if isinstance(length, int | float) else math.nan
            for length in read_json_object(sidecar, EvaluationError, expected)["spacing"]
        ]
    except (KeyError, TypeError, OverflowError) as error:
        raise EvaluationError(f"{sidecar} holds no spacing ({error!r}). {expected}") from error
    if len(size) == 2 and len(spacing) == 3:  # a volume of one slice
        size = (1, *size)
    if len(spacing) != len(size) or not all(math.isfinite(s) and s > 0 for s in spacing):
        raise EvaluationError(
            f"{sidecar} has the spacing {spacing}; expected {len(size)} positive numbers (mm), one "
            f"per axis of the TIFF next to it ({' x '.join(map(str, size))})."
        )
    kept = _kept_axes(size)
    shape = tuple(size[axis] for axis in kept)
    return ArrayGeometry(shape, tuple(spacing[axis] for axis in kept), "mm", None)


@dataclass(frozen=True)
class LabelMap:
    """A label map with its grid.

    Attributes:
        foreground: What is not background: integers, axes of length 1 left out.
        geometry: Its grid.
        sha256: Hash of the bytes of all files of the image.
    """

    foreground: Foreground
    geometry: ArrayGeometry
    sha256: str

    @property
    def labels(self) -> np.ndarray:
        """All voxels; a new array each time."""
        return self.foreground.whole


def read_label_map(path: Path) -> LabelMap:
    """Read a label map.

    Ordinary NIfTI files are cropped while they are read; SimpleITK and Pillow read all others.

    Raises:
        EvaluationError: If the file is unreadable or truncated, or holds values that are
            not integers.
    """
    if _is_picture(path):
        foreground, geometry, digest = read_picture(path)
        return LabelMap(_of_integers(foreground, path), geometry, digest)
    try:
        if path.name.lower().endswith(NIFTI_ENDINGS):
            found = _read_plain_nifti(path)
            if found is not None:
                return found
        checked = check_file(path)
    except DamagedFileError as error:
        raise EvaluationError(str(error)) from error
    if checked.not_finite:  # SimpleITK would make zeros of them
        raise _not_finite(path, checked.not_finite)
    geometry = read_geometry(path)
    labels = _slices(path)
    if labels is None:
        try:
            labels = sitk.GetArrayFromImage(sitk.ReadImage(str(path), imageIO=itk_reader(path)))
        except (RuntimeError, ValueError) as error:
            raise unreadable(path, error) from error
    whole = _as_integers(labels, path).reshape(geometry.shape)
    return LabelMap(crop(whole), geometry, checked.sha256)


def _read_plain_nifti(path: Path) -> LabelMap | None:
    """Read a NIfTI file that needs no interpretation; None if it does, or is not a NIfTI file."""
    with NiftiStream(path) as stream:
        header = stream.header
        if header is None or not header.is_plain or header.dtype is None:
            return None
        shape = tuple(length for length in header.shape if length > 1) or (1,)
        if len(shape) > 3:
            return None
        size = slice_bytes(shape, header.dtype)
        blocks = stream.voxel_blocks(size * slices_per_block(size))
        found = crop_blocks(blocks, shape, header.dtype)
        digest = stream.finish()
    geometry = read_geometry(path)
    if geometry.shape != shape:
        return None
    return LabelMap(_of_integers(found, path), geometry, digest)


def _of_integers(found: Foreground, path: Path) -> Foreground:
    labels = _as_integers(found.labels, path)
    return found if labels is found.labels else replace(found, labels=labels)


def _as_integers(labels: np.ndarray, path: Path) -> np.ndarray:
    whole, fault = whole_labels(labels)
    if fault:
        raise EvaluationError(
            f"{path} holds {fault}. Export the label map again; interpolate masks with nearest "
            "neighbour."
        )
    return whole


def _not_finite(path: Path, count: int) -> EvaluationError:
    return EvaluationError(
        f"{path} holds {count} NaN or infinite values; expected whole label numbers. Export the "
        "label map again."
    )
