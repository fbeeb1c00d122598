"""Cases of a twin: images copied byte for byte, labels of their own; run in worker processes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nnunetv2_fair.cropping.images import grid_difference, grid_of_file, read_channel, read_mask
from nnunetv2_fair.dataset_conversion.shared.source import SourceCase
from nnunetv2_fair.dataset_conversion.twins.degrading import How, degraded
from nnunetv2_fair.dataset_conversion.writing.case_files import CaseData
from nnunetv2_fair.errors import ConversionError, shorten
from nnunetv2_fair.files.fingerprints import file_hash, text_hash
from nnunetv2_fair.files.nifti import quiet_itk
from nnunetv2_fair.files.volumes import OriginalFile

#: Beginning of the folder's name that keeps the labels that were replaced.
PREVIOUS = "previous"


class NewLabels(Protocol):
    """Other labels of a case."""

    @property
    def files(self) -> Sequence[Path]:
        """Files that they are read from, besides the case's own."""

    def of(self, labels: NDArray[Any], spacing: Sequence[float]) -> NDArray[Any]:
        """Return them.

        Args:
            labels: Those of the source dataset.
            spacing: Of the array's axes, in mm; 1 for pictures.
        """


@dataclass(frozen=True)
class LabelsOfFile:
    """Labels of a mask elsewhere.

    Attributes:
        path: The mask.
    """

    path: Path

    @property
    def files(self) -> tuple[Path, ...]:
        """The mask."""
        return (self.path,)

    def of(self, labels: NDArray[Any], spacing: Sequence[float]) -> NDArray[Any]:
        """Return the labels of the mask.

        Raises:
            ConversionError: If it cannot be read.
        """
        return read_mask(self.path)


@dataclass(frozen=True)
class DegradedLabels:
    """Labels made worse on purpose.

    Attributes:
        how: What happens to them.
        amount: How far; see :func:`~nnunetv2_fair.dataset_conversion.twins.degrading.degraded`.
        direction: Of ``shift``, along the array's axes; None: at random.
        seed: With the case's name, of all that is random.
        case: The case's name: another case more or less changes nothing for the others.
    """

    how: How
    amount: float
    direction: tuple[float, ...] | None
    seed: int
    case: str

    @property
    def files(self) -> tuple[Path, ...]:
        """None."""
        return ()

    def of(self, labels: NDArray[Any], spacing: Sequence[float]) -> NDArray[Any]:
        """Return the labels, degraded.

        Raises:
            ConversionError: If the direction has another number of axes than the image.
        """
        direction = self.direction
        if direction is not None and len(direction) != labels.ndim:
            raise ConversionError(
                f"--direction has {len(direction)} numbers, the image {labels.ndim} axes; expected "
                f"{'x y z' if labels.ndim == 3 else 'x y'}."
            )
        # of the name, not of the order; not of the amount, so that larger ones do more of the same
        rng = np.random.default_rng(int(text_hash(f"{self.seed}|{self.case}")[:16], 16))
        return degraded(labels, self.how, self.amount, spacing, rng, direction)


@dataclass(frozen=True)
class TwinOrder:
    """A case to look at.

    Attributes:
        case: Its files.
        values: Labels that the dataset has.
        new: Its other labels; None: they stay.
    """

    case: SourceCase
    values: tuple[int, ...]
    new: NewLabels | None = None


@dataclass(frozen=True)
class LabelChange:
    """How far other labels differ from those before, over all labels together.

    Attributes:
        before: Foreground voxels.
        after: Foreground voxels of the other labels.
        both: Foreground voxels of both.
        changed: Voxels whose label is another one.
    """

    before: int = 0
    after: int = 0
    both: int = 0
    changed: int = 0

    @property
    def overlap(self) -> float:
        """Dice of the foreground before and after; 1 if both are empty."""
        total = self.before + self.after
        return 2 * self.both / total if total else 1.0


@dataclass(frozen=True)
class TwinFacts:
    """What was found.

    Attributes:
        n_bytes: Upper bound of the bytes on disk.
        change: Of the labels.
        problems: What is wrong, in words; then the rest is empty.
    """

    n_bytes: int = 0
    change: LabelChange = field(default_factory=LabelChange)
    problems: tuple[str, ...] = ()


def survey_case(order: TwinOrder) -> TwinFacts:
    """Read headers and masks of a case; raises nothing on bad files."""
    with quiet_itk():
        try:
            return _survey(order)
        except (ConversionError, OSError) as error:
            return TwinFacts(problems=(f"case '{order.case.case}': {error}",))


def _survey(order: TwinOrder) -> TwinFacts:
    case, new = order.case, order.new
    grid = grid_of_file(case.images[0])
    others = [*case.images[1:], case.mask, *(new.files if new else ())]
    problems = [
        f"case '{case.case}': {difference} ({other.parent.name}). Resample both to one grid, or "
        "export them again"
        for other in others
        if (difference := grid_difference(grid, grid_of_file(other))) is not None
    ]
    if problems:
        return TwinFacts(problems=tuple(problems))
    n_bytes = sum(path.stat().st_size for path in case.files)
    if new is None:
        return TwinFacts(n_bytes)
    before = read_mask(case.mask)
    after = new.of(before, _spacing(case, before.ndim))
    strange = sorted(set(np.unique(after).tolist()) - set(order.values))
    if strange:
        where = f"{new.files[0]}: " if new.files else ""
        return TwinFacts(
            problems=(
                f"case '{case.case}': {where}the mask holds {shorten(strange, 8)}; the labels of "
                f"the dataset are {shorten(order.values, 20)}. Map the values of the mask",
            )
        )
    change = LabelChange(
        int(np.count_nonzero(before)),
        int(np.count_nonzero(after)),
        int(np.count_nonzero((before > 0) & (after > 0))),
        int(np.count_nonzero(before != after)),
    )
    return TwinFacts(n_bytes + before.size * 2, change)


def _spacing(case: SourceCase, n_axes: int) -> tuple[float, ...]:
    geometry = grid_of_file(case.images[0]).geometry
    return (1.0,) * n_axes if geometry is None else geometry.spacing_mm[::-1]


@dataclass(frozen=True)
class TwinCase:
    """A case of a twin; calling it reads its files.

    Attributes:
        case: Its files.
        new: Its other labels; None: they stay.
    """

    case: SourceCase
    new: NewLabels | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that the result depends on."""
        return (*self.case.files, *(self.new.files if self.new else ()))

    def __call__(self) -> CaseData:
        """Return images to be copied, and labels: those before go beside other ones.

        Raises:
            ConversionError: If a file is damaged.
        """
        case = self.case
        with quiet_itk():
            channels = [_copied(path, read_channel(path)) for path in case.images]
            mask = read_mask(case.mask)
            further: dict[str, OriginalFile | NDArray[Any]] = {
                name: _copied(path, read_mask(path))
                for name, path in case.further.items()
                if name != PREVIOUS
            }
            geometry = grid_of_file(case.images[0]).geometry
            if self.new is None:
                return CaseData(channels, mask, geometry, _copied(case.mask, mask), further)
            labels = self.new.of(mask, _spacing(case, mask.ndim))
            further[PREVIOUS] = _copied(case.mask, mask)
            return CaseData(channels, labels, geometry, further_masks=further)


def _copied(path: Path, voxels: NDArray[Any]) -> OriginalFile:
    """Return a file, whose voxels have been read and are whole, to be copied as it is."""
    return OriginalFile(path, voxels.shape, file_hash(path))
