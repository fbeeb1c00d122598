"""What a phantom dataset consists of, checked before anything is created."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from nnunetv2_fair.errors import UsageError, shorten_lines
from nnunetv2_fair.subgroups.schema import Attribute, Bins, Schema

#: What can be planted (see :data:`PLANTED`).
Mechanism = Literal[
    "none", "representation", "difficulty", "appearance", "label_erosion", "label_shift", "shortcut"
]
MECHANISMS: tuple[Mechanism, ...] = get_args(Mechanism)

#: What each mechanism does to the biased group, for human readers.
PLANTED: dict[Mechanism, str] = {
    "none": "Nothing: the groups differ only in name.",
    "representation": (
        "The group's nodules are brighter than the organ instead of darker (in a share of its "
        "patients equal to the strength) and its speckle is coarser; the group is rare among "
        "the training patients and not among the test patients. The appearance itself is hardly "
        "harder: a model that saw enough of both segments both."
    ),
    "difficulty": "The group's nodules have less contrast to the organ, in training and test.",
    "appearance": (
        "The group's images look as if from another machine, in training and test: coarser and "
        "stronger speckle, and the tissue around the organ is about as bright as the organ. Which "
        "group an image is from is easy to see, and in the stronger speckle a nodule's border is "
        "harder to find."
    ),
    "label_erosion": (
        "The group's training masks are eroded. Test masks are correct; masks_clean/ holds the "
        "correct masks of all images."
    ),
    "label_shift": (
        "The group's training masks are shifted sideways and deeper. Test masks are correct; "
        "masks_clean/ holds the correct masks of all images."
    ),
    "shortcut": (
        "The group's images carry two bright bands outside the organ, like the callipers that "
        "sonographers leave in stored pictures. In training the bands cross at the nodule, in "
        "the test they cross at a random place: a model that relies on them is misled there. "
        "Models rely on them where nodules are hard to see (low contrast)."
    ),
}

SEX_LEVELS = ("female", "male")
AGE_BINS = Bins.from_cuts((50.0,))
AGE_RANGE_YEARS = (18, 90)

#: Label of the nodule in masks; 0 is background.
NODULE_LABEL = 1

#: Share of the training patients that the biased group gets under ``representation``.
DEFAULT_MINORITY_SHARE = 0.05

#: Shape and spacing of the small 3D variant: few, thick slices.
DEFAULT_SHAPE_3D = (16, 48, 56)
DEFAULT_SPACING_MM_3D = (3.0, 0.8, 0.8)

#: Smallest radius of a nodule across the beam, as a share of the shortest side of the field of
#: view, and the smallest share of it that remains along the beam.
SMALLEST_NODULE = 0.1
FLATTEST_NODULE = 0.65

#: Smallest share of a nodule's radius that an irregular border leaves.
DEEPEST_DENT = 0.7

_LEAST_ROWS = 24
_MOST_CONTRAST = 2.0


@dataclass(frozen=True)
class PhantomSpec:
    """Everything that determines a phantom dataset; equal specs give equal bytes.

    Attributes:
        n_patients: Number of patients.
        images_per_patient: Fewest and most images of a patient; drawn uniformly.
        shape: (rows, columns) of a picture or (slices, rows, columns) of a volume. Rows are depth.
        spacing_mm: Voxel spacing in the order of ``shape``; None for pictures, which have none.
        contrast: Smallest and largest natural logarithm of the ratio of the organ's echo to
            a nodule's; at about 0.3 and below, nodules are hard to see.
        bias: The planted mechanism, see :data:`PLANTED`.
        strength: 0 (the images and masks of an unbiased dataset) to 1.
        group: Group that the bias affects: ``female``, ``male``, ``<50`` or ``>=50``.
        minority_share: Share of the group among the training patients, 0..1; by default 0.05
            under ``representation``, regardless of its strength, and 0.5 otherwise. It is always
            one half among the test patients.
        test_share: Share of the patients held back for the test, 0..1.
        unknown_age_share: Share of the patients whose age is left empty in the table.
        seed: Seed of everything random, at least 0.

    Raises:
        UsageError: Lists every value that makes no sense.
    """

    n_patients: int = 200
    images_per_patient: tuple[int, int] = (1, 4)
    shape: tuple[int, ...] = (64, 64)
    spacing_mm: tuple[float, ...] | None = None
    contrast: tuple[float, float] = (0.8, 1.1)
    bias: Mechanism = "none"
    strength: float = 1.0
    group: str = "female"
    minority_share: float | None = None
    test_share: float = 0.3
    unknown_age_share: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        problems = [*_problems_with_cohort(self), *_problems_with_geometry(self)]
        if problems:
            raise UsageError(f"No phantom can be created like this:\n{shorten_lines(problems)}")

    @property
    def dimension(self) -> int:
        """2 for pictures, 3 for volumes."""
        return len(self.shape)

    @property
    def attribute(self) -> str:
        """Attribute that ``group`` belongs to: ``sex`` or ``age``."""
        return "sex" if self.group in SEX_LEVELS else "age"

    @property
    def training_share(self) -> float:
        """Share of the biased group among the training patients, defaults resolved."""
        if self.minority_share is not None:
            return self.minority_share
        return DEFAULT_MINORITY_SHARE if self.bias == "representation" else 0.5

    @property
    def voxel_size(self) -> tuple[float, ...]:
        """Spacing in mm, or 1 pixel along each axis of a picture."""
        return self.spacing_mm if self.spacing_mm is not None else (1.0,) * self.dimension

    @property
    def field_of_view(self) -> tuple[float, ...]:
        """Extent along each axis, in mm (volumes) or pixels (pictures)."""
        return tuple(n * size for n, size in zip(self.shape, self.voxel_size, strict=True))

    @property
    def biases_labels(self) -> bool:
        """Whether some training masks are wrong on purpose."""
        return self.bias in ("label_erosion", "label_shift")

    @property
    def file_ending(self) -> str:
        """``.png`` for pictures, ``.nii.gz`` for volumes."""
        return ".png" if self.dimension == 2 else ".nii.gz"

    def to_dict(self) -> dict[str, Any]:
        """Return the spec as written to ``phantom.json``, with the share resolved."""
        return {**dataclasses.asdict(self), "minority_share": self.training_share}


def phantom_schema() -> Schema:
    """Return what sex and age mean in every phantom dataset; sex is the default attribute."""
    return Schema(
        {
            "sex": Attribute(
                "sex", "categorical", "sex of the simulated patient", levels=SEX_LEVELS
            ),
            "age": Attribute(
                "age",
                "numeric",
                "age of the simulated patient at imaging",
                unit="years",
                bins=AGE_BINS,
                minimum=0,
                maximum=120,
            ),
        },
        default="sex",
    )


def _problems_with_cohort(spec: PhantomSpec) -> list[str]:
    problems = []
    if spec.bias not in MECHANISMS:
        problems.append(f"bias '{spec.bias}' is unknown; choose from {', '.join(MECHANISMS)}")
    groups = (*SEX_LEVELS, *AGE_BINS.labels)
    if spec.group not in groups:
        problems.append(f"group '{spec.group}' is unknown; choose from {', '.join(groups)}")
    shares = {
        "strength": spec.strength,
        "minority share": spec.minority_share,
        "test share": spec.test_share,
        "unknown age share": spec.unknown_age_share,
    }
    for name, share in shares.items():
        if share is not None and not 0 <= share <= 1:
            problems.append(f"{name} is {share:g}, expected a number from 0 to 1")
    if spec.n_patients < 2:
        problems.append(f"{spec.n_patients} patients were asked for, expected at least 2")
    if len(spec.images_per_patient) != 2 or not (
        1 <= spec.images_per_patient[0] <= spec.images_per_patient[1]
    ):
        problems.append(
            f"images per patient are {list(spec.images_per_patient)}, expected the fewest (at "
            "least 1) and the most, such as 1 4"
        )
    if len(spec.contrast) != 2 or not 0 < spec.contrast[0] <= spec.contrast[1] <= _MOST_CONTRAST:
        problems.append(
            f"contrast is {list(spec.contrast)}, expected the least and the most, above 0 and up "
            f"to {_MOST_CONTRAST:g}, such as 0.8 1.1"
        )
    if spec.seed < 0:
        problems.append(f"seed is {spec.seed}, expected 0 or more")
    return problems


def _problems_with_geometry(spec: PhantomSpec) -> list[str]:
    shape, spacing = list(spec.shape), spec.spacing_mm
    if spec.dimension not in (2, 3):
        return [f"shape {shape} has {len(shape)} numbers, expected rows columns or slices rows "
                "columns"]  # fmt: skip
    if min(shape[-2:]) < _LEAST_ROWS or shape[0] < 4:
        return [
            f"shape {shape} is too small, expected at least {_LEAST_ROWS} rows and columns, and "
            "4 slices of a volume"
        ]
    if spec.dimension == 2:
        if spacing is not None:
            return ["pictures have no spacing in mm; leave it out, or give a shape with slices"]
        return []
    if spacing is None or len(spacing) != 3 or any(not 0 < s < math.inf for s in spacing):
        given = "none" if spacing is None else str(list(spacing))
        return [
            f"the spacing of a volume is {given}, expected three positive numbers (mm between "
            "slices, rows, columns), such as 3 0.8 0.8"
        ]
    radius = SMALLEST_NODULE * min(spec.field_of_view)
    flat = FLATTEST_NODULE * radius  # in both directions of the plane, as nodules are rotated
    # the farthest a centre can be from its nearest voxel, against the deepest dent of the border
    parts = [size / 2 / r for size, r in zip(spacing, (radius, flat, flat), strict=True)]
    if math.hypot(*parts) > DEEPEST_DENT:
        return [
            f"nodules as thin as {2 * radius:.1f} mm would vanish between voxels that are "
            f"{max(spacing):g} mm apart (shape {shape}, spacing {list(spacing)} mm); use thinner "
            "slices, or a larger field of view"
        ]
    return []
