"""Energy against pyradiomics 3.0.1 (golden value), and what of an image is used."""

import numpy as np
import PIL.Image
import pytest
import SimpleITK as sitk  # noqa: N813

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.downstream.images import energy, images_of, read_intensities
from tests.evaluation.downstream.masks import ellipsoid


def test_energy_of_pyradiomics():
    mask = ellipsoid((30, 41), (9.3, 14.6))
    image = np.random.default_rng(3).normal(10, 2, mask.shape)
    assert energy(image, mask) == pytest.approx(43690.58349194653, rel=1e-12)


def test_small_integers_do_not_overflow():
    image = np.full((2, 3), 250, np.uint8)
    assert energy(image, np.ones((2, 3), bool)) == 6 * 250**2


def test_nothing_of_an_empty_mask():
    assert energy(np.ones((2, 3)), np.zeros((2, 3), bool)) == 0


def test_the_first_channel_of_each_case(tmp_path):
    for name in ("a_0000.png", "a_0001.png", "b_0000.nii.gz", "c.png", "d_0000.txt"):
        (tmp_path / name).touch()
    found = images_of(tmp_path, ["a", "b", "c", "d"])
    assert {case: path.name for case, path in found.items()} == {
        "a": "a_0000.png", "b": "b_0000.nii.gz",
    }  # fmt: skip


def test_colour_pictures_have_a_luminance(tmp_path):
    colours = np.zeros((4, 5, 3), np.uint8)
    colours[..., 1] = 100
    path = tmp_path / "a_0000.png"
    sitk.WriteImage(sitk.GetImageFromArray(colours, isVector=True), str(path))
    values, scaling = read_intensities(path, (4, 5))
    assert values == pytest.approx(np.full((4, 5), 58.7))
    assert scaling == ""


def test_a_volume_of_one_slice_has_no_colours(tmp_path):
    path = tmp_path / "a_0000.nii.gz"
    stored = np.arange(20, dtype=np.int16).reshape(1, 4, 5)
    sitk.WriteImage(sitk.GetImageFromArray(stored), str(path))
    assert read_intensities(path, (4, 5))[0].tolist() == stored[0].tolist()


def test_palettes_are_colours_by_number(tmp_path):
    path = tmp_path / "a_0000.png"
    picture = PIL.Image.new("P", (5, 4), 1)
    picture.putpalette([0, 0, 0, 0, 100, 0])
    picture.save(path)
    assert read_intensities(path, (4, 5))[0] == pytest.approx(np.full((4, 5), 58.7))


def test_scaling_of_the_header_is_applied_and_told(tmp_path):
    path = tmp_path / "a_0000.nii"
    stored = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    sitk.WriteImage(sitk.GetImageFromArray(stored), str(path))
    content = bytearray(path.read_bytes())
    content[112:120] = np.array([2, -5], "<f4").tobytes()  # scl_slope, scl_inter
    path.write_bytes(content)
    values, scaling = read_intensities(path, (2, 3, 4))
    assert values == pytest.approx(stored * 2.0 - 5)
    assert scaling == "slope 2, intercept -5"


def test_other_sizes_and_damaged_files_are_refused(tmp_path):
    path = tmp_path / "a_0000.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((2, 3, 4), np.int16)), str(path))
    assert read_intensities(path, (2, 3, 4))[0].shape == (2, 3, 4)
    with pytest.raises(EvaluationError, match=r"has the size 2 x 3 x 4, the masks .* 2 x 3 x 5"):
        read_intensities(path, (2, 3, 5))
    path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(EvaluationError, match=r"a_0000.nii.gz cannot be read .* Copy it again"):
        read_intensities(path, (2, 3, 4))


def test_damaged_pictures_are_refused(tmp_path):
    path = tmp_path / "a_0000.png"
    noise = np.random.default_rng(0).integers(0, 255, (40, 50)).astype(np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(noise), str(path))
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 255
    for content in (whole[: len(whole) // 2], bytes(damaged), b"no picture"):
        path.write_bytes(content)
        with pytest.raises(EvaluationError, match=r"a_0000.png cannot be read .* Copy it again"):
            read_intensities(path, (40, 50))
