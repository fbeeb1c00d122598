"""``nnUNetv2_fair_equal_scale``: the dataset, its folds, and what is refused."""

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nnunetv2_fair.cli import equal_scale, prepare
from nnunetv2_fair.subgroups.folds import read_folds
from tests.cli.test_balance import write_discs

NAME = "Dataset043_DiscsEqualScale"


def write_pack(folder, n_female=30, n_male=30, shape=(24, 28), label=1, column="sex"):
    for place in ("labels", "images"):
        (folder / place).mkdir(parents=True)
    lines = [f"case,{column}"]
    for i in range(n_female + n_male):
        mask = np.zeros(shape, np.uint8)
        mask[5:12, 5:12] = label
        Image.fromarray(mask).save(folder / "labels" / f"s{i:03d}.png")
        Image.fromarray(60 * mask).save(folder / "images" / f"s{i:03d}_0000.png")
        lines.append(f"s{i:03d},{'female' if i < n_female else 'male'}")
    (folder / "groups.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def discs(nnunet_folders):
    """A dataset in which six women are left."""
    folder = write_discs(nnunet_folders["nnUNet_raw"])
    table = pd.read_csv(folder / "demographics.csv", dtype=str)
    women = [f"d{i:02d}" for i in range(1, 48, 2)][6:]
    table.loc[table["case"].isin(women), "sex"] = "male"
    table.to_csv(folder / "demographics.csv", index=False)
    assert prepare.main(["-d", "42", "-a", "sex", "--folds", "3"]) == 0
    return folder


def run(pack, *more):
    arguments = ["-d", "42", "-a", "sex", "-o", "43", "-np", "1", "--synthetic", str(pack)]
    return equal_scale.main([*arguments, *map(str, more)])


def sizes(fold, table):
    return Counter(table.loc[case, "sex"] for case in fold["train"])


def test_groups_are_filled_up_and_synthetic_cases_never_validated(
    discs, nnunet_folders, tmp_path, capsys
):
    pack = write_pack(tmp_path / "pack", n_female=40)
    assert run(pack, "--target", "largest") == 0
    twin = nnunet_folders["nnUNet_raw"] / NAME
    table = pd.read_csv(twin / "demographics.csv", dtype=str).set_index("case")
    made = table[table["synthetic"] == "1"]
    # 42 men, 6 women
    assert len(made) == 36
    assert set(made["sex"]) == {"female"}
    assert all(name.startswith("synthetic_s") for name in made.index)
    assert (made["patient"] == made.index).all()
    assert made["age"].isna().all()
    first = made.index[0]
    image = (twin / "imagesTr" / f"{first}_0000.png").read_bytes()
    assert image == (pack / "images" / f"{first[10:]}_0000.png").read_bytes()
    assert len(list((twin / "labelsTs").iterdir())) == 4
    preprocessed = nnunet_folders["nnUNet_preprocessed"]
    before = read_folds(preprocessed / discs.name / "splits_final.json")
    after = read_folds(preprocessed / NAME / "splits_final.json")
    for old, new in zip(before, after, strict=True):
        assert new["val"] == old["val"]
        counts = sizes(new, table)
        assert counts["female"] == counts["male"] == sizes(old, table)["male"]
    capsys.readouterr()
    assert prepare.main(["-d", "43", "-a", "sex"]) == 0
    assert "WARNING" not in "".join(capsys.readouterr())
    said = json.loads((twin / "dataset.json").read_text())["equal_scale"]
    assert said["synthetic_cases"] == 36
    # the same seed gives the same cases, another one others
    assert run(pack, "--target", "largest", "--overwrite") == 0
    again = pd.read_csv(twin / "demographics.csv", dtype=str).set_index("case")
    assert list(again.index) == list(table.index)
    assert run(pack, "--target", "largest", "--overwrite", "--seed", 1) == 0
    other = pd.read_csv(twin / "demographics.csv", dtype=str)["case"]
    assert set(other) != set(table.index)


def test_sampled_down_and_as_published(discs, nnunet_folders, tmp_path):
    pack = write_pack(tmp_path / "pack")
    path = nnunet_folders["nnUNet_raw"] / NAME / "demographics.csv"
    assert run(pack, "--target", "total=40", "--subsample") == 0
    table = pd.read_csv(path)
    table = table[table["case"].str.match("synthetic|d[0-3]|d4[0-7]")]
    drawn = table.groupby(["sex", "synthetic"])["sampling_weight"].sum().to_dict()
    assert drawn == {("female", 0): 6, ("female", 1): 14, ("male", 0): 20}
    assert run(pack, "--target", "total=40", "--as-published", "--overwrite") == 0
    table = pd.read_csv(path)
    table = table[table["case"].str.match("synthetic|d[0-3]|d4[0-7]")]
    drawn = table.groupby(["sex", "synthetic"])["sampling_weight"].sum().to_dict()
    # a quarter is real, 42 to 6: 8.75 and 1.25
    assert drawn == {("female", 0): 1, ("female", 1): 19, ("male", 0): 9, ("male", 1): 11}


@pytest.mark.parametrize(
    ("pack", "more", "message"),
    [
        ({}, ["--target", 20], "group 'male' has 42 cases, more than its target of 20"),
        ({"n_female": 5}, ["--target", "largest"],
         "group 'female' needs 36 synthetic cases, and there are 5"),
        ({"n_female": 40, "shape": (30, 28)}, ["--target", "largest"],
         "has 30 x 28 pixels, training images have 24 x 28. Resize it"),
        ({"n_female": 40, "label": 3}, ["--target", "largest"], "the mask holds 3"),
        ({"column": "race"}, ["--target", "largest"], "expected case and sex"),
        ({}, ["--target", "largest", "--as-published"], "needs --target total=N"),
        ({}, ["--target", "most"], "expected 'largest', a number"),
        ({}, ["--target", "largest", "-a", "age"], "Choose a single attribute with levels"),
    ],
)  # fmt: skip
def test_refused_before_anything_is_written(
    discs, nnunet_folders, tmp_path, capsys, pack, more, message
):
    folder = write_pack(tmp_path / "pack", **pack)
    assert run(folder, *more) in (1, 2)
    assert message in capsys.readouterr().err
    assert not (nnunet_folders["nnUNet_raw"] / NAME).exists()
    assert not (nnunet_folders["nnUNet_preprocessed"] / NAME).exists()
