"""Volumes with regions and an ignore label: ADV, a group's model, and a look into all of them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from nnunetv2.run.run_training import get_trainer_from_args

from nnunetv2_fair.cli import inspect_latent
from tests.nnunet_dataset import build, write_raw_volumes
from tests.trainers.test_trainers import registered  # noqa: F401

NAMES = ("nnUNetTrainer_1epoch", "nnUNetTrainerADV_1epoch",
         "nnUNetTrainerInD_sex=male_base-1epoch_1epoch")  # fmt: skip


@pytest.mark.slow
def test_train_and_inspect(tmp_path, monkeypatch):
    environment = build(tmp_path, write_raw_volumes, "902", "3d_fullres")
    for variable, folder in environment.items():
        monkeypatch.setenv(variable, folder)
    monkeypatch.setenv("nnUNet_n_proc_DA", "0")
    for name in NAMES:
        trainer = get_trainer_from_args(
            "902", "3d_fullres_trial", 0, name, device=torch.device("cpu")
        )
        trainer.num_iterations_per_epoch = trainer.num_val_iterations_per_epoch = 2
        trainer.run_training()
        if name != NAMES[0]:
            log = pd.read_csv(Path(trainer.output_folder) / "subgroup_log.csv")
            assert np.isfinite(log["train_loss_per_sample"]).all()
    out = tmp_path / "latent"
    assert inspect_latent.main(
        [
            "-d", "902", "-c", "3d_fullres_trial", "-tr", *NAMES, "-a", "sex", "-o", str(out),
            "-i", str(Path(environment["nnUNet_raw"]) / "Dataset902_Volumes" / "imagesTr"),
            "-device", "cpu", "--min-patients", "2", "--bootstrap", "100",
        ]
    ) == 0  # fmt: skip
    (sex,) = json.loads((out / "latent.json").read_text())["attributes"]
    assert sex["group_patients"] == {"female": 4, "male": 6}
    assert list(sex["per_model"]) == list(NAMES)
    for found in sex["per_model"].values():
        assert 0 <= found["probe"] <= 1
        assert found["davies_bouldin"] > 0
