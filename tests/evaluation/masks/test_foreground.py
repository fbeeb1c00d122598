import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunetv2_fair.evaluation.masks import foreground
from nnunetv2_fair.evaluation.masks.foreground import crop, crop_blocks, slice_bytes

SHAPES = [(9,), (5, 8), (7, 3), (4, 6, 5), (3, 5, 16), (1, 4, 24)]
TYPES = ["u1", "i1", "<i2", ">i2", "<u2", ">i4", "<i8", ">u8", "<f4", ">f8"]


@st.composite
def label_maps(draw: st.DrawFn) -> np.ndarray:
    shape = draw(st.sampled_from(SHAPES))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = generator.integers(0, draw(st.sampled_from([2, 4, 120])), shape)
    labels[generator.random(shape) > draw(st.sampled_from([0.0, 0.05, 0.9]))] = 0
    return labels.astype(draw(st.sampled_from(TYPES)))


def smallest_box(labels: np.ndarray) -> tuple[slice, ...]:
    found = np.argwhere(labels)
    if not len(found):
        return (slice(0, 0),) * labels.ndim
    return tuple(map(slice, found.min(axis=0), found.max(axis=0) + 1))


@settings(deadline=None, max_examples=200)
@given(label_maps(), st.integers(1, 5))
def test_crops_hold_everything_and_no_more(labels: np.ndarray, slices: int):
    size = slice_bytes(labels.shape, labels.dtype) * slices
    data = labels.tobytes()
    blocks = (data[start : start + size] for start in range(0, len(data), size))
    for found in (crop(labels), crop_blocks(blocks, labels.shape, labels.dtype)):
        box = smallest_box(labels)
        assert np.array_equal(found.labels, labels[box])
        assert found.offset == tuple(side.start for side in box)
        assert np.array_equal(found.whole, labels)
        assert found.whole.shape == labels.shape
        assert found.labels.dtype.isnative


def test_large_numbers_keep_their_type_and_small_ones_become_bytes():
    labels = np.zeros((6, 4, 9), dtype=np.uint16)
    labels[1, 2, 3] = 255
    assert crop(labels).labels.dtype == np.uint8
    labels[4, 1, 1] = 300
    found = crop_blocks([labels[:3].tobytes(), labels[3:].tobytes()], labels.shape, labels.dtype)
    assert found.labels.dtype == np.uint16
    assert np.array_equal(found.whole, labels)
    negative = np.array([[0, -1, 0]], dtype=np.int16)
    assert crop(negative).labels.tolist() == [[-1]]


def test_values_that_are_no_labels_survive_for_the_message():
    labels = np.zeros((3, 4), dtype=np.float32)
    labels[1, 2], labels[2, 3], labels[0, 1] = np.nan, 0.5, -0.0
    kept = crop(labels).labels
    assert np.isnan(kept).sum() == 1
    assert 0.5 in kept


def test_block_that_was_cut_off_is_used_as_far_as_it_goes():
    labels = np.ones((4, 2, 3), dtype=np.uint8)
    found = crop_blocks([labels.tobytes()[:-1]], labels.shape, labels.dtype)
    assert found.labels.shape == (3, 2, 3)


@pytest.mark.parametrize(("size", "number"), [(1, 1 << 20), (1 << 18, 4), (5 << 20, 1)])
def test_blocks_are_small(size: int, number: int):
    assert foreground.slices_per_block(size) == number


def test_part_is_a_view_in_positions_of_the_label_map():
    labels = np.zeros((8, 9), dtype=np.uint8)
    labels[2:6, 3:8] = np.arange(20).reshape(4, 5) + 1
    part = crop(labels).part((3, 4), (4, 6))
    assert np.array_equal(part, labels[3:5, 4:7])
