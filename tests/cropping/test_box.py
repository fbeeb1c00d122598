"""Boxes and windows against brute force, for any place, size and number of axes."""

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunetv2_fair.cropping.box import Box, Window, box_of, window_around
from nnunetv2_fair.files.volumes import ImageGeometry

OBLIQUE = SimpleITK.Euler3DTransform((0, 0, 0), 0.3, -0.5, 0.8).GetMatrix()


@st.composite
def cases(draw):
    """An image's shape, a box in it, and a size of crops, perhaps larger than the image."""
    n = draw(st.integers(2, 3))
    shape = tuple(draw(st.integers(1, 12)) for _ in range(n))
    start = tuple(draw(st.integers(0, length - 1)) for length in shape)
    end = tuple(draw(st.integers(a + 1, b)) for a, b in zip(start, shape, strict=True))
    size = tuple(draw(st.none() | st.integers(1, 16)) for _ in range(n))
    return shape, Box(start, end), size


@settings(max_examples=40)
@given(cases(), st.integers(0, 2**32 - 1))
def test_the_window_has_its_size_is_centred_and_pads_only_small_images(case, seed):
    shape, box, size = case
    window = window_around(box, size, shape)
    assert window.size == tuple(n if s is None else s for s, n in zip(size, shape, strict=True))
    for axis in range(len(shape)):
        begin, length, n = window.start[axis], window.size[axis], shape[axis]
        if length <= n:
            assert 0 <= begin <= n - length
            wanted = (box.start[axis] + box.end[axis] - length) // 2
            assert begin == min(max(wanted, 0), n - length)
            if box.lengths[axis] <= length:
                assert begin <= box.start[axis] <= box.end[axis] <= begin + length
        else:
            assert begin == (n - length) // 2
    rng = np.random.default_rng(seed)
    for dtype in (np.uint8, np.float32):
        image = (100 * rng.random(shape) + 1).astype(dtype)
        crop = window.cut(image, 0)
        assert crop.shape == window.size
        assert crop.dtype == dtype
        # far more padding than needed, then plain slices
        wide = np.pad(image, 20)
        places = zip(window.start, window.size, strict=True)
        assert np.array_equal(crop, wide[tuple(slice(20 + a, 20 + a + n) for a, n in places)])
        whole = window.pasted(crop)
        assert whole.shape == shape
        inner = window.in_image.slices
        assert np.array_equal(whole[inner], image[inner])
        assert window.in_image.outside(whole) == 0


@given(cases(), st.tuples(*[st.integers(-9, 9)] * 3))
def test_a_shift_never_cuts_what_would_be_inside(case, shift):
    shape, box, size = case
    window = window_around(box, size, shape)
    moved = window_around(box, size, shape, shift[: len(shape)])
    assert moved.size == window.size
    assert moved.holds(box) == window.holds(box)


@given(st.lists(st.integers(0, 20), min_size=8, max_size=8), st.integers(2, 3))
def test_box_of_a_mask(positions, n):
    shape = (3, 7, 9)[-n:]
    mask = np.zeros(shape, np.uint8)
    for position in positions:
        mask.flat[position] = 2
    found = np.argwhere(mask)
    expected = Box(tuple(map(int, found.min(0))), tuple(map(int, found.max(0) + 1)))
    assert box_of(mask) == expected
    assert expected.outside(mask) == 0
    assert box_of(np.zeros(shape)) is None


def test_the_same_voxel_stays_where_it_is_in_space(rng):
    """Against SimpleITK, for an oblique, anisotropic grid and a crop that begins outside it."""
    image = SimpleITK.Image([31, 23, 9], SimpleITK.sitkUInt8)
    image.SetSpacing((1.4, 0.7, 9.6))
    image.SetOrigin((-213.7, 88.1, 1012.4))
    image.SetDirection(OBLIQUE)
    old = ImageGeometry(image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    window = Window((-2, 5, 11), (12, 9, 7), (9, 23, 31))
    new = window.moved(old)
    crop = SimpleITK.Image([7, 9, 12], SimpleITK.sitkUInt8)
    crop.SetSpacing(new.spacing_mm)
    crop.SetOrigin(new.origin_mm)
    crop.SetDirection(new.direction)
    for _ in range(20):
        z, y, x = (int(rng.integers(n)) for n in window.size)
        here = crop.TransformIndexToPhysicalPoint((x, y, z))
        there = image.TransformIndexToPhysicalPoint((x + 11, y + 5, z - 2))
        assert here == pytest.approx(there, abs=1e-9)


def test_pictures_in_colour_are_cut_along_rows_and_columns():
    image = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    window = Window((1, -1), (2, 7), (4, 5))
    crop = window.cut(image, 9)
    assert crop.shape == (2, 7, 3)
    assert np.array_equal(crop[:, 1:6], image[1:3])
    assert (crop[:, [0, 6]] == 9).all()
