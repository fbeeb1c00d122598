"""The surface of volumes against pyradiomics 3.0.1 (golden values), and its symmetries."""

import numpy as np
import pytest

from nnunetv2_fair.evaluation.downstream.cubes import cube_areas, cube_counts, surface_area
from tests.evaluation.downstream.masks import ellipsoid, noise

#: SurfaceArea of ``cShape.calculate_coefficients``.
GOLDEN = [
    (ellipsoid((11, 22, 27), (4.1, 8.2, 10.7)), (1, 1, 1), 782.8802970313357),
    (ellipsoid((11, 22, 27), (4.1, 8.2, 10.7)), (3, 0.8, 0.7), 1081.3389527295578),
    (noise((7, 12, 9), 5, 0.3), (3, 0.8, 0.7), 1112.761289532451),
    (noise((7, 12, 9), 6, 0.5), (1, 1, 1), 838.338368304868),
    (noise((7, 12, 9), 7, 0.8), (0.5, 2, 1.3), 1164.4504989158677),
    (np.ones((1, 1, 1), bool), (3, 0.8, 0.7), 3.237838785362854),
]


@pytest.mark.parametrize(("mask", "spacing", "area"), GOLDEN)
def test_as_pyradiomics(mask, spacing, area):
    assert surface_area(mask, spacing) == pytest.approx(area, rel=1e-12)


def test_the_golden_masks_have_every_case():
    seen = sum(cube_counts(mask) for mask, _, _ in GOLDEN)
    assert (seen > 0).sum() >= 250


def test_inside_and_outside_have_one_surface():
    areas = cube_areas((3, 0.8, 0.7))
    assert areas == pytest.approx(areas[::-1])
    assert areas[0] == areas[255] == 0


def test_a_flat_wall_is_as_large_as_it_is():
    # case 15: the four corners of one z
    assert cube_areas((3, 0.8, 0.7))[15] == pytest.approx(0.8 * 0.7)


def test_nothing_of_an_empty_mask():
    assert surface_area(np.zeros((3, 4, 5), bool), (1, 1, 1)) == 0
