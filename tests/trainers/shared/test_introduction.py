"""What the screen says about sizes of groups."""

import pytest

from nnunetv2_fair.trainers.shared.introduction import (
    GroupSize,
    has_small_group,
    introduction,
    sizes_in_words,
)


def sizes(**patients):
    """Groups with two cases of each patient."""
    return {name: GroupSize(2 * count, count) for name, count in patients.items()}


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        (sizes(female=20, male=30), "female 40 cases, male 60 cases"),
        (sizes(female=20, male=30, other=0), "female 40 cases, male 60 cases, other 0 cases"),
        # 4 patients alone could be worked out from the number of all cases
        (
            sizes(female=20, male=30, other=4),
            "male 60 cases, female and other (fewer than 5 patients) together 48 cases",
        ),
        (
            sizes(a=1, b=7, c=4, d=9),
            "d 18 cases, b and a, c (fewer than 5 patients each) together 24 cases",
        ),
        (sizes(female=4, male=0), "male 0 cases, female (fewer than 5 patients)"),
        (sizes(female=5), "female 10 cases"),
        ({f"g{i}": GroupSize(i % 2, i % 2) for i in range(20)}, "10 of 20 groups have training"),
    ],
)
def test_sizes(groups, words):
    assert sizes_in_words(groups).startswith(words)


def test_a_case_more_of_a_small_group_cannot_be_told_from_one_of_its_companion():
    one = {"a": GroupSize(30, 30), "b": GroupSize(12, 12), "c": GroupSize(3, 3)}
    other = {"a": GroupSize(30, 30), "b": GroupSize(13, 13), "c": GroupSize(2, 2)}
    assert sizes_in_words(one) == sizes_in_words(other)


def test_small_groups():
    assert has_small_group(sizes(a=4, b=9))
    assert not has_small_group(sizes(a=5, b=0))


def test_three_lines(tmp_path):
    table = tmp_path / "subgroup_log.csv"
    assert introduction("Trainer", "does this; does that", "sex", "all", table, "Watch it.") == (
        "Groups of 'sex' in the training part of fold all: ",
        "Trainer: does this; does that.",
        f"Loss and pseudo Dice of every group, epoch by epoch: {table} and .png. Watch it.",
    )
