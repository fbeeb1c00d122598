"""One case on disk: written under a temporary name, read back, compared, renamed.

Runs in worker processes, so it imports neither pandas nor (for pictures) SimpleITK.
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nnunetv2_fair.errors import ConversionError, FairError, shorten
from nnunetv2_fair.files.atomic import replacing, write_text
from nnunetv2_fair.files.fingerprints import content_mark, file_hash, text_hash
from nnunetv2_fair.files.volumes import (
    ImageGeometry,
    OriginalFile,
    verify_volume,
    write_volume,
)

#: 2D files without spacing, read by nnU-Net's ``NaturalImage2DIO``.
PICTURE_ENDINGS = (".png",)
#: Files with spacing, origin and direction, read by nnU-Net's ``SimpleITKIO`` (``.nii`` by
#: ``NibabelIO``).
VOLUME_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha")

_RECORD_FORMAT = 1


@dataclass(frozen=True)
class CaseData:
    """Pixels of one case.

    Attributes:
        channels: One array per file: (rows, columns) for a grey picture, (rows, columns, 3) for
            a colour picture (three channels in one file), ([slices,] rows, columns) for a volume.
            Pictures are uint8 or uint16 (colour: uint8). A file that is copied as it is
            stands for its pixels, which have been checked.
        mask: Integer label of every pixel, of the image's shape.
        geometry: None for pictures.
        mask_file: File that is copied as it is and whose labels ``mask`` holds.
        further_masks: Other masks of the same image, which nnU-Net does not see, by the beginning
            of their folder's name: ``automatic`` goes to automaticTr or automaticTs.
    """

    channels: Sequence[NDArray[Any] | OriginalFile]
    mask: NDArray[Any]
    geometry: ImageGeometry | None = None
    mask_file: OriginalFile | None = None
    further_masks: Mapping[str, NDArray[Any] | OriginalFile] = field(default_factory=dict)


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
    """Return a SHA-256 over settings, and over names and content of files.

    Args:
        settings: Values with a stable ``repr``: numbers, text, tuples, frozen dataclasses.
        files: Source files.
    """
    lines = [f"{path.name}|{content_mark(path)}\n" for path in files]
    return text_hash("".join([repr(settings), *lines]))


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
        return None  # half written by a run that was killed: treated as absent
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
    contents: dict[str, NDArray[Any] | OriginalFile] = {
        f"images{suffix}/{order.job.case}_{number:04d}{ending}": channel
        for number, channel in enumerate(data.channels)
    }
    masks = {"labels": data.mask_file or data.mask, **data.further_masks}
    kind = np.dtype(np.uint8 if max(order.values) < 256 else np.uint16)
    for folder, mask in masks.items():
        content = mask if isinstance(mask, OriginalFile) else np.asarray(mask).astype(kind)
        contents[f"{folder}{suffix}/{order.job.case}{ending}"] = content
    files = {}
    for name, content in contents.items():
        path = order.dataset / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # not flushed to the disk: an interrupted conversion checks every hash again
            with replacing(path, durable=False) as temporary:
                _write_file(temporary, content, data.geometry)
                files[name] = file_hash(temporary)
        except OSError as error:
            what = f"{error.strerror or error} (case '{order.job.case}')"
            raise OSError(error.errno, what, str(path)) from error
    values = tuple(int(value) for value in _values_of(data.mask, order.values))
    record = CaseRecord(files, values, tuple(data.mask.shape))
    described = {"key": order.key, "files": files, "values": values, "shape": record.shape}
    write_text(order.record, json.dumps(described), durable=False)
    return record


def _check_pixels(order: WriteOrder, data: CaseData) -> None:
    mask = np.asarray(data.mask)
    picture = order.file_ending in PICTURE_ENDINGS
    n_channels = 0
    for number, channel in enumerate(data.channels):
        grid, colour = channel.shape, 1
        if picture and len(channel.shape) == 3:
            grid, colour = channel.shape[:2], channel.shape[2]
        if grid != mask.shape:
            raise ConversionError(
                f"channel {number} has shape {grid}, the mask {mask.shape}; both must be equal."
            )
        n_channels += colour
        if isinstance(channel, OriginalFile):
            _check_ending(order, channel)
            continue
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
    _check_masks(order, data, mask)
    if picture != (data.geometry is None):
        raise ConversionError(
            f"{order.file_ending} {'has no' if picture else 'needs'} spacing, origin and direction."
        )


def _check_masks(order: WriteOrder, data: CaseData, mask: NDArray[Any]) -> None:
    if data.mask_file is not None:
        _check_ending(order, data.mask_file)
    for name, other in {"labels": mask, **data.further_masks}.items():
        what = "the mask" if name == "labels" else f"the {name} mask"
        if other.shape != mask.shape:
            raise ConversionError(
                f"{what} has shape {other.shape}, the image {mask.shape}; both must be equal."
            )
        if isinstance(other, OriginalFile):
            _check_ending(order, other)
            continue
        strange = sorted(set(_values_of(other, order.values)) - set(order.values))
        if strange:
            raise ConversionError(
                f"{what} holds {shorten(strange, 8)}; the labels of the dataset are "
                f"{shorten(order.values, 20)}. Map the values or describe more labels."
            )


def _values_of(mask: NDArray[Any], expected: Sequence[int]) -> list[Any]:
    """Return the different values of a mask, ascending.

    Counting the expected ones is several times as fast as sorting all pixels; only a mask that
    holds more is sorted.
    """
    counts = {value: np.count_nonzero(mask == value) for value in sorted(expected)}
    if sum(counts.values()) == mask.size:
        return [value for value, count in counts.items() if count]
    return list(np.unique(mask).tolist())


def _check_ending(order: WriteOrder, original: OriginalFile) -> None:
    if not original.path.name.lower().endswith(order.file_ending):
        raise ConversionError(
            f"{original.path} cannot be copied as it is: the dataset's files end in "
            f"{order.file_ending}."
        )


def _write_file(
    path: Path, content: NDArray[Any] | OriginalFile, geometry: ImageGeometry | None
) -> None:
    """Write a file and compare it with what was intended: nnU-Net reads it, not our arrays."""
    if isinstance(content, OriginalFile):
        shutil.copyfile(content.path, path)
        if file_hash(path) != content.sha256:
            raise ConversionError(
                f"{content.path} changed while it was copied, or the disk is faulty. Run the same "
                "command again."
            )
    elif geometry is None:
        from PIL import Image

        Image.fromarray(np.ascontiguousarray(content)).save(path)
        with Image.open(path) as picture:
            if not np.array_equal(np.asarray(picture), content):
                raise ConversionError(
                    f"{path.name}, read back, differs from what was written; check the disk."
                )
    else:
        write_volume(path, content, geometry)
        verify_volume(path, content, geometry)
