"""Every method on nnU-Net's other trainers and plans: both do what they are for, or are refused."""

import re

import numpy as np
import pytest
import torch
from nnunetv2.experiment_planning.plan_and_preprocess_api import plan_experiments
from nnunetv2.run.run_training import get_trainer_from_args
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

from nnunetv2_fair import trainers
from nnunetv2_fair.cli.trial import main as trial
from nnunetv2_fair.errors import TrainingError
from nnunetv2_fair.trainers import METHODS
from tests.trainers.seeding import seed
from tests.trainers.test_trainers import registered  # noqa: F401

#: Augmentation, mirroring, and another loss of the default's form and of another.
GROUNDS = (
    "nnUNetTrainerDA5",
    "nnUNetTrainerNoMirroring",
    "nnUNetTrainerDiceCELoss_noSmooth",
    "nnUNetTrainerTopk10Loss",
)
#: Methods that take nnU-Net's default loss apart.
LOSSES = ("Reweighting", "GroupDRO", "FEBS", "FairMedSeg")


def name_of(method, *options):
    attribute = "sex=female" if METHODS[method].takes_group else "sex"
    return "_".join((method, attribute, *options))


def make(name, plans="nnUNetPlans"):
    seed(99)
    trainer = get_trainer_from_args("901", "2d_trial", 0, name, plans, device=torch.device("cpu"))
    trainer.num_iterations_per_epoch = trainer.num_val_iterations_per_epoch = 2
    return trainer


@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_on_every_ground(tiny_nnunet, method, ground):
    token = trainers.shared.variants.token_of(ground)
    name = name_of(method, f"on{token}")
    theirs = recursive_find_trainer_class_by_name(ground)
    found = recursive_find_trainer_class_by_name(name)
    assert issubclass(found, METHODS[method])
    assert issubclass(found, theirs)
    trainer = make(name)
    if "Topk" in ground and any(loss in method for loss in LOSSES):
        with pytest.raises(TrainingError) as caught:
            trainer.initialize()
        hooks = re.findall(r"(\w+)\.(adapt_loss|_build_loss) ", str(caught.value))
        assert [hook for _, hook in hooks] == ["adapt_loss", "_build_loss"]
        assert hooks[1][0] == ground
        assert any(loss in hooks[0][0] for loss in LOSSES)
        return
    trainer.initialize()
    # what nnU-Net's trainer has of its own is the combination's
    for hook in vars(theirs).keys() - {"__init__", "_build_loss", "__module__", "__doc__"}:
        if callable(getattr(theirs, hook)):
            own = getattr(theirs, hook)
            assert getattr(found, hook) in (own, getattr(METHODS[method], hook)), hook


def test_a_loss_that_an_option_takes_apart_is_refused_with_both_hooks(tiny_nnunet):
    with pytest.raises(
        TrainingError,
        match=r"nnUNetTrainerAPPLE.adapt_loss takes nnU-Net's default loss apart, and "
        r"nnUNetTrainerTopk10Loss._build_loss builds another one \(TopKLoss\)",
    ):
        make("nnUNetTrainerAPPLE_sex_segdro_onTopk10Loss").initialize()


def one_epoch(trainer):
    trainer.on_train_start()
    trainer.on_train_epoch_start()
    steps = [trainer.train_step(next(trainer.dataloader_train)) for _ in range(2)]
    trainer.on_train_epoch_end(steps)
    trainer.on_validation_epoch_start()
    with torch.no_grad():
        found = trainer.validation_step(next(trainer.dataloader_val))
    trainer.on_validation_epoch_end([found])
    assert np.isfinite([step["loss"] for step in steps]).all()


@pytest.fixture
def residual_encoders(tiny_nnunet, monkeypatch):
    """Plans of residual encoders for the tiny dataset; preprocessed images are shared."""
    with monkeypatch.context() as patch:
        patch.setenv("nnUNet_n_proc_DA", "1")  # the planner's threads
        plan_experiments([901], "nnUNetPlannerResEncM")
    sizes = ["--features", "4", "--batch-size", "4", "--patch", "32"]
    assert trial(["-d", "901", "-p", "nnUNetResEncUNetMPlans", *sizes]) == 0
    return "nnUNetResEncUNetMPlans"


def test_every_method_on_residual_encoders(residual_encoders):
    plain = make("nnUNetTrainer", residual_encoders)
    plain.initialize()
    plain.save_checkpoint(f"{plain.output_folder}/checkpoint_final.pth")
    assert type(plain.network).__name__ == "ResidualEncoderUNet"
    before = {key: value.clone() for key, value in plain.network.state_dict().items()}
    for method in METHODS:
        trainer = make(name_of(method), residual_encoders)
        one_epoch(trainer)
        assert type(getattr(trainer.network, "base", trainer.network)) is type(plain.network)
        if method == "nnUNetTrainerDecoder":
            after = trainer.network.state_dict()
            kept = {key for key, value in after.items() if torch.equal(value, before[key])}
            assert {key for key in after if "encoder." in key} <= kept
            assert len(kept) < len(after)
