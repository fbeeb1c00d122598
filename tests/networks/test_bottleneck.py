import pytest
import torch
from dynamic_network_architectures.architectures.primus import Primus
from torch import nn

from nnunetv2_fair.errors import TrainingError
from nnunetv2_fair.networks.bottleneck import split_at_bottleneck, unwrapped
from nnunetv2_fair.networks.perturbation import PerturbedNetwork
from tests.networks.unets import CHANNELS, images, unet


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("residual", [False, True])
def test_both_halves_together_are_the_network(dimension, residual):
    network, x = unet(dimension, residual, deep_supervision=False), images(dimension)
    split = split_at_bottleneck(network)
    skips = split.encode(x)
    assert torch.equal(split.decode(skips), network(x))
    assert split.channels == CHANNELS == tuple(skip.shape[1] for skip in skips)
    assert split.bottleneck_channels == 16
    assert split.conv_op is {2: nn.Conv2d, 3: nn.Conv3d}[dimension]
    # the decoder sees the bottleneck
    skips[-1] = skips[-1] + torch.linspace(0, 1, skips[-1].numel()).reshape(skips[-1].shape)
    assert not torch.allclose(split.decode(skips), network(x), atol=1e-3)


def test_of_an_apple_network_both_embeddings_can_be_had():
    network = PerturbedNetwork(unet(deep_supervision=False)).eval()
    nn.init.constant_(network.generators[0].layers[-1].bias, 0.5)
    x = images()
    perturbed, original = split_at_bottleneck(network), split_at_bottleneck(network.base)
    assert torch.equal(perturbed.decode(perturbed.encode(x)), network(x))
    difference = perturbed.encode(x)[-1] - original.encode(x)[-1]
    torch.testing.assert_close(difference, torch.full_like(difference, 0.5))


def test_wrappers_are_taken_off():
    network = unet()
    assert unwrapped(torch.compile(network, backend="eager")) is network
    assert unwrapped(network) is network


class Transformer(nn.Module):
    """Has what Primus has: no stages."""

    def __init__(self):
        super().__init__()
        self.eva = nn.Linear(2, 2)


def without_skips():
    network = unet()
    network.encoder.return_skips = False
    return network


def with_opaque_encoder():
    network = unet()
    network.encoder = nn.Identity()
    return network


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (Transformer, "Transformer cannot be split at a bottleneck: it has no encoder and no dec"),
        (without_skips, "its decoder does not take the encoder's stages one by one"),
        (with_opaque_encoder, "its encoder, Identity, states neither channels nor convolutions"),
    ],
)
def test_other_architectures_are_refused_with_a_reason(build, reason):
    with pytest.raises(TrainingError) as caught:
        split_at_bottleneck(build())
    assert reason in str(caught.value)
    assert "such as -p nnUNetPlans or -p nnUNetResEncUNetMPlans" in str(caught.value)


def test_primus_is_refused():
    network = Primus(
        1, 24, (4, 4, 4), 2, eva_depth=1, eva_numheads=2, input_shape=(8, 8, 8),
    )  # fmt: skip
    with pytest.raises(TrainingError, match="Primus cannot be split at a bottleneck"):
        split_at_bottleneck(network)
