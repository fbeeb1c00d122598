"""nnU-Net's Weights & Biases logger gets the groups' values, and nothing that the log hides."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from nnunetv2_fair import registration
from nnunetv2_fair.training_log import columns
from tests.trainers.seeding import make_seeded_trainer


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.delenv(registration.EXTERNAL_TRAINERS, raising=False)
    registration.register()


class Recorder:
    """What nnU-Net's MetaLogger expects of a logger besides its own."""

    def __init__(self) -> None:
        self.told: dict = {}

    def update_config(self, config) -> None:
        pass

    def log_summary(self, key, value) -> None:
        pass

    def log(self, key, value, step) -> None:
        self.told[key] = value


def expected(folder: Path, names: tuple[str, ...]) -> dict[str, float]:
    """Return what the first epoch's rows say about groups."""
    log = pd.read_csv(folder / "subgroup_log.csv")
    found = {}
    for _, row in log[log["epoch"] == 0].iterrows():
        for name in names:
            found[f"{name}_by_sex/{row['group']}"] = row[name]
        for name in (columns.GAP, columns.GAP_OF_EMA):
            found[f"{name}_by_sex"] = row[name]
    return {name: value for name, value in found.items() if np.isfinite(value)}


TOLD = (columns.TRAIN_LOSS, columns.VAL_LOSS, columns.PSEUDO_DICE, columns.EMA_PSEUDO_DICE)


def test_a_logger_that_nnunet_knows_gets_every_epoch(tiny_nnunet, capsys):
    trainer = make_seeded_trainer("nnUNetTrainerGroupDRO_sex", epochs=1)
    recorder = Recorder()
    trainer.logger.loggers.append(recorder)
    trainer.run_training()
    folder = Path(trainer.output_folder)
    ours = {name: value for name, value in recorder.told.items() if "_by_sex" in name}
    wanted = expected(folder, (*TOLD, columns.Q))
    assert set(ours) == set(wanted)
    for name, value in ours.items():
        assert value == pytest.approx(wanted[name], rel=1e-4)
    assert set(recorder.told) - set(ours) >= {"train_losses", "val_losses", "mean_fg_dice"}
    # nnU-Net's own logger is saved in the checkpoint: nothing about groups in it
    content = torch.load(folder / "checkpoint_final.pth", weights_only=False)
    assert not [key for key in content["logging"] if "sex" in key]
    assert "Groups of 'sex' in the training part" not in capsys.readouterr().out


def test_weights_and_biases_itself(tiny_nnunet, monkeypatch):
    from nnunetv2.training.logging import nnunet_logger

    if nnunet_logger.wandb is None:
        pytest.skip("Weights & Biases is not installed")
    monkeypatch.setenv("nnUNet_wandb_enabled", "1")
    monkeypatch.setenv("nnUNet_wandb_mode", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    trainer = make_seeded_trainer("nnUNetTrainerReweighting_sex", epochs=2)
    trainer.run_training()
    (logger,) = trainer.logger.loggers
    summary = dict(logger.run.summary)  # of the first epoch: the second is not complete yet
    logger.run.finish()
    wanted = expected(Path(trainer.output_folder), TOLD)
    ours = {name: value for name, value in summary.items() if "_by_sex" in name}
    assert set(ours) == set(wanted)
    for name, value in ours.items():
        assert value == pytest.approx(wanted[name], rel=1e-4)
    assert any(
        name.endswith(".wandb") for _, _, names in os.walk(logger.output_folder) for name in names
    )
