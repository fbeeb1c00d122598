"""Where the organ is in a prediction: what by-hand trials showed to go wrong is recognised."""

import numpy as np
import pytest

from nnunetv2_fair.cropping.box import Box
from nnunetv2_fair.cropping.organs import CropRule, organ_in
from nnunetv2_fair.errors import ConversionError

#: Organs of 20 to 30 rows and 24 to 32 columns, in one piece.
RULE = CropRule("Dataset042_Heart", "xy", (40, 42), (1, 2), (20, 24), (30, 32), 1)
SHAPE = (6, 96, 96)


def mask_of(*blocks):
    mask = np.zeros(SHAPE, np.uint8)
    for slices, rows, columns, label in blocks:
        mask[slice(*slices), slice(*rows), slice(*columns)] = label
    return mask


ORGAN = ((1, 4), (10, 34), (50, 78), 2)
ORGAN_BOX = Box((1, 10, 50), (4, 34, 78))


def found(mask, rule=RULE, factor=1.5):
    return rule.find(organ_in(mask, rule.labels), factor)


def test_labels_that_are_not_of_the_organ_do_not_count():
    organ = organ_in(mask_of(ORGAN, ((0, 6), (80, 95), (0, 20), 3)), (1, 2))
    assert organ is not None
    assert organ.box == ORGAN_BOX
    assert [piece.n_voxels for piece in organ.pieces] == [3 * 24 * 28]
    assert organ_in(mask_of(((0, 6), (80, 95), (0, 20), 3)), (1, 2)) is None
    assert organ_in(mask_of(), (1, 2)) is None


def test_pieces_that_touch_at_a_corner_are_one():
    mask = np.zeros((8, 8), np.uint8)
    mask[2:4, 2:4] = mask[4:6, 4:6] = 1
    organ = organ_in(mask, (1,))
    assert organ is not None
    assert len(organ.pieces) == 1
    mask[7, 0] = 1
    organ = organ_in(mask, (1,))
    assert organ is not None
    assert organ.box == Box((2, 0), (8, 6))
    assert [piece.n_voxels for piece in organ.pieces] == [8, 1]


@pytest.mark.parametrize(
    ("what", "further"),
    [
        ("specks", [((i, i + 1), (9 * i + 40, 9 * i + 41), (3, 4), 1) for i in range(6)]),
        ("a large blob that is too long", [((0, 6), (60, 66), (0, 96), 1)]),
        ("a large blob that is too small", [((0, 6), (84, 95), (0, 13), 1)] * 1),
        ("a blob that covers half the image", [((0, 6), (46, 96), (0, 96), 1)]),
    ],
)
def test_the_organ_is_found_besides(what, further):
    assert found(mask_of(ORGAN, *further)) == ORGAN_BOX


def test_nothing_plausible_is_none_and_says_why():
    empty = organ_in(mask_of(), RULE.labels)
    assert RULE.find(empty, 1.5) is None
    assert RULE.why_not(empty) == "empty"
    blob = organ_in(mask_of(((0, 6), (0, 90), (0, 9), 1)), RULE.labels)
    assert RULE.find(blob, 1.5) is None
    assert RULE.why_not(blob) == "implausible: 90 x 9 voxels, training 20-30 x 24-32"
    half = organ_in(mask_of(((1, 4), (10, 34), (50, 64), 1)), RULE.labels)
    assert RULE.find(half, 1.5) is None, "14 columns are fewer than 24 / 1.5"
    assert RULE.find(half, 2) is not None


def test_an_organ_of_two_pieces_is_taken_whole():
    left, right = ((0, 4), (20, 40), (10, 30), 1), ((0, 4), (20, 40), (50, 72), 1)
    pair = CropRule("D", "xy", (60, 90), (1,), (18, 55), (26, 70), 2)
    assert found(mask_of(left, right), pair) == Box((0, 20, 10), (4, 40, 72))
    # one piece is larger than both, and as wide as a pair
    blob = ((0, 6), (70, 96), (0, 96), 1)
    assert found(mask_of(left, right, blob), pair) == Box((0, 20, 10), (4, 40, 72))
    assert found(mask_of(left), pair) is None


def test_an_organ_in_parts_is_put_together():
    """A band of the organ is missing; each part is too small, or plausible alone."""
    top, bottom = ((1, 4), (10, 18), (50, 78), 1), ((1, 4), (24, 34), (50, 78), 1)
    assert found(mask_of(top)) is None
    assert found(mask_of(top, bottom)) == ORGAN_BOX
    most = ((1, 4), (10, 29), (50, 78), 2)
    assert found(mask_of(most, ((1, 4), (31, 34), (50, 78), 1))) == ORGAN_BOX
    # not with what the crop would not hold
    far = ((1, 4), (70, 78), (50, 78), 1)
    assert found(mask_of(top, far)) is None
    assert found(mask_of(ORGAN, far)) == ORGAN_BOX


def test_a_blob_larger_than_the_organ_and_than_those_of_training():
    blob = ((0, 6), (50, 86), (2, 44), 1)
    assert found(mask_of(blob)) == Box((0, 50, 2), (6, 86, 44)), "plausible if there is no other"
    assert found(mask_of(ORGAN, blob)) == ORGAN_BOX
    # as large as an organ: nothing says which of them is
    blob = ((0, 6), (50, 82), (2, 36), 1)
    assert found(mask_of(ORGAN, blob)) == Box((0, 50, 2), (6, 82, 36))


def test_what_the_rule_says_is_read_again():
    for rule in (RULE, CropRule("D", "xyz", (9, 8, 7), (3,), (1, 2, 3), (4, 5, 6), 4)):
        assert CropRule.from_dict(rule.to_dict()) == rule
    assert RULE.to_dict()["size"] == {"rows": 40, "columns": 42}


@pytest.mark.parametrize(
    "change",
    [{"axes": "zx"}, {"size": {"rows": 4}}, {"size": {"rows": 4, "columns": 0}}, {"labels": 3},
     {"pieces": "1"}, {"labels": [True]}],
)  # fmt: skip
def test_a_rule_of_another_kind_is_refused(change):
    with pytest.raises(ConversionError, match='"cropped" is not as nnUNetv2_fair_crop writes it'):
        CropRule.from_dict({**RULE.to_dict(), **change})


def test_windows_keep_whole_axes_whole():
    window = RULE.window(ORGAN_BOX, SHAPE)
    assert window.start == (0, 2, 43)
    assert window.size == (6, 40, 42)
    assert RULE.window(ORGAN_BOX, SHAPE, (-30, 3)).start == (0, 0, 46)
