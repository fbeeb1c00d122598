"""Images of a pack: those that resemble a patient are dropped and counted, the others written."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunetv2_fair.cropping.images import write_image
from nnunetv2_fair.errors import DatasetError
from nnunetv2_fair.files.atomic import replacing
from nnunetv2_fair.synthesis.images.material import Material
from nnunetv2_fair.synthesis.images.network import ImageNetwork
from nnunetv2_fair.synthesis.images.sampling import sample
from nnunetv2_fair.synthesis.pack.pack import IMAGES, LABELS, write_about
from nnunetv2_fair.synthesis.quality.memorisation import (
    TOO_NEAR,
    averaged,
    nearest_training_cases,
)
from nnunetv2_fair.synthesis.training_cases.pictures import unpadded

#: Masks of each group in a sheet of samples.
_SHOWN = 8
#: How often an image is drawn for a mask.
_TURNS = 3


@dataclass(frozen=True)
class KeptImages:
    """Images that may be used.

    Attributes:
        which: Their places in the cases of the material, ascending.
        images: (kept, channels, rows, columns), -1 to 1.
        dropped: How many of each group were drawn and dropped.
    """

    which: list[int]
    images: NDArray[np.float32] = field(repr=False)
    dropped: Mapping[str, int]


def kept_images(
    material: Material, draw: Callable[[Sequence[int], int], NDArray[np.float32]]
) -> KeptImages:
    """Draw images until none is nearer to a training image than patients are to each other.

    Nearer, that is, than all but 1% of the training images are to the nearest image of another
    patient, of any group, after averaging to 16 x 16 pixels. Masks whose image is too near after
    three turns get none.

    Args:
        material: The training cases, and the cases of the pack.
        draw: Returns an image, (channels, size, size), -1 to 1, for each of the cases at these
            places; other images in each turn, which is counted from 0.

    Raises:
        DatasetError: If no image of a group is left.
    """
    missing = list(range(len(material.cases)))
    found: dict[int, NDArray[np.float32]] = {}
    dropped = {case.group: 0 for case in material.cases}
    for turn in range(_TURNS):
        if not missing:
            break
        images = unpadded(draw(missing, turn), material.form.size)
        near = nearest_training_cases(averaged(images), material.averages, material.patients)
        for place, image, bad in zip(missing, images, near.too_near, strict=True):
            if bad:
                dropped[material.cases[place].group] += 1
            else:
                found[place] = image
        missing = [place for place in missing if place not in found]
    have = {material.cases[place].group for place in found}
    for group, n in dropped.items():
        if group not in have:
            raise DatasetError(
                f"All {n} images made of {group} are {TOO_NEAR} to each other. The model repeats "
                "its training cases, or makes all alike: train with fewer or more --steps (into "
                "another --training), or on more patients."
            )
    which = sorted(found)
    return KeptImages(which, np.stack([found[place] for place in which]), dropped)


def write_pack(folder: Path, material: Material, kept: KeptImages, made: dict[str, Any]) -> None:
    """Write masks, images in the format of the dataset, groups, and how they were made.

    Args:
        folder: Temporary folder that becomes the pack.
        material: The cases.
        kept: Their images.
        made: How; nothing of people.

    Raises:
        ConversionError: If an image, read back, differs.
        OSError: If a file cannot be written.
    """
    for name in (LABELS, IMAGES):
        (folder / name).mkdir()
    groups: dict[str, str] = {}
    for place, image in zip(kept.which, kept.images, strict=True):
        case = material.cases[place]
        groups[case.case] = case.group
        shutil.copyfile(case.label, folder / LABELS / case.label.name)
        for channel, pixels in enumerate(material.form.files_of(image)):
            name = f"{case.case}_{channel:04d}{material.ending}"
            write_image(folder / IMAGES / name, pixels, None)
    dropped = {group: {TOO_NEAR: n} for group, n in kept.dropped.items() if n}
    write_about(
        folder, material.attribute, groups, {**made, "dropped": dropped, "masks": material.made}
    )


def write_samples(path: Path, material: Material, network: ImageNetwork, seed: int) -> None:
    """Draw a sheet: of each group a row of masks, and below it a row of their images.

    Args:
        path: New PNG; one that exists is replaced.
        material: Whose first masks of each group are taken.
        network: To draw with.
        seed: Of the noise.

    Raises:
        OSError: If it cannot be written.
    """
    from PIL import Image

    plan = material.plan
    indices = material.groups
    chosen = {group: np.flatnonzero(indices == group)[:_SHOWN] for group in np.unique(indices)}
    places = np.concatenate(list(chosen.values()))
    images = sample(
        network,
        material.labels[places],
        indices[places],
        [material.cases[place].case for place in places],
        seed=seed,
    )
    colours = 3 if len(material.form.shapes[0]) == 3 else 1
    sheet = np.zeros((2 * len(chosen) * plan.size, _SHOWN * plan.size, colours), np.uint8)
    made = iter(images)
    for row, members in enumerate(chosen.values()):
        for column, place in enumerate(members):
            across = slice(column * plan.size, (column + 1) * plan.size)
            top = 2 * row * plan.size
            mask = material.labels[place] * (255 // (plan.classes - 1))
            sheet[top : top + plan.size, across] = mask[..., None]
            pixels = np.moveaxis(next(made)[:colours], 0, -1)
            sheet[top + plan.size : top + 2 * plan.size, across] = np.rint((pixels + 1) * 127.5)
    with replacing(path) as temporary:
        Image.fromarray(sheet if colours == 3 else sheet[..., 0]).save(temporary, format="png")
