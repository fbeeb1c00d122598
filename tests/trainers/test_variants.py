"""Methods combined with nnU-Net's other trainers, and trainings that differ by their seed."""

import os
import pickle
import textwrap

import numpy as np
import pytest
import torch
from nnunetv2.run.run_training import get_trainer_from_args
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

from nnunetv2_fair import registration, trainers
from nnunetv2_fair.errors import TrainerNameError, TrainingError
from nnunetv2_fair.trainers.shared.variants import token_of
from tests.nnunet_dataset import build, write_raw_volumes
from tests.trainers.test_trainers import make_trainer, registered  # noqa: F401

#: A Primus small enough for a test, and a variant with hooks that replace ours.
EXTERNAL = """
from dynamic_network_architectures.architectures.primus import Primus
from nnunetv2.training.nnUNetTrainer.primus.primus_trainers import nnUNet_Primus_S_Trainer


class nnUNet_Primus_Tiny_Trainer(nnUNet_Primus_S_Trainer):
    @staticmethod
    def build_network_architecture(
        plans_manager, configuration_manager, num_input_channels, num_output_channels,
        enable_deep_supervision=True,
    ):
        return Primus(
            num_input_channels, 72, (8, 8, 8), num_output_channels, 1, 3,
            tuple(configuration_manager.patch_size), drop_path_rate=0.0, scale_attn_inner=True,
            init_values=0.1,
        )
"""


@pytest.fixture
def external(tmp_path, monkeypatch):
    """A folder with a trainer of the user's."""
    folder = tmp_path / "own_trainers"
    folder.mkdir()
    (folder / "tiny_primus.py").write_text(textwrap.dedent(EXTERNAL))
    monkeypatch.setenv(registration.EXTERNAL_TRAINERS, str(folder))
    registration.register()
    return folder


@pytest.mark.parametrize(
    ("name", "token"),
    [
        ("nnUNetTrainerDA5", "DA5"),
        ("nnUNetTrainerNoMirroring", "NoMirroring"),
        ("nnUNet_Primus_M_Trainer", "PrimusM"),
        ("nnUNet_Primus_M_Trainer_BS8_2e4", "PrimusMBS82e4"),
        ("nnUNetTrainer_warmup", "Warmup"),
        ("nnUNetTrainer_onlyMirror01_DA5", "OnlyMirror01DA5"),
        ("nnUNetTrainer_probabilisticOversampling_033", "ProbabilisticOversampling033"),
    ],
)
def test_how_nnunets_trainers_are_written(name, token):
    assert token_of(name) == token
    found = recursive_find_trainer_class_by_name(f"nnUNetTrainerOversampling_sex_on{token}_2epochs")
    theirs = recursive_find_trainer_class_by_name(name)
    assert issubclass(found, trainers.nnUNetTrainerOversampling)
    assert issubclass(found, theirs)
    assert (found.attribute, found.epochs) == ("sex", 2)
    assert pickle.loads(pickle.dumps(found)) is found


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "Oversampling_sex_onNoMiroring",
            r"nnU-Net has no such trainer. Did you mean 'onNoMirroring'\?",
        ),
        ("Oversampling_on5epochs", "write the number of epochs as '_5epochs' at the end"),
        (
            "APPLE_sex_onAdam",
            r"nnUNetTrainerAPPLE.configure_optimizers would replace "
            r"nnUNetTrainerAdam.configure_optimizers. Combine it with another trainer",
        ),
        ("Oversampling_sex_run0", "expected a whole number from 1 to 999"),
        ("Oversampling_sex_run1_run2", "option 'run' is given twice"),
    ],
)
def test_names_that_cannot_be(name, message):
    with pytest.raises(TrainerNameError, match=message):
        getattr(trainers, f"nnUNetTrainer{name}")


def test_attributes_may_begin_like_the_new_options():
    found = trainers.__getattr__("nnUNetTrainerOversampling_onset_runtime")
    assert (found.attribute, dict(found.chosen_options)) == ("onset_runtime", {})


def one_epoch(trainer):
    trainer.on_train_start()
    trainer.on_epoch_start()
    trainer.on_train_epoch_start()
    losses = [trainer.train_step(next(trainer.dataloader_train)) for _ in range(2)]
    trainer.on_train_epoch_end(losses)
    trainer.on_validation_epoch_start()
    with torch.no_grad():
        found = trainer.validation_step(next(trainer.dataloader_val))
    trainer.on_validation_epoch_end([found])
    assert np.isfinite([step["loss"] for step in losses]).all()
    return trainer


@pytest.mark.parametrize(
    "name",
    [
        "nnUNetTrainerOversampling_sex_onDA5",
        "nnUNetTrainerGroupDRO_sex_onNoMirroring",
        "nnUNetTrainerReweighting_sex_onDiceCELossnoSmooth",
        "nnUNetTrainerMonitor_sex_onTopk10Loss",
        "nnUNetTrainerFairMedSeg_sex_onWarmup",
        "nnUNetTrainerADV_sex_onAdam",
        "nnUNetTrainerFEBS_sex_onNoDeepSupervision",
        "nnUNetTrainerOversampling_sex_onProbabilisticOversampling",
    ],
)
def test_both_do_what_they_are_for(tiny_nnunet, name):
    trainer = one_epoch(make_trainer(name, iterations=2))
    if "Oversampling_" in name:
        sampler = trainer.dataloader_train.data_loader.get_indices
        assert type(sampler).__name__ == "BalancedSampler"
    if "NoMirroring" in name:
        assert not trainer.inference_allowed_mirroring_axes
    if "noSmooth" in name:
        assert trainer.adapted_loss.form.smooth == 0
    if "Topk" in name:
        assert type(trainer.adapted_loss.loss).__name__ == "TopKLoss"
    if "Adam" in name:
        assert isinstance(trainer.optimizer, torch.optim.AdamW)
    if "NoDeep" in name:
        assert trainer.adapted_loss.form.level_weights is None
    if "Probabilistic" in name:
        loader = trainer.dataloader_train.data_loader
        assert loader.get_do_oversample == loader._probabilistic_oversampling


def test_another_loss_is_refused_by_methods_that_take_it_apart(tiny_nnunet):
    with pytest.raises(
        TrainingError,
        match=r"nnUNetTrainerGroupDRO.adapt_loss takes nnU-Net's default loss apart, and "
        r"nnUNetTrainerTopk10Loss._build_loss builds another one \(TopKLoss\)",
    ):
        make_trainer("nnUNetTrainerGroupDRO_sex_onTopk10Loss").initialize()


def weights_of(name, processes, monkeypatch):
    monkeypatch.setenv("nnUNet_n_proc_DA", processes)
    # whatever was drawn before must not matter
    np.random.seed(None)
    torch.seed()
    trainer = make_trainer(name, iterations=2)
    one_epoch(trainer)
    for loader in (trainer.dataloader_train, trainer.dataloader_val):
        if processes != "0":
            loader._finish()
    return torch.cat([p.detach().flatten() for p in trainer.network.parameters()])


@pytest.mark.parametrize("processes", ["0", "1"])
def test_a_run_is_a_seed(tiny_nnunet, monkeypatch, processes):
    first, again, other = (
        weights_of(f"nnUNetTrainerOversampling_sex_run{number}", processes, monkeypatch)
        for number in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.isclose(first, other, atol=1e-3).all()


def test_plain_names_are_left_to_chance(tiny_nnunet, monkeypatch):
    one, other = (weights_of("nnUNetTrainerMonitor", "0", monkeypatch) for _ in range(2))
    assert not torch.equal(one, other)


def test_a_continued_run_does_not_see_its_first_batches_again(tiny_nnunet):
    drawn = {}
    for epoch in (0, 1):
        trainer = make_trainer("nnUNetTrainerMonitor_sex_run3")
        trainer.current_epoch = epoch
        trainer.on_train_start()
        drawn[epoch] = [list(next(trainer.dataloader_train)["keys"]) for _ in range(3)]
    assert drawn[0] != drawn[1]


def test_the_base_can_be_a_run(tiny_nnunet):
    name = "nnUNetTrainerAPPLE_sex_baseMonitor-sex-run2_run2"
    with pytest.raises(TrainingError, match="-tr nnUNetTrainerMonitor_sex_run2"):
        make_trainer(name).on_train_start()


def test_the_average_of_the_weights_is_what_is_validated_saved_and_predicted_with(trainings):
    training = trainings.of("nnUNetTrainerMonitor_ema0.9")
    final = torch.load(training.folder / "checkpoint_final.pth", weights_only=False)
    assert not [name for name in final["nnunetv2_fair"]["state"] if "weights" in name]
    latest = torch.load(training.after_first, weights_only=False)
    own = latest["nnunetv2_fair"]["state"]
    moved = [
        name
        for name, value in latest["network_weights"].items()
        if not torch.equal(value, own[f"training_weights.{name}"])
    ]
    assert moved, "the checkpoint's network is the average"
    assert torch.isfinite(training.outcome["weights"]).all()


@pytest.mark.slow
def test_residual_encoders_and_primus(tmp_path, monkeypatch, external):
    environment = build(tmp_path, write_raw_volumes, "902", "3d_fullres")
    for variable, folder in environment.items():
        monkeypatch.setenv(variable, folder)
    monkeypatch.setenv("nnUNet_n_proc_DA", "0")
    assert os.environ[registration.EXTERNAL_TRAINERS].startswith(str(external))
    for method in ("Oversampling", "GroupDRO", "FEBS", "FairMedSeg"):
        name = f"nnUNetTrainer{method}_sex_onPrimusTiny_1epochs"
        trainer = get_trainer_from_args(
            "902", "3d_fullres_trial", 0, name, device=torch.device("cpu")
        )
        trainer.configuration_manager.configuration["patch_size"] = [8, 16, 16]
        one_epoch(trainer)
        assert type(trainer.network).__name__ == "Primus"
        assert isinstance(trainer.optimizer, torch.optim.AdamW)
    adv = get_trainer_from_args(
        "902", "3d_fullres_trial", 0, "nnUNetTrainerADV_sex_onPrimusTiny",
        device=torch.device("cpu"),
    )  # fmt: skip
    adv.configuration_manager.configuration["patch_size"] = [8, 16, 16]
    with pytest.raises(TrainingError, match="bottleneck"):
        adv.initialize()
    with pytest.raises(TrainerNameError, match=r"would replace AbstractPrimus\.configure"):
        recursive_find_trainer_class_by_name("nnUNetTrainerAPPLE_sex_onPrimusTiny")


def test_signature_of_combinations_is_nnunets():
    import inspect

    found = trainers.__getattr__("nnUNetTrainerOversampling_onDA5")
    assert list(inspect.signature(found.__init__).parameters) == list(
        inspect.signature(nnUNetTrainer.__init__).parameters
    )


def test_a_run_of_nnunets_own_trainer_is_that_of_the_baseline_that_is_watched(
    tiny_nnunet, monkeypatch
):
    ours, theirs, other = (
        weights_of(name, "0", monkeypatch)
        for name in ("nnUNetTrainerMonitor_run2", "nnUNetTrainer_run2", "nnUNetTrainer_run1")
    )
    assert torch.equal(ours, theirs)
    assert not torch.equal(theirs, other)


@pytest.mark.parametrize(
    ("name", "run", "epochs"),
    [
        ("nnUNetTrainer_run2", 2, None),
        ("nnUNetTrainer_run12_300epochs", 12, 300),
        ("nnUNetTrainer_run1_1epoch", 1, 1),
        ("nnUNetTrainer_7epochs", None, 7),
    ],
)
def test_runs_of_nnunets_own_trainer(name, run, epochs):
    found = recursive_find_trainer_class_by_name(name)
    assert (found.run, found.epochs) == (run, epochs)
    assert pickle.loads(pickle.dumps(found)) is found


@pytest.mark.parametrize("end", ["run0", "run01", "run1000", "run", "5epochs_run1", "run1_0epochs"])
def test_runs_that_nnunets_own_trainer_cannot_have(end):
    with pytest.raises(RuntimeError, match="Could not find"):
        recursive_find_trainer_class_by_name(f"nnUNetTrainer_{end}")
