"""The base of a training: found, checked, and refused with what mends it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from nnunetv2_fair.errors import TrainerNameError, TrainingError
from nnunetv2_fair.trainers import nnUNetTrainerAPPLE
from nnunetv2_fair.trainers.shared.base_model import read_base
from nnunetv2_fair.trainers.shared.names import parse_name
from tests.trainers.seeding import make_seeded_trainer, write_base
from tests.trainers.test_trainers import registered  # noqa: F401

NAME = "nnUNetTrainerAPPLE_1epochs"
COMMAND = "nnUNetv2_train Dataset901_Tiny 2d_trial 0 -tr nnUNetTrainer -p nnUNetPlans"


def started(name=NAME):
    trainer = make_seeded_trainer(name)
    trainer.on_train_start()
    return trainer


def refused(name=NAME):
    with pytest.raises(TrainingError) as caught:
        started(name)
    return str(caught.value)


def changed(path, change):
    content = torch.load(path, weights_only=False)
    change(content)
    torch.save(content, path)


def log_of(trainer):
    return "\n".join(p.read_text() for p in Path(trainer.output_folder).glob("training_log*"))


@pytest.mark.parametrize(
    ("text", "trainer"),
    [
        ("baseGroupDRO", "nnUNetTrainerGroupDRO"),
        ("base-5epochs", "nnUNetTrainer_5epochs"),
        ("baseGroupDRO-sex+age-step0.1-10epochs", "nnUNetTrainerGroupDRO_sex+age_step0.1_10epochs"),
    ],
)
def test_the_name_says_the_base(text, trainer):
    methods = {"nnUNetTrainerAPPLE": nnUNetTrainerAPPLE.known_options()}
    found = parse_name(f"nnUNetTrainerAPPLE_sex_{text}_beta0.1", methods)
    assert found.options == {"base": trainer, "beta": 0.1}


def test_what_is_no_trainer_is_no_base():
    methods = {"nnUNetTrainerAPPLE": nnUNetTrainerAPPLE.known_options()}
    with pytest.raises(TrainerNameError, match=r"'/x' is not a value of option 'base': expected a"):
        parse_name("nnUNetTrainerAPPLE_base/x", methods)


def test_a_missing_base_is_an_error_with_the_command_that_trains_it(tiny_nnunet):
    message = refused()
    assert "nnUNetTrainerAPPLE_1epochs builds on a trained model, and " in message
    missing = "nnUNetTrainer__nnUNetPlans__2d_trial/fold_0/checkpoint_final.pth is missing."
    assert missing in message
    assert f"Train it first:\n  {COMMAND}" in message
    assert not list(tiny_nnunet["results"].rglob("*.pth"))


def test_an_unfinished_base_is_to_be_finished(tiny_nnunet):
    path = write_base()
    path.rename(path.with_name("checkpoint_latest.pth"))
    assert f"It has begun; finish it:\n  {COMMAND} --c" in refused()


def test_other_finished_trainings_are_offered(tiny_nnunet):
    write_base("nnUNetTrainer_5epochs")
    shutil.copytree(
        *(tiny_nnunet["results"] / "Dataset901_Tiny" / f"{name}__nnUNetPlans__2d_trial"
          for name in ("nnUNetTrainer_5epochs", "nnUNetTrainerAPPLE_beta1"))
    )  # fmt: skip
    message = refused()
    offer = "could be the base: nnUNetTrainer_5epochs. To take the first, add _base-5epochs to the"
    assert offer in message
    started("nnUNetTrainerAPPLE_base-5epochs_1epochs")


def test_all_weights_of_the_base_are_loaded_heads_included(tiny_nnunet):
    saved = torch.load(write_base(), weights_only=False)["network_weights"]
    trainer = started()
    found = trainer._perturbed.base.state_dict()
    assert set(found) == set(saved)
    assert any("seg_layers" in name for name in saved)
    assert all(torch.equal(value, saved[name]) for name, value in found.items())
    assert "trained by nnUNetTrainer for 1 epochs." in log_of(trainer)
    assert "WARNING" not in log_of(trainer)


def test_an_explicit_checkpoint(tiny_nnunet, tmp_path, monkeypatch):
    path = tmp_path / "kept.pth"
    shutil.move(write_base("nnUNetTrainerGroupDRO"), path)
    monkeypatch.setenv("nnUNet_fair_base_checkpoint", str(path))
    assert f"Base: {path}, trained by nnUNetTrainerGroupDRO" in log_of(started())
    monkeypatch.setenv("nnUNet_fair_base_checkpoint", str(tmp_path / "nowhere.pth"))
    message = refused()
    assert "nnUNet_fair_base_checkpoint names " in message
    assert "nowhere.pth', which is not a file. Set it to a checkpoint such as" in message


def test_a_base_of_other_plans_and_classes_lists_every_difference(tiny_nnunet):
    def change(content):
        arguments = content["init_args"]
        arguments["plans"]["plans_name"] = "otherPlans"
        arguments["configuration"] = "2d"
        arguments["dataset_json"]["labels"] = {"background": 0, "disc": 1, "rim": 2}
        weights = content["network_weights"]
        weights["decoder.seg_layers.0.bias"] = torch.zeros(3)
        del weights["decoder.seg_layers.1.bias"]

    changed(write_base(), change)
    message = refused()
    for line in (
        "plans: the base has otherPlans, this training nnUNetPlans",
        "configuration: the base has 2d, this training 2d_trial",
        "labels: the base has {'background': 0, 'disc': 1, 'rim': 2}, this training",
        "architecture of the configuration: the plans have changed since the base",
        "1 weight missing in the base: decoder.seg_layers.1.bias",
        "decoder.seg_layers.0.bias: the base has shape (3,), this training (2,)",
        COMMAND,
    ):
        assert line in message, line


def test_other_preprocessing_is_refused(tiny_nnunet):
    def change(content):
        plans = content["init_args"]["plans"]
        plans["configurations"]["2d"]["normalization_schemes"] = ["CTNormalization"]

    changed(write_base(), change)
    assert "normalization_schemes of the configuration: the plans have changed" in refused()


def test_a_truncated_checkpoint_is_refused(tiny_nnunet):
    path = write_base()
    path.write_bytes(path.read_bytes()[:3000])
    message = refused()
    assert f"{path} cannot be read: " in message
    assert "Copy the file again from where it came, or train the base again." in message


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": {"w": torch.ones(2)}}, path)
    with pytest.raises(TrainingError) as caught:
        read_base(path)
    assert "is not a checkpoint of nnU-Net: current_epoch, init_args, network_weights" in str(
        caught.value
    )
    torch.save(torch.ones(2), path)
    with pytest.raises(TrainingError, match=r"is not a checkpoint of nnU-Net"):
        read_base(path)


class Dangerous:
    def __reduce__(self):
        return (Path.touch, (Path("ran"),))


def test_a_checkpoint_runs_no_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"network_weights": Dangerous()}, "evil.pth")
    with pytest.raises(TrainingError, match=r"evil.pth cannot be read"):
        read_base(Path("evil.pth"))
    assert not Path("ran").exists()


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_numbers_of_either_numpy_are_read(tmp_path, module):
    content = {key: {} for key in ("network_weights", "init_args", "trainer_name")}
    content["current_epoch"] = np.float32(3)
    path = tmp_path / "base.pth"
    torch.save(content, path)
    raw = path.read_bytes()
    written = np.float64(0).__reduce__()[0].__module__
    assert written.encode() in raw
    if written != module:
        torch.save(content, path, _use_new_zipfile_serialization=False)
        path.write_bytes(path.read_bytes().replace(written.encode(), module.encode()))
    assert read_base(path).epochs == 3


def summary_of(cases, folder="/there/"):
    return {"metric_per_case": [{"prediction_file": f"{folder}{case}.png"} for case in cases]}


def test_leakage_is_found_in_the_cases_that_the_base_validated_on(tiny_nnunet):
    validation = write_base().parent / "validation"
    validation.mkdir()
    splits = json.loads((tiny_nnunet["preprocessed"] / "splits_final.json").read_text())
    held_out = splits[0]["val"]
    for folder in ("/there/", "D:\\there\\"):
        (validation / "summary.json").write_text(json.dumps(summary_of(held_out, folder)))
        assert "WARNING" not in log_of(started())
    (validation / "summary.json").write_text(json.dumps(summary_of(held_out[2:])))
    expected = f"WARNING: the base has probably been trained on 2 of the {len(held_out)} validation"
    assert expected in log_of(started())


@pytest.mark.parametrize("fold", [1, "all"])
def test_a_base_of_another_fold_leaks(tiny_nnunet, fold):
    path = write_base()
    changed(path, lambda content: content["init_args"].update(fold=fold))
    (path.parent / "validation").mkdir()
    log = log_of(started())
    assert "validation cases of fold 0 (it is of fold" in log
    assert "validation results of this training will be too good (leakage)" in log


def test_a_base_of_another_dataset_is_named(tiny_nnunet):
    def change(content):
        content["init_args"]["plans"]["dataset_name"] = "Dataset077_Elsewhere"

    changed(write_base(), change)
    assert "WARNING: the base was trained on Dataset077_Elsewhere. Make sure" in log_of(started())
