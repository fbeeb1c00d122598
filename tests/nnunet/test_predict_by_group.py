"""Predicting by group from Python: which command nnU-Net gets, and what its failures become."""

import shutil
import sys

import pytest
from tqdm import tqdm

from nnunetv2_fair.errors import ModelError
from nnunetv2_fair.nnunet import nnunet_predict, predict_by_group
from nnunetv2_fair.nnunet.nnunet_predict import PredictionSettings
from nnunetv2_fair.nnunet.predict_by_group import Predicted
from tests.trained_models import demographics, write_group_models
from tests.trainers.test_trainers import registered  # noqa: F401

SETTINGS = PredictionSettings(
    "nnUNetTrainerInD_sex_1epoch", "2d_trial", folds=("0",), device="cpu", mirroring=False
)


@pytest.fixture
def models(tiny_nnunet, monkeypatch):
    return write_group_models(tiny_nnunet, monkeypatch)


def predict(folders, out, **more):
    images = folders["raw"] / "imagesTs"
    return predict_by_group.predict_by_group("901", images, out, SETTINGS, **more)


def test_models_that_no_case_needs_may_be_missing(tiny_nnunet, models, tmp_path, monkeypatch):
    shutil.rmtree(models["nnUNetTrainerInD_sex=female_1epoch"])
    commands = []

    def note(command, predictions, ending, progress, lock):
        commands.append(command)
        shutil.copytree(tiny_nnunet["raw"] / "labelsTs", predictions, dirs_exist_ok=True)

    monkeypatch.setattr(predict_by_group, "run_nnunet", note)
    table = demographics(tiny_nnunet, lambda table: table.assign(sex="male"))
    done = predict(tiny_nnunet, tmp_path / "out", demographics=table)
    assert done == Predicted(n_cases=6, n_models=1)
    (command,) = commands
    assert command[0] == sys.executable
    assert command[command.index("-tr") + 1] == "nnUNetTrainerInD_sex=male_1epoch"
    assert "--disable_tta" in command


def test_nnunets_last_words_are_shown_when_it_fails(tmp_path):
    code = "import sys; print('first'); print('disk full', file=sys.stderr); sys.exit(3)"
    with tqdm(total=1) as progress, pytest.raises(ModelError) as error:
        nnunet_predict.run_nnunet([sys.executable, "-c", code], tmp_path, ".png", progress)
    message = str(error.value)
    assert "nnUNetv2_predict stopped with exit code 3; nothing was written" in message
    assert "first" in message
    assert "disk full" in message


def test_a_case_that_nnunet_left_out_is_named(tiny_nnunet, models, tmp_path, monkeypatch):
    def leave_one_out(command, predictions, ending, progress, lock):
        shutil.copytree(tiny_nnunet["raw"] / "labelsTs", predictions, dirs_exist_ok=True)
        (predictions / "case_025.png").unlink()

    monkeypatch.setattr(predict_by_group, "run_nnunet", leave_one_out)
    with pytest.raises(ModelError, match="nnUNetv2_predict left out 1 of 6 cases: case_025"):
        predict(tiny_nnunet, tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["nnUNet_preprocessed", "nnUNet_results"]
