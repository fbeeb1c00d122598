"""The average of the weights against the recursion written down once more."""

import pytest
import torch
from torch import nn

from nnunetv2_fair.trainers.shared.averaging import WeightAverage


def trained(network, average, n_steps):
    """Take steps; return the weights after each."""
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    seen = []
    for _ in range(n_steps):
        loss = network(torch.randn(8, 3, generator=generator)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update()
        seen.append({k: v.clone() for k, v in network.state_dict().items()})
    return seen


def make(decay=0.9):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    return network, WeightAverage(network, decay)


def test_the_recursion():
    network, average = make()
    expected = {k: v.double() for k, v in network.state_dict().items()}
    expected = {k: v.clone() for k, v in expected.items()}
    seen = trained(network, average, 200)
    for step, weights in enumerate(seen, 1):
        decay = min(0.9, (1 + step) / (10 + step))
        for name, value in weights.items():
            expected[name] = decay * expected[name] + (1 - decay) * value.double()
    average.show()
    for name, value in network.state_dict().items():
        wanted = expected[name] if "running" not in name and "num_" not in name else seen[-1][name]
        torch.testing.assert_close(value.double(), wanted.double(), atol=1e-5, rtol=1e-5)
    average.show()
    average.hide()
    average.hide()
    for name, value in network.state_dict().items():
        assert torch.equal(value, seen[-1][name]), "training goes on from its own weights"


def test_going_on_from_a_checkpoint():
    network, average = make()
    trained(network, average, 20)
    average.show()
    saved, state = {k: v.clone() for k, v in network.state_dict().items()}, average.state()
    state = {k: v.clone() for k, v in state.items()}
    average.hide()
    trained(network, average, 5)
    average.show()

    again, _ = make()
    again.load_state_dict(saved)
    twin = WeightAverage(again, 0.9)
    twin.load_state(state)
    twin.hide()
    trained(again, twin, 5)
    twin.show()
    for name, value in network.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_weights_that_do_not_change_stay_to_the_bit():
    network, average = make()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    for _ in range(50):
        average.update()
    average.show()
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


def test_without_a_state_the_average_goes_on_from_the_network():
    _, average = make()
    assert average.state() == {}
    average.load_state({"q": torch.ones(2)})
    average.hide()
    assert average.state() == {}
    with pytest.raises(KeyError):
        average.load_state({"averaged_steps": torch.tensor(3)})
