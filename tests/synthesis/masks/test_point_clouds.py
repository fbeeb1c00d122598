"""Masks to clouds of points and back."""

import numpy as np

from nnunetv2_fair.synthesis.masks.outlines import nested, outlines, regions_of
from nnunetv2_fair.synthesis.masks.point_clouds import POINTS, cloud_of, heights, regions_of_cloud
from tests.synthesis.masks.test_outlines import dice, eye

SHAPE = (128, 120)


def masks() -> list[np.ndarray]:
    """Return discs with cups, round, bent and of three structures, 128 x 120."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    bean = (np.hypot((rows - 60) * 1.2, columns - 50) < 40).astype(np.uint8)
    bean[np.hypot(rows - 30, columns - 50) < 18] = 0
    bean[np.hypot(rows - 70, columns - 50) < 9] = 2
    three = eye(50, 34)[:, : SHAPE[1]]
    three[np.hypot(rows - 62, columns - 64) < 15] = 3
    return [eye()[:, : SHAPE[1]], eye(45, 9)[:, : SHAPE[1]], bean, three]


def test_a_mask_comes_back_from_512_points():
    rng = np.random.default_rng(0)
    for mask in masks():
        order = tuple(range(1, int(mask.max()) + 1))
        found, problem = outlines(mask, order, POINTS)
        assert problem is None
        cloud = rng.permutation(cloud_of(found))
        assert cloud.shape == (512, 3)
        assert set(cloud[:, 2]) == set(heights(len(order)))
        if len(order) == 2:
            # the sign of the height says which structure
            assert regions_of_cloud(cloud[cloud[:, 2] < 0], 2, SHAPE) is None
        cloud[:, 2] += rng.uniform(-0.3, 0.3, 512)
        regions = regions_of_cloud(cloud, len(order), SHAPE)
        again, why = nested(regions, order)
        assert why is None
        for ours, theirs in zip(regions_of(again, order), regions_of(mask, order), strict=True):
            # of three structures, points are far enough apart to cut corners off
            assert dice(ours, theirs) >= (0.999 if len(order) == 2 else 0.998)


def test_points_at_random_along_outlines_still_close_and_others_do_not():
    rng = np.random.default_rng(1)
    mask = masks()[0]
    dense = cloud_of(outlines(mask, (1, 2), 4096)[0], 8192)
    cloud = dense[rng.choice(len(dense), 512, replace=False)] + rng.normal(0, 0.2, (512, 3))
    found = regions_of_cloud(cloud, 2, SHAPE)
    assert all(dice(a, b) > 0.97 for a, b in zip(found, regions_of(mask, (1, 2)), strict=True))
    # half of the outer outline is missing
    half = cloud[(cloud[:, 2] > 0) | (cloud[:, 0] < 60)]
    assert regions_of_cloud(half, 2, SHAPE) is None
    assert regions_of_cloud(rng.normal(60, 4000, (512, 3)), 2, SHAPE) is None
