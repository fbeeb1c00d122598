import pytest
import torch
from torch import nn

from nnunetv2_fair.networks.perturbation import (
    PerturbationGenerator,
    PerturbedNetwork,
    PerturbedOutput,
)
from tests.networks.unets import CHANNELS, images, unet


def push(network):
    """Let every generator add something."""
    torch.manual_seed(3)
    for generator in network.generators:
        nn.init.normal_(generator.layers[-1].weight, std=0.05)


def hash_of(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


@pytest.mark.parametrize("dimension", [2, 3])
def test_the_generator_is_the_papers(dimension):
    conv = {2: nn.Conv2d, 3: nn.Conv3d}[dimension]
    generator = PerturbationGenerator(20, conv)
    convolutions = [m for m in generator.modules() if isinstance(m, conv)]
    outputs = [m.out_channels for m in convolutions]
    assert outputs == [32, 64, 128, *[128] * 8, 64, 32, 20]
    assert convolutions[0].in_channels == 20
    x = torch.randn((2, 20, 4, 6, 5)[: 2 + dimension])
    assert torch.equal(generator(x), torch.zeros_like(x)), "zero as built"


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (5, 3)])
def test_embeddings_of_any_size_are_taken_in_training(size):
    generator = PerturbationGenerator(6, nn.Conv2d).train()
    assert generator(torch.randn(1, 6, *size)).shape == (1, 6, *size)


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("all_levels", [False, True])
@pytest.mark.parametrize("deep_supervision", [False, True])
def test_as_built_it_is_the_base(dimension, residual, all_levels, deep_supervision):
    base = unet(dimension, residual, deep_supervision)
    x = images(dimension)
    with torch.no_grad():
        expected = base(x)
    network = PerturbedNetwork(base, all_levels=all_levels)
    found = network.train()(x)
    assert isinstance(found, PerturbedOutput)
    assert [t.shape[1] for t in found.original] == list(CHANNELS if all_levels else CHANNELS[-1:])
    assert network.latent_channels == sum(t.shape[1] for t in found.original)
    for output in (found.segmentation, network.eval()(x)):
        torch.testing.assert_close(output, expected, atol=1e-6, rtol=0)
    assert type(network.eval()(x)) is type(expected), "nothing but nnU-Net's output in prediction"


@pytest.mark.parametrize("all_levels", [False, True])
def test_output_is_the_decoders_of_the_sum(all_levels):
    network = PerturbedNetwork(unet(deep_supervision=False), all_levels=all_levels).train()
    push(network)
    x = images()
    found = network(x)
    skips = network.encoder(x)
    n_levels = 3 if all_levels else 1
    for level in range(1, n_levels + 1):
        expected = skips[-level] + network.generators[level - 1](skips[-level])
        torch.testing.assert_close(found.perturbed[-level], expected)
        torch.testing.assert_close(found.original[-level], skips[-level])
        skips[-level] = expected
        assert not torch.allclose(found.perturbed[-level], found.original[-level])
    torch.testing.assert_close(found.segmentation, network.decoder(skips))


@pytest.mark.parametrize("norm", [nn.InstanceNorm2d, nn.BatchNorm2d])
def test_training_leaves_every_bit_of_the_base(norm):
    network = PerturbedNetwork(unet(norm=norm), all_levels=True).train()
    before = hash_of(network.base)
    assert any("running_mean" in name for name in before) == (norm is nn.BatchNorm2d)
    push(network)
    generators = hash_of(network.generators)
    optimizer = torch.optim.Adam(network.parameters(), 0.1)
    for _ in range(2):
        output = network(images())
        sum(level.square().mean() for level in output.segmentation).backward()
        optimizer.step()
    assert all(torch.equal(v, before[k]) for k, v in network.base.state_dict().items())
    assert all(p.grad is None for p in network.base.parameters())
    assert all(p.grad is not None for p in network.generators.parameters())
    changed = [k for k, v in network.generators.state_dict().items()
               if not torch.equal(v, generators[k])]  # fmt: skip
    assert len(changed) == len(generators)
    assert not network.base.training
    assert network.generators.training


def test_the_encoder_keeps_nothing_for_gradients():
    network = PerturbedNetwork(unet()).train()
    output = network(images().requires_grad_())
    assert not any(t.requires_grad for t in output.original)
    assert all(t.requires_grad for t in output.perturbed)
    assert all(level.requires_grad for level in output.segmentation)


def test_nnunet_switches_deep_supervision_where_it_looks_for_it():
    network = PerturbedNetwork(unet(deep_supervision=True)).eval()
    assert len(network(images())) == 2
    network.decoder.deep_supervision = False
    assert torch.is_tensor(network(images()))


def test_both_kinds_share_the_name_of_the_bottlenecks_generator():
    one, three = (PerturbedNetwork(unet(), all_levels=levels) for levels in (False, True))
    assert set(one.state_dict()) < set(three.state_dict())
    shape = one.generators[0].layers[-1].weight.shape
    assert three.generators[0].layers[-1].weight.shape == shape


def test_compiled_it_is_the_same():
    network = PerturbedNetwork(unet()).train()
    push(network)
    compiled = torch.compile(network, backend="eager")
    x = images()
    found, expected = compiled(x), network(x)
    assert isinstance(found, PerturbedOutput)
    torch.testing.assert_close(found.segmentation, expected.segmentation)
    compiled.eval()
    assert not network.base.training
    torch.testing.assert_close(compiled(x), expected.segmentation)
