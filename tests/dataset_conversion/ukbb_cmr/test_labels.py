from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunetv2_fair.dataset_conversion.ukbb_cmr.frames import SurveyItem, survey_participant
from nnunetv2_fair.dataset_conversion.ukbb_cmr.labels import (
    INCOMPLETE,
    NO_FIRST,
    NO_SECOND,
    drawn_part,
    enclosing_pairs,
    find_frames,
    order_warning,
)
from nnunetv2_fair.dataset_conversion.ukbb_cmr.sources import FrameFiles, Source
from tests.dataset_conversion.factories.ukbb_cmr import cycle, heart, save_cycle

FULL, SMALL, NO_RV, NONE = (0, 1, 2, 2, 3, 3), (0, 0, 0, 1, 2, 3), (0, 1, 1, 2, 2, 2), (0,) * 6


def frames(*kinds: tuple[int, ...]) -> np.ndarray:
    return np.array(kinds).reshape(len(kinds), 1, 2, 3)


@pytest.mark.parametrize(
    ("kinds", "diastole", "systole"),
    [
        ((FULL, NONE, SMALL), (0, None), (2, None)),
        ((FULL, SMALL, FULL), (0, None), (1, None)),  # the least of several
        ((FULL, FULL, NONE, SMALL), (0, None), (3, None)),
        ((FULL, NO_RV, SMALL), (0, None), (2, None)),  # a frame without RV does not count
        ((NO_RV, FULL, SMALL), (1, None), (2, None)),
        ((FULL, NO_RV), (0, None), (None, NO_SECOND)),
        ((NONE, FULL, SMALL), (None, NO_FIRST), (None, NO_FIRST)),
        ((NO_RV, NONE, FULL), (None, NO_SECOND), (None, NO_SECOND)),  # ED or ES? nobody knows
        ((NONE, NONE), (None, INCOMPLETE), (None, INCOMPLETE)),
    ],
)
def test_choice_of_frames(kinds, diastole, systole) -> None:
    assert find_frames(frames(*kinds)) == {"ED": diastole, "ES": systole}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([FULL, SMALL, NO_RV, NONE]), min_size=2, max_size=7))
def test_choice_of_frames_against_the_published_steps(kinds: list[tuple[int, ...]]) -> None:
    # step 2 of ukbb_cardiac's data/prepare_data_ukbb2964.py, which takes both frames or none
    label = frames(*kinds)
    projection = label.sum(axis=(1, 2, 3))
    index = [t for t in np.nonzero(projection)[0] if set(np.unique(label[t])) == {0, 1, 2, 3}]
    if len(index) >= 3:
        index = [index[0], index[1:][np.argmin(projection[index[1:]])]]
    found = find_frames(label)
    if projection[0] != 0 and len(index) == 2:
        assert (found["ED"][0], found["ES"][0]) == tuple(index)
    else:
        assert found["ES"][0] is None


def test_whole_cycles_are_read_in_the_right_axis_order(tmp_path: Path) -> None:
    save_cycle(tmp_path, "9000017", 3, systole=(2, 4))
    files = FrameFiles(tmp_path / "sa.nii.gz", tmp_path / "label_sa.nii.gz", whole_cycle=True)
    source = Source("9000017", "entry 1 of x", None, {"ED": files, "ES": files}, {})
    facts = survey_participant(SurveyItem(source))
    _, label = cycle(3, systole=(2, 4))
    assert (facts["ED"].index, facts["ES"].index) == (0, 2)
    assert facts["ED"].shape == label.shape[1:]
    assert facts["ED"].enclosed == ((2, 1),)


def test_myocardium_encloses_the_cavity_and_nothing_else() -> None:
    for seed in range(5):
        for systole in (False, True):
            assert enclosing_pairs(heart(seed, systole)[1]) == ((2, 1),)


def test_enclosure_is_counted_within_slices() -> None:
    # below each other, not within each other
    label = np.zeros((3, 6, 7), int)
    label[0, 2:4, 2:5] = label[2, 2:4, 2:5] = 2
    label[1, 2:4, 2:5] = 1
    assert enclosing_pairs(label) == ()
    ring = np.zeros((1, 6, 7), int)
    ring[0, 1:5, 1:6] = 2
    ring[0, 2:4, 2:5] = 1
    assert enclosing_pairs(ring) == ((2, 1),)
    ring[0, 1, 2:4] = 0  # open at 2 of 10 edges: still enclosed
    assert enclosing_pairs(ring) == ((2, 1),)
    ring[0, 1, 4] = 0
    assert enclosing_pairs(ring) == ()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_the_drawn_part_says_the_same_as_the_whole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    label = np.zeros((4, 9, 11), int)
    corner = rng.integers(0, (4, 9, 11))
    part = tuple(slice(c, c + int(n)) for c, n in zip(corner, rng.integers(1, 7, 3), strict=True))
    label[part] = rng.integers(0, 4, label[part].shape)
    cropped = drawn_part(label)
    assert enclosing_pairs(cropped) == enclosing_pairs(label)
    assert np.bincount(cropped.ravel(), minlength=4)[1:].tolist() == (
        np.bincount(label.ravel(), minlength=4)[1:].tolist()
    )


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ((0, 2, 1, 3), "1 encloses 2, .*--label-map 1=2 2=1 3=3"),
        ((0, 3, 2, 1), "2 encloses 3, .*--label-map 1=3 2=2 3=1"),  # as in ACDC
    ],
)
def test_labels_of_another_order_are_noticed(order: tuple[int, ...], message: str) -> None:
    labels = [np.array(order)[heart(seed)[1]] for seed in range(3)]
    warning = order_warning([enclosing_pairs(label) for label in labels])
    assert warning is not None
    with pytest.raises(AssertionError, match=f"in 3 of 3 labels {message}"):
        raise AssertionError(warning)
    assert order_warning([((2, 1),), ()]) is None
