"""Two tiny models, trained for seconds: full images, crops, cascade, evaluated by group."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from nnunetv2_fair.cli import crop, evaluate, predict_cascade, prepare, trial
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from tests.trainers.seeding import seed

pytestmark = pytest.mark.slow


def train(dataset):
    """Train fold 0 of nnU-Net's own trainer for 2 epochs of 25 steps."""
    from nnunetv2.run.run_training import get_trainer_from_args

    seed(5)
    trainer = get_trainer_from_args(
        dataset, "2d_trial", 0, "nnUNetTrainer", device=torch.device("cpu")
    )
    trainer.num_iterations_per_epoch, trainer.num_val_iterations_per_epoch = 25, 1
    trainer.num_epochs = 2
    trainer.run_training()


def test_crop_train_cascade_evaluate(tiny_nnunet, tmp_path, monkeypatch):
    raw = tmp_path / "nnUNet_raw"
    shutil.copytree(tiny_nnunet["raw"], raw / tiny_nnunet["raw"].name)
    monkeypatch.setenv("nnUNet_raw", str(raw))
    assert crop.main(["-d", "901", "-o", "903", "-np", "1"]) == 0
    assert prepare.main(["-d", "903", "-a", "sex"]) == 0
    splits = [path.read_bytes() for path in tiny_nnunet["preprocessed"].parent.glob("*/splits*")]
    assert len(splits) == 2
    assert splits[0] == splits[1]
    plan = Path(sys.executable).parent / "nnUNetv2_plan_and_preprocess"
    options = ["-d", "903", "-c", "2d", "-np", "1", "-npfp", "1", "--verify_dataset_integrity"]
    done = subprocess.run(
        [str(plan), *options], env={**os.environ, "nnUNet_n_proc_DA": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    sizes = ["--features", "4", "--batch-size", "6", "--patch", "32"]
    assert trial.main(["-d", "903", "-c", "2d", *sizes]) == 0
    train("901")
    train("903")

    out = tmp_path / "cascade"
    full = raw / tiny_nnunet["raw"].name
    code = predict_cascade.main(
        ["-i", str(full / "imagesTs"), "-o", str(out), "--localizer", "-d", "901", "-c", "2d_trial",
         "-f", "0", "--segmenter", "-d", "903", "-c", "2d_trial", "-f", "0", "-gt",
         str(full / "labelsTs"), "-device", "cpu", "-npp", "0", "-nps", "0", "--disable_tta",
         "--keep"]
    )  # fmt: skip
    assert code == 0
    boxes = pd.read_csv(out / "boxes.csv")
    assert boxes["fallback"].sum() < len(boxes), "the first model finds something"
    dice = {}
    for name, folder in (("cascade", out), ("full", out / "localizer")):
        arguments = ["-gt", full / "labelsTs", "-pred", folder, "-a", "sex", "-np", "1",
                     "--min-patients", "1", "-o", tmp_path / f"evaluation_{name}"]  # fmt: skip
        assert evaluate.main([str(argument) for argument in arguments]) == 0
        result = EvaluationResult.read(tmp_path / f"evaluation_{name}")
        dice[name] = result.comparison("sex", "dice", "disc").overall
        assert dice[name].n_cases == 6
    assert dice["cascade"].mean > 0.5
