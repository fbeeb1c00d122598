"""Every kind of image is read and written as it is, and damage is noticed."""

import numpy as np
import pytest
import SimpleITK
from PIL import Image

from nnunetv2_fair.cropping.images import (
    grid_difference,
    grid_of_file,
    read_channel,
    read_mask,
    write_image,
)
from nnunetv2_fair.errors import ConversionError
from nnunetv2_fair.files.volumes import ImageGeometry

GEOMETRY = ImageGeometry((0.5, 1.25, 8.0), (-10.5, 3.25, 7.0), (0, 1, 0, 1, 0, 0, 0, 0, -1))


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".nrrd", ".mha"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_volumes(tmp_path, rng, ending, dtype):
    voxels = (200 * rng.random((3, 5, 7)) - (0 if dtype == np.uint8 else 90)).astype(dtype)
    path = tmp_path / f"a{ending}"
    write_image(path, voxels, GEOMETRY)
    assert np.array_equal(read_channel(path), voxels)
    assert read_channel(path).dtype == dtype
    found = grid_of_file(path).geometry
    assert found is not None
    assert found.spacing_mm == pytest.approx(GEOMETRY.spacing_mm)
    assert found.origin_mm == pytest.approx(GEOMETRY.origin_mm)
    assert grid_of_file(path).shape == (3, 5, 7)
    assert grid_difference(grid_of_file(path), grid_of_file(path)) is None


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_pictures(tmp_path, rng, shape):
    voxels = rng.integers(0, 256, shape, dtype=np.uint8)
    path = tmp_path / "a.png"
    write_image(path, voxels, None)
    assert np.array_equal(read_channel(path), voxels)
    assert grid_of_file(path).geometry is None
    assert grid_of_file(path).shape == (5, 7)
    if len(shape) == 2:
        assert np.array_equal(read_mask(path), voxels)
    else:
        with pytest.raises(ConversionError, match="is in colour"):
            read_mask(path)


def test_sixteen_bits(tmp_path, rng):
    voxels = rng.integers(0, 65536, (5, 7), dtype=np.uint16)
    write_image(tmp_path / "a.png", voxels, None)
    assert np.array_equal(read_channel(tmp_path / "a.png"), voxels)


def test_scaled_volumes_are_read_as_their_header_says(tmp_path):
    path = tmp_path / "a.nii"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.full((2, 3, 4), 7, np.int16)), str(path))
    data = bytearray(path.read_bytes())
    data[112:120] = np.array([0.5, 10.0], "<f4").tobytes()
    path.write_bytes(data)
    assert (read_channel(path) == 13.5).all()


def test_damage_and_other_kinds_are_told(tmp_path, rng):
    path = tmp_path / "a.png"
    write_image(path, rng.integers(0, 256, (40, 40), dtype=np.uint8), None)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ConversionError, match="cannot be read as a picture"):
        read_channel(path)
    Image.new("RGBA", (4, 4)).save(path)
    with pytest.raises(ConversionError, match="mode RGBA; expected grey or RGB without transp"):
        read_channel(path)
    path.write_bytes(b"text")
    with pytest.raises(ConversionError, match="cannot be read as a picture"):
        grid_of_file(path)
    volume = tmp_path / "a.nii.gz"
    write_image(volume, np.zeros((2, 30, 4), np.int16), GEOMETRY)
    volume.write_bytes(volume.read_bytes()[:-9])
    with pytest.raises(ConversionError, match=r"a\.nii\.gz is damaged"):
        read_channel(volume)


def test_grids_that_differ(tmp_path):
    one, other = tmp_path / "one.png", tmp_path / "other.png"
    write_image(one, np.zeros((4, 5), np.uint8), None)
    write_image(other, np.zeros((5, 4), np.uint8), None)
    expected = "one.png and other.png differ in size: 4 x 5 and 5 x 4 pixels"
    assert grid_difference(grid_of_file(one), grid_of_file(other)) == expected
