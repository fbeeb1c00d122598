"""Against nibabel (orientation) and scipy (interpolation)."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from scipy.ndimage import map_coordinates

from nnunetv2_fair.dataset_conversion.shared.resampling import to_isotropic, to_ras

ARRAY = np.random.default_rng(0).normal(100, 20, (5, 8, 11)).astype(np.float32)
DIRECTIONS = {
    "axial": (1, 0, 0, 0, 1, 0, 0, 0, 1),
    "sagittal": (0, 0, 1, 1, 0, 0, 0, -1, 0),
    "coronal": (-1, 0, 0, 0, 0, 1, 0, 1, 0),
    "oblique": (0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, -1),
}


def image_of(direction: str, spacing: tuple[float, float, float]) -> SimpleITK.Image:
    image = SimpleITK.GetImageFromArray(ARRAY)
    image.SetSpacing(spacing)
    image.SetOrigin((-10.5, 20.25, 3.0))
    image.SetDirection(DIRECTIONS[direction])
    return image


def world(image: SimpleITK.Image) -> dict[tuple[float, ...], float]:
    """Return the value at every position."""
    values = {}
    for index in np.ndindex(image.GetSize()):
        place = image.TransformIndexToPhysicalPoint(tuple(map(int, index)))
        values[tuple(np.round(place, 3) + 0.0)] = image[tuple(map(int, index))]
    return values


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_axes_become_ras_and_no_voxel_moves(tmp_path: Path, direction: str) -> None:
    image = image_of(direction, (0.5, 0.75, 2.5))
    turned = to_ras(image)
    SimpleITK.WriteImage(turned, str(tmp_path / "a.nii.gz"))
    affine = nibabel.load(tmp_path / "a.nii.gz").affine
    assert nibabel.aff2axcodes(affine) == ("R", "A", "S")
    assert world(turned) == world(image)


@pytest.mark.parametrize("spacing", [(0.5, 0.75, 2.5), (1.0, 1.0, 1.0), (0.63, 1.4, 3.0)])
@pytest.mark.parametrize("direction", ["axial", "oblique"])
def test_interpolation_is_that_of_scipy(direction: str, spacing: tuple[float, ...]) -> None:
    image = image_of(direction, spacing)
    found = to_isotropic(image, 1.0)
    assert found.GetSpacing() == (1.0, 1.0, 1.0)
    assert found.GetOrigin() == image.GetOrigin()
    assert found.GetDirection() == pytest.approx(image.GetDirection())
    shape = tuple(round((n - 1) * s) + 1 for n, s in zip(ARRAY.shape, spacing[::-1], strict=True))
    assert found.GetSize()[::-1] == shape
    positions = np.meshgrid(
        *(np.arange(n) / s for n, s in zip(shape, spacing[::-1], strict=True)), indexing="ij"
    )
    expected = map_coordinates(ARRAY, positions, order=1, mode="nearest")
    array = SimpleITK.GetArrayFromImage(found)
    assert array.dtype == np.float32
    assert np.allclose(array, expected, atol=1e-3)
    if spacing == (1.0, 1.0, 1.0):
        assert np.array_equal(array, ARRAY)


def test_labels_are_never_mixed() -> None:
    labels = (ARRAY > 100).astype(np.uint8) * 7
    image = SimpleITK.GetImageFromArray(labels)
    image.SetSpacing((0.7, 1.3, 2.9))  # no voxel of the new grid lies between two old ones
    found = to_isotropic(image, 1.0, labels=True)
    array = SimpleITK.GetArrayFromImage(found)
    assert array.dtype == np.uint8
    nearest = [
        np.minimum(np.rint(np.arange(n) / s).astype(int), old - 1)
        for n, s, old in zip(array.shape, (2.9, 1.3, 0.7), labels.shape, strict=True)
    ]
    assert np.array_equal(array, labels[np.ix_(*nearest)])
