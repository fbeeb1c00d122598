"""The phantoms of the benchmark carry what is planted, and its pieces fit together."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.diagnosis_images import COLUMNS, beside_table, finished, row, table
from benchmarks.diagnosis_phantoms import (
    EDITS,
    SETTINGS,
    Design,
    Images,
    Setting,
    covariates,
    displaced,
    edited,
    equal_numbers,
)
from nnunetv2_fair.audit.causes.evidence import CAUSES

SMALL = replace(Design(), training=20, test=20, steps=2, trainings=2)


def both(name):
    """Return the test images without and with what is planted."""
    plain = Setting(patients=SETTINGS[name].patients, contrast=SETTINGS[name].contrast)
    return (Images(one, SMALL, 0, "test") for one in (plain, SETTINGS[name]))


@pytest.mark.parametrize("name", SETTINGS)
def test_half_of_the_test_patients_and_their_expert_masks_are_the_same(name):
    plain, test = both(name)
    assert np.array_equal(plain.second, test.second)
    assert test.second.sum() == len(test.second) / 2
    assert np.array_equal(plain.expert, test.expert)
    assert ("labels" in SETTINGS[name].planted) == (test.masks != test.expert).any()
    # the shortcut's twin is in images of both groups
    if "shortcut" not in SETTINGS[name].planted:
        assert np.array_equal(plain.images[~test.second], test.images[~test.second])
        assert np.array_equal(plain.masks[~test.second], test.masks[~test.second])


def test_the_group_is_rare_where_representation_is_planted():
    setting = SETTINGS["representation"]
    rare = Images(setting, SMALL, 0, "train").second.mean()
    assert rare == pytest.approx(setting.minority, abs=0.03)
    assert Images(SETTINGS["difficulty"], SMALL, 0, "train").second.mean() == 0.5


def test_equal_numbers_of_the_rare_group_and_others_for_each_training():
    training = Images(SETTINGS["representation"], SMALL, 0, "train")
    drawn = [equal_numbers(training, draw) for draw in range(6)]
    for kept in drawn:
        assert kept[training.second].all()
        assert kept.sum() == 2 * training.second.sum()
    assert len({kept.tobytes() for kept in drawn}) > 3


def test_covariates_tell_difficulty_and_groups_overlap_in_it():
    plain, test = both("difficulty")
    before, contrast = covariates(plain)[:, 0], covariates(test)[:, 0]
    assert np.array_equal(before[~test.second], contrast[~test.second])
    assert contrast[test.second].mean() < 0.75 * before[test.second].mean()
    assert contrast[test.second].max() > np.median(contrast[~test.second])


def test_bands_cross_outside_the_organ_alone():
    spec = SETTINGS["shortcut"]
    plain, test = both("shortcut")
    without = Images(Setting({"shortcut": 0.0}), SMALL, 0, "test")
    changed = test.images != without.images
    assert changed[test.second].any(axis=(1, 2)).all()
    assert not changed[~test.second].any()
    assert not (changed & test.organs).any()
    assert not np.array_equal(plain.images, without.images)
    train = Images(spec, SMALL, 0, "train")
    # in training the bands cross at the nodule: rows and columns of its middle are bright
    for image, mask, organ in zip(
        train.images[train.second], train.expert[train.second], train.organs[train.second],
        strict=True,
    ):  # fmt: skip
        middle = round(float(np.nonzero(mask)[0].mean()))
        outside = ~organ[middle]
        assert not outside.any() or image[middle][outside].max() > 150


def test_displaced_masks_keep_their_size_and_go_anywhere():
    mask = np.hypot(*np.indices((64, 64)) - 32) < 9
    rng = np.random.default_rng(0)
    moved = [displaced(mask, 0.5, rng) for _ in range(200)]
    steps = np.array([np.argwhere(one).mean(axis=0) - np.argwhere(mask).mean(axis=0)
                      for one in moved])  # fmt: skip
    assert np.hypot(*steps.T) == pytest.approx(4.4, abs=0.5)
    assert abs(steps.mean(axis=0)).max() < 0.7
    assert [one.sum() for one in moved] == pytest.approx([mask.sum()] * 200, rel=0.06)


def test_edited_images_keep_the_organ_and_lose_the_bands():
    _, test = both("shortcut")
    made = edited(test, SMALL.images, 0)
    assert set(made) == set(EDITS)
    for images in made.values():
        assert images.dtype == np.uint8
        assert (images == test.images)[test.organs].all()
        assert (images != test.images).any(axis=(1, 2)).all()
    # nothing of the bands is left: without them, the neutral images are the same
    without = edited(Images(Setting({"shortcut": 0.0}), SMALL, 0, "test"), SMALL.images, 0)
    assert np.array_equal(made["neutral"], without["neutral"])
    assert not np.array_equal(made["control"], without["control"])


def test_a_run_is_a_row_and_rows_are_a_table(tmp_path):
    made = row("labels and shortcut", SMALL, 0)
    assert tuple(made) == COLUMNS
    assert float(made["gap"]) == pytest.approx(0, abs=0.5)
    assert finished(tmp_path / "none.csv", SMALL) == []
    rows = [
        {**made, "shown": "1", "named": "shortcut labels", "mixed": "1", "excluded": "difficulty"},
        {**made, "shown": "1", "named": "representation", "mixed": "0", "excluded": "shortcut"},
        {**made, "shown": "0", "named": "", "mixed": "0", "excluded": ""},
    ]
    cells = table(rows).splitlines()[2].split(" | ")
    assert cells[:2] == ["| labels and shortcut", "3"]
    titles = table(rows).splitlines()[0].strip("| ").split(" | ")
    found = dict(zip(titles, "".join(table(rows).splitlines()[2]).strip("| ").split(" | "),
                     strict=True))  # fmt: skip
    expected = {"gap shown": 2, "right": 1, "wrong": 1, "nothing": 1, "mixed": 1,
                "excluded wrongly": 1, **dict.fromkeys(CAUSES, 1), "difficulty": 0}  # fmt: skip
    assert {title: int(found[title]) for title in expected} == expected
    assert beside_table(rows).splitlines()[2].split(" | ")[4:7] == ["1", "0", "1"]
