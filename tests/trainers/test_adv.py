"""nnUNetTrainerADV: gradient reversal at the bottleneck, in real nnU-Net."""

import copy
import math
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch import nn

from nnunetv2_fair.losses.monitor import GroupMonitor, MonitoredLoss
from nnunetv2_fair.losses.per_sample import TargetFormat
from nnunetv2_fair.networks.bottleneck import split_at_bottleneck
from nnunetv2_fair.networks.discriminator import AttributeDiscriminator
from nnunetv2_fair.networks.tap import BottleneckTap
from nnunetv2_fair.trainers.adversarial.adv_loss import AdversarialLoss
from nnunetv2_fair.trainers.adversarial.adversary import Adversary
from nnunetv2_fair.trainers.nnUNetTrainerADV import ramp
from nnunetv2_fair.trainers.shared.checkpoint import KEY
from tests.networks.unets import CHANNELS, images, unet
from tests.trainers.test_trainers import make_trainer, registered  # noqa: F401


class Reversed(torch.autograd.Function):
    """Ganin et al.'s gradient reversal layer, written from the paper (eqs. 15 and 16)."""

    @staticmethod
    def forward(ctx, x, strength):
        ctx.strength = strength
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return -ctx.strength * gradient, None


def segmentation_loss(output, target):
    return F.cross_entropy(output, target[:, 0].long())


class Segmentation(nn.Module):
    def forward(self, output, target):
        return segmentation_loss(output, target)


def adversarial_loss(network, strength, n_groups=2):
    torch.manual_seed(3)
    monitored = MonitoredLoss(Segmentation(), GroupMonitor(), TargetFormat(False, None))
    loss = AdversarialLoss(monitored)
    loss.strength, loss.tap = strength, BottleneckTap(network)
    discriminator = AttributeDiscriminator(CHANNELS[-1], n_groups)
    loss.adversary = Adversary(discriminator, 0.01, 10, alpha=0.0)
    return loss


def step(network, loss, groups, target):
    """Take the gradients of one training step, without the monitor, which counts nothing here."""
    output = network(images(batch=len(groups)))
    loss._groups = groups
    value = loss(output, target)
    network.zero_grad()
    value.backward()
    return value, [p.grad for p in network.parameters()]


@pytest.mark.parametrize(
    ("groups", "n_groups"), [([0, 1, 0, 1], 2), ([2, 0, 1, 1], 3), ([0, -1, 1, 1], 2)]
)
def test_a_step_is_that_of_a_gradient_reversal_layer(groups, n_groups):
    groups = torch.tensor(groups)
    target = torch.randint(0, 3, (4, 1, 16, 24), generator=torch.Generator().manual_seed(4))
    network = unet(deep_supervision=False).train()
    loss = adversarial_loss(network, 0.7, n_groups)
    twin = copy.deepcopy(loss.adversary.discriminator)

    # reference: the discriminator learns, then its gradient enters the encoder reversed
    known = groups >= 0
    reference = unet(deep_supervision=False).train()
    split = split_at_bottleneck(reference)
    skips = split.encode(images(batch=4))
    optimizer = torch.optim.Adam(twin.parameters(), 0.01)
    pooled = skips[-1].flatten(2).mean(2)[known]
    F.cross_entropy(twin(pooled.detach()), groups[known]).backward()
    optimizer.step()
    guesses = twin(Reversed.apply(pooled, 0.7))
    segmentation = segmentation_loss(split.decode(skips), target)
    (segmentation + F.cross_entropy(guesses, groups[known])).backward()

    value, gradients = step(network, loss, groups, target)
    assert value.item() == pytest.approx(segmentation.item(), abs=1e-6)
    compared = 0
    for found, parameter in zip(gradients, reference.parameters(), strict=True):
        if parameter.grad is None:
            assert found is None
            continue
        torch.testing.assert_close(found, parameter.grad, atol=1e-6, rtol=1e-5)
        compared += 1
    assert compared > 10
    for found, expected in zip(loss.adversary.discriminator.parameters(), twin.parameters(),
                               strict=True):  # fmt: skip
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_only_the_encoder_is_touched():
    groups = torch.tensor([0, 1, 0, 1])
    target = torch.zeros((4, 1, 16, 24))
    results = []
    for strength in (0.0, 1.0):
        network = unet(deep_supervision=False).train()
        step(network, adversarial_loss(network, strength), groups, target)
        results.append({n: p.grad for n, p in network.named_parameters() if p.grad is not None})
    plain, against = results
    for name, gradient in plain.items():
        same = torch.allclose(gradient, against[name], atol=1e-7)
        # the decoder holds a reference to the encoder, under whose name it may appear
        assert same == name.startswith("decoder.") or ".conv.bias" in name, name


def test_only_unknown_groups_train_the_segmentation_alone():
    groups = torch.tensor([-1, -1])
    target = torch.zeros((2, 1, 16, 24))
    network = unet(deep_supervision=False).train()
    loss = adversarial_loss(network, 1.0)
    before = copy.deepcopy(loss.adversary.discriminator.state_dict())
    value, gradients = step(network, loss, groups, target)
    plain = unet(deep_supervision=False).train()
    expected = segmentation_loss(plain(images(batch=2)), target)
    expected.backward()
    assert value.item() == pytest.approx(expected.item())
    for found, parameter in zip(gradients, plain.parameters(), strict=True):
        if found is not None:
            torch.testing.assert_close(found, parameter.grad)
    for name, value in loss.adversary.discriminator.state_dict().items():
        assert torch.equal(value, before[name])


def test_ramp_is_ganins():
    assert ramp(0) == 0
    assert ramp(0.5) == pytest.approx(math.tanh(2.5))  # the same function, written otherwise
    assert 0.9999 < ramp(1) < 1


def trained_steps(name, epochs=1):
    torch.manual_seed(0)
    np.random.seed(0)
    trainer = make_trainer(name)
    trainer.on_train_start()
    for _ in range(epochs):
        trainer.on_train_epoch_start()
        np.random.seed(1)
        torch.manual_seed(1)
        steps = [trainer.train_step(next(trainer.dataloader_train)) for _ in range(3)]
        trainer.on_train_epoch_end(steps)
    return trainer, steps


def test_lambda_0_is_nnunet(tiny_nnunet):
    theirs, their_steps = trained_steps("nnUNetTrainer")
    assert type(theirs) is nnUNetTrainer
    ours, our_steps = trained_steps("nnUNetTrainerADV_sex_lambda0_1epoch")
    for one, other in zip(theirs.network.parameters(), ours.network.parameters(), strict=True):
        assert torch.equal(one, other)
    assert [s["loss"] for s in their_steps] == [s["loss"] for s in our_steps]
    against, _ = trained_steps("nnUNetTrainerADV_sex_lambda5_1epoch")
    pairs = zip(ours.network.parameters(), against.network.parameters(), strict=True)
    assert not all(torch.equal(one, other) for one, other in pairs)


def test_log_and_checkpoint(tiny_nnunet):
    trainer = make_trainer("nnUNetTrainerADV_sex_lambda0.5_2epochs", iterations=2)
    trainer.run_training()
    text = "\n".join(p.read_text() for p in tiny_nnunet["results"].rglob("training_log*.txt"))
    lines = re.findall(
        r"ADV: L_D (\d\.\d{4}), balanced accuracy of the discriminator (\d\.\d{3}) "
        r"\(chance 0\.500\), lambda (\d\.\d{4})",
        text,
    )
    assert [line[2] for line in lines] == [f"{0.5 * ramp(p):.4f}" for p in (0.5, 1)]
    checkpoint = torch.load(
        next(tiny_nnunet["results"].rglob("checkpoint_final.pth")), weights_only=False
    )
    # what is predicted with is nnU-Net's own network
    theirs = make_trainer("nnUNetTrainer")
    theirs.initialize()
    assert set(checkpoint["network_weights"]) == set(theirs.network.state_dict())
    state = checkpoint[KEY]["state"]
    assert any(name.startswith("discriminator.") for name in state)
    assert any(name.startswith("optimizer.") for name in state)
