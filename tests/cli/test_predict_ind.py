"""``nnUNetv2_fair_predict_InD``: who is predicted by which model, and what is refused."""

import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nnunetv2_fair.cli import predict_InD
from tests.trained_models import GROUP_MODELS, demographics, write_group_models
from tests.trainers.test_trainers import registered  # noqa: F401


@pytest.fixture
def models(tiny_nnunet, monkeypatch):
    return write_group_models(tiny_nnunet, monkeypatch)


def predict(folders, out, *more):
    return predict_InD.main(
        [
            "-d", "901", "-i", str(folders["raw"] / "imagesTs"), "-o", str(out), "-c", "2d_trial",
            "-f", "0", "-tr", "nnUNetTrainerInD_sex_1epoch", "-device", "cpu",
            "-npp", "0", "-nps", "0", "--disable_tta", *more,
        ]
    )  # fmt: skip


def one_unknown(table):
    table.loc[table["case"] == "case_026", "sex"] = ""
    return table


def test_every_case_by_the_model_of_its_group(tiny_nnunet, models, tmp_path, capfd):
    table = demographics(tiny_nnunet, one_unknown)
    sex = pd.read_csv(table, keep_default_na=False).set_index("case")["sex"]
    out = tmp_path / "new" / "predictions"
    options = ["--demographics", str(table), "--unknown-model", "female"]
    assert predict(tiny_nnunet, out, *options) == 0
    cases = [f"case_{i:03d}" for i in range(24, 30)]
    assert sorted(p.name for p in out.iterdir()) == [
        *(f"{case}.png" for case in cases), "dataset.json", "manifest.json", "plans.json",
    ]  # fmt: skip
    found = {case: set(np.unique(Image.open(out / f"{case}.png"))) for case in cases}
    expected = {case: {0} if sex[case] == "male" else {1} for case in cases}
    assert found == expected
    assert {0} in expected.values()
    assert {1} in expected.values()
    assert list(out.parent.iterdir()) == [out], "nothing temporary is left"

    # who went where is told nowhere
    printed = capfd.readouterr()
    for text in (printed.out, printed.err):
        assert "case_0" not in text
        assert "male" not in text
    assert "1 case of unknown group goes to the model you named" in printed.out
    assert "Predicted 6 cases with 2 models" in printed.out
    for file in ("dataset.json", "plans.json"):
        assert "case_0" not in (out / file).read_text()


def refused(folders, out, capsys, *more):
    code = predict(folders, out, *more)
    assert not out.exists()
    return code, capsys.readouterr().err


def test_unknown_groups_are_refused(tiny_nnunet, models, tmp_path, capsys):
    table = demographics(tiny_nnunet, one_unknown)
    code, message = refused(tiny_nnunet, tmp_path / "out", capsys, "--demographics", str(table))
    assert code == 1
    assert "1 of 6 cases have no known 'sex', so none of the models applies: case_026." in message
    assert "--unknown-model GROUP, with GROUP one of female, male" in message


def test_all_missing_models_are_listed(tiny_nnunet, models, tmp_path, capsys):
    for folder in models.values():
        (folder / "fold_0" / "checkpoint_final.pth").unlink()
    code, message = refused(tiny_nnunet, tmp_path / "out", capsys)
    assert code == 1
    for name in GROUP_MODELS:
        assert f"Train it: nnUNetv2_train 901 2d_trial 0 -tr {name}" in message
    for folder in models.values():
        shutil.rmtree(folder)
    code, message = refused(tiny_nnunet, tmp_path / "out", capsys)
    for name in GROUP_MODELS:
        assert f"Train it: nnUNetv2_train 901 2d_trial 0 -tr {name}" in message


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["-tr", "nnUNetTrainerInD_sex=male"], 2, "leave out '=' and the group"),
        (["-tr", "nnUNetTrainerInD"], 2, "Attributes of this dataset: sex, age"),
        (["-tr", "nnUNetTrainerInD_ethnicity"], 2, "expected nnUNetTrainerInD_<attribute>"),
        (["-tr", "nnUNetTrainerFEBS_sex"], 2, "expected nnUNetTrainerInD_<attribute>"),
        (["--unknown-model", "divers"], 2, "'sex' has no such group. Groups: female, male"),
        (["-i", "nowhere"], 1, "nowhere does not exist"),
        (["-d", "77"], 1, "77"),
    ],
)
def test_what_is_refused(tiny_nnunet, models, tmp_path, capsys, more, code, message):
    found, text = refused(tiny_nnunet, tmp_path / "out", capsys, *more)
    assert found == code
    assert message in text


def test_earlier_predictions_are_kept(tiny_nnunet, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "case_024.png").write_bytes(b"mine")
    assert predict(tiny_nnunet, out) == 2
    assert "pass --overwrite" in capsys.readouterr().err
    assert (out / "case_024.png").read_bytes() == b"mine"
