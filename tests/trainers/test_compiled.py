"""Trainings with torch.compile, which nnU-Net uses on GPUs; here on the CPU.

A network of three stages, and a cache that all methods share: compiling takes most of the time.
"""

import numpy as np
import pytest
import torch
import torch._inductor.config
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunetv2_fair.networks.bottleneck import unwrapped
from tests.trainers.seeding import make_seeded_trainer
from tests.trainers.seeding import seed as seed_with
from tests.trainers.test_trainers import registered  # noqa: F401

#: Trainers with a discriminator. Adam makes whole steps of the rounding errors of gradients that
#: are zero, such as those of biases in front of a normalisation: what it trains differs.
_PLAYERS = ("nnUNetTrainerAPPLE", "nnUNetTrainerADV")
_TWO_STEPS_OF_ADAM = 4e-3


@pytest.fixture(scope="module", autouse=True)
def shared_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.mktemp("inductor")))
        # worker processes would import torch first, for longer than the little there is to compile
        patch.setattr("torch._inductor.config.compile_threads", 1)
        yield


def minimal(name):
    """Return a trainer of a network with three stages."""
    trainer = make_seeded_trainer(name)
    configuration = trainer.configuration_manager.configuration
    configuration["patch_size"] = [16, 16]
    kwargs = configuration["architecture"]["arch_kwargs"]
    kwargs["n_stages"] = 3
    for key, value in kwargs.items():
        if isinstance(value, list):
            kwargs[key] = value[: 2 if key == "n_conv_per_stage_decoder" else 3]
    kwargs["features_per_stage"] = [4, 4, 8]
    return trainer


def trained(name):
    """Return weights, losses and adaptive state after two epochs of one step each."""
    trainer = minimal(name)
    trainer.on_train_start()
    losses = []
    for epoch in range(2):
        seed_with(epoch)
        trainer.on_train_epoch_start()
        steps = [trainer.train_step(next(trainer.dataloader_train))]
        trainer.on_train_epoch_end(steps)
        trainer.on_validation_epoch_start()
        with torch.no_grad():
            found = trainer.validation_step(next(trainer.dataloader_val))
        trainer.on_validation_epoch_end([found])
        losses += [steps[0]["loss"], found["loss"]]
        trainer.current_epoch += 1
    compiled = hasattr(trainer.network, "_orig_mod")
    weights = {k: v.detach().clone() for k, v in unwrapped(trainer.network).state_dict().items()}
    return compiled, np.array(losses, dtype=float), weights, trainer.fairness_state()


def assert_compiled_is_the_same(name, monkeypatch):
    torch._dynamo.reset()
    compiled, losses, weights, state = trained(name)
    assert not compiled, "nnU-Net does not compile on a CPU"
    with monkeypatch.context() as patch:
        patch.setattr(nnUNetTrainer, "_do_i_compile", lambda self: True)
        compiled, *found = trained(name)
    assert compiled
    assert np.isfinite(losses).all()
    np.testing.assert_allclose(found[0], losses, atol=1e-4)
    for key, value in found[1].items():
        tolerance = _TWO_STEPS_OF_ADAM if key.startswith("generators.") else 1e-4
        torch.testing.assert_close(value, weights[key], atol=tolerance, rtol=1e-3, msg=key)
    if name in _PLAYERS:
        return
    assert set(found[2]) == set(state)
    for key, value in found[2].items():
        torch.testing.assert_close(value, state[key], atol=1e-4, rtol=1e-3, msg=key)


@pytest.fixture
def base(tiny_nnunet):
    trainer = minimal("nnUNetTrainer")
    trainer.initialize()
    trainer.save_checkpoint(f"{trainer.output_folder}/checkpoint_final.pth")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "nnUNetTrainerOversampling",
        "nnUNetTrainerGroupDRO",
        "nnUNetTrainerFairMedSeg",
        "nnUNetTrainerAPPLE",
        "nnUNetTrainerADV",
    ],
)
def test_compiled_trainings_are_the_same(base, monkeypatch, name):
    assert_compiled_is_the_same(name, monkeypatch)
