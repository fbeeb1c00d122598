"""nnUNetTrainerAPPLE inside real nnU-Net, on a tiny dataset."""

import copy
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from nnunetv2.run.run_training import get_trainer_from_args
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name
from torch import nn

from nnunetv2_fair.errors import TrainerNameError, TrainingError
from nnunetv2_fair.trainers.shared.checkpoint import KEY
from tests.nnunet_dataset import build, write_raw_volumes
from tests.trainers.seeding import make_seeded_trainer, write_base
from tests.trainers.test_trainers import registered, rewrite_sex  # noqa: F401

APPLE = "nnUNetTrainerAPPLE"


@pytest.fixture
def base(tiny_nnunet):
    return write_base()


def started(name=APPLE, batch_size=None):
    """Return a trainer ready to take steps."""
    trainer = make_seeded_trainer(name)
    if batch_size is not None:
        trainer.configuration_manager.configuration["batch_size"] = batch_size
    trainer.on_train_start()
    trainer.on_train_epoch_start()
    return trainer


def copied(state):
    return {name: value.clone() for name, value in state.items()}


def log_of(trainer):
    return "\n".join(p.read_text() for p in Path(trainer.output_folder).glob("training_log*"))


def test_at_step_0_the_output_is_the_bases(base):
    for name, n_levels in ((APPLE, 1), (f"{APPLE}_levelsall", 4)):
        trainer, plain = started(name), make_seeded_trainer("nnUNetTrainer")
        assert len(trainer._perturbed.generators) == n_levels
        plain.load_checkpoint(str(base))
        batch = next(trainer.dataloader_val)["data"]
        for network in (trainer.network, plain.network):
            network.eval()
        with torch.no_grad():
            found, expected = trainer.network(batch), plain.network(batch)
        assert len(found) == len(expected) == 3
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "name",
    [
        APPLE,
        f"{APPLE}_sex+age_fairconfusion_dsteps3",
        f"{APPLE}_levelsall_segbalanced",
        f"{APPLE}_segdro_alpha0.5_beta10",
    ],
)
def test_only_generator_and_discriminator_learn(base, name):
    trainer = started(name)
    network, discriminator = trainer._perturbed, trainer.adversary.discriminator
    before = [copied(m.state_dict()) for m in (network.base, network.generators, discriminator)]
    for _ in range(3):
        assert np.isfinite(trainer.train_step(next(trainer.dataloader_train))["loss"])
    assert all(p.grad is None for p in network.base.parameters())
    assert all(p.grad is not None for p in network.generators.parameters())
    assert all(p.grad is not None for p in discriminator.parameters())
    after = [m.state_dict() for m in (network.base, network.generators, discriminator)]
    for name, value in after[0].items():
        assert torch.equal(value, before[0][name]), f"{name} of the base has changed"
    for now, then in zip(after[1:], before[1:], strict=True):
        assert any(not torch.equal(value, then[name]) for name, value in now.items())
    saved = torch.load(base, weights_only=False)["network_weights"]
    assert all(torch.equal(value, saved[name]) for name, value in after[0].items())


class Adam:
    """Kingma and Ba's algorithm 1."""

    def __init__(self, parameters, rate=1e-3):
        self.parameters, self.rate, self.t = list(parameters), rate, 0
        self.m = [torch.zeros_like(p) for p in self.parameters]
        self.v = [torch.zeros_like(p) for p in self.parameters]

    def step(self, loss):
        self.t += 1
        gradients = torch.autograd.grad(loss, self.parameters, allow_unused=True)
        for i, (p, g) in enumerate(zip(self.parameters, gradients, strict=True)):
            self.m[i] = 0.9 * self.m[i] + 0.1 * g
            self.v[i] = 0.999 * self.v[i] + 0.001 * g * g
            m, v = self.m[i] / (1 - 0.9**self.t), self.v[i] / (1 - 0.999**self.t)
            with torch.no_grad():
                p -= self.rate * m / (v.sqrt() + 1e-8)


def dice_and_cross_entropy(logits, target):
    """Half of cross-entropy plus batch Dice loss of one foreground label (Eq. 4)."""
    truth = target[:, 0].long()
    p = torch.exp(logits) / torch.exp(logits).sum(1, keepdim=True)
    right = torch.where(truth == 1, p[:, 1], p[:, 0])
    foreground, one_hot = p[:, 1], (truth == 1).to(p)
    overlap = (foreground * one_hot).sum()
    dice = (2 * overlap + 1e-5) / (foreground.sum() + one_hot.sum() + 1e-5)
    return (-torch.log(right).mean() - dice) / 2


def reference_step(state, batch, groups, alpha, beta, confusion, d_steps, weights):
    """One step of Algorithm 1, as the paper prints it where all weights are 1."""
    encoder, decoder, generator, discriminator, adam_g, adam_d = state
    known = groups >= 0

    def cross_entropy_and_entropy(pooled):
        scores = discriminator.layers(pooled)
        p = torch.exp(scores) / torch.exp(scores).sum(1, keepdim=True)
        chosen = p[torch.arange(len(p)), groups[known]]
        own = -torch.log(chosen).mean()
        weighted = -(weights[groups[known]] * torch.log(chosen)).mean()
        uniform = -torch.log(p).mean(1).mean()
        return weighted, own, uniform, -(p * torch.log(p)).sum(1).mean()

    with torch.no_grad():
        skips = encoder(batch["data"])
    f_p = skips[-1] + generator(skips[-1])
    output = decoder([*skips[:-1], f_p])
    for _ in range(d_steps):
        loss_d = cross_entropy_and_entropy(f_p.detach().mean((2, 3))[known])[0]
        adam_d.step(loss_d)
    _, own, uniform, entropy = cross_entropy_and_entropy(f_p.mean((2, 3))[known])
    fair = (uniform if confusion else -own) - alpha * entropy
    # nnU-Net's deep supervision: 1, 1/2 and nothing for the lowest resolution, normalised
    seg = sum(
        weight * dice_and_cross_entropy(*pair)
        for weight, pair in zip(
            (2 / 3, 1 / 3), zip(output[:2], batch["target"][:2], strict=True), strict=True
        )
    )
    adam_g.step(beta * seg + fair)


@pytest.mark.parametrize(
    ("options", "alpha", "beta", "confusion", "d_steps"),
    [
        ("", 0.1, 1.0, False, 1),
        ("_alpha0.7_beta0.1_fairconfusion_dsteps2_dlossplain", 0.7, 0.1, True, 2),
        ("_fairconfusion", 0.1, 1.0, True, 1),
        ("_dlossbalanced", 0.1, 1.0, False, 1),
    ],
)
def test_steps_are_those_of_algorithm_1(base, options, alpha, beta, confusion, d_steps):
    trainer = started(f"{APPLE}{options}")
    cases = list(trainer.dataloader_train.data_loader.indices)
    sizes = torch.tensor(list(trainer.grouping.counts(cases).values()), dtype=torch.float64)
    weights = sizes.sum() / (len(sizes) * sizes)
    if options == "" or "dlossplain" in options:
        weights = torch.ones_like(sizes)
    # biases in front of a normalisation have no gradient but rounding, which Adam blows up
    trainer.network.double()
    discriminator = trainer.adversary.discriminator.double()
    network = trainer._perturbed
    reference = copy.deepcopy([network.encoder, network.decoder, network.generators[0],
                               discriminator])  # fmt: skip
    state = [*reference, Adam(reference[2].parameters()), Adam(reference[3].parameters())]
    start = copied(network.generators.state_dict())
    batches = [next(trainer.dataloader_train) for _ in range(3)]
    assert any((trainer._groups_of(b["keys"]) < 0).any() for b in batches), "some are unknown"
    for batch in batches:
        batch["data"] = batch["data"].double()
        trainer.train_step(dict(batch))
        groups = trainer._groups_of(batch["keys"])
        reference_step(state, batch, groups, alpha, beta, confusion, d_steps, weights)
    for ours, expected in (
        (network.generators[0], state[2]),
        (trainer.adversary.discriminator, state[3]),
    ):
        for (name, value), other in zip(
            ours.named_parameters(), expected.parameters(), strict=True
        ):
            torch.testing.assert_close(value, other, atol=1e-6, rtol=0, msg=name)
    moved = max((v - start[k]).abs().max() for k, v in network.generators.state_dict().items())
    assert moved > 1e-3


def test_unknown_groups_train_the_segmentation_term_only(base, tiny_nnunet):
    rewrite_sex(tiny_nnunet, lambda i, sex: "" if i % 3 == 0 else "male" if i % 2 else "female")
    trainer = started(batch_size=2)
    unknown = [case for case, g in trainer.grouping.group_of.items() if g is None][:2]
    batch = next(trainer.dataloader_train)
    batch["keys"] = unknown
    before = copied(trainer.adversary.state())
    trainer.train_step(copy.deepcopy(batch))
    assert all(torch.equal(v, before[k]) for k, v in trainer.adversary.state().items())
    found = [p.grad.clone() for p in trainer._perturbed.generators.parameters()]
    fresh = started(batch_size=2)
    output = fresh.network(batch["data"]).segmentation
    (fresh.loss.loss(output, batch["target"]) / 2).backward()
    expected = [p.grad for p in fresh._perturbed.generators.parameters()]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)
    assert max(g.abs().max() for g in found) > 0


def test_beta_zero_with_nobody_known_is_a_step_too(base, tiny_nnunet):
    rewrite_sex(tiny_nnunet, lambda i, sex: "" if i % 3 == 0 else "male" if i % 2 else "female")
    trainer = started(f"{APPLE}_beta0", batch_size=2)
    batch = next(trainer.dataloader_train)
    batch["keys"] = [case for case, g in trainer.grouping.group_of.items() if g is None][:2]
    assert trainer.train_step(batch)["loss"] == 0


@pytest.mark.parametrize("name", [APPLE, f"{APPLE}_sex+age"])
def test_batch_size_one(base, name):
    trainer = started(name, batch_size=1)
    for _ in range(3):
        assert np.isfinite(trainer.train_step(next(trainer.dataloader_train))["loss"])


def test_the_segmentation_terms_are_the_other_trainers(base):
    balanced, dro = started(f"{APPLE}_segbalanced"), started(f"{APPLE}_segdro")
    reweighting = started("nnUNetTrainerReweighting")
    weights = reweighting.adapted_loss.group_weights
    torch.testing.assert_close(balanced.adapted_loss.group_weights, weights)
    assert type(balanced.adapted_loss) is type(reweighting.adapted_loss)
    group_dro = started("nnUNetTrainerGroupDRO")
    assert type(dro.adapted_loss) is type(group_dro.adapted_loss)
    assert dro.adapted_loss.dro.step_size == group_dro.adapted_loss.dro.step_size
    q = dro.adapted_loss.dro.q.clone()
    for _ in range(4):  # a batch of one group leaves q as it is
        dro.train_step(next(dro.dataloader_train))
    assert not torch.equal(dro.adapted_loss.dro.q, q)
    assert torch.equal(dro.fairness_state()["q"], dro.adapted_loss.dro.q)


def test_validation_reports_nnunets_loss(base):
    trainer = started(f"{APPLE}_segdro_levelsall")
    batch = next(trainer.dataloader_val)
    trainer.network.eval()
    with torch.no_grad():
        ours = trainer.validation_step(dict(batch))["loss"]
        plain = trainer.adapted_loss.plain(trainer.network(batch["data"]), batch["target"])
    assert float(ours) == float(plain)


def test_the_log_tells_how_the_game_stands(trainings):
    training = trainings.of(APPLE)
    lines = re.findall(
        r"APPLE: L_D (\S+), balanced accuracy of the discriminator (\S+) \(chance 0.500\), "
        r"L_seg (\S+), \|delta\|/\|f_o\| (\S+)",
        training.log,
    )
    values = np.array(lines, dtype=float)
    assert values.shape == (2, 4)
    assert ((values[:, 1] >= 0) & (values[:, 1] <= 1)).all()
    assert 0 < values[0, 3] < values[1, 3]
    saved = torch.load(training.folder / "checkpoint_final.pth", weights_only=False)
    state = saved[KEY]["state"]
    assert {name.split(".")[0] for name in state} == {"discriminator", "optimizer"}
    assert any(name.startswith("generators.0.") for name in saved["network_weights"])
    assert any(name.startswith("base.encoder.") for name in saved["network_weights"])
    assert not [name for name in saved["network_weights"] if "discriminator" in name]
    assert saved["optimizer_state"]["state"], "the generator's Adam"


def test_continuing_and_predicting_need_no_base(trainings, tiny_nnunet):
    again = make_seeded_trainer(APPLE, epochs=2)
    again.load_checkpoint(str(trainings.of(APPLE).after_first))
    again.run_training()
    assert again.current_epoch == 2
    with pytest.raises(TrainingError, match="builds on a trained model"):
        make_seeded_trainer(APPLE).on_train_start()


def test_one_group_only_is_refused(base, tiny_nnunet):
    rewrite_sex(tiny_nnunet, lambda i, sex: "male")
    with pytest.raises(TrainingError, match=rf"one group \(male\); {APPLE} needs at least two"):
        started()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "_sex_fairhinge",
            "'hinge' is not a value of option 'fair': expected one of paper, confusion",
        ),
        (
            "_dsteps0",
            "'0' is not a value of option 'dsteps': expected a whole number from 1 to 100",
        ),
        ("_dsteps1.5", "'1.5' is not a value of option 'dsteps'"),
        ("_levelsskips", "expected one of bottleneck, all"),
        ("_segworst", "expected one of plain, balanced, dro"),
        ("_gamma1.5", "'gamma1.5' is not an option of nnUNetTrainerAPPLE"),
    ],
)
def test_wrong_options_list_the_right_ones(name, message):
    with pytest.raises(TrainerNameError) as caught:
        recursive_find_trainer_class_by_name(APPLE + name)
    assert message in str(caught.value)


def test_an_architecture_without_bottleneck_is_refused(base, monkeypatch):
    class Flat(nn.Module):
        def __init__(self, input_channels, num_classes, deep_supervision, **settings):
            super().__init__()
            self.layer = nn.Conv2d(input_channels, num_classes, 1)

    trainer = make_seeded_trainer(APPLE)
    monkeypatch.setattr("tests.trainers.test_apple.Flat", Flat, raising=False)
    architecture = trainer.configuration_manager.configuration["architecture"]
    architecture["network_class_name"] = "tests.trainers.test_apple.Flat"
    with pytest.raises(TrainingError, match="Flat cannot be split at a bottleneck: it has no enc"):
        trainer.initialize()


def test_a_network_without_generators_is_refused(base):
    trainer = make_seeded_trainer(APPLE)
    trainer.network = nn.Identity()
    with pytest.raises(TrainingError, match=r"needs the network that it builds itself.* Identity"):
        trainer.configure_optimizers()


@pytest.mark.slow
def test_volumes_with_regions_and_ignore_label(tmp_path, monkeypatch):
    environment = build(tmp_path, write_raw_volumes, "902", "3d_fullres")
    for variable, folder in environment.items():
        monkeypatch.setenv(variable, folder)
    monkeypatch.setenv("nnUNet_n_proc_DA", "0")

    def make(name):
        trainer = get_trainer_from_args(
            "902", "3d_fullres_trial", 0, name, device=torch.device("cpu")
        )
        trainer.num_iterations_per_epoch = trainer.num_val_iterations_per_epoch = 2
        trainer.num_epochs = 1
        return trainer

    make("nnUNetTrainer").run_training()
    for options in ("", "_levelsall_segdro_fairconfusion"):
        trainer = make(f"{APPLE}{options}")
        trainer.run_training()
        assert "L_seg" in log_of(trainer)
        assert all(torch.isfinite(p).all() for p in trainer.network.parameters())
