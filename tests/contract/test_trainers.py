"""What every trainer must do, whatever its method."""

import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.model_sharing.model_export import export_pretrained_model
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunetv2_fair.trainers import METHODS
from nnunetv2_fair.trainers.shared.checkpoint import KEY
from tests.canaries import shown_of, sightings
from tests.nnunet_dataset import CANARY
from tests.trained_models import outcome
from tests.trainers.seeding import make_seeded_trainer, seeded_epoch_start, write_base
from tests.trainers.test_trainers import registered  # noqa: F401

PROJECT = Path(__file__).parents[2]
#: Words about people, and of the dictionary, that stay in the dataset's folders.
PEOPLE = ("secretpatient", "case_0", "demographics.json", CANARY)
GROUPS = ("female", "50-64")
#: Files that name groups.
LOGS = {"training_log", "subgroup_log.csv"}
#: A name that trains each method: some must say for which group.
NAMES = [f"{name}_sex=female" if method.takes_group else name for name, method in METHODS.items()]


@pytest.fixture(autouse=True)
def seeded(monkeypatch):
    monkeypatch.setattr(nnUNetTrainer, "on_train_epoch_start", seeded_epoch_start)


@pytest.fixture(autouse=True)
def base(tiny_nnunet):
    """The model that some trainers build on."""
    return write_base()


def assert_same(one, other):
    assert torch.equal(one["weights"], other["weights"])
    assert set(one["state"]) == set(other["state"])
    for name, value in one["state"].items():
        assert torch.equal(value, other["state"][name]), name
    pd.testing.assert_frame_equal(one["subgroups"], other["subgroups"])
    assert one["curves"] == other["curves"]


@pytest.mark.parametrize("name", NAMES)
def test_trains_continues_predicts_and_exports(name, tiny_nnunet, trainings, tmp_path, monkeypatch):
    training = trainings.of(name)
    undisturbed = training.outcome
    assert torch.isfinite(undisturbed["weights"]).all()
    folder = training.copy_to(tiny_nnunet["results"])

    # go on from the first epoch's checkpoint, and arrive at the same
    again = make_seeded_trainer(name)
    again.load_checkpoint(str(training.after_first))
    assert again.current_epoch == 1
    again.run_training()
    assert_same(outcome(again), undisturbed)
    assert Path(again.output_folder) == folder
    log = undisturbed["subgroups"]
    n_groups = len(again.grouping.names)
    assert log["epoch"].tolist() == [0] * n_groups + [1] * n_groups
    assert np.isfinite(log["train_loss_per_sample"]).all()

    # predict with nothing but the model
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setenv("nnUNet_raw", str(elsewhere))
    monkeypatch.setenv("nnUNet_preprocessed", str(elsewhere))
    predictor = nnUNetPredictor(
        device=torch.device("cpu"), perform_everything_on_device=False, use_mirroring=False
    )
    predictor.initialize_from_trained_model_folder(str(folder.parent), (0,))
    rng = np.random.default_rng(0)
    picture = rng.normal(100, 20, (1, 1, 40, 48)).astype(np.float32)
    mask = predictor.predict_single_npy_array(picture, {"spacing": (999, 1, 1)})
    assert mask.shape == (1, 40, 48)
    assert set(np.unique(mask)) <= {0, 1}

    # export; nnU-Net asks for the summary that its validation would have written
    (folder / "validation").mkdir()
    (folder / "validation" / "summary.json").write_text("{}")
    archive = tmp_path / "model.zip"
    checkpoints = ("checkpoint_final.pth", "checkpoint_best.pth")
    export_pretrained_model(
        "Dataset901_Tiny", str(archive), ("2d_trial",), name, "nnUNetPlans", (0,),
        save_checkpoints=checkpoints,
    )  # fmt: skip
    with zipfile.ZipFile(archive) as members:
        names = members.namelist()
    assert {Path(member).name for member in names} >= {*checkpoints, "debug.json", "plans.json"}
    assert not [member for member in names if "demographics" in member]
    # not even names of groups, but for the one that the trainer is named after
    assert sightings(archive, {*PEOPLE, *others_than(name)}) == set()

    # all that the training has written, checkpoints of every epoch included
    assert sightings(training.results, PEOPLE) == set()
    told = sightings(training.results, others_than(name))
    # by design: what is logged about each group, for who trains
    assert {Path(file).name.split("_2026")[0] for file, _ in told} <= LOGS


def others_than(name: str) -> list[str]:
    """Return the groups that a trainer is not named after."""
    return [group for group in GROUPS if group not in name]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_adapts_in_validation(name, tiny_nnunet):
    trainer = make_seeded_trainer(name)
    trainer.initialize()
    trainer.on_train_start()
    trainer.on_train_epoch_start()
    outputs = [trainer.train_step(next(trainer.dataloader_train)) for _ in range(2)]
    trainer.on_train_epoch_end(outputs)
    before = {key: value.clone() for key, value in trainer.fairness_state().items()}
    trainer.on_validation_epoch_start()
    with torch.no_grad():
        for _ in range(2):
            trainer.validation_step(next(trainer.dataloader_val))
    after = trainer.fairness_state()
    assert set(after) == set(before)
    for key, value in before.items():
        assert torch.equal(value, after[key]), key


ADAPTIVE = (
    "nnUNetTrainerOversamplingGroupDRO",
    "nnUNetTrainerFairMedSeg",
    "nnUNetTrainerAPPLE",
    "nnUNetTrainerADV",
    "nnUNetTrainerMonitor_ema0.9",
)


@pytest.fixture(scope="module")
def killed(tiny_dataset, tmp_path_factory):
    """Results of trainings that were killed in their second epoch."""
    results = tmp_path_factory.mktemp("killed")
    with pytest.MonkeyPatch.context() as patch:
        for variable, folder in {**tiny_dataset, "nnUNet_results": str(results)}.items():
            patch.setenv(variable, folder)
        patch.setenv("nnUNet_n_proc_DA", "0")
        write_base()
        done = subprocess.run(
            [sys.executable, "-m", "tests.trainers.seeding", *ADAPTIVE],
            cwd=PROJECT, env=dict(os.environ), capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return results


@pytest.mark.parametrize("name", ADAPTIVE)
def test_a_killed_training_continues_as_if_nothing_had_happened(
    name, killed, tiny_nnunet, trainings
):
    (model,) = killed.glob(f"*/{name}__*")
    copy = tiny_nnunet["results"] / model.relative_to(killed)
    shutil.copytree(model, copy)
    checkpoint = copy / "fold_0" / "checkpoint_latest.pth"
    saved = torch.load(checkpoint, weights_only=False)
    assert saved["current_epoch"] == 1
    assert saved[KEY]["state"], "this trainer has something to keep"
    trainer = make_seeded_trainer(name)
    trainer.load_checkpoint(str(checkpoint))
    trainer.run_training()
    assert_same(outcome(trainer), trainings.of(name).outcome)


#: Of each kind of network and checkpoint one; for the others, nnU-Net's commands call what
#: test_trains_continues_predicts_and_exports calls.
USED_AFTER_TRAINING = ("nnUNetTrainerMonitor", "nnUNetTrainerAPPLE", "nnUNetTrainerADV")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_nnunets_commands_take_every_trainer(name, tiny_nnunet, tmp_path, monkeypatch):
    monkeypatch.setenv("nnUNet_n_proc_DA", "1")
    trainer = f"{name}_1epochs"

    def nnunet(command, *arguments, **variables):
        output = tmp_path / "output.txt"
        with (
            output.open("w") as stream,
            subprocess.Popen(
                [str(Path(sys.executable).parent / command), *map(str, arguments)],
                env={**os.environ, "PYTHONPATH": str(PROJECT), **variables}, cwd=tmp_path,
                stdout=stream, stderr=subprocess.STDOUT,
            ) as process,
        ):  # fmt: skip
            while process.poll() is None:
                assert shown_of(process.pid, PEOPLE) == set()
                time.sleep(0.2)
        assert process.returncode == 0, output.read_text()[-3000:]

    nnunet("nnUNetv2_train", "901", "2d_trial", 0, "-tr", trainer, "-device", "cpu")
    folder = next(tiny_nnunet["results"].rglob("debug.json")).parent
    assert json.loads((folder / "debug.json").read_text())
    assert seen_by_nnunet(folder.parent, PEOPLE) == set()
    if name not in USED_AFTER_TRAINING:
        return
    elsewhere, predictions = tmp_path / "elsewhere", tmp_path / "predictions"
    elsewhere.mkdir()
    nnunet(
        "nnUNetv2_predict", "-d", "901", "-i", tiny_nnunet["raw"] / "imagesTs", "-o", predictions,
        "-c", "2d_trial", "-f", 0, "-tr", trainer, "-device", "cpu", "-npp", 1, "-nps", 1,
        nnUNet_preprocessed=str(elsewhere),
    )  # fmt: skip
    assert len(list(predictions.glob("*.png"))) == 6
    archive = tmp_path / "model.zip"
    nnunet("nnUNetv2_export_model_to_zip", "-d", "901", "-o", archive, "-c", "2d_trial", "-f", 0,
           "-tr", trainer)  # fmt: skip
    assert seen_by_nnunet(archive, {*PEOPLE, *others_than(name)}) == set()
    assert seen_by_nnunet(folder.parent, PEOPLE) == set()


def seen_by_nnunet(place: Path, words: Collection[str]) -> set[tuple[str, str]]:
    """Return words in files, but for cases that nnU-Net's own validation names, in its log, too."""
    return {
        (file, word)
        for file, word in sightings(place, words)
        if not (word == "case_0" and ("validation" in file or "training_log" in file))
    }
