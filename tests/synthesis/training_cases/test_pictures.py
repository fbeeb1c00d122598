"""Pictures become arrays and pixels again: grey, colour, 16 bits, several channels."""

import numpy as np
import pytest
from PIL import Image

from nnunetv2_fair.errors import ConversionError
from nnunetv2_fair.synthesis.images.network import default_plan, padded_size
from nnunetv2_fair.synthesis.training_cases.pictures import (
    padded,
    read_pictures,
    read_pictures_like,
    unpadded,
)


@pytest.mark.parametrize(
    ("shape", "dtype", "highest"),
    [((9, 7), np.uint8, 200), ((9, 7, 3), np.uint8, 255), ((9, 7), np.uint16, 40000)],
)
def test_pixels_come_back_as_they_were(tmp_path, shape, dtype, highest):
    rng = np.random.default_rng(0)
    cases, pixels = {}, {}
    for case in "ab":
        cases[case] = [tmp_path / f"{case}_{channel:04d}.png" for channel in range(2)]
        pixels[case] = [rng.integers(3, highest, shape).astype(dtype) for _ in range(2)]
        for path, array in zip(cases[case], pixels[case], strict=True):
            Image.fromarray(array).save(path)
    images, form = read_pictures(cases)
    assert images.shape == (2, 6 if len(shape) == 3 else 2, 9, 7)
    assert images.min() == -1
    assert images.max() == 1
    for image, arrays in zip(images, pixels.values(), strict=True):
        back = form.files_of(image)
        assert all(array.dtype == dtype for array in back)
        np.testing.assert_array_equal(np.stack(back), np.stack(arrays))
    beyond = form.files_of(np.full_like(images[0], 1.5))
    assert max(array.max() for array in beyond) == max(np.max(a) for a in pixels.values())
    np.testing.assert_array_equal(read_pictures_like({"b": cases["b"]}, form), images[1:])


def test_cases_of_another_kind_are_named(tmp_path):
    for name, array in (
        ("a", np.zeros((9, 7), np.uint8)),
        ("b", np.zeros((9, 7, 3), np.uint8)),
        ("c", np.zeros((9, 7), np.uint16)),
    ):
        Image.fromarray(array).save(tmp_path / f"{name}.png")
    (tmp_path / "d.png").write_bytes(b"")
    with pytest.raises(ConversionError) as caught:
        read_pictures({name: [tmp_path / f"{name}.png"] for name in "abcd"})
    said = str(caught.value)
    assert "3 cases cannot be used" in said
    assert "case 'b' is 9 x 7 x 3; a.png 9 x 7" in said
    assert "case 'c' has pixels of uint16; a.png uint8" in said
    assert "d.png cannot be read" in said


@pytest.mark.parametrize(("size", "side"), [((7, 5), 16), ((48, 50), 56), ((120, 129), 160)])
def test_images_are_filled_up_to_what_the_network_takes_and_back(size, side):
    arrays = np.random.default_rng(0).normal(size=(2, 1, *size))
    assert padded_size(*size) == side
    default_plan(side, 1, 2, ["a"])
    filled = padded(arrays, side)
    assert filled.shape == (2, 1, side, side)
    np.testing.assert_array_equal(unpadded(filled, size), arrays)
