"""Models in nnUNet_results: trained once per test run and copied, or written in a moment."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunetv2_fair import registration
from tests.trainers.seeding import make_seeded_trainer, seeded_epoch_start, write_base


def outcome(trainer: Any) -> dict[str, Any]:
    """Return weights, adaptive state and logs of a training that is done."""
    folder = Path(trainer.output_folder)
    return {
        "weights": torch.cat([p.detach().flatten() for p in trainer.network.parameters()]),
        "state": trainer.fairness_state(),
        "subgroups": pd.read_csv(folder / "subgroup_log.csv"),
        "curves": {
            key: trainer.logger.get_checkpoint()[key]
            for key in ("train_losses", "val_losses", "mean_fg_dice")
        },
    }


@dataclass(frozen=True)
class Training:
    """A training of two epochs, seeded as in :mod:`tests.trainers.seeding`.

    Attributes:
        results: Its ``nnUNet_results``, not to be changed.
        folder: Folder of fold 0 in it.
        after_first: Checkpoint after the first epoch.
        outcome: See :func:`outcome`.
    """

    results: Path
    folder: Path
    after_first: Path
    outcome: dict[str, Any]

    @property
    def log(self) -> str:
        """nnU-Net's log."""
        return "\n".join(path.read_text() for path in self.folder.glob("training_log*.txt"))

    def copy_to(self, results: Path) -> Path:
        """Copy the model into another ``nnUNet_results``; return the folder of fold 0 there."""
        copy = results / self.folder.relative_to(self.results)
        shutil.copytree(self.folder.parent, copy.parent)
        return copy


class Trainings:
    """Trains each trainer once per test run, on the tiny dataset, when somebody first asks.

    Args:
        environment: Of the tiny dataset.
        root: Folder for results.
    """

    def __init__(self, environment: Mapping[str, str], root: Path) -> None:
        self._environment = environment
        self._root = root
        self._done: dict[str, Training] = {}

    def of(self, name: str) -> Training:
        """Return the training of the trainer of that name; a base to build on is there."""
        if name not in self._done:
            with pytest.MonkeyPatch.context() as patch:
                self._done[name] = self._train(name, self._root / str(len(self._done)), patch)
        return self._done[name]

    def _train(self, name: str, results: Path, patch: pytest.MonkeyPatch) -> Training:
        results.mkdir()
        for variable, folder in self._environment.items():
            patch.setenv(variable, folder)
        patch.setenv("nnUNet_results", str(results))
        patch.setenv("nnUNet_n_proc_DA", "0")
        patch.setenv(registration.EXTERNAL_TRAINERS, registration.plugin_folder())
        patch.setattr(nnUNetTrainer, "on_train_epoch_start", seeded_epoch_start)
        write_base()
        trainer = make_seeded_trainer(name)
        kept = results / "after_epoch_1.pth"
        end = trainer.on_epoch_end

        def keep_the_first() -> None:
            end()
            if trainer.current_epoch == 1:
                shutil.copy(Path(trainer.output_folder) / "checkpoint_latest.pth", kept)

        trainer.on_epoch_end = keep_the_first
        trainer.run_training()
        return Training(results, Path(trainer.output_folder), kept, outcome(trainer))


def write_model(folders: dict[str, Path], name: str, shift: float = 0.0) -> Path:
    """Write fold 0 of a model of nnU-Net's own network; return the model's folder.

    Args:
        folders: The fixture ``tiny_nnunet``.
        name: Name of the trainer.
        shift: Added to the bias of the segmentation head for the foreground: at 100 the model
            predicts foreground everywhere, at -100 nowhere.
    """
    checkpoint = write_base(name)
    content = torch.load(checkpoint, weights_only=False)
    for key, value in content["network_weights"].items():
        if key.endswith("bias") and ".seg_layers." in key:
            value[1] += shift
    torch.save(content, checkpoint)
    folder = checkpoint.parents[1]
    shutil.copyfile(folders["preprocessed"] / "nnUNetPlans.json", folder / "plans.json")
    shutil.copyfile(folders["raw"] / "dataset.json", folder / "dataset.json")
    return folder


#: The model of women predicts foreground everywhere, that of men nowhere.
GROUP_MODELS = {
    "nnUNetTrainerInD_sex=female_1epoch": 100.0,
    "nnUNetTrainerInD_sex=male_1epoch": -100.0,
}


def write_group_models(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> dict[str, Path]:
    """Write the models of both sexes; return their folders by trainer."""
    from nnunetv2_fair.trainers import SubgroupTrainer
    from nnunetv2_fair.trainers.shared.starting_weights import StartingWeights

    # the checkpoints are written before any training: there is no adaptive state to write, and
    # nobody gives the network its starting weights
    with monkeypatch.context() as patch:
        patch.setattr(SubgroupTrainer, "save_checkpoint", nnUNetTrainer.save_checkpoint)
        patch.setattr(StartingWeights, "guard", lambda *_: None)
        return {name: write_model(folders, name, shift) for name, shift in GROUP_MODELS.items()}


def demographics(
    folders: dict[str, Path],
    change: Callable[[pd.DataFrame], pd.DataFrame] = lambda table: table,
) -> Path:
    """Return a table of our own for the test cases, without dictionary."""
    table = pd.read_csv(folders["raw"] / "demographics.csv", dtype=str, keep_default_na=False)
    path = folders["results"].parent / "mine.csv"
    change(table).to_csv(path, index=False)
    return path
