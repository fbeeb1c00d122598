"""One frame (ED or ES) of one participant: what its label holds, and its voxels.

Runs in worker processes. No path and no identifier leaves this module: errors are reworded,
without their cause: those of libraries name files, and files are named after participants.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nnunetv2_fair.dataset_conversion.ukbb_cmr.ids import without_identifiers
from nnunetv2_fair.dataset_conversion.ukbb_cmr.labels import (
    INCOMPLETE,
    STRUCTURES,
    drawn_part,
    enclosing_pairs,
    find_frames,
    map_labels,
    strange_values,
)
from nnunetv2_fair.dataset_conversion.ukbb_cmr.sources import FrameFiles, Source
from nnunetv2_fair.dataset_conversion.writing.case_files import CaseData
from nnunetv2_fair.errors import ConversionError, FairError
from nnunetv2_fair.files.fingerprints import content_mark, hash_of
from nnunetv2_fair.files.nifti import quiet_itk
from nnunetv2_fair.files.volumes import (
    ImageGeometry,
    VolumeHeader,
    geometry_difference,
    geometry_of,
    read_header,
    read_image,
    read_labels,
)

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class FrameFacts:
    """What is known of a frame before its image is read.

    Attributes:
        index: Frame of the cycle; None for files that hold one frame.
        shape: (slices, rows, columns).
        left_out: Reason why it cannot be used; None if it can.
        strange: Values of the label that have no meaning.
        enclosed: Pairs (a, b) of labels where a encloses b.
        state: Marks of the content of both files.
        drawn: Hash of the label's voxels. Numbers of participants are drawn again when their map is
            lost, and files of different participants can have the same size and time.
        problem: What is wrong, in words; empty if nothing is.
    """

    index: int | None = None
    shape: tuple[int, ...] = ()
    left_out: str | None = None
    strange: tuple[int, ...] = ()
    enclosed: tuple[tuple[int, int], ...] = ()
    state: tuple[str, ...] = ()
    drawn: str = ""
    problem: str = ""


@dataclass(frozen=True)
class SurveyItem:
    """A participant whose labels are to be checked.

    Attributes:
        source: Files.
        label_map: Pairs (value in the file, label); empty: values are labels.
    """

    source: Source
    label_map: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class CmrFrame:
    """Loads the voxels of a frame.

    Attributes:
        files: Image and label.
        index: Frame of the cycle; None for files that hold one frame.
        label_map: Pairs (value in the file, label); empty: values are labels.
        participant: Identifier that no message may hold.
    """

    files: FrameFiles
    index: int | None
    label_map: tuple[tuple[int, int], ...]
    participant: str = field(repr=False)

    def __call__(self) -> CaseData:
        """Return image, label and geometry.

        Raises:
            ConversionError: If a file is damaged or the image is black.
        """
        return _nameless(self._load, self.files, self.participant)

    def _load(self) -> CaseData:
        import SimpleITK

        # both grids were compared when the labels were checked
        image = read_image(self.files.image)
        labels = read_labels(self.files.label)
        if self.index is not None:
            image, labels = image[:, :, :, self.index], labels[self.index]
        pixels = SimpleITK.GetArrayFromImage(image)
        if not pixels.any():
            raise ConversionError(
                f"{self.files.image.name} is black; leave the participant out (--exclude)"
            )
        return CaseData((pixels,), map_labels(labels, self.label_map), geometry_of(image))


def survey_participant(item: SurveyItem) -> dict[str, FrameFacts]:
    """Read the labels of a participant; return what is known of each frame that has files."""
    source = item.source
    result: dict[str, FrameFacts] = {}
    for frame, files in source.frames.items():
        survey = _survey_cycle if files.whole_cycle else _survey_frame
        if frame in result:
            continue  # found with the other frame of its cycle
        try:
            found = _nameless(partial(survey, files, frame, item.label_map), files,
                              source.participant)  # fmt: skip
        except ConversionError as error:
            found = {frame: FrameFacts(problem=f"{source.where}: {error}")}
        result |= {name: facts for name, facts in found.items() if name in source.frames}
    return result


def _nameless(function: Callable[[], _Result], files: FrameFiles, participant: str) -> _Result:
    """Call a function; its errors lose paths, identifiers and causes."""
    try:
        with quiet_itk():
            return function()
    except OSError as error:
        text = f"cannot be read: {error.strerror or type(error).__name__}"
    except FairError as error:
        text = str(error)
    except Exception as error:  # anything that a library raises may name the file
        text = f"{type(error).__name__}: {error}"
    paths = (files.image, files.label, files.image.resolve(), files.label.resolve())
    for path in paths:
        text = text.replace(str(path), path.name)
    for path in paths:
        text = text.replace(str(path.parent), "its folder")
    # outside of the handler, so that nothing is chained to it
    raise ConversionError(without_identifiers(text, (participant,)))


def _checked_headers(files: FrameFiles, dimensions: int) -> VolumeHeader:
    image, label = read_header(files.image), read_header(files.label)
    for header in (image, label):
        if len(header.shape) != dimensions:
            raise ConversionError(
                f"{header.path.name} has {len(header.shape)} dimensions; expected {dimensions}"
            )
    difference = geometry_difference(_in_space(image), _in_space(label))
    if difference:
        raise ConversionError(f"{difference}; image and label must be of the same grid")
    return image


def _in_space(header: VolumeHeader) -> VolumeHeader:
    """Return the header without duration and beginning of a cycle, which labels often lack."""
    where, n = header.geometry, len(header.shape)
    direction = tuple(where.direction[n * i + j] for i in range(3) for j in range(3))
    return replace(
        header, geometry=ImageGeometry(where.spacing_mm[:3], where.origin_mm[:3], direction)
    )


def _survey_frame(
    files: FrameFiles, frame: str, label_map: tuple[tuple[int, int], ...]
) -> dict[str, FrameFacts]:
    header = _checked_headers(files, 3)
    whole = read_labels(files.label)
    stored = drawn_part(whole)
    labels = map_labels(stored, label_map)
    strange = strange_values(stored, label_map)
    # strange values are a problem of their own, and the reason why labels seem absent
    complete = strange or set(STRUCTURES) <= set(np.unique(labels).tolist())
    reason = None if complete else INCOMPLETE
    enclosed = enclosing_pairs(labels)
    state, drawn = _state(files), _hash(whole)
    return {frame: FrameFacts(None, header.shape, reason, strange, enclosed, state, drawn)}


def _survey_cycle(
    files: FrameFiles, frame: str, label_map: tuple[tuple[int, int], ...]
) -> dict[str, FrameFacts]:
    shape = _checked_headers(files, 4).shape[1:]
    stored = read_labels(files.label)
    labels = map_labels(stored, label_map)
    strange = strange_values(stored, label_map)
    facts = {}
    for name, (index, reason) in find_frames(labels).items():
        enclosed = () if index is None else enclosing_pairs(drawn_part(labels[index]))
        reason = None if strange else reason
        drawn = "" if index is None else _hash(stored[index])
        facts[name] = FrameFacts(index, shape, reason, strange, enclosed, _state(files), drawn)
    return facts


def _state(files: FrameFiles) -> tuple[str, ...]:
    return tuple(content_mark(path) for path in (files.image, files.label))


def _hash(labels: NDArray[Any]) -> str:
    return hash_of(labels.tobytes())
