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
    return write_discs(nnunet_folders["nnUNet_raw"])


def run(*more):
    return balance.main(["-d", "42", "-a", "sex", "-np", "1", *map(str, more)])


def weights_in(folder):
    table = pd.read_csv(folder / "demographics.csv", index_col="case")
    return table.sampling_weight[[f"d{i:02d}" for i in range(N_TRAIN)]]


def shares(weights, n_strata=2):
    """Share of each sex's weight in each half of the sizes, worked out anew."""
    sizes = np.array([side(i) ** 2 for i in range(N_TRAIN)])
    cuts = np.quantile(sizes, np.arange(1, n_strata) / n_strata)
    columns = {"sex": np.arange(N_TRAIN) % 2, "stratum": np.searchsorted(cuts, sizes)}
    frame = pd.DataFrame({**columns, "w": weights.to_numpy()})
    table = frame.pivot_table("w", "sex", "stratum", "sum", fill_value=0)
    return table, table.div(table.sum(axis=1), axis=0).to_numpy()


def test_a_twin_with_weights_by_size(nnunet_folders, discs, capsys):
    raw, preprocessed = nnunet_folders["nnUNet_raw"], nnunet_folders["nnUNet_preprocessed"]
    assert prepare.main(["-d", "42", "-a", "sex", "--folds", "3"]) == 0
    before = {path: path.read_bytes() for path in discs.rglob("*") if path.is_file()}
    assert run("-o", 43, "--by", "size", "--strata", 2) == 0
    assert {path: path.read_bytes() for path in discs.rglob("*") if path.is_file()} == before
    weights = weights_in(raw / TWIN)
    table, after = shares(weights)
    assert np.abs(after[0] - after[1]).max() < 0.01
    assert table.sum(axis=1).tolist() == [240, 240], "each group keeps its weight, in tenths"
    first, twin = (read_folds(preprocessed / n / "splits_final.json") for n in (NAME, TWIN))
    for old, new in zip(first, twin, strict=True):
        assert new["val"] == old["val"]
        assert Counter(new["train"]) == Counter({c: weights[c] for c in old["train"]})
    assert prepare.main(["-d", "43", "-a", "sex"]) == 0
    told = pd.read_csv(raw / TWIN / "balance.csv")
    assert told.cases.sum() == N_TRAIN
    assert np.allclose(told.pivot_table("share_after", "group", "stratum"), after[::-1], atol=1e-5)
    content = json.loads((raw / TWIN / "balance.json").read_text())
    assert content["imbalance"]["after"] < 0.01 < content["imbalance"]["before"]
    own = weights[[i % 2 == 1 for i in range(N_TRAIN)]].to_numpy(float)
    assert content["effective_cases"]["female"] == pytest.approx(own.sum() ** 2 / (own**2).sum())
    assert (raw / TWIN / "balance.svg").read_text().startswith("<svg")
    assert "female" not in (raw / TWIN / "dataset.json").read_text()
    text = capsys.readouterr().out
    assert "Distributions of groups are up to" in text
    assert "training cases listed by their weights" in text
    assert "not as often as" not in text


def test_in_place_only_the_column_and_the_folds_change(nnunet_folders, discs, capsys):
    preprocessed = nnunet_folders["nnUNet_preprocessed"]
    assert prepare.main(["-d", "42", "-a", "sex", "--folds", "3"]) == 0
    splits = preprocessed / NAME / "splits_final.json"
    table, first = pd.read_csv(discs / "demographics.csv"), read_folds(splits)
    assert run("--by", "size", "--dry-run") == 0
    assert "sampling_weight" not in (discs / "demographics.csv").read_text()
    assert run("--by", "size", "--strata", 2) == 0
    after = pd.read_csv(discs / "demographics.csv")
    assert after.drop(columns="sampling_weight").equals(table), "undescribed columns stay"
    weights = weights_in(discs)
    for old, new in zip(first, read_folds(splits), strict=True):
        assert new["val"] == old["val"]
        assert Counter(new["train"]) == Counter({c: weights[c] for c in old["train"]})
    copied = pd.read_csv(preprocessed / NAME / "demographics.csv")
    assert copied.sampling_weight.equals(after.sampling_weight)
    assert "In the training parts of its folds: up to" in capsys.readouterr().out
    assert prepare.main(["-d", "42", "-a", "sex"]) == 0
    assert "WARNING" not in capsys.readouterr().out
    # the same again is no loss, other weights are
    assert run("--by", "size", "--strata", 2) == 0
    assert run("--by", "size", "--how", "subsample", "--strata", 2) == 1
    assert "has sampling weights already, which would be lost. Add --overwrite" in (
        capsys.readouterr().err
    )
    assert run("--by", "size", "--how", "subsample", "--strata", 2, "--overwrite") == 0
    assert set(weights_in(discs)) == {0, 1}
    # and back: whoever was left out trains again
    assert run("--by", "size", "--strata", 2, "--overwrite") == 0
    for old, new in zip(first, read_folds(splits), strict=True):
        assert Counter(new["train"]) == Counter({c: weights[c] for c in old["train"]})
    (nnunet_folders["nnUNet_results"] / NAME / "nnUNetTrainer__nnUNetPlans__2d" / "fold_0").mkdir(
        parents=True
    )
    assert run("--by", "noise", "--overwrite", "--dry-run") == 0
    assert run("--by", "size", "--strata", 2) == 1
    assert "1 training on the folds that would change" in capsys.readouterr().err


def test_a_subsample_keeps_the_overlap_of_the_groups(nnunet_folders, discs, capsys):
    assert run("-o", 43, "--by", "size", "--strata", 2, "--how", "subsample") == 0
    weights = weights_in(nnunet_folders["nnUNet_raw"] / TWIN)
    table, after = shares(weights)
    full, rates = shares(weights * 0 + 1)
    wanted = full.sum(axis=1).to_numpy()[:, None] * rates.min(axis=0)
    assert np.abs(table.to_numpy() - wanted).max() < 1
    assert np.abs(after[0] - after[1]).max() < 0.1
    assert prepare.main(["-d", "43", "-a", "sex", "--folds", "3"]) == 0
    assert "never trained on" not in capsys.readouterr().out
    folds = read_folds(nnunet_folders["nnUNet_preprocessed"] / TWIN / "splits_final.json")
    assert {c for f in folds for c in f["train"]} == set(weights.index[weights == 1])
    assert {c for f in folds for c in f["val"]} == set(weights.index)


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
    first = weights_in(twin)
    told = pd.read_csv(twin / "balance.csv")
    assert run(*options, "--by", "dice", "--table", scores, "--overwrite") == 0
    second = pd.read_csv(twin / "balance.csv")
    assert sorted(told.cases) == sorted(second.cases), "the same strata, in the other order"
    assert sorted(Counter(first)) == sorted(Counter(weights_in(twin)))
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
        (["--by", "size", "-a", "age+sex"], 1, "Choose fewer strata (--strata), leave these cases"),
        (["--by", "remark", "--table", "demographics.csv"], 1, "holds what is no number: d00"),
        (["--by", "mass", "--table", "demographics.csv"], 1, "has no column 'mass'"),
        (["--by", "size", "-o", 42, "-n", "Discs", "--overwrite"], 2, "replaced by what is made"),
        (["--by", "size", "-np", 0], 2, "-np 0: expected 1 or more"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(discs, capsys, monkeypatch, more, code, message):
    monkeypatch.chdir(discs)
    before = {path: path.read_bytes() for path in discs.rglob("*") if path.is_file()}
    assert run(*more) == code
    assert message in capsys.readouterr().err
    assert {path: path.read_bytes() for path in discs.rglob("*") if path.is_file()} == before


def test_strata_without_a_group_are_named_and_handled(nnunet_folders, discs, capsys):
    raw = nnunet_folders["nnUNet_raw"]
    path = discs / "demographics.csv"
    table = pd.read_csv(path)
    table.loc[table.sex == "male", "age"] = 40
    table.loc[table.index[:6], "age"] = 70
    women = table.index[(table.sex == "female") & (table.age < 65)]
    table.loc[women[::2], "age"], table.loc[women[1::2], "age"] = 40, 55
    table.to_csv(path, index=False)
    assert run("-o", 43, "--by", "age") == 1
    text = capsys.readouterr().err
    assert "1 stratum of age lacks a group, and cannot be balanced:" in text
    n = sum(i < N_TRAIN for i in women[1::2])
    assert f"50-64: female {n}, male 0" in text
    for alone, weight in (("keep", 10), ("drop", 0)):
        assert run("-o", 43, "--by", "age", "--alone", alone, "--overwrite") == 0
        found = pd.read_csv(raw / TWIN / "demographics.csv").iloc[:N_TRAIN]
        assert set(found.sampling_weight[found.age == 55]) == {weight}
    assert "strata in which a group has no case are not balanced: 50-64" in capsys.readouterr().out
