import numpy as np
import pytest

from nnunetv2_fair.cropping.box import Box
from nnunetv2_fair.errors import DatasetError
from nnunetv2_fair.foundation.prompts import Place, boxes_around, filled, jittered, read_boxes
from nnunetv2_fair.foundation.task import Target

TARGETS = (Target("whole", (1, 2), 1), Target("core", (2,), 2))
HEADER = "case,label,slice,x_start,x_end,y_start,y_end\n"


def test_every_target_has_a_box_in_every_slice_that_shows_it():
    labels = np.zeros((3, 10, 12), np.uint8)
    labels[1, 2:7, 3:9] = 1
    labels[1, 4, 5] = 2
    labels[2, 0, 0] = 1
    assert boxes_around(labels, TARGETS) == {
        Place(1, 0): Box((2, 3), (7, 9)),
        Place(2, 0): Box((0, 0), (1, 1)),
        Place(1, 1): Box((4, 5), (5, 6)),
    }
    assert boxes_around(np.zeros((10, 12)), TARGETS) == {}


def test_a_filled_box_is_where_the_box_is():
    mask = filled(
        {Place(1, 0): Box((2, 3), (7, 9)), Place(0, 1): Box((0, 0), (1, 1))}, 0, (2, 9, 9)
    )
    assert mask.sum() == 30
    assert mask[1, 2:7, 3:9].all()


def test_boxes_are_moved_alike_in_any_order_and_stay_inside():
    prompts = {Place(i, 0): Box((10, 20), (30, 60)) for i in range(200)}
    moved = jittered(prompts, 0.1, (32, 64), 0, "case")
    assert moved == jittered(dict(reversed(prompts.items())), 0.1, (32, 64), 0, "case")
    assert moved != jittered(prompts, 0.1, (32, 64), 1, "case")
    shifts = np.array([[*b.start, *b.end] for b in moved.values()]) - [10, 20, 30, 60]
    assert np.abs(shifts).max(axis=0).tolist() == [2, 4, 2, 4]
    assert (shifts[:, 2] == 2).mean() < 0.5
    assert jittered(prompts, 0.0, (32, 64), 0) == prompts


@pytest.mark.parametrize("box", [Box((0, 9), (1, 10)), Box((0, 0), (10, 10))])
def test_a_box_never_vanishes_nor_leaves_the_image(box):
    for i in range(50):
        (moved,) = jittered({Place(0, 0): box}, 0.4, (10, 10), i).values()
        assert min(moved.lengths) >= 1
        assert min(moved.start) >= 0
        assert moved.fits((10, 10))


def test_a_table_of_boxes(tmp_path):
    path = tmp_path / "boxes.csv"
    path.write_text(f"{HEADER}a,core,0,1,5,2,6\na,whole,2,0,12,0,10\nother,core,9,1,1,1,1\n")
    found = read_boxes(path, TARGETS, {"a": (3, 10, 12)})
    assert found == {"a": {Place(0, 1): Box((2, 1), (6, 5)), Place(2, 0): Box((0, 0), (10, 12))}}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("a,liver,0,1,5,2,6", "line 2, case 'a': the label 'liver' is none of whole, core"),
        ("a,core,0,1,13,2,6", "ends at column 13 and row 6, outside the image of 12 x 10 pixels"),
        ("a,core,3,1,5,2,6", "slice 3 is outside the image, which has 3"),
        ("a,core,0,-1,5,2,6", "x_start is '-1'; expected a whole number"),
        ("a,core,0,5,5,2,6", r"the box from \(5, 2\) to \(5, 6\) \(x, y\) is empty"),
        ("a,core,0,1,5,2,6\na,core,0,1,5,2,6", "a second box of 'core' in one slice"),
        ("b,core,0,1,5,2,6", "has no box for 1 of 1 images: a. Add"),
    ],
)
def test_boxes_that_cannot_be_used_are_named(tmp_path, row, told):
    path = tmp_path / "boxes.csv"
    path.write_text(f"{HEADER}{row}\n")
    with pytest.raises(DatasetError, match=told):
        read_boxes(path, TARGETS, {"a": (3, 10, 12)})


def test_missing_columns_are_named(tmp_path):
    path = tmp_path / "boxes.csv"
    path.write_text("case,label,x_start,x_end\na,core,1,2\n")
    with pytest.raises(DatasetError, match="lacks the columns y_start, y_end"):
        read_boxes(path, TARGETS, {"a": (1, 10, 12)})
