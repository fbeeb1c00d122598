from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path as Outline

from nnunetv2_fair.phantoms.drawing import Ellipsoid, draw
from nnunetv2_fair.phantoms.rendering import render
from nnunetv2_fair.phantoms.spec import PhantomSpec

PICTURES = PhantomSpec(n_patients=12, shape=(48, 72), seed=4)
VOLUMES = PhantomSpec(n_patients=6, shape=(12, 32, 48), spacing_mm=(3.0, 0.9, 0.7), seed=4)


@given(
    rows=st.integers(24, 60),
    columns=st.integers(24, 60),
    slices=st.integers(12, 15) | st.none(),
    bias=st.sampled_from(["none", "label_erosion", "label_shift"]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=25, deadline=None)
def test_every_image_has_a_nodule_and_fits_its_spec(rows, columns, slices, bias, seed):
    shape = (rows, columns) if slices is None else (slices, rows, columns)
    spacing = None if slices is None else (1.0, 0.5, 0.6)
    spec = PhantomSpec(n_patients=3, shape=shape, spacing_mm=spacing, bias=bias, seed=seed)
    for drawing in draw(spec):
        made = render(drawing, spec)
        for array in (made.image, made.mask, made.clean_mask, made.organ):
            assert array.shape == shape
        assert made.image.dtype == made.mask.dtype == made.clean_mask.dtype == np.uint8
        assert set(np.unique(made.clean_mask)) == {0, 1}
        assert set(np.unique(made.mask)) == {0, 1}
        assert made.organ[made.clean_mask > 0].all()
        assert 0.15 < made.organ.mean() < 0.7


def test_the_mask_is_the_drawn_outline():
    # independent of the renderer: the border as a polygon, and who is inside it
    for drawing in draw(PICTURES):
        theta = np.linspace(0, 2 * np.pi, 2000)
        u = np.stack([np.cos(theta), np.sin(theta)])
        border = 1 + sum(
            lump.amplitude * np.sin(lump.frequency * (np.array(lump.axis) @ u) + lump.phase)
            for lump in drawing.lumps
        )
        flat = u * border * np.array(drawing.nodule.radii)[:, None]
        turn = drawing.nodule.angle
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        polygon = (rotation @ flat).T + drawing.nodule.centre
        rows, columns = np.indices(PICTURES.shape) + 0.5
        inside = Outline(polygon).contains_points(np.stack([rows.ravel(), columns.ravel()], 1))
        clean = render(drawing, PICTURES).clean_mask
        assert (clean.ravel() != inside).sum() <= 1


def test_lumps_make_borders_irregular():
    for drawing in draw(PICTURES)[:5]:
        smooth = render(replace(drawing, lumps=()), PICTURES).clean_mask
        assert (render(drawing, PICTURES).clean_mask != smooth).sum() >= 3


def test_volumes_are_round_in_millimetres():
    drawing = draw(VOLUMES)[0]
    ball = Ellipsoid(tuple(x / 2 for x in VOLUMES.field_of_view), (6.0, 6.0, 6.0))
    mask = render(replace(drawing, nodule=ball, lumps=()), VOLUMES).clean_mask
    extent = [int(np.ptp(index) + 1) for index in np.nonzero(mask)]
    for voxels, size in zip(extent, VOLUMES.voxel_size, strict=True):
        assert abs(voxels * size - 12) <= 1.5 * size
    assert mask.sum() * np.prod(VOLUMES.voxel_size) == pytest.approx(4 / 3 * np.pi * 6**3, rel=0.1)


@pytest.mark.parametrize("spec", [PICTURES, VOLUMES], ids=["2d", "3d"])
def test_nodules_are_darker_than_the_organ_around(spec):
    for drawing in draw(spec):
        made = render(drawing, spec)
        nodule = made.clean_mask > 0
        assert made.image[nodule].mean() < 0.75 * made.image[made.organ & ~nodule].mean()
        assert made.image[made.organ & ~nodule].mean() > made.image[~made.organ].mean()


def _plain(spec):
    """A drawing whose organ fills the picture: nothing but speckle and what is switched on."""
    everything = Ellipsoid(tuple(x / 2 for x in spec.field_of_view), (500.0,) * spec.dimension)
    return replace(
        draw(spec)[0], organ=everything, vessels=(), contrast=0.0, attenuation=0.0, shadow=0.0
    )


def test_attenuation_darkens_with_depth_and_only_then():
    spec = PhantomSpec(shape=(96, 120))
    flat = render(_plain(spec), spec).image.mean(1)
    deep = render(replace(_plain(spec), attenuation=0.8), spec).image.mean(1)
    assert abs(flat[:32].mean() - flat[-32:].mean()) < 5
    assert deep[:32].mean() > deep[-32:].mean() + 20
    # e^-0.8 of the echo, undone by the logarithm's inverse
    grey = np.array([flat[-32:].mean(), deep[-32:].mean()]) / 255
    echo = np.expm1(grey * np.log1p(6 * 1.5)) / 6
    assert echo[1] / echo[0] == pytest.approx(np.exp(-0.8 * 80 / 96), rel=0.08)


def test_a_shadow_lies_below_the_nodule_and_nowhere_else():
    spec = PhantomSpec(shape=(96, 120))
    nodule = Ellipsoid((40.0, 70.0), (9.0, 12.0))
    lit = replace(_plain(spec), nodule=nodule)
    dark = replace(lit, shadow=0.6, shadow_width=0.6)
    loss = render(lit, spec).image.astype(int) - render(dark, spec).image
    assert loss[60:, 68:72].mean() > 20
    assert not loss[:40].any()
    assert np.abs(loss[:, :50]).max() <= 1
    assert np.abs(loss[:, 90:]).max() <= 1


def test_speckle_is_multiplicative_rayleigh_like_and_wider_across_the_beam():
    spec = PhantomSpec(shape=(160, 200))
    image = render(_plain(spec), spec).image / 255
    echo = np.expm1(image * np.log1p(6 * 1.5)) / 6
    echo = echo[30:]
    bright = replace(_plain(spec), organ_echo=_plain(spec).organ_echo * 1.5)
    louder = np.expm1(render(bright, spec).image[30:] / 255 * np.log1p(6 * 1.5)) / 6
    unclipped = (echo < 1.0) & (louder < 1.4)
    ratio = louder[unclipped].sum() / echo[unclipped].sum()
    assert ratio == pytest.approx(1.5, rel=0.02)
    # a Rayleigh variable to the power 0.75 has a coefficient of variation of 0.398
    rayleigh = np.random.default_rng(0).rayleigh(size=200000) ** 0.75
    assert echo.std() / echo.mean() == pytest.approx(rayleigh.std() / rayleigh.mean(), rel=0.1)
    residual = echo - echo.mean()
    across = (residual[:, 1:] * residual[:, :-1]).mean()
    along = (residual[1:] * residual[:-1]).mean()
    assert across > along > 0


def test_rendering_is_deterministic_and_noise_differs_between_images():
    drawings = draw(PICTURES)
    first, again = render(drawings[0], PICTURES), render(drawings[0], PICTURES)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.mask, again.mask)
    other = render(replace(drawings[0], noise_seed=drawings[1].noise_seed), PICTURES)
    assert (other.image != first.image).mean() > 0.9
    np.testing.assert_array_equal(other.mask, first.mask)
