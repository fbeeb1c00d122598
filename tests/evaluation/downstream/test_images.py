"""Energy against pyradiomics 3.0.1 (golden value), and what of an image is used."""

import nibabel
import numpy as np
import PIL.Image
import pytest
import SimpleITK as sitk  # noqa: N813

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.downstream.images import energy, images_in, read_intensities
from nnunetv2_fair.files.integrity import image_hash
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
    found = images_in(tmp_path, ["a", "b", "c", "d"])
    names = [path and path.name for path in map(found.of, "abcd")]
    assert names == ["a_0000.png", "b_0000.nii.gz", None, None]
    assert images_in(tmp_path, ["c", "d"]) is None


def test_colour_pictures_have_a_luminance(tmp_path):
    colours = np.zeros((4, 5, 3), np.uint8)
    colours[..., 1] = 100
    path = tmp_path / "a_0000.png"
    sitk.WriteImage(sitk.GetImageFromArray(colours, isVector=True), str(path))
    found = read_intensities(path, (4, 5))
    assert found.values == pytest.approx(np.full((4, 5), 58.7))
    assert found.scaling == ""


def test_a_volume_of_one_slice_has_no_colours(tmp_path):
    path = tmp_path / "a_0000.nii.gz"
    stored = np.arange(20, dtype=np.int16).reshape(1, 4, 5)
    sitk.WriteImage(sitk.GetImageFromArray(stored), str(path))
    assert read_intensities(path, (4, 5)).values.tolist() == stored[0].tolist()


def test_palettes_are_colours_by_number(tmp_path):
    path = tmp_path / "a_0000.png"
    picture = PIL.Image.new("P", (5, 4), 1)
    picture.putpalette([0, 0, 0, 0, 100, 0])
    picture.save(path)
    assert read_intensities(path, (4, 5)).values == pytest.approx(np.full((4, 5), 58.7))


def test_scaling_of_the_header_is_applied_and_told(tmp_path):
    path = tmp_path / "a_0000.nii"
    stored = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    sitk.WriteImage(sitk.GetImageFromArray(stored), str(path))
    content = bytearray(path.read_bytes())
    content[112:120] = np.array([2, -5], "<f4").tobytes()  # scl_slope, scl_inter
    path.write_bytes(content)
    found = read_intensities(path, (2, 3, 4))
    assert found.values == pytest.approx(stored * 2.0 - 5)
    assert found.scaling == "slope 2, intercept -5"


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32, ">i2"])
@pytest.mark.parametrize("name", ["a_0000.nii", "a_0000.nii.gz", "a_0000.nrrd", "a_0000.mhd"])
def test_volumes_are_what_simpleitk_reads(tmp_path, name, kind):
    path = tmp_path / name
    stored = np.random.default_rng(0).integers(0, 90, (3, 4, 5)).astype(np.dtype(kind))
    native = stored.astype(stored.dtype.newbyteorder("="))
    sitk.WriteImage(sitk.GetImageFromArray(native), str(path))
    if stored.dtype.byteorder == ">" and ".nii" in name:
        nibabel.save(nibabel.Nifti1Image(stored.T, np.eye(4), dtype=stored.dtype), path)
    found = read_intensities(path, (3, 4, 5))
    assert found.values.tolist() == sitk.GetArrayFromImage(sitk.ReadImage(str(path))).tolist()
    assert found.sha256 == image_hash(path)


def test_what_is_not_finite_is_as_simpleitk_reads_it(tmp_path):
    path = tmp_path / "a_0000.nii.gz"
    stored = np.ones((2, 3, 4), np.float32)
    stored[0, 0] = [np.nan, np.inf, -np.inf, 5]
    sitk.WriteImage(sitk.GetImageFromArray(stored), str(path))
    read = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    np.testing.assert_array_equal(read_intensities(path, (2, 3, 4)).values, read)


def test_other_sizes_and_damaged_files_are_refused(tmp_path):
    path = tmp_path / "a_0000.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((2, 3, 4), np.int16)), str(path))
    assert read_intensities(path, (2, 3, 4)).values.shape == (2, 3, 4)
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
