"""The cascade on volumes: two tiny models of nnU-Net, trained for seconds, predict phantoms."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK
import torch

from nnunetv2_fair.cli import crop, evaluate, phantoms, predict_cascade, prepare, trial
from nnunetv2_fair.cropping.images import read_channel, read_mask
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.nnunet import predict_cascade as cascade
from tests.trainers.seeding import seed

pytestmark = pytest.mark.slow

OBLIQUE = SimpleITK.Euler3DTransform((0, 0, 0), 0.2, -0.3, 0.4).GetMatrix()


def write_oblique(raw):
    """Write phantoms, and give every volume a place in space of its own."""
    arguments = ["-d", "904", "-n", "Volumes", "--dimension", "3", "--patients",
                 "14", "--images-per-patient", "1", "1"]  # fmt: skip
    assert phantoms.main([*arguments, "--test-share", "0.3", "--seed", "3"]) == 0
    (folder,) = raw.glob("Dataset904_*")
    for number, path in enumerate(sorted(folder.glob("imagesT?/*.nii.gz"))):
        labels = folder / path.parent.name.replace("images", "labels")
        for file in (path, labels / path.name.replace("_0000", "")):
            volume = SimpleITK.ReadImage(str(file))
            volume.SetOrigin((-90.5 + 3 * number, 41.25, -300.75))
            volume.SetDirection(OBLIQUE)
            SimpleITK.WriteImage(volume, str(file))
    return folder


def plan_and_train(dataset):
    """Plan, preprocess and train nnU-Net's own 3D trainer for 2 epochs of 30 steps."""
    from nnunetv2.run.run_training import get_trainer_from_args

    command = Path(sys.executable).parent / "nnUNetv2_plan_and_preprocess"
    options = ["-d", dataset, "-c", "3d_fullres", "-np", "1", "-npfp", "1"]
    done = subprocess.run(
        [str(command), *options], env={**os.environ, "nnUNet_n_proc_DA": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    sizes = ["--features", "4", "--batch-size", "2", "--patch", "40"]
    assert trial.main(["-d", dataset, "-c", "3d_fullres", *sizes]) == 0
    seed(7)
    trainer = get_trainer_from_args(
        dataset, "3d_fullres_trial", 0, "nnUNetTrainer", device=torch.device("cpu")
    )
    trainer.num_iterations_per_epoch, trainer.num_val_iterations_per_epoch = 30, 1
    trainer.num_epochs = 2
    trainer.run_training()


def model(word, dataset):
    return [word, "-d", dataset, "-c", "3d_fullres_trial", "-f", "0"]


def test_volumes_from_phantoms_to_groups(nnunet_folders, tmp_path, monkeypatch):
    monkeypatch.setenv("nnUNet_n_proc_DA", "0")
    raw = nnunet_folders["nnUNet_raw"]
    full = write_oblique(raw)
    assert prepare.main(["-d", "904", "-a", "sex", "--folds", "2"]) == 0
    assert crop.main(["-d", "904", "-o", "905", "--axes", "xyz", "--margin", "3", "-np", "1"]) == 0
    for dataset in ("904", "905"):
        plan_and_train(dataset)

    # as where a cluster gives each job a deep temporary folder
    temporary = tmp_path / ("t" * 60) / ("t" * 60)
    temporary.mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(temporary))
    references = str(full / "labelsTs")
    options = ["-i", str(full / "imagesTs"), "-gt", references, "-device", "cpu", "--disable_tta",
               "--keep"]  # fmt: skip
    quick = ["-npp", "0", "-nps", "0"]  # without processes; the first run starts some
    localizer, segmenter = model("--localizer", "904"), model("--segmenter", "905")
    out, perfect, bound = (tmp_path / name for name in ("out", "perfect", "bound"))
    assert (
        predict_cascade.main([*options, "-o", str(out), *localizer, *segmenter, "-npp", "1"]) == 0
    )
    bounded = [*options, "-o", str(bound), *segmenter, "--upper-bound", *quick]
    assert predict_cascade.main(bounded) == 0

    run_nnunet = cascade.run_nnunet

    def perfectly(command, predictions, *more):
        """The first model predicts the references, the second what it predicts."""
        if command[command.index("-d") + 1] != "904":
            run_nnunet(command, predictions, *more)
            return
        for path in Path(references).iterdir():
            (predictions / path.name).write_bytes(path.read_bytes())

    with monkeypatch.context() as patch:
        patch.setattr(cascade, "run_nnunet", perfectly)
        arguments = [*options, *quick, "-o", str(perfect), *localizer, *segmenter]
        assert predict_cascade.main(arguments) == 0

    names = sorted(path.name for path in Path(references).iterdir())
    assert len(names) == 4
    n_found = 0
    for name in names:
        case = name.partition(".")[0]
        image = SimpleITK.ReadImage(str(full / "imagesTs" / f"{case}_0000.nii.gz"))
        for folder in (out, perfect, bound):
            labels = SimpleITK.ReadImage(str(folder / name))
            assert labels.GetSize() == image.GetSize()
            assert np.allclose(labels.GetOrigin(), image.GetOrigin(), atol=1e-4)
            assert np.allclose(labels.GetDirection(), image.GetDirection(), atol=1e-6)
        assert np.array_equal(read_mask(perfect / name), read_mask(bound / name))
        n_found += np.count_nonzero(read_mask(bound / name))
        # the second model was shown what it was trained on
        (cropped,) = raw.glob(f"Dataset905_*/imagesTs/{case}_0000.nii.gz")
        assert np.array_equal(read_channel(bound / "crops" / cropped.name), read_channel(cropped))
    assert n_found
    boxes = pd.read_csv(bound / "boxes.csv")
    assert (boxes["covered_share"] == 1).all()
    assert {"z_size_error_mm", "x_shift_px", "crop_z_end"} <= set(boxes.columns)

    arguments = ["-gt", references, "-pred", str(out), "-a", "sex", "-np", "1", "--min-patients",
                 "1", "-o", str(tmp_path / "evaluation")]  # fmt: skip
    assert evaluate.main(arguments) == 0
    dice = EvaluationResult.read(tmp_path / "evaluation").comparison("sex", "dice", "nodule")
    assert dice.overall.n_cases == 4
    assert not list(temporary.iterdir())
