"""Files of any kind, cropped around a mask and pasted back: nothing has changed or moved."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nnunetv2_fair.cropping.by_prediction import CropOrder, PasteOrder, crop_by_mask, paste_back
from nnunetv2_fair.cropping.images import read_channel, write_image
from nnunetv2_fair.cropping.organs import CropRule
from nnunetv2_fair.files.volumes import ImageGeometry

#: Numbers that NIfTI's 32-bit header holds to 1e-4 mm.
_MM = st.floats(-300, 300, allow_nan=False).map(lambda value: round(value, 2))


@st.composite
def images(draw):
    """Shape, type, ending and geometry of an image; a box in it; axes and size of the crops."""
    picture = draw(st.booleans())
    n = 2 if picture else 3
    shape = tuple(draw(st.integers(1, 14)) for _ in range(n))
    start = tuple(draw(st.integers(0, length - 1)) for length in shape)
    end = tuple(draw(st.integers(a + 1, b)) for a, b in zip(start, shape, strict=True))
    axes = "xy" if picture or draw(st.booleans()) else "xyz"
    size = tuple(draw(st.integers(1, 18)) for _ in range(2 if axes == "xy" else 3))
    if picture:
        return shape, np.uint8, ".png", None, (start, end), axes, size
    angles = [draw(st.floats(-3, 3, allow_nan=False)) for _ in range(3)]
    direction = SimpleITK.Euler3DTransform((0, 0, 0), *angles).GetMatrix()
    if draw(st.booleans()):  # left-handed
        direction = tuple(-value if i % 3 == 2 else value for i, value in enumerate(direction))
    spacing = tuple(draw(st.sampled_from([0.4, 0.75, 1.37, 3.0, 9.6])) for _ in range(3))
    geometry = ImageGeometry(spacing, tuple(draw(_MM) for _ in range(3)), direction)
    dtype = draw(st.sampled_from([np.uint8, np.int16, np.uint16, np.float32, np.float64]))
    ending = draw(st.sampled_from([".nii.gz", ".nii", ".nrrd", ".mha"]))
    return shape, dtype, ending, geometry, (start, end), axes, size


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(images(), st.integers(0, 2**32 - 1))
def test_there_and_back(image, seed):
    shape, dtype, ending, geometry, (start, end), axes, size = image
    rng = np.random.default_rng(seed)
    voxels = (200 * rng.random(shape)).astype(dtype)
    labels = np.zeros(shape, np.uint8)
    place = tuple(slice(a, b) for a, b in zip(start, end, strict=True))
    labels[place] = rng.integers(1, 3, labels[place].shape)
    rule = CropRule("D", axes, size, (1, 2), (1,) * len(size), (99,) * len(size), 1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "crops").mkdir()
        whole, mask = folder / f"a_0000{ending}", folder / f"a{ending}"
        write_image(whole, voxels, geometry)
        write_image(mask, labels, geometry)
        order = CropOrder("a", (whole,), mask, mask, rule, None, folder / "crops")
        found = crop_by_mask(order)
        assert not isinstance(found, str), found
        window = found.window
        assert window is not None
        assert window.size[-len(size) :] == size
        assert window.size[: -len(size)] == shape[: -len(size)]
        cropped = folder / "crops" / whole.name
        crop = read_channel(cropped)
        if dtype == np.float64:  # nnU-Net reads no more than 32 bits
            voxels = voxels.astype(np.float32)
        assert crop.dtype == voxels.dtype
        assert np.array_equal(crop[window.in_crop.slices], voxels[window.in_image.slices])
        outside = np.ones(crop.shape, bool)
        outside[window.in_crop.slices] = False
        assert (crop[outside] == voxels.min()).all()

        # the labels of the crop, and back: the same inside, background around
        second = folder / f"second{ending}"
        small = window.cut(labels)
        write_image(second, small, None if geometry is None else window.moved(geometry))
        target = folder / f"back{ending}"
        assert paste_back(PasteOrder("a", whole, second, window, target)) is None
        back = read_channel(target)
        kept = np.zeros(shape, bool)
        kept[window.in_image.slices] = True
        assert np.array_equal(back, np.where(kept, labels, 0))
        assert found.covered == pytest.approx((labels[kept] > 0).sum() / (labels > 0).sum())
        if geometry is not None:
            _same_places(whole, cropped, target, window.start)


def _same_places(whole, cropped, target, start):
    """Assert that voxels are where they were, as SimpleITK reads it from the files, in mm."""
    old, new, back = (SimpleITK.ReadImage(str(path)) for path in (whole, cropped, target))
    for corner in np.ndindex(2, 2, 2):
        index = [int(c * (n - 1)) for c, n in zip(corner, new.GetSize(), strict=True)]
        here = new.TransformIndexToPhysicalPoint(index)
        moved = [float(a + b) for a, b in zip(index, start[::-1], strict=True)]
        there = old.TransformContinuousIndexToPhysicalPoint(moved)
        assert np.abs(np.subtract(here, there)).max() < 1e-4
        assert np.abs(
            np.subtract(
                old.TransformIndexToPhysicalPoint(index), back.TransformIndexToPhysicalPoint(index)
            )
        ).max() < 1e-4  # fmt: skip
