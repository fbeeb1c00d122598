"""``nnUNetv2_fair_balance``: weights in a twin or in place, folds, what is told and refused."""

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nnunetv2_fair.cli import balance, prepare
from nnunetv2_fair.subgroups.folds import read_folds
from tests.conftest import SEX_AND_AGE

NAME, TWIN = "Dataset042_Discs", "Dataset043_DiscsBalanced"
N_TRAIN, N_TEST = 48, 4


def side(i):
    """Women (odd) have mostly small discs, men large ones."""
    small = i % 4 != 0 if i % 2 == 0 else i % 8 == 1
    return 5 + i % 3 if not small else 11 + i % 3


def write_discs(raw):
    folder = raw / NAME
    rows = ["case,patient,sex,age,remark"]
    for i in range(N_TRAIN + N_TEST):
        part = "Tr" if i < N_TRAIN else "Ts"
        mask = np.zeros((24, 28), np.uint8)
        mask[3 : 3 + side(i), 4 : 4 + side(i)] = 1
        rng = np.random.default_rng(i)
        image = (rng.integers(0, 40, mask.shape) + 90 * mask).astype(np.uint8)
        for place, voxels in (
            (f"images{part}/d{i:02d}_0000", image),
            (f"labels{part}/d{i:02d}", mask),
        ):
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(voxels).save(folder / f"{place}.png")
        rows.append(f"d{i:02d},p{i // 2 * 2 + i % 2},{'fe' * (i % 2)}male,{30 + i % 40},note {i}")
    (folder / "demographics.csv").write_text("\n".join(rows) + "\n")
    (folder / "demographics.json").write_text(json.dumps(SEX_AND_AGE))
    content = {
        "channel_names": {"0": "grey"}, "labels": {"background": 0, "disc": 1},
        "numTraining": N_TRAIN, "file_ending": ".png",
    }  # fmt: skip
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def discs(nnunet_folders):
    """A dataset of discs with three folds."""
    folder = write_discs(nnunet_folders["nnUNet_raw"])
    assert prepare.main(["-d", "42", "-a", "sex", "--folds", "3"]) == 0
    return folder


def run(*more):
    return balance.main(["-d", "42", "-a", "sex", "-np", "1", *map(str, more)])


def listed(folder):
    folds = read_folds(folder / "splits_final.json")
    return folds, [Counter(fold["train"]) for fold in folds]


def shares(weights, cases, n_strata=2):
    """Sum of each sex's weights in each half of the sizes, and shares, worked out anew."""
    sizes = np.array([side(i) ** 2 for i in range(N_TRAIN)])
    strata = np.searchsorted(np.quantile(sizes, np.arange(1, n_strata) / n_strata), sizes)
    number = [int(case[1:]) for case in cases]
    columns = {"sex": [i % 2 for i in number], "stratum": strata[number]}
    frame = pd.DataFrame({**columns, "w": [weights[case] for case in cases]})
    table = frame.pivot_table("w", "sex", "stratum", "sum", fill_value=0)
    return table.to_numpy(float), table.div(table.sum(axis=1), axis=0).to_numpy()


def bytes_of(*folders):
    return {p: p.read_bytes() for f in folders for p in f.rglob("*") if p.is_file()}


def test_a_twin_whose_folds_are_balanced_by_size(nnunet_folders, discs, capsys):
    raw, preprocessed = nnunet_folders["nnUNet_raw"], nnunet_folders["nnUNet_preprocessed"]
    before = bytes_of(discs, preprocessed)
    assert run("-o", 43, "--by", "size", "--strata", 2) == 0
    assert bytes_of(discs, preprocessed / NAME) == before
    first, _ = listed(preprocessed / NAME)
    twin, weights = listed(preprocessed / TWIN)
    told = pd.read_csv(raw / TWIN / "balance.csv")
    content = json.loads((raw / TWIN / "balance.json").read_text())
    for number, (old, new) in enumerate(zip(first, twin, strict=True)):
        assert new["val"] == old["val"]
        assert set(new["train"]) == set(old["train"])
        counts, rates = shares(dict.fromkeys(old["train"], 1), old["train"])
        table, after = shares(weights[number], old["train"])
        assert np.abs(after[0] - after[1]).max() < 0.01
        assert table.sum(axis=1).tolist() == (10 * counts.sum(axis=1)).tolist(), "weight is kept"
        apart = content["folds"][number]["imbalance"]
        assert apart["before"] == pytest.approx(np.abs(rates[0] - rates[1]).sum() / 2)
        assert apart["after"] < 0.01
        rows = told[told.fold == number].pivot_table("share_after", "group", "stratum")
        assert np.allclose(rows, after[::-1], atol=1e-5)
        own = np.array([w for case, w in weights[number].items() if int(case[1:]) % 2], float)
        assert content["folds"][number]["effective_cases"]["female"] == pytest.approx(
            own.sum() ** 2 / (own**2).sum()
        )
    assert (raw / TWIN / "balance.svg").read_text().startswith("<svg")
    assert "female" not in (raw / TWIN / "dataset.json").read_text()
    text = capsys.readouterr().out
    assert "In a fold, distributions of groups are up to" in text
    assert prepare.main(["-d", "43", "-a", "sex"]) == 0
    assert "WARNING" not in capsys.readouterr().out
    assert prepare.main(["-d", "43", "-a", "sex", "--overwrite"]) == 0
    assert (
        "WARNING: the folds that were replaced had been balanced over 'sex' by size, the new ones "
        "are not (nnUNetv2_fair_balance)."
    ) in capsys.readouterr().out


def test_in_place_only_the_training_parts_change(nnunet_folders, discs, capsys):
    folder = nnunet_folders["nnUNet_preprocessed"] / NAME
    before, raw = bytes_of(folder), bytes_of(discs)
    first, _ = listed(folder)
    assert run("--by", "size", "--dry-run") == 0
    assert bytes_of(folder) == before
    assert run("--by", "size", "--strata", 2) == 0
    assert bytes_of(discs) == raw
    new, weights = listed(folder)
    assert [fold["val"] for fold in new] == [fold["val"] for fold in first]
    assert (folder / "balance.csv").exists()
    capsys.readouterr()
    assert prepare.main(["-d", "42", "-a", "sex"]) == 0
    assert "WARNING" not in capsys.readouterr().out
    # balanced again it starts from the same cases, whatever was left out before
    assert run("--by", "size", "--how", "subsample", "--strata", 2) == 0
    assert run("--by", "size", "--strata", 2) == 0
    assert listed(folder)[1] == weights
    model = nnunet_folders["nnUNet_results"] / NAME / "nnUNetTrainer__nnUNetPlans__2d"
    (model / "fold_0").mkdir(parents=True)
    done = bytes_of(folder)
    assert run("--by", "size", "--strata", 2) == 1
    assert "1 training on the folds that would change" in capsys.readouterr().err
    assert bytes_of(folder) == done
    assert run("--by", "size", "--strata", 2, "--overwrite") == 0


def test_a_subsample_keeps_the_overlap_of_the_groups(nnunet_folders, discs, capsys):
    folder = nnunet_folders["nnUNet_preprocessed"] / NAME
    first, _ = listed(folder)
    assert run("--by", "size", "--strata", 2, "--how", "subsample") == 0
    new, weights = listed(folder)
    for old, fold, weight in zip(first, new, weights, strict=True):
        assert set(weight.values()) == {1}
        counts, rates = shares(dict.fromkeys(old["train"], 1), old["train"])
        kept, _ = shares(weight, old["train"])
        wanted = counts.sum(axis=1, keepdims=True) * rates.min(axis=0)
        assert np.abs(kept - wanted).max() < 1
        assert fold["balanced"]["cases"] == old["train"]
    capsys.readouterr()
    assert prepare.main(["-d", "42", "-a", "sex"]) == 0
    assert "WARNING" not in capsys.readouterr().out


def test_difficulty_of_held_out_predictions_of_a_table_and_of_images(
    nnunet_folders, discs, tmp_path, capsys
):
    model, rows = tmp_path / "model", ["case,label,dice"]
    for i in range(N_TRAIN):
        place = model / f"fold_{i % 3}" / "validation"
        place.mkdir(parents=True, exist_ok=True)
        mask = np.array(Image.open(discs / "labelsTr" / f"d{i:02d}.png"))
        missed = mask.copy()
        missed[3 : 3 + i % 4] = 0
        Image.fromarray(missed).save(place / f"d{i:02d}.png")
        score = 2 * (missed > 0).sum() / ((missed > 0).sum() + mask.sum())
        rows += [f"d{i:02d},1,{score:.9f}", f"d{i:02d},2,{score:.9f}"]
    scores = tmp_path / "per_case.csv"
    scores.write_text("\n".join(rows) + "\n")
    options = ("-o", 43, "--alone", "keep", "--strata", 2)
    assert run(*options, "--by", "difficulty", "--predictions", model) == 0
    twin = nnunet_folders["nnUNet_raw"] / TWIN
    told = pd.read_csv(twin / "balance.csv")
    assert run(*options, "--by", "dice", "--table", scores, "--overwrite") == 0
    second = pd.read_csv(twin / "balance.csv")
    assert sorted(told.cases) == sorted(second.cases), "the same strata, in the other order"
    assert "dice in per_case.csv" in (twin / "balance.json").read_text()
    for by in ("contrast", "noise", "difficulty", "age"):
        assert run(*options, "--by", by, "--overwrite") == 0, by
    (model / "fold_0" / "validation" / "d03.png").unlink()
    capsys.readouterr()
    assert run("-o", 44, "--by", "difficulty", "--predictions", model) == 1
    assert "1 training case has no prediction: d03. Expected <case>.png" in capsys.readouterr().err
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(model / "fold_0" / "validation" / "d03.png")
    assert run("-o", 44, "--by", "difficulty", "--predictions", model) == 1
    assert "has the size 9 x 9, the reference 24 x 28" in capsys.readouterr().err
    Image.fromarray(mask).save(model / "fold_1" / "validation" / "d03.png")
    assert run("-o", 44, "--by", "difficulty", "--predictions", model) == 1
    assert "1 case is validated by more than one fold: d03" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--by", "sex"], 2, "'sex' are the groups themselves"),
        (["--by", "weight"], 2, "has no such column. Choose one of difficulty, size, contrast"),
        (["--by", "size", "--strata", 1], 2, "--strata 1: expected 2 or more"),
        (["--by", "size", "--predictions", "."], 2, "--predictions belongs to --by difficulty"),
        (["--by", "size", "-a", "age+sex"], 1, "Choose fewer strata (--strata) or another"),
        (["--by", "remark", "--table", "demographics.csv"], 1, "holds what is no number: d00"),
        (["--by", "mass", "--table", "demographics.csv"], 1, "has no column 'mass'"),
        (["--by", "size", "-o", 42, "-n", "Discs", "--overwrite"], 2, "replaced by what is made"),
        (["--by", "size", "-np", 0], 2, "-np 0: expected 1 or more"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(
    nnunet_folders, discs, capsys, monkeypatch, more, code, message
):
    monkeypatch.chdir(discs)
    before = bytes_of(discs, nnunet_folders["nnUNet_preprocessed"])
    assert run(*more) == code
    assert message in capsys.readouterr().err
    assert bytes_of(discs, nnunet_folders["nnUNet_preprocessed"]) == before


def test_strata_without_a_group_are_named_and_handled(nnunet_folders, discs, capsys):
    path = discs / "demographics.csv"
    table = pd.read_csv(path)
    table.loc[table.sex == "male", "age"] = 40
    women = table.index[table.sex == "female"]
    table.loc[women[::2], "age"], table.loc[women[1::2], "age"] = 40, 55
    table.to_csv(path, index=False)
    older = set(table.case[table.age == 55])
    folder = nnunet_folders["nnUNet_preprocessed"] / NAME
    first, _ = listed(folder)
    assert run("--by", "age") == 1
    text = capsys.readouterr().err
    n = len(older & set(first[0]["train"]))
    assert f"fold 0: a group has no training case in 50-64 (female {n}, male 0)" in text
    for alone, weight in (("keep", {10}), ("drop", set())):
        assert run("--by", "age", "--alone", alone) == 0
        for weights in listed(folder)[1]:
            assert {n for case, n in weights.items() if case in older} == weight
    assert "strata in which a group has no case are not balanced: 50-64" in capsys.readouterr().out


def test_datasets_without_folds_or_with_weights_are_refused(nnunet_folders, discs, capsys):
    path = discs / "demographics.csv"
    text = path.read_text()
    head, *lines = text.splitlines()
    path.write_text("\n".join([f"{head},sampling_weight", *(f"{line},2" for line in lines)]))
    assert run("--by", "size") == 1
    assert "has sampling weights, which balanced folds could not follow" in capsys.readouterr().err
    path.write_text(text)
    (nnunet_folders["nnUNet_preprocessed"] / NAME / "splits_final.json").unlink()
    assert run("--by", "size") == 1
    assert "Make them first: nnUNetv2_fair_prepare -d 42" in capsys.readouterr().err
