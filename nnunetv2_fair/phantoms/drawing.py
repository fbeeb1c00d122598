"""Draws every parameter of a phantom dataset; nothing here looks at a pixel.

No draw depends on the planted bias, so two specs that differ only in their bias describe the
same anatomy, image by image. Each patient and image has its own random stream: results depend
neither on the order nor on the number of processes that render them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from nnunetv2_fair.phantoms.spec import (
    AGE_BINS,
    AGE_RANGE_YEARS,
    DEEPEST_DENT,
    FLATTEST_NODULE,
    SEX_LEVELS,
    SMALLEST_NODULE,
    PhantomSpec,
)

#: Radius of a nodule as a share of the shortest side of the field of view: of the patient's
#: nodule, times the part of it that an image shows.
_NODULE_SCALE = (0.85, 1.1)
_NODULE_RADIUS = (SMALLEST_NODULE / _NODULE_SCALE[0], 0.19)
_NODULE_FLATTENING = (FLATTEST_NODULE, 1.0)

#: Exponent on the speckle that models the averaging (compounding) that scanners do.
AVERAGED_SPECKLE = 0.75

_N_LUMPS = 5
_LUMP_HEIGHT = (0.02, (1 - DEEPEST_DENT) / _N_LUMPS)
_MEAN_AGE_YEARS = {"<50": 38.0, ">=50": 63.0}
_AGE_STD_YEARS = 8.0


@dataclass(frozen=True)
class Patient:
    """A simulated person.

    Attributes:
        name: Patient identifier, such as ``p007``.
        split: Part of the dataset that all images of the patient are in.
        sex: ``female`` or ``male``.
        age: Age in whole years, 18..90, even where the table leaves it out.
        age_known: Whether the table states the age.
        biased: Whether the patient is in the group that the bias affects.
    """

    name: str
    split: Literal["train", "test"]
    sex: str
    age: int
    age_known: bool
    biased: bool


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipse or ellipsoid, in mm (volumes) or pixels (pictures) from the first corner.

    Attributes:
        centre: Position along each axis, in the order of the array's axes.
        radii: Semi-axes in the same order, before the rotation.
        angle: Rotation in the plane of rows and columns, in radians.
    """

    centre: tuple[float, ...]
    radii: tuple[float, ...]
    angle: float = 0.0


@dataclass(frozen=True)
class Lump:
    """One wave of an irregular border: ``amplitude * sin(frequency * (u . axis) + phase)``.

    ``u`` is the unit vector from the centre; the sum over all lumps scales the radius.
    """

    axis: tuple[float, ...]
    frequency: float
    phase: float
    amplitude: float


@dataclass(frozen=True)
class Drawing:
    """Everything that rendering one image needs.

    Attributes:
        name: Name of the image without ending, such as ``p007_2``.
        patient: The patient it shows.
        organ: The organ that contains the nodule.
        nodule: The nodule without its lumps.
        lumps: Irregularities of the nodule's border.
        contrast: Natural logarithm of the ratio of the nodule's echo to the organ's; negative is
            darker.
        edge: Width of the nodule's blurred border, as a share of its radius.
        organ_echo: Mean echo of the organ, 0..1.
        background_echo: Mean echo of the tissue around it, 0..1.
        fascia_period: Distance between the stripes in the surrounding tissue, as a share of the
            rows.
        vessels: Small dark structures in the organ.
        attenuation: Loss over the whole depth: the echo falls to ``exp(-attenuation)``.
        shadow: Share of the echo that is lost below the nodule, 0..1.
        shadow_width: Width of the shadow as a share of the nodule's radius.
        speckle: Standard deviation of the point spread along rows, in voxels.
        speckle_power: Exponent on the speckle: below 1 it is averaged, as scanners do; the larger,
            the stronger.
        uniform: One number per patient in 0..1, for mechanisms that affect only some patients.
        decoy: Centre at which the bands of the shortcut cross if not at the nodule.
        noise_seed: Seed of the speckle.
        bands: Brightness of the shortcut's bands, 0 if there are none.
        bands_at_nodule: Whether they cross at the nodule.
        label_erosion: Share of the nodule's inner radius that is missing from the training mask,
            0..1.
        label_shift: Shift of the training mask as a share of the nodule's radius.
    """

    name: str
    patient: Patient
    organ: Ellipsoid
    nodule: Ellipsoid
    lumps: tuple[Lump, ...]
    contrast: float
    edge: float
    organ_echo: float
    background_echo: float
    fascia_period: float
    vessels: tuple[Ellipsoid, ...]
    attenuation: float
    shadow: float
    shadow_width: float
    speckle: float
    uniform: float
    decoy: tuple[float, ...]
    noise_seed: int = field(repr=False)
    speckle_power: float = AVERAGED_SPECKLE
    bands: float = 0.0
    bands_at_nodule: bool = False
    label_erosion: float = 0.0
    label_shift: float = 0.0


def draw(spec: PhantomSpec) -> list[Drawing]:
    """Draw all images of a dataset as they would be without bias, patient by patient."""
    cohort, *streams = np.random.SeedSequence(spec.seed).spawn(1 + spec.n_patients)
    patients = _draw_patients(spec, np.random.default_rng(cohort))
    return [
        drawing
        for patient, stream in zip(patients, streams, strict=True)
        for drawing in _draw_images(spec, patient, stream)
    ]


def _draw_patients(spec: PhantomSpec, rng: np.random.Generator) -> list[Patient]:
    n_test = _part(spec.n_patients, spec.test_share)
    order = [int(i) for i in rng.permutation(spec.n_patients)]
    biased: dict[int, bool] = {}
    split: dict[int, Literal["train", "test"]] = {}
    other: dict[int, bool] = {}
    parts: tuple[tuple[Literal["train", "test"], list[int], float], ...] = (
        ("test", order[:n_test], 0.5),
        ("train", order[n_test:], spec.training_share),
    )
    for part, members, share in parts:
        n_biased = _part(len(members), share)
        for position, patient in enumerate(members):
            split[patient] = part
            biased[patient] = position < n_biased
            # alternate within each group, so that the two attributes are not confounded
            other[patient] = (position if position < n_biased else position - n_biased) % 2 == 0
    unknown = {int(i) for i in rng.permutation(spec.n_patients)[: _part(spec.n_patients,
               spec.unknown_age_share)]}  # fmt: skip
    width = max(3, len(str(spec.n_patients - 1)))
    patients = []
    for i in range(spec.n_patients):
        hit = _pair(spec.group, SEX_LEVELS if spec.attribute == "sex" else AGE_BINS.labels)
        rest = _pair("", AGE_BINS.labels if spec.attribute == "sex" else SEX_LEVELS)
        first, second = hit[not biased[i]], rest[other[i]]
        sex, age_group = (first, second) if spec.attribute == "sex" else (second, first)
        age = _draw_age(age_group, rng)
        patients.append(Patient(f"p{i:0{width}d}", split[i], sex, age, i not in unknown, biased[i]))
    return patients


def _pair(first: str, groups: Sequence[str]) -> tuple[str, str]:
    """Return both groups, ``first`` first if it is one of them."""
    a, b = groups
    return (b, a) if first == b else (a, b)


def _part(n: int, share: float) -> int:
    """Return the whole number nearest to ``n * share``; rounding never leaves a part empty."""
    rounded = math.floor(n * share + 0.5)
    if 0 < share < 1 and n > 1:
        return min(max(rounded, 1), n - 1)
    return rounded


def _draw_age(group: str, rng: np.random.Generator) -> int:
    low, high = AGE_RANGE_YEARS
    age = rng.normal(_MEAN_AGE_YEARS[group], _AGE_STD_YEARS)
    cut = int(AGE_BINS.edges[1])
    low, high = (low, cut - 1) if group == AGE_BINS.labels[0] else (cut, high)
    return int(np.clip(round(age), low, high))


def _draw_images(
    spec: PhantomSpec, patient: Patient, stream: np.random.SeedSequence
) -> list[Drawing]:
    rng = np.random.default_rng(stream)
    extent = np.array(spec.field_of_view)
    dimension = spec.dimension
    n_images = int(rng.integers(spec.images_per_patient[0], spec.images_per_patient[1] + 1))

    organ_centre = np.array([0.5] * (dimension - 2) + [0.54, 0.5]) * extent
    shares = [rng.uniform(0.44, 0.5)] * (dimension - 2)
    shares += [rng.uniform(0.33, 0.38), rng.uniform(0.38, 0.44)]
    organ_radii = np.array(shares) * extent
    radius = rng.uniform(*_NODULE_RADIUS) * min(extent)
    flattening = rng.uniform(*_NODULE_FLATTENING)
    lumps = tuple(_draw_lump(rng, dimension) for _ in range(_N_LUMPS))
    contrast = -rng.uniform(*spec.contrast)
    edge = rng.uniform(0.06, 0.14)
    organ_echo = rng.uniform(0.46, 0.58)
    background_echo = rng.uniform(0.2, 0.3)
    fascia_period = rng.uniform(0.09, 0.14)
    speckle = rng.uniform(0.55, 0.75)
    uniform = float(rng.uniform())

    drawings = []
    for number, child in enumerate(stream.spawn(n_images)):
        rng = np.random.default_rng(child)
        centre = organ_centre + rng.uniform(-0.03, 0.03, dimension) * extent
        scale = rng.uniform(*_NODULE_SCALE)
        nodule_radii = np.full(dimension, radius * scale)
        nodule_radii[-2] *= flattening
        # the largest radius along every axis, as the nodule is rotated
        room = np.maximum(organ_radii - 1.1 * nodule_radii.max(), 0)
        nodule = Ellipsoid(
            _floats(centre + room * 0.9 * _point_in_ball(rng, dimension)),
            _floats(nodule_radii),
            rng.uniform(-0.5, 0.5),
        )
        vessels = tuple(
            _draw_vessel(rng, centre, organ_radii, min(extent)) for _ in range(rng.integers(0, 4))
        )
        drawings.append(
            Drawing(
                name=f"{patient.name}_{number}",
                patient=patient,
                organ=Ellipsoid(_floats(centre), _floats(organ_radii)),
                nodule=nodule,
                lumps=lumps,
                contrast=contrast,
                edge=edge,
                organ_echo=organ_echo,
                background_echo=background_echo,
                fascia_period=fascia_period,
                vessels=vessels,
                attenuation=rng.uniform(0.3, 0.8),
                shadow=rng.uniform(0.2, 0.6) if rng.uniform() < 0.5 else 0.0,
                shadow_width=rng.uniform(0.4, 0.9),
                speckle=speckle,
                uniform=uniform,
                decoy=_floats(centre + room * 0.9 * _point_in_ball(rng, dimension)),
                noise_seed=int(rng.integers(2**62)),
            )
        )
    return drawings


def _draw_lump(rng: np.random.Generator, dimension: int) -> Lump:
    axis = rng.normal(size=dimension)
    return Lump(
        _floats(axis / np.linalg.norm(axis)),
        rng.uniform(2.0, 5.0),
        rng.uniform(0, 2 * math.pi),
        rng.uniform(*_LUMP_HEIGHT),
    )


def _draw_vessel(
    rng: np.random.Generator, centre: np.ndarray, organ_radii: np.ndarray, side: float
) -> Ellipsoid:
    dimension = len(centre)
    where = centre + 0.85 * organ_radii * _point_in_ball(rng, dimension)
    radii = rng.uniform(0.02, 0.035) * side * rng.uniform(0.8, 1.6, dimension)
    return Ellipsoid(_floats(where), _floats(radii), rng.uniform(-1, 1))


def _point_in_ball(rng: np.random.Generator, dimension: int) -> np.ndarray:
    direction = rng.normal(size=dimension)
    return direction / np.linalg.norm(direction) * rng.uniform() ** (1 / dimension)


def _floats(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
