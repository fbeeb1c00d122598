"""One case on disk: written under a temporary name, read back, compared, renamed.

Runs in worker processes, so it imports neither pandas nor (for pictures) SimpleITK.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nnunetv2_fair.errors import ConversionError, FairError, shorten

#: 2D files without spacing, read by nnU-Net's ``NaturalImage2DIO``.
PICTURE_ENDINGS = (".png",)
#: Files with spacing, origin and direction, read by nnU-Net's ``SimpleITKIO``.
VOLUME_ENDINGS = (".nii.gz", ".nrrd", ".mha")

_RECORD_FORMAT = 1
_TEMPORARY = ".partial_"


@dataclass(frozen=True)
class Geometry:
    """Where voxels are, in SimpleITK's order (x, y[, z]).

    Attributes:
        spacing_mm: Distance of neighbouring voxels.
        origin_mm: Position of the first voxel.
        direction: Direction cosines, row by row.
    """

    spacing_mm: tuple[float, ...]
    origin_mm: tuple[float, ...]
    direction: tuple[float, ...]


@dataclass(frozen=True)
class CaseData:
    """Pixels of one case.

    Attributes:
        channels: One array per file: (rows, columns) for a grey picture, (rows, columns, 3) for
            a colour picture (three channels in one file), ([slices,] rows, columns) for a volume.
            Pictures are uint8 or uint16 (colour: uint8).
        mask: Integer label of every pixel, of the image's shape.
        geometry: None for pictures.
    """

    channels: Sequence[NDArray[Any]]
    mask: NDArray[Any]
    geometry: Geometry | None = None


@dataclass(frozen=True)
class CaseJob:
    """One case to write.

    Attributes:
        case: nnU-Net case identifier.
        part: ``train`` goes to imagesTr and labelsTr, ``test`` to imagesTs and labelsTs.
        load: Picklable callable (a frozen dataclass with ``__call__``, a partial of a module-level
            function) that returns the pixels. Called in another process. It may raise
            :class:`ConversionError`.
        fingerprint: Text that changes whenever the source files or a setting that matters to the
            pixels change (see :func:`fingerprint`); a rerun writes such cases again.
        n_bytes: Upper bound of the bytes on disk; for the check of free space.
        source: Original file, for messages.
    """

    case: str
    part: Literal["train", "test"]
    load: Callable[[], CaseData]
    fingerprint: str
    n_bytes: int = 0
    source: str = ""


@dataclass(frozen=True)
class WriteOrder:
    """A case with what a worker has to know about its dataset.

    Attributes:
        job: The case.
        dataset: Folder that gets imagesTr, labelsTr and so on.
        records: Folder that gets one small file per finished case.
        file_ending: One of :data:`PICTURE_ENDINGS` or :data:`VOLUME_ENDINGS`.
        n_channels: Number of channels of the dataset.
        values: Allowed values of masks.
    """

    job: CaseJob
    dataset: Path
    records: Path
    file_ending: str
    n_channels: int
    values: tuple[int, ...]

    @property
    def key(self) -> str:
        """Changes whenever files that were written for this case would no longer be right."""
        described = [_RECORD_FORMAT, self.job.case, self.job.part, self.job.fingerprint]
        return fingerprint(*described, self.file_ending, self.n_channels)

    @property
    def record(self) -> Path:
        """File that says that the case is done."""
        return self.records / f"{self.job.case}.json"


@dataclass(frozen=True)
class CaseRecord:
    """What is known about a case whose files are in place.

    Attributes:
        files: SHA-256 of each file, by its path inside the dataset folder.
        values: Values that occur in the mask.
        shape: Shape of the mask.
    """

    files: dict[str, str]
    values: tuple[int, ...]
    shape: tuple[int, ...]


def fingerprint(*settings: object, files: Sequence[Path] = ()) -> str:
    """Return a SHA-256 over settings, and over name, size and time of change of files.

    Args:
        settings: Values with a stable ``repr``: numbers, text, tuples, frozen dataclasses.
        files: Source files.
    """
    digest = hashlib.sha256(repr(settings).encode())
    for path in files:
        status = path.stat()
        digest.update(f"{path.name}|{status.st_size}|{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, as 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def finished(order: WriteOrder) -> CaseRecord | None:
    """Return the record of a case that an earlier run finished with the same settings.

    Every file is read again; a record whose files are absent or changed does not count.
    """
    try:
        content = json.loads(order.record.read_text(encoding="utf-8"))
        if content["key"] != order.key:
            return None
        record = CaseRecord(content["files"], tuple(content["values"]), tuple(content["shape"]))
        if all(file_hash(order.dataset / name) == sha for name, sha in record.files.items()):
            return record
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # half written by a run that was killed: as good as absent
    return None


def write_case(order: WriteOrder) -> CaseRecord | str:
    """Load, check, write, read back and rename the files of one case.

    Returns:
        The record, or what is wrong with this case in words.

    Raises:
        OSError: If the output folder cannot be written.
    """
    try:
        return finished(order) or _write(order)
    except FairError as error:
        return _in_words(order, error)


def check_case(order: WriteOrder) -> str | None:
    """Load and check the pixels of one case without writing anything.

    Returns:
        What is wrong with this case in words, as :func:`write_case` would say; None if nothing is.
    """
    try:
        _load(order)
    except FairError as error:
        return _in_words(order, error)
    return None


def _in_words(order: WriteOrder, error: FairError) -> str:
    where = f"case '{order.job.case}'"
    if order.job.source and order.job.source not in str(error):
        where += f" ({order.job.source})"
    return f"{where}: {error}"


def _load(order: WriteOrder) -> CaseData:
    try:
        data = order.job.load()
    except OSError as error:
        raise ConversionError(f"the original cannot be read: {error}") from error
    _check_pixels(order, data)
    return data


def _write(order: WriteOrder) -> CaseRecord:
    data = _load(order)
    suffix = "Tr" if order.job.part == "train" else "Ts"
    ending = order.file_ending
    contents = {
        f"images{suffix}/{order.job.case}_{number:04d}{ending}": channel
        for number, channel in enumerate(data.channels)
    }
    kind = np.dtype(np.uint8 if max(order.values) < 256 else np.uint16)
    contents[f"labels{suffix}/{order.job.case}{ending}"] = np.asarray(data.mask).astype(kind)
    files = {}
    for name, pixels in contents.items():
        path = order.dataset / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{_TEMPORARY}{os.getpid()}_{path.name}")
        try:
            _write_file(temporary, pixels, data.geometry)
            _verify_file(temporary, pixels, data.geometry)
            files[name] = file_hash(temporary)
            temporary.replace(path)
        except OSError as error:
            what = f"{error.strerror or error} (case '{order.job.case}')"
            raise OSError(error.errno, what, str(path)) from error
        finally:
            temporary.unlink(missing_ok=True)
    values = tuple(int(value) for value in np.unique(data.mask))
    record = CaseRecord(files, values, tuple(data.mask.shape))
    content = {"key": order.key, "files": files, "values": values, "shape": record.shape}
    temporary = order.record.with_name(f"{_TEMPORARY}{os.getpid()}_{order.record.name}")
    temporary.write_text(json.dumps(content), encoding="utf-8")
    temporary.replace(order.record)
    return record


def _check_pixels(order: WriteOrder, data: CaseData) -> None:
    mask = np.asarray(data.mask)
    picture = order.file_ending in PICTURE_ENDINGS
    n_channels = 0
    for number, channel in enumerate(data.channels):
        grid, colour = channel.shape, 1
        if picture and channel.ndim == 3:
            grid, colour = channel.shape[:2], channel.shape[2]
        if grid != mask.shape:
            raise ConversionError(
                f"channel {number} has shape {grid}, the mask {mask.shape}; both must be equal."
            )
        n_channels += colour
        if picture and (
            mask.ndim != 2
            or colour not in (1, 3)
            or channel.dtype not in ((np.uint8,) if colour == 3 else (np.uint8, np.uint16))
        ):
            raise ConversionError(
                f"channel {number} has shape {channel.shape} and type {channel.dtype}, which "
                f"{order.file_ending} cannot hold: expected 2D, 8 bits, or 16 bits if grey."
            )
        if not np.isfinite(channel).all():
            raise ConversionError(
                f"channel {number} holds NaN or infinite values, which nnU-Net refuses; replace "
                "them in the original."
            )
    if n_channels != order.n_channels:
        raise ConversionError(
            f"found {n_channels} channels, the dataset has {order.n_channels}; nnU-Net needs the "
            "same channels in every case."
        )
    found = np.unique(mask)
    strange = sorted(set(found.tolist()) - set(order.values))
    if strange:
        raise ConversionError(
            f"the mask holds {shorten(strange, 8)}; the labels of the dataset are "
            f"{shorten(order.values, 20)}. Map the values or describe more labels."
        )
    if picture != (data.geometry is None):
        raise ConversionError(
            f"{order.file_ending} {'has no' if picture else 'needs'} spacing, origin and direction."
        )


def _write_file(path: Path, pixels: NDArray[Any], geometry: Geometry | None) -> None:
    if geometry is None:
        from PIL import Image

        Image.fromarray(np.ascontiguousarray(pixels)).save(path)
        return
    import SimpleITK

    if pixels.dtype == np.float64:
        pixels = pixels.astype(np.float32)
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(pixels))
    try:
        image.SetSpacing(geometry.spacing_mm)
        image.SetOrigin(geometry.origin_mm)
        image.SetDirection(geometry.direction)
        SimpleITK.WriteImage(image, str(path), useCompression=True)
    except (RuntimeError, ValueError, TypeError) as error:
        _check_space(path)
        raise ConversionError(f"SimpleITK cannot write it: {error}") from error


def _check_space(path: Path) -> None:
    """Raise if the disk is full: SimpleITK's own message would not say so."""
    if shutil.disk_usage(path.parent).free < 1 << 20:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def _verify_file(path: Path, pixels: NDArray[Any], geometry: Geometry | None) -> None:
    """Raise unless the file holds what was meant: nnU-Net reads it, not our arrays."""
    if geometry is None:
        from PIL import Image

        with Image.open(path) as picture:
            if not np.array_equal(np.asarray(picture), pixels):
                raise ConversionError(
                    f"{path.name}, read back, differs from what was written; check the disk."
                )
        return
    import SimpleITK

    try:
        image = SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        _check_space(path)
        raise ConversionError(
            f"SimpleITK wrote it but cannot read it back: {error}. Does the direction "
            f"{geometry.direction} consist of perpendicular unit vectors?"
        ) from error
    stored = SimpleITK.GetArrayFromImage(image)
    expected = pixels.astype(np.float32) if pixels.dtype == np.float64 else pixels
    same = (
        np.array_equal(stored, expected)
        # NIfTI stores the geometry as 32-bit floats
        and np.allclose(image.GetSpacing(), geometry.spacing_mm, rtol=1e-5)
        and np.allclose(image.GetOrigin(), geometry.origin_mm, rtol=1e-5, atol=1e-3)
        and np.allclose(image.GetDirection(), geometry.direction, atol=1e-4)
    )
    if not same:
        raise ConversionError(
            f"{path.name}, read back, has other pixels, spacing, origin or direction than was "
            f"written (found {image.GetSpacing()}, {image.GetOrigin()}, {image.GetDirection()}; "
            f"expected {geometry.spacing_mm}, {geometry.origin_mm}, {geometry.direction})."
        )
