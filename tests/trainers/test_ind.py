"""nnUNetTrainerInD: one group's model, in real nnU-Net."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from nnunetv2_fair.errors import DemographicsError, TrainerNameError, TrainingError
from tests.trainers.seeding import write_base
from tests.trainers.test_trainers import (  # noqa: F401
    make_trainer,
    registered,
    rewrite_sex,
    sex_of,
)

NAME = "nnUNetTrainerInD_sex=female_1epoch"


def started(name):
    trainer = make_trainer(name)
    trainer.on_train_start()
    return trainer


def log_text(trainer):
    return "\n".join(p.read_text() for p in Path(trainer.output_folder).glob("training_log*.txt"))


def test_starts_from_all_weights_of_the_base(tiny_nnunet):
    checkpoint = write_base()
    base = torch.load(checkpoint, weights_only=False)["network_weights"]
    trainer = started(NAME)
    heads = 0
    for name, value in trainer.network.state_dict().items():
        assert torch.equal(value, base[name]), name
        heads += ".seg_layers." in name
    assert heads > 0
    assert trainer.initial_lr == trainer.optimizer.param_groups[0]["lr"] == 1e-3
    assert f"Base: {checkpoint}, trained by nnUNetTrainer" in log_text(trainer)
    trainer.train_step(next(trainer.dataloader_train))
    assert not torch.equal(trainer.network.state_dict()[name], base[name])


def test_scratch_needs_no_base(tiny_nnunet):
    trainer = started("nnUNetTrainerInD_sex=female_startscratch_1epoch")
    assert trainer.optimizer.param_groups[0]["lr"] == 1e-2


def test_another_base(tiny_nnunet):
    checkpoint = write_base("nnUNetTrainer_5epochs")
    trainer = started("nnUNetTrainerInD_sex=female_base-5epochs_1epoch")
    assert f"Base: {checkpoint}" in log_text(trainer)


def test_no_base(tiny_nnunet):
    with pytest.raises(TrainingError) as error:
        started(NAME)
    expected = "nnUNetv2_train Dataset901_Tiny 2d_trial 0 -tr nnUNetTrainer -p nnUNetPlans"
    assert expected in str(error.value)


def test_draws_only_the_group_and_validates_on_all(tiny_nnunet):
    write_base()
    sex = sex_of(tiny_nnunet)
    splits = json.loads((tiny_nnunet["preprocessed"] / "splits_final.json").read_text())
    for group in ("female", "male"):
        trainer = started(f"nnUNetTrainerInD_sex={group}_1epoch")
        train, val = trainer.do_split()
        assert train == [case for case in splits[0]["train"] if sex[case] == group]
        assert list(val) == splits[0]["val"]
        drawn = {k for _ in range(8) for k in next(trainer.dataloader_train)["keys"]}
        assert drawn <= set(train)
        assert f"trains on the cases of group '{group}' alone" in log_text(trainer)


def test_the_log_holds_the_group_alone(trainings):
    training = trainings.of("nnUNetTrainerInD_sex=female")
    log = pd.read_csv(training.folder / "subgroup_log.csv")
    assert log["group"].tolist() == ["female"] * 2  # a row per epoch
    assert np.isfinite(log["train_loss_per_sample"]).all()
    assert "female" in training.log
    assert not re.search(r"\bmale\b", training.log)


def test_signs_and_joint_groups(tiny_nnunet):
    write_base()
    trainer = started("nnUNetTrainerInD_sex+age=female+lt50_1epoch")
    assert trainer.grouping.names == ("female, <50",)
    folder = Path(trainer.output_folder).parent.name
    assert folder.startswith("nnUNetTrainerInD_sex+age=female+lt50_1epoch__")


def test_own_group_of_the_unknown(tiny_nnunet):
    write_base()
    sex = sex_of(tiny_nnunet)
    trainer = started("nnUNetTrainerInD_sex=unknown_unknownown_1epoch")
    assert all(sex[case] == "" for case in trainer.do_split()[0])


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        (
            "nnUNetTrainerInD",
            TrainerNameError,
            "must say which, for example nnUNetTrainerInD_sex=female",
        ),
        (
            "nnUNetTrainerInD_sex=divers",
            DemographicsError,
            "'sex' has no group 'divers'. Its groups, as written in names: female, male.",
        ),
        ("nnUNetTrainerInD_ethnicity=a", DemographicsError, "no attribute 'ethnicity'"),
    ],
)
def test_what_is_refused(tiny_nnunet, name, error, message):
    write_base()
    with pytest.raises(error) as caught:
        started(name)
    assert message in str(caught.value)


def test_a_group_without_training_case_lists_the_groups(tiny_nnunet):
    write_base()
    splits = json.loads((tiny_nnunet["preprocessed"] / "splits_final.json").read_text())
    train = set(splits[0]["train"])
    rewrite_sex(tiny_nnunet, lambda i, sex: "male" if f"case_{i:03d}" in train else sex)
    with pytest.raises(TrainingError) as error:
        started(NAME)
    assert str(error.value).startswith(
        "No training case of fold 0 is in group 'female' of 'sex' (groups with training "
        "cases: male)."
    )


def test_continuing_needs_no_base(tiny_nnunet, trainings):
    training = trainings.of("nnUNetTrainerInD_sex=female")
    again = make_trainer("nnUNetTrainerInD_sex=female", iterations=2)
    again.load_checkpoint(str(training.folder / "checkpoint_final.pth"))
    before = {name: value.clone() for name, value in again.network.state_dict().items()}
    again.on_train_start()
    for name, value in again.network.state_dict().items():
        assert torch.equal(value, before[name])
