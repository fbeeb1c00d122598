"""Quality of a pack: the images of each group beside real training images of that group."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nnunetv2_fair.errors import ConversionError, DatasetError, shorten
from nnunetv2_fair.synthesis.pack.pack import read_pack
from nnunetv2_fair.synthesis.quality.beside_floor import LEAST, quality
from nnunetv2_fair.synthesis.quality.memorisation import averaged, nearest_training_cases
from nnunetv2_fair.synthesis.training_cases.by_group import cases_by_group
from nnunetv2_fair.synthesis.training_cases.pictures import read_pictures, read_pictures_like

#: Measures of likeness to single patients, beside those of ``beside_floor.MEASURES``.
NEAREST, TOO_NEAR = "nearest_training_image", "share_too_near"
_SMALLEST = 16
#: Images, ``(n, channels, y, x)`` from -1 to 1, and the files of each -> ``(n, d)``.
Features = Callable[[np.ndarray, Sequence[Sequence[Path]]], np.ndarray]


@dataclass(frozen=True)
class GroupQuality:
    """Measures of one group.

    Attributes:
        synthetic: Images in the pack.
        real: Real training images that they are compared with, one of each patient.
        n: Images in each of the two sets that are compared.
        measured: Name of the measure -> its value, synthetic against real.
        floor: The same, real against other real images.
    """

    synthetic: int
    real: int
    n: int
    measured: Mapping[str, float] = field(repr=False)
    floor: Mapping[str, float] = field(repr=False)


@dataclass(frozen=True)
class PackQuality:
    """Measures of all groups of a pack.

    Attributes:
        attribute: Attribute expression.
        groups: Measures of each group.
        unmeasured: Groups with too few images, and how many there are: synthetic, real.
    """

    attribute: str
    groups: Mapping[str, GroupQuality]
    unmeasured: Mapping[str, tuple[int, int]]


def pack_quality(
    folder: Path,
    attribute: str | None,
    pack_folder: Path,
    features: Features,
    *,
    draws: int,
    seed: int,
    scaled: bool = True,
) -> PackQuality:
    """Measure the images of a pack against the training images of a dataset.

    Of every patient one real image is compared, the first. ``nearest_training_image`` is the median
    distance of synthetic images to the nearest training image of any group, after averaging to
    16 x 16 pixels, 0 to 2; its floor is that of the group's training images to the nearest of
    another patient. ``share_too_near`` is the share below the limit of
    :func:`~nnunetv2_fair.synthesis.quality.memorisation.nearest_training_cases`.

    Args:
        folder: Dataset folder in ``nnUNet_raw``, with pictures of one size.
        attribute: Attribute expression; None: that of the pack.
        pack_folder: The pack, with images.
        features: What images are compared by.
        draws: Splits of the real images.
        seed: Of the splits.
        scaled: Whether features are divided by their spread.

    Raises:
        DatasetError: If no group has enough images, or patients cannot be told apart.
        DemographicsError: If the table or the attribute cannot be used.
        ConversionError: If files are missing, cannot be read, or do not fit each other.
    """
    pack = read_pack(pack_folder, attribute, images=True)
    known = cases_by_group(folder, pack.attribute, (), "features of volumes are not offered yet")
    known.check_groups(pack_folder, pack.groups, "images")
    firsts = {
        group: list(
            {known.patients[case]: case for case in reversed(known.members[group])}.values()
        )
        for group in pack.groups
    }
    sizes = {group: (len(own), len(firsts[group])) for group, own in pack.groups.items()}
    unmeasured = {
        group: (made, real)
        for group, (made, real) in sizes.items()
        if made < LEAST or real < 2 * LEAST
    }
    if len(unmeasured) == len(sizes):
        raise DatasetError(
            f"No group of {pack_folder} can be measured: expected at least {LEAST} synthetic "
            f"images, and real training images of {2 * LEAST} patients. Found (synthetic, real): "
            f"{shorten(f'{group} {made}, {real}' for group, (made, real) in sizes.items())}. Make "
            "more images, or choose an attribute with larger groups."
        )
    files = known.files()
    names = [case for cases in known.members.values() for case in cases]
    real, form = read_pictures({case: files[case].images for case in names})
    if min(form.size) < _SMALLEST:
        raise ConversionError(
            f"{folder.name} has images of {form.size[0]} x {form.size[1]} pixels; expected at "
            f"least {_SMALLEST} a side, because the features halve them four times."
        )
    made = read_pictures_like({case.case: case.images for case in pack.cases}, form)
    patients = [known.patients[case] for case in names]
    nearest = nearest_training_cases(averaged(made), averaged(real), patients)
    features_made = features(made, [case.images for case in pack.cases])
    features_real = features(real, [files[case].images for case in names])
    group_made = np.array([case.group for case in pack.cases])
    found = {}
    for group in pack.groups:
        if group in unmeasured:
            continue
        ours = group_made == group
        members = np.isin(names, list(known.members[group]))
        compared = features_real[np.isin(names, firsts[group])]
        measures = quality(features_made[ours], compared, draws=draws, seed=seed, scaled=scaled)
        distances, floors = nearest.distances[ours], nearest.real[members]
        found[group] = GroupQuality(
            *sizes[group],
            measures.n,
            {**measures.measured, **_nearness(distances, nearest.limit)},
            {**measures.floor, **_nearness(floors, nearest.limit)},
        )
    return PackQuality(known.attribute, found, unmeasured)


def _nearness(distances: np.ndarray, limit: float) -> dict[str, float]:
    return {NEAREST: float(np.median(distances)), TOO_NEAR: float((distances < limit).mean())}
