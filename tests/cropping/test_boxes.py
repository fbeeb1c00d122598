import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from hypothesis import assume, given
from hypothesis import strategies as st

from nnunetv2_fair.cropping.box import Box
from nnunetv2_fair.cropping.boxes import (
    MaskedPredictions,
    MaskingOrder,
    apply_box,
    apply_boxes,
    box_of_coordinates,
    box_on_grid,
    boxes_text,
    read_boxes,
)
from nnunetv2_fair.dataset_conversion.shared.resampling import to_isotropic, to_ras
from nnunetv2_fair.errors import ConversionError, UsageError
from nnunetv2_fair.files.volumes import geometry_of

COORDINATES = {"x_min": 1, "x_max": 4, "y_min": 2, "y_max": 9, "z_min": 5, "z_max": 6}
DIRECTIONS = [
    (1, 0, 0, 0, 1, 0, 0, 0, 1),
    (0, 0, 1, 1, 0, 0, 0, -1, 0),
    (-1, 0, 0, 0, 0, 1, 0, 1, 0),
    (0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, -1),
]


def test_x_counts_along_the_first_axis_of_the_array() -> None:
    box = box_of_coordinates(COORDINATES)
    array = np.zeros((10, 11, 12))
    # as in the challenge's sample submission
    array[1:4, 2:9, 5:6] = 1
    assert array[box.slices].all()
    assert array[box.slices].size == array.sum()


def test_numbers_may_be_whole_floats_or_text() -> None:
    given_as = {key: str(float(value)) for key, value in COORDINATES.items()}
    assert box_of_coordinates(given_as) == box_of_coordinates(COORDINATES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x_min": None}, r"x_min is None, expected an index"),
        ({"y_max": 2.5}, r"y_max is 2\.5"),
        ({"y_max": "nan"}, r"y_max is 'nan'"),
        ({"z_min": -1}, r"z_min is -1"),
        ({"x_max": 1}, r"minima \(1, 2, 5\) are not all below the maxima \(1, 9, 6\)"),
    ],
)
def test_wrong_coordinates_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        box_of_coordinates({**COORDINATES, **change})


@st.composite
def boxes(draw: st.DrawFn) -> tuple[tuple[int, int, int], Box]:
    shape = tuple(draw(st.integers(2, 9)) for _ in range(3))
    starts = tuple(draw(st.integers(0, n - 1)) for n in shape)
    ends = tuple(draw(st.integers(a + 1, n)) for a, n in zip(starts, shape, strict=True))
    return shape, Box(starts, ends)


@given(
    boxes(),
    st.sampled_from(DIRECTIONS),
    # irrational enough that no new voxel lies exactly between two old ones
    st.tuples(*[st.sampled_from([0.61803, 0.7391, 1.0, 1.6449, 2.71828])] * 3),
)
def test_a_box_on_the_common_grid_is_the_resampled_box(
    case: tuple[tuple[int, int, int], Box],
    direction: tuple[float, ...],
    spacing: tuple[float, ...],
) -> None:
    shape, box = case
    array = np.zeros(shape, np.uint8)
    array[box.slices] = 1
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin((-100.25, 33.0, 7.5))
    image.SetDirection(direction)
    converted = to_isotropic(to_ras(image), 1.0, labels=True)
    expected = SimpleITK.GetArrayFromImage(converted)
    assume(expected.any())  # a box may be thinner than the new voxels
    found = box_on_grid(box, geometry_of(image), shape, geometry_of(converted), expected.shape)
    marked = np.zeros_like(expected)
    marked[found.slices] = 1
    assert np.array_equal(marked, expected)


def test_a_box_elsewhere_is_refused() -> None:
    image = SimpleITK.Image([5, 6, 7], SimpleITK.sitkUInt8)
    far = SimpleITK.Image([5, 6, 7], SimpleITK.sitkUInt8)
    far.SetOrigin((1000, 0, 0))
    box = Box((0, 0, 0), (2, 2, 2))
    with pytest.raises(ConversionError, match="holds no voxel of the new grid"):
        box_on_grid(box, geometry_of(image), (7, 6, 5), geometry_of(far), (7, 6, 5))


def test_boxes_survive_their_file(tmp_path: Path) -> None:
    written = {
        "DUKE_001": (Box((1, 2, 3), (4, 5, 6)), (7, 8, 9)),
        'odd"name': (Box((0, 0, 0), (1, 1, 1)), (1, 1, 1)),
    }
    path = tmp_path / "breast_boxes.json"
    path.write_text(boxes_text(written), encoding="utf-8")
    assert read_boxes(path) == written
    assert "slices, rows, columns" in json.loads(path.read_text())["note"]


@pytest.mark.parametrize("text", ["", "[]", '{"cases": {"a": {"shape": [1, 2, 3]}}}', "{"])
def test_other_files_are_no_boxes(tmp_path: Path, text: str) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(text)
    with pytest.raises(ConversionError, match=r"boxes\.json(, case| is not| holds).*--boxes"):
        read_boxes(path)
    with pytest.raises(ConversionError, match=r"absent\.json does not exist.*--boxes"):
        read_boxes(tmp_path / "absent.json")


@pytest.fixture
def prediction(tmp_path: Path) -> Path:
    labels = np.zeros((5, 7, 9), np.uint8)
    labels[1:4, 2:5, 3:8] = 1
    labels[0, 0, 0] = 2
    image = SimpleITK.GetImageFromArray(labels)
    image.SetSpacing((0.5, 0.75, 2.5))
    image.SetOrigin((1, -2, 3))
    image.SetDirection(DIRECTIONS[1])
    SimpleITK.WriteImage(image, str(tmp_path / "a.nii.gz"), useCompression=True)
    return tmp_path / "a.nii.gz"


def test_labels_outside_the_box_become_background(prediction: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.nii.gz"
    box = Box((1, 2, 3), (4, 7, 6))
    assert apply_box(MaskingOrder(prediction, target, box, (5, 7, 9))) == 3 * 3 * 2 + 1
    before, after = (SimpleITK.ReadImage(str(path)) for path in (prediction, target))
    expected = SimpleITK.GetArrayFromImage(before)
    expected[:, :, 6:] = 0
    expected[0, 0, 0] = 0
    assert np.array_equal(SimpleITK.GetArrayFromImage(after), expected)
    assert geometry_of(after) == geometry_of(before)
    assert after.GetPixelID() == before.GetPixelID()


def test_predictions_inside_the_box_are_copied(prediction: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.nii.gz"
    whole = Box((0, 0, 0), (5, 7, 9))
    for box in (whole, None):
        assert apply_box(MaskingOrder(prediction, target, box, (5, 7, 9))) == 0
        assert target.read_bytes() == prediction.read_bytes()
        target.unlink()


def test_another_grid_is_reported(prediction: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.nii.gz"
    box = Box((0, 0, 0), (1, 1, 1))
    found = apply_box(MaskingOrder(prediction, target, box, (5, 7, 10)))
    assert "a.nii.gz has 5 x 7 x 9 voxels, its box belongs to an image of 5 x 7 x 10" in str(found)
    prediction.write_bytes(prediction.read_bytes()[:-20])
    found = apply_box(MaskingOrder(prediction, target, box, (5, 7, 9)))
    assert "a.nii.gz is damaged" in str(found)
    assert not target.exists()


def test_boxes_are_applied_from_python_to_all_predictions_or_none(tmp_path: Path) -> None:
    boxes = tmp_path / "breast_boxes.json"
    boxes.write_text(boxes_text({"a": (Box((1, 1, 1), (3, 3, 3)), (5, 7, 9))}))
    predictions = {}
    for case, shape in (("a", (5, 7, 9)), ("b", (4, 4, 4))):
        predictions[case] = tmp_path / f"{case}.nii.gz"
        SimpleITK.WriteImage(
            SimpleITK.GetImageFromArray(np.ones(shape, np.uint8)), str(predictions[case])
        )
    out = tmp_path / "out"
    with pytest.raises(ConversionError, match="has no box of 1 of the 2 cases that were predicted"):
        apply_boxes(predictions, boxes, out)
    assert not out.exists()
    done = apply_boxes(predictions, boxes, out, keep_without_box=True)
    assert done == MaskedPredictions(2, 1, 5 * 7 * 9 - 8, ("b",))
    assert (out / "b.nii.gz").read_bytes() == predictions["b"].read_bytes()
    with pytest.raises(UsageError, match="--overwrite"):
        apply_boxes(predictions, boxes, out, keep_without_box=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"slices": [1, float("inf")]}, "case 'a': expected 'shape' with three whole numbers, and"),
        ({"rows": ["1", "9"]}, "'slices', 'rows', 'columns' with a first index and an end each"),
        ({"columns": "29"}, "case 'a': expected"),
        ({"columns": [2.7, 9]}, "case 'a': expected"),
        ({"columns": [False, True]}, "case 'a': expected"),
        ({"shape": [6, 20]}, "case 'a': expected"),
        ({"rows": [9, 9]}, r"the box from \(1, 9, 2\) to \(5, 9, 9\) is empty, so that nothing"),
        ({"rows": [-3, 9]}, "case 'a': expected"),
    ],
)
def test_odd_numbers_in_a_file_of_boxes(tmp_path: Path, change: dict[str, object], message: str):
    entry = {"shape": [6, 20, 22], "slices": [1, 5], "rows": [2, 15], "columns": [2, 9]}
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps({"cases": {"a": entry}}))
    assert read_boxes(path)["a"][0] == Box((1, 2, 2), (5, 15, 9))
    path.write_text(json.dumps({"cases": {"a": {**entry, **change}}}))
    with pytest.raises(ConversionError, match=message):
        read_boxes(path)
    path.write_text(json.dumps({"cases": [entry]}))
    with pytest.raises(ConversionError, match="is not a file of breast boxes"):
        read_boxes(path)
