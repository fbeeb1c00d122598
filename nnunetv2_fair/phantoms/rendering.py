"""Turns drawn parameters into voxels: a simple model of what an ultrasound probe sees.

The echo of the tissues, times the loss due to depth, vessels and shadows, times speckle
(the magnitude of complex noise blurred by the point spread), compressed logarithmically.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from nnunetv2_fair.phantoms.drawing import Drawing, Ellipsoid, Lump
from nnunetv2_fair.phantoms.spec import NODULE_LABEL, PhantomSpec

#: Speckle spreads more across the beam (columns, slices) than along it (rows).
_LATERAL_SPREAD = 1.7
#: Steepness of the logarithmic compression.
_COMPRESSION = 6.0
#: Brightest echo before compression that still differs from white.
_WHITE = 1.5


@dataclass(frozen=True)
class PhantomImage:
    """One image with its masks; all arrays have the spec's shape.

    Attributes:
        image: Grey values 0..255, uint8.
        mask: Labels as a user receives them, uint8: wrong where a label bias was planted.
        clean_mask: Correct labels, uint8.
        organ: Where the organ (with its nodule) is, bool.
    """

    image: np.ndarray
    mask: np.ndarray
    clean_mask: np.ndarray
    organ: np.ndarray


def render(drawing: Drawing, spec: PhantomSpec) -> PhantomImage:
    """Render one image; the same arguments always give the same arrays."""
    axes = _axes(spec)
    organ_level = _level(drawing.organ, axes)
    nodule_level = _level(drawing.nodule, axes, drawing.lumps)
    clean = nodule_level < 1
    organ = (organ_level < 1) | clean

    echo = _tissue(drawing, spec, axes, organ_level)
    for vessel in drawing.vessels:
        echo = echo * (1 - 0.6 * _inside(_level(vessel, axes), 0.2))
    echo = echo * np.exp(drawing.contrast * _inside(nodule_level, drawing.edge))
    echo = echo * _transmitted(drawing, spec, axes)
    echo = echo * _speckle(drawing, spec)
    grey = np.log1p(_COMPRESSION * echo) / np.log1p(_COMPRESSION * _WHITE)
    if drawing.bands:
        # last and only outside: the organ's grey values stay exactly as they are
        grey = np.where(organ, grey, np.maximum(grey, _bands(drawing, spec, axes)))
    return PhantomImage(
        image=np.rint(255 * np.clip(grey, 0, 1)).astype(np.uint8),
        mask=_labels(_training_mask(drawing, spec, axes, clean)),
        clean_mask=_labels(clean),
        organ=organ,
    )


def _labels(mask: np.ndarray) -> np.ndarray:
    return mask.astype(np.uint8) * np.uint8(NODULE_LABEL)


def _axes(spec: PhantomSpec) -> list[np.ndarray]:
    """Return the voxel centres along each axis, shaped to broadcast against the others."""
    lines = [
        (np.arange(n) + 0.5) * size for n, size in zip(spec.shape, spec.voxel_size, strict=True)
    ]
    return list(np.meshgrid(*lines, indexing="ij", sparse=True))


def _level(body: Ellipsoid, axes: list[np.ndarray], lumps: tuple[Lump, ...] = ()) -> np.ndarray:
    """Return the distance from the body's centre as a share of its radius in that direction."""
    offsets = [axis - centre for axis, centre in zip(axes, body.centre, strict=True)]
    if body.angle:
        rows, columns = offsets[-2], offsets[-1]
        cos, sin = np.cos(body.angle), np.sin(body.angle)
        offsets[-2:] = [cos * rows + sin * columns, cos * columns - sin * rows]
    scaled = [offset / radius for offset, radius in zip(offsets, body.radii, strict=True)]
    level = np.sqrt(sum((part**2 for part in scaled), start=np.zeros(())))
    if not lumps:
        return level
    distance = np.maximum(level, 1e-9)
    directions = [part / distance for part in scaled]
    border = np.ones_like(level)
    for lump in lumps:
        along = sum(
            (u * weight for u, weight in zip(directions, lump.axis, strict=True)),
            start=np.zeros(()),
        )
        border += lump.amplitude * np.sin(lump.frequency * along + lump.phase)
    return level / border


def _inside(level: np.ndarray, edge: float) -> np.ndarray:
    """Return 1 inside, 0 outside, a ramp of relative width ``edge`` around the border."""
    return np.clip((1 - level) / (2 * edge) + 0.5, 0, 1)


def _tissue(
    drawing: Drawing, spec: PhantomSpec, axes: list[np.ndarray], organ_level: np.ndarray
) -> np.ndarray:
    rows, columns = axes[-2] / spec.field_of_view[-2], axes[-1] / spec.field_of_view[-1]
    bent = rows + 0.12 * (columns - 0.5) ** 2
    fascia = 1 + 0.45 * np.sin(2 * np.pi * bent / drawing.fascia_period)
    skin = 0.5 * np.exp(-(((rows - 0.03) / 0.025) ** 2))
    inside = _inside(organ_level, 0.04)
    capsule = 0.35 * np.exp(-(((organ_level - 1.02) / 0.04) ** 2))
    around = drawing.background_echo * fascia + skin
    return around + (drawing.organ_echo - around) * inside + capsule


def _transmitted(drawing: Drawing, spec: PhantomSpec, axes: list[np.ndarray]) -> np.ndarray:
    """Return the share of the echo left by depth and by the shadow below the nodule."""
    depth = axes[-2] / spec.field_of_view[-2]
    left = np.exp(-drawing.attenuation * depth)
    if not drawing.shadow:
        return left
    nodule = drawing.nodule
    sideways = np.zeros(())
    for axis in (*range(spec.dimension - 2), spec.dimension - 1):
        width = drawing.shadow_width * nodule.radii[axis]
        sideways = sideways + ((axes[axis] - nodule.centre[axis]) / width) ** 2
    below = np.clip((axes[-2] - nodule.centre[-2]) / nodule.radii[-2], 0, 1)
    return left * (1 - drawing.shadow * below * np.exp(-(sideways**2)))


def _speckle(drawing: Drawing, spec: PhantomSpec) -> np.ndarray:
    rng = np.random.default_rng(drawing.noise_seed)
    noise = rng.standard_normal((2, *spec.shape), dtype=np.float32)
    # the point spread has the same width in mm on thick slices, so it spans fewer voxels there
    spread = [drawing.speckle * _LATERAL_SPREAD] * spec.dimension
    spread[-2] = drawing.speckle
    size = spec.voxel_size
    sigma = [0.0] + [s * size[-2] / v for s, v in zip(spread, size, strict=True)]
    blurred = ndimage.gaussian_filter(noise, sigma, mode="wrap")
    magnitude = np.hypot(blurred[0], blurred[1])
    return (magnitude / magnitude.mean()) ** drawing.speckle_power


def _bands(drawing: Drawing, spec: PhantomSpec, axes: list[np.ndarray]) -> np.ndarray:
    crossing = drawing.nodule.centre if drawing.bands_at_nodule else drawing.decoy
    width = 0.035 * min(spec.field_of_view)
    profiles = [np.exp(-(((axes[a] - crossing[a]) / width) ** 2)) for a in (-2, -1)]
    return drawing.bands * np.maximum(*profiles)


def _training_mask(
    drawing: Drawing, spec: PhantomSpec, axes: list[np.ndarray], clean: np.ndarray
) -> np.ndarray:
    if drawing.label_erosion:
        inner = ndimage.distance_transform_edt(clean, sampling=spec.voxel_size)
        return inner > drawing.label_erosion * inner.max()
    if drawing.label_shift:
        centre = list(drawing.nodule.centre)
        step = drawing.label_shift * float(np.mean(drawing.nodule.radii)) / np.sqrt(2)
        centre[-2] += step
        centre[-1] += step
        shifted = replace(drawing.nodule, centre=tuple(centre))
        return _level(shifted, axes, drawing.lumps) < 1
    return clean
