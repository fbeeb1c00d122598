"""Files of folds of every shape, and what folds promise: said and refused in the same words."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nnunetv2_fair.errors import DatasetError
from nnunetv2_fair.subgroups.folds import check_folds, checked_folds, read_folds, require_fold
from nnunetv2_fair.subgroups.table import read_table

SPLITS = Path("Dataset042_Lungs/splits_final.json")
GOOD = {"train": ["a", "b"], "val": ["c"]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"0": GOOD}, "holds an object; expected a list of {"),
        ("folds", "holds a text; expected a list"),
        ([{**GOOD, "balanced": True}], 'fold 0: its "balanced" is not as nnUNetv2_fair_balance'),
        ([{**GOOD, "balanced": {"of": "a", "by": "b", "cases": [1]}}], 'its "balanced" is not'),
        (3, "holds a number; expected a list"),
        (None, "holds null; expected a list"),
        ([], "holds no folds; expected a list"),
        ([GOOD, ["a"]], "  - fold 1 is a list"),
        ([None], "  - fold 0 is null"),
        ([{"train": ["a"]}], '  - fold 0 has no "val", the cases of its validation part'),
        ([{"training": ["a"], "val": ["b"]}], '  - fold 0 has no "train", the cases of its tr'),
        ([{"train": "a", "val": ["b"]}], "fold 0: its training part is a text, expected a list"),
        ([{"train": ["a"], "val": {"b": 1}}], "fold 0: its validation part is an object, expec"),
        ([{"train": [1, 2], "val": ["b"]}], "fold 0: its training part holds 1, 2 where names of"),
        ([{"train": ["a", ["b"]], "val": ["c"]}], 'its training part holds ["b"] where names'),
        ([{"train": ["a", None], "val": ["c"]}], "its training part holds null where names"),
        ([{"train": [], "val": ["c"]}], "  - fold 0: its training part is empty"),
        ([{"train": ["a"], "val": []}], "  - fold 0: its validation part is empty"),
    ],
)
def test_every_wrong_shape_is_named_with_the_remedy(tmp_path, content, message):
    path = tmp_path / SPLITS
    path.parent.mkdir()
    path.write_text(json.dumps(content))
    with pytest.raises(DatasetError) as caught:
        read_folds(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert str(caught.value).endswith("new folds: nnUNetv2_fair_prepare -d 42 --overwrite")


def test_all_mistakes_are_listed_at_once(tmp_path):
    path = tmp_path / "splits_final.json"
    path.write_text(json.dumps([{"train": [], "val": [1]}, 5, GOOD, {}]))
    with pytest.raises(DatasetError) as caught:
        read_folds(path)
    assert str(caught.value).count("  - fold ") == 5


def test_what_nnunet_reads_is_read(tmp_path):
    path = tmp_path / "splits_final.json"
    path.write_text(json.dumps([{**GOOD, "comment": 1}]))
    assert read_folds(path) == [GOOD]


@pytest.mark.parametrize(("fold", "n_folds"), [(2, 2), (-1, 2), (1, 1), (4, 2)])
def test_a_fold_that_is_not_there_is_refused(fold, n_folds):
    with pytest.raises(DatasetError) as caught:
        require_fold([GOOD] * n_folds, fold, SPLITS)
    there = "folds 0 to 1" if n_folds == 2 else "fold 0"
    assert f"There is no fold {fold} in {SPLITS}, only {there}. nnU-Net would draw" in str(
        caught.value
    )
    assert f"-d 42 --folds {max(fold + 1, 2)} --overwrite" in str(caught.value)
    require_fold([GOOD] * n_folds, n_folds - 1, SPLITS)


@pytest.fixture
def table(write_demographics):
    """Ten cases of five people; c8 and c9 are synthetic, c7 counts three times."""
    lines = ["case,patient,synthetic,sampling_weight,sex,age"]
    lines += [
        f"c{i},p{i // 2},{int(i > 7)},{3 if i == 7 else 1},{'fe' * (i % 4 < 2)}male,50"
        for i in range(10)
    ]
    return read_table(write_demographics("\n".join(lines) + "\n"))


def fold(train, val):
    return {"train": [f"c{i}" for i in train], "val": [f"c{i}" for i in val]}


HALVES = [fold([0, 1, 2, 3, 8, 9], [4, 5, 6, 7]), fold([4, 5, 6, 7, 7, 7, 8, 9], [0, 1, 2, 3])]


def test_folds_that_keep_their_promises_need_no_words(table):
    assert check_folds(HALVES, table, table.cases, SPLITS) == []
    # whoever has weight 0 is not meant to be trained on
    frame = table.frame.copy()
    frame.loc["c0", "sampling_weight"] = "0"
    drawn = [HALVES[0] | {"train": HALVES[0]["train"][1:]}, HALVES[1]]
    assert check_folds(drawn, replace(table, frame=frame), table.cases, SPLITS) == []
    # balanced folds follow other weights, and may leave cases out
    cases = list(dict.fromkeys(HALVES[1]["train"]))
    uneven = {"train": [*cases[1:], cases[1]], "val": HALVES[1]["val"]}
    uneven["balanced"] = {"of": "sex", "by": "size", "cases": cases}
    assert check_folds([HALVES[0], uneven], table, table.cases, SPLITS) == []
    del uneven["balanced"]
    assert len(check_folds([HALVES[0], uneven], table, table.cases, SPLITS)) == 2
    # a single fold holds some cases out for good
    single = [fold([4, 5, 6, 7, 7, 7, 8, 9], [0, 1, 2, 3])]
    assert check_folds(single, table, table.cases, SPLITS) == []


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (
            fold([0, 1, 2, 3, 4, 8, 9], [4, 5, 6, 7]),
            "fold 0 of {path} has 1 case in both its training and its validation part, so "
            "validation results are too good: c4",
        ),
        (
            fold([0, 1, 2, 3, 4, 8, 9], [5, 6, 7]),
            "fold 0 of {path} has 1 patient in both its training and its validation part, so "
            "validation results are too good",
        ),
        (
            fold([0, 1, 2, 3, 8, 9], [4, 4, 5, 6, 7]),
            "fold 0 of {path} lists cases of its validation part more than once: c4",
        ),
        (
            fold([0, 1, 2, 3, 9], [4, 5, 6, 7, 8]),
            "fold 0 of {path} validates 1 synthetic case, which tell nothing about people: c8",
        ),
        (
            fold([0, 1, 2, 2, 3, 8, 9], [4, 5, 6, 7]),
            "fold 0 of {path} lists 1 training case not as often as their sampling_weight in "
            "demographics.csv says: c2 (2 instead of 1)",
        ),
    ],
)
def test_each_broken_promise_is_said(table, changed, sentence):
    said = check_folds([changed, HALVES[1]], table, table.cases, SPLITS)
    expected = sentence.format(path=SPLITS)
    assert f"{expected}. Make new folds: nnUNetv2_fair_prepare -d 42 --overwrite" in said


def test_cases_that_are_left_out_are_named(table):
    told = check_folds(
        [fold([0, 1, 8, 9], [4, 5]), fold([7, 7, 7, 8], [0, 1])], table, table.cases, SPLITS
    )
    told = [sentence.split(" Make folds")[0] for sentence in told]
    assert told == [
        f"3 of 10 training cases are in no fold of {SPLITS}, so nothing is ever trained or "
        "validated on them: c2, c3, c6.",
        f"2 cases of the folds of {SPLITS} are never trained on: c4, c5.",
        f"1 case of the folds of {SPLITS} is never validated: c7.",
    ]


@pytest.mark.parametrize("part", ["train", "val"])
def test_cases_that_the_table_does_not_know_are_refused(table, part):
    changed = {**HALVES[0], part: [*HALVES[0][part], "stranger"]}
    with pytest.raises(DatasetError, match=r"fold 0: 1 case is not in .* table .*: stranger; add"):
        check_folds([changed], table, table.cases, SPLITS)


def test_cases_that_do_not_exist_are_refused(table):
    with pytest.raises(DatasetError) as caught:
        check_folds(HALVES, table, table.cases[2:], SPLITS)
    assert "cases are not among the training cases of the dataset: c0, c1; or" in str(caught.value)
    assert str(caught.value).endswith("nnUNetv2_fair_prepare -d 42 --overwrite")


def test_without_folds_nnunet_would_make_some(tmp_path, table):
    with pytest.raises(DatasetError, match=r"has no splits_final.json. nnU-Net would make folds"):
        checked_folds(tmp_path, table, table.cases)
