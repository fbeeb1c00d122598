"""Reading the bottleneck while the network runs as a whole."""

import pytest
import torch
from torch import nn

from nnunetv2_fair.errors import TrainingError
from nnunetv2_fair.networks.bottleneck import split_at_bottleneck
from nnunetv2_fair.networks.tap import BottleneckTap
from tests.networks.unets import CHANNELS, images, unet


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("residual", [False, True])
def test_takes_the_bottleneck_with_its_gradients(dimension, residual):
    network = unet(dimension, residual).train()
    tap = BottleneckTap(network)
    x = images(dimension)
    network(x)
    latent = tap.take()
    assert tap.channels == latent.shape[1] == CHANNELS[-1]
    assert torch.equal(latent, split_at_bottleneck(network).encode(x)[-1])
    latent.square().sum().backward()
    assert next(network.encoder.parameters()).grad is not None
    # the decoder shares the encoder as a module of its own, but has no part in the bottleneck
    assert all(p.grad is None for p in network.decoder.seg_layers.parameters())


def test_is_silent_in_evaluation_and_gives_each_pass_once():
    network = unet().train()
    tap = BottleneckTap(network)
    network(images())
    tap.take()
    with pytest.raises(RuntimeError, match="has not run in training mode"):
        tap.take()
    network.eval()
    network(images())
    with pytest.raises(RuntimeError, match="has not run in training mode"):
        tap.take()


def test_saved_weights_are_those_of_the_network():
    network = unet()
    before = set(network.state_dict())
    BottleneckTap(network)
    assert set(network.state_dict()) == before


def test_compiled_networks_give_the_same_bottleneck_and_gradients():
    gradients = []
    for compiled in (False, True):
        network = unet(deep_supervision=False).train()
        run = torch.compile(network, backend="aot_eager") if compiled else network
        tap = BottleneckTap(run)
        for _ in range(2):  # the second pass runs what the first compiled
            network.zero_grad()
            (run(images()).mean() + tap.take().square().sum()).backward()
        reached = [p.grad.flatten() for p in network.parameters() if p.grad is not None]
        gradients.append(torch.cat(reached))
    assert gradients[0].abs().sum() > 1
    torch.testing.assert_close(gradients[0], gradients[1])


def test_networks_without_bottleneck_are_refused():
    with pytest.raises(TrainingError, match="cannot be split at a bottleneck"):
        BottleneckTap(nn.Conv2d(1, 1, 3))
