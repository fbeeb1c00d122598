"""Phantoms with known causes of a gap, for ``diagnosis_images.py``: what is planted and edited."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from nnunetv2_fair.audit.causes.backgrounds import (
    Case,
    control,
    exchanged,
    neutralised,
    partners,
)
from nnunetv2_fair.audit.causes.evidence import Cause
from nnunetv2_fair.evaluation.difficulty.covariates import contrast, noise, size_of
from nnunetv2_fair.phantoms.bias import plant
from nnunetv2_fair.phantoms.drawing import Drawing, draw
from nnunetv2_fair.phantoms.rendering import PhantomImage, render
from nnunetv2_fair.phantoms.spec import Mechanism, PhantomSpec
from nnunetv2_fair.subgroups.groups import Group, Grouping
from nnunetv2_fair.subgroups.nested import with_equal_numbers

Array = NDArray[Any]
SPACING = (1.0, 1.0)
#: What edits keep around the organ: its nearest pixels, as there are hardly more outside.
MARGIN = 1.05
#: What stays around a nodule where nothing but that stays, in pixels.
NODULE_MARGIN = 2.0


@dataclass(frozen=True)
class Setting:
    """What is planted, and into what.

    Attributes:
        planted: Cause -> strength of its mechanism in the phantom; of labels, how far masks are
            moved (:func:`displaced`).
        minority: Share of the group in training.
        batch: Images of a training step. With 8, two of which are of a rare group, one training in
            ten never finds the group's nodules, and what it says of the gap drowns the others; with
            16, three in twenty where its labels are wrong, too.
        patients: Times as many training patients as :attr:`Design.training`. With 22 patients of a
            rare group, few are left for training on equal numbers.
        contrast: Of all nodules, times that of :attr:`Design.contrast`. Where they are easy to see,
            few cases of a group are enough, and no gap comes of it.
    """

    planted: Mapping[Cause, float] = field(default_factory=dict)
    minority: float = 0.5
    batch: int = 8
    patients: int = 1
    contrast: float = 1.0


@dataclass(frozen=True)
class Design:
    """The same for all settings.

    Attributes:
        training: Patients, unless a setting has more.
        test: Patients, half of each group.
        images: Of each patient.
        shape: Rows and columns.
        contrast: Of the nodules, see :class:`PhantomSpec`.
        trainings: Of either kind.
        steps: Of a training.
        double: Share of the test patients with expert masks.
    """

    training: int = 100
    test: int = 200
    images: int = 2
    shape: tuple[int, int] = (32, 32)
    contrast: tuple[float, float] = (0.25, 1.0)
    trainings: int = 5
    steps: int = 150
    double: float = 0.6


MECHANISMS: Mapping[Cause, Mechanism] = {
    "representation": "representation",
    "difficulty": "difficulty",
    "shortcut": "shortcut",
}
#: Share of the group in training where representation is a cause.
_RARE = 0.22
SETTINGS: Mapping[str, Setting] = {
    "none": Setting(),
    "representation": Setting({"representation": 1.0}, _RARE, 32, 2, 0.65),
    "difficulty": Setting({"difficulty": 0.6}),
    "labels": Setting({"labels": 0.5}),
    "shortcut": Setting({"shortcut": 1.0}),
    "representation and labels": Setting({"representation": 1.0, "labels": 0.5}, _RARE, 32, 2),
    "labels and shortcut": Setting({"labels": 0.8, "shortcut": 1.0}),
}
#: Backgrounds of test images: name in the results -> in words.
EDITS = {
    "neutral": "neutralised",
    "exchanged": "exchanged between groups",
    "control": "exchanged within groups",
}


class Images:
    """Training or test images of a phantom in one order, with what the benchmark reads of them."""

    def __init__(self, setting: Setting, design: Design, seed: int, split: str) -> None:
        total = design.training * setting.patients + design.test
        base = PhantomSpec(
            n_patients=total, images_per_patient=(design.images,) * 2, shape=design.shape,
            contrast=design.contrast, minority_share=setting.minority,
            test_share=design.test / total, seed=seed,
        )  # fmt: skip
        drawings = [one for one in draw(base) if one.patient.split == split]
        drawings = [planted(one, setting, base) for one in drawings]
        made = [render(one, base) for one in drawings]
        self.images = np.stack(
            [_with_bands_apart(*one, base) for one in zip(drawings, made, strict=True)]
        )
        self.expert = np.stack([one.clean_mask > 0 for one in made])
        self.organs = np.stack([one.organ for one in made])
        self.second = np.array([one.patient.biased for one in drawings])
        self.patients = [str(one.patient.name) for one in drawings]
        self.masks = self.expert.copy()
        rng = np.random.default_rng([seed, split == "test"])
        for i in np.flatnonzero(self.second) if "labels" in setting.planted else ():
            self.masks[i] = displaced(self.expert[i], setting.planted["labels"], rng)


def _with_bands_apart(drawing: Drawing, made: PhantomImage, base: PhantomSpec) -> Array:
    """Return the image with bands that begin beyond the margin that edits keep."""
    if not drawing.bands:
        return made.image
    near = ndimage.distance_transform_edt(~made.organ) < MARGIN
    return np.asarray(np.where(near, render(replace(drawing, bands=0.0), base).image, made.image))


def planted(drawing: Drawing, setting: Setting, base: PhantomSpec) -> Drawing:
    """Return the drawing with all causes of a setting.

    Wrong labels are not among them: :func:`displaced`. A rare group has nodules that are brighter
    than the organ, and is no harder to see otherwise.
    """
    drawing = replace(drawing, contrast=setting.contrast * drawing.contrast)
    if "shortcut" in setting.planted:
        drawing = with_twin(drawing)
    for cause, strength in setting.planted.items():
        if cause != "labels":
            spec = replace(base, bias=MECHANISMS[cause], strength=strength)
            changed = plant(drawing, spec)
            if cause == "representation":
                # coarser speckle would leave a gap where both groups are trained on as often:
                # that of harder images
                changed = replace(changed, speckle=drawing.speckle)
            drawing = changed
    return drawing


def with_twin(drawing: Drawing) -> Drawing:
    """Return the drawing with a vessel of the nodule's size across the organ.

    In the test, the bands of the group cross there. Where nothing else could be meant, small
    networks do not follow them.
    """
    nodule = drawing.nodule
    centre = tuple(2 * o - n for o, n in zip(drawing.organ.centre, nodule.centre, strict=True))
    twin = replace(nodule, centre=centre)
    return replace(drawing, decoy=centre, vessels=(*drawing.vessels, twin))


def displaced(mask: Array, share: float, rng: np.random.Generator) -> Array:
    """Return a mask moved in a random direction by a share of its radius (of a disc of its size).

    Unlike labels that are wrong in one way, these cannot be learnt: a model trained on them, too,
    finds about the correct masks, and the group's labels make it look worse than it is.
    """
    angle, radius = rng.uniform(0, 2 * np.pi), np.sqrt(mask.sum() / np.pi)
    step = share * radius * np.array([np.cos(angle), np.sin(angle)])
    return np.asarray(ndimage.shift(mask.astype(float), step, order=1) > 0.5)


def covariates(test: Images) -> Array:
    """Return (images, 4): size and contrast by the expert mask, noise of the image."""
    rows = [
        (contrast(image, mask, SPACING), size_of(mask, SPACING), noise(image))
        for image, mask in zip(test.images, test.expert, strict=True)
    ]
    found = np.array(rows)
    return np.column_stack([found, found[:, 0] ** 2])


def equal_numbers(training: Images, draw: int) -> Array:
    """Return (images,) bool: those of as many patients of each group as the smaller group has.

    Args:
        training: Images.
        draw: Of who stays.
    """
    cases = [str(place) for place in range(len(training.second))]
    names = ["second" if one else "first" for one in training.second]
    groups = Group(("first",)), Group(("second",))
    grouping = Grouping("group", groups, dict(zip(cases, names, strict=True)))
    patients = dict(zip(cases, training.patients, strict=True))
    kept = set(with_equal_numbers(cases, grouping, patients, draw))
    return np.array([case in kept for case in cases])


def nodules_alone(test: Images) -> Array:
    """Return the test images without anything but nodules: more is edited than the background."""
    cases = [Case(image[None], mask) for image, mask in zip(test.images, test.expert, strict=True)]
    return np.stack([neutralised(case, NODULE_MARGIN, SPACING).image[0] for case in cases])


def edited(test: Images, each: int, seed: int) -> dict[str, Array]:
    """Return the test images after every edit of :data:`EDITS`.

    Args:
        test: Images.
        each: Of each patient; partners are other patients.
        seed: Of the partners.
    """
    cases = [
        Case(image[None], organ) for image, organ in zip(test.images, test.organs, strict=True)
    ]
    names = ["second" if one else "first" for one in test.second[::each]]
    drawn = partners(names, [True] * len(names), seed)
    made: dict[str, list[Array]] = {name: [] for name in EDITS}
    for place, case in enumerate(cases):
        patient, image = divmod(place, each)
        made["neutral"].append(neutralised(case, MARGIN, SPACING).image[0])
        edit = exchanged(case, cases[drawn.other[patient] * each + image], MARGIN, SPACING)
        made["exchanged"].append(edit.image[0])
        donors = [cases[other * each + image] for other in drawn.same[patient]]
        made["control"].append(control(case, donors, edit.strength, MARGIN, SPACING).image[0])
    return {name: np.stack(images) for name, images in made.items()}
