import pytest
import torch
from torch import nn

from nnunetv2_fair.networks.discriminator import AttributeDiscriminator, pool


@pytest.mark.parametrize("shape", [(3, 5), (3, 5, 4, 6), (3, 5, 2, 4, 6)])
def test_pooling_is_the_mean_over_positions(shape, rng):
    values = rng.normal(size=shape)
    expected = values.reshape(3, 5, -1).mean(2)
    torch.testing.assert_close(pool(torch.tensor(values)), torch.tensor(expected))


def test_three_blocks_of_linear_layer_and_batch_normalisation():
    network = AttributeDiscriminator(7, 4)
    linear = [m for m in network.layers if isinstance(m, nn.Linear)]
    normal = [m for m in network.layers if isinstance(m, nn.BatchNorm1d)]
    assert [m.in_features for m in linear] == [7, 128, 64]
    assert [m.num_features for m in normal] == [m.out_features for m in linear] == [128, 64, 4]
    assert isinstance(network.layers[-1], nn.BatchNorm1d)
    assert network(torch.randn(5, 7, 3, 2)).shape == (5, 4)


def test_half_precision_is_lifted():
    assert AttributeDiscriminator(7, 2)(torch.randn(5, 7).half()).dtype == torch.float32


def test_a_single_sample_is_judged_by_running_statistics():
    torch.manual_seed(0)
    network = AttributeDiscriminator(7, 2)
    for _ in range(20):
        network(3 + torch.randn(16, 7))
    sample = 3 + torch.randn(1, 7)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    found = network(sample)
    assert network.training
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert torch.equal(found, network.eval()(sample))


def test_it_can_learn_more_than_two_groups_that_no_linear_layer_separates():
    torch.manual_seed(0)
    points = torch.randn(600, 2)
    groups = (points[:, 0] * points[:, 1] > 0).long() + (points.norm(dim=1) > 2).long()
    network = AttributeDiscriminator(2, 3)
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(150):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(points), groups).backward()
        optimizer.step()
    assert (network.eval()(points).argmax(1) == groups).float().mean() > 0.9
