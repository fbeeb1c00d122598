"""Files that are stored in different orders are looked at from one side."""

import itertools

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from nnunetv2_fair.evaluation.boundary_maps.orientation import View, common_view
from nnunetv2_fair.evaluation.masks.geometry import ArrayGeometry
from nnunetv2_fair.evaluation.masks.label_maps import read_geometry, read_label_map

ORDERS = ["LPS", "RAS", "ASL", "SRP", "PIL", "ILA"]


def _volume(tmp_path, order: str, spacing=(1.0, 1.0, 3.0)):
    """One voxel of the patient, 2 mm to the left, 5 mm back and 9 mm up, stored in any order."""
    array = np.zeros((6, 8, 7), np.uint8)
    array[3, 5, 2] = 1
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    path = tmp_path / f"{order}.nii.gz"
    sitk.WriteImage(sitk.DICOMOrient(image, order), str(path))
    return path


@pytest.mark.parametrize("order", ORDERS)
def test_stored_order_does_not_matter(tmp_path, order):
    path = _volume(tmp_path, order)
    found, geometry = read_label_map(path), read_geometry(path)
    view = common_view([geometry])
    assert view == View("z")
    assert view.ends == ("feet", "head")
    assert view.clock == ("front", "left")
    here = view.coordinates(np.argwhere(found.labels == 1), geometry)
    corner = view.coordinates(_corner(geometry), geometry)
    # above the lowest slice, in front of the backmost and left of the rightmost voxel
    assert here[0] - corner.min(axis=0) == pytest.approx([9, 2, 2])


def _corner(geometry: ArrayGeometry) -> np.ndarray:
    return np.array(list(itertools.product(*((0, length - 1) for length in geometry.shape))))


def test_slices_are_those_of_most_cases():
    thin = ArrayGeometry((5, 5, 5), (1, 1, 1), "mm", None)
    coronal = ArrayGeometry((5, 5, 5), (1, 6, 1), "mm", None)
    assert common_view([thin]).slices == "z"
    assert common_view([coronal, coronal, thin]).slices == "y"
    assert common_view([coronal, thin, thin]).slices == "z"
    assert common_view([coronal]).clock == ("head", "left")
    sagittal = ArrayGeometry((5, 5, 5), (1, 1, 6), "mm", None)
    assert common_view([sagittal]).clock == ("head", "back")


def test_pictures_have_a_top_and_a_right():
    picture = ArrayGeometry((4, 6), (1, 1), "px", None)
    view = common_view([picture])
    assert (view.ends, view.clock) == ((), ("top", "right"))
    places = view.coordinates(np.array([[0, 0], [3, 5]]), picture)
    assert places.tolist() == [[0, 0, 0], [0, -3, 5]]
