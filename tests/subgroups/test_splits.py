import numpy as np
import pytest

from nnunetv2_fair.errors import DemographicsError
from nnunetv2_fair.subgroups.groups import group_cases
from nnunetv2_fair.subgroups.splits import candidates, make_folds, missing_groups, without
from nnunetv2_fair.subgroups.table import read_table


@pytest.fixture
def table(write_demographics):
    lines = ["case,patient,synthetic,sex,age"]
    for p in range(60):
        sex = "female" if p % 4 == 0 else "male"
        lines += [f"p{p}_{i},p{p},0,{sex},{20 + p}" for i in range(1 + p % 3)]
    lines += [f"fake{i},fake{i},1,female,30" for i in range(7)]
    return read_table(write_demographics("\n".join(lines) + "\n"))


def test_folds_keep_patients_together_and_groups_in_proportion(table):
    grouping = group_cases(table, "sex")
    folds = make_folds(table, grouping, table.cases, 5, seed=1)
    real = set(table.cases) - table.synthetic_cases
    assert sorted(case for fold in folds for case in fold["val"]) == sorted(real)
    overall = grouping.counts(real)["female"] / len(real)
    for fold in folds:
        train = {table.patients[case] for case in fold["train"]}
        val = {table.patients[case] for case in fold["val"]}
        assert not train & val
        assert set(fold["train"]) | set(fold["val"]) == set(table.cases)
        assert table.synthetic_cases <= set(fold["train"])
        share = grouping.counts(fold["val"])["female"] / len(fold["val"])
        assert share == pytest.approx(overall, abs=0.08)
    assert missing_groups(grouping, folds, table.cases) == []


def test_same_seed_same_folds_whatever_the_order(table):
    grouping = group_cases(table, "sex")
    shuffled = list(np.random.default_rng(0).permutation(table.cases))
    first = make_folds(table, grouping, table.cases, 3, seed=1)
    assert make_folds(table, grouping, shuffled, 3, seed=1) == first
    assert make_folds(table, grouping, table.cases, 3, seed=2) != first


def test_training_parts_repeat_cases_by_their_sampling_weight(write_demographics):
    lines = ["case,patient,synthetic,sampling_weight,sex,age"]
    lines += [f"p{p},p{p},0,{p % 4},{'fe' * (p % 2)}male,40" for p in range(24)]
    lines += ["fake,fake,1,82,female,", "once,once,0,,male,30"]
    table = read_table(write_demographics("\n".join(lines) + "\n"))
    assert table.sampling_weights["once"] == 1
    for fold in make_folds(table, group_cases(table, "sex"), table.cases, 4, seed=1):
        counted = {case: fold["train"].count(case) for case in set(fold["train"])}
        assert counted == {
            case: weight
            for case, weight in table.sampling_weights.items()
            if case not in fold["val"] and weight
        }
        assert counted["fake"] == 82
        assert len(fold["val"]) == len(set(fold["val"]))


def test_a_fold_without_cases_keeps_what_it_was_balanced_for():
    fold = {"train": ["a", "a", "b"], "val": ["d", "e"]}
    assert candidates(fold) == ["a", "b"]
    assert without(fold, ["b", "d"]) == {"train": ["a", "a"], "val": ["e"]}
    how = {"of": "sex", "by": "size", "cases": ["a", "b", "c"]}
    balanced = {**fold, "balanced": how}
    assert candidates(balanced) == ["a", "b", "c"]
    assert without(balanced, ["b"])["balanced"] == {**how, "cases": ["a", "c"]}


def test_too_many_folds(table):
    grouping = group_cases(table, "sex")
    with pytest.raises(DemographicsError, match="61 folds cannot be made from 60 patients"):
        make_folds(table, grouping, table.cases, 61, seed=1)


@pytest.mark.parametrize("n_folds", [1, 0, -1])
def test_too_few_folds(table, n_folds):
    with pytest.raises(DemographicsError, match=r"at least 2 folds .* --folds between 2 and 60"):
        make_folds(table, group_cases(table, "sex"), table.cases, n_folds, seed=1)


def test_groups_that_are_all_smaller_than_the_number_of_folds(table):
    grouping = group_cases(table, "sex")
    few = ["p0_0", "p4_0", "p8_0", "p1_0", "p2_0", "p3_0"]  # three of each sex
    with pytest.raises(DemographicsError, match=r"5 folds .* 'sex': its largest group has 3 cases"):
        make_folds(table, grouping, few, 5, seed=1)
    assert len(make_folds(table, grouping, few, 3, seed=1)) == 3


def test_absent_groups_are_named(table):
    grouping = group_cases(table, "sex")
    folds = [{"train": ["p1_0"], "val": ["p0_0"]}, {"train": ["p0_0"], "val": ["p1_0"]}]
    sentences = missing_groups(grouping, folds, ["p0_0", "p1_0"])
    assert (
        "group 'female' of 'sex' (1 case in all) is absent from the training part of fold 0"
        in sentences
    )
    assert len(sentences) == 4
