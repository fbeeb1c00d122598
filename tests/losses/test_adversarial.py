import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy as scipy_entropy

from nnunetv2_fair.losses.adversarial import discriminator_loss, entropy, fairness_loss

SHAPES = st.tuples(st.integers(1, 6), st.integers(2, 5), st.integers(0, 10**6))


def batch(shape):
    n, n_groups, seed = shape
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (n, n_groups))
    return logits, rng.integers(0, n_groups, n)


def probabilities(logits):
    exponentials = np.exp(logits)
    return exponentials / exponentials.sum(1, keepdims=True)


@given(SHAPES, st.floats(0, 5))
def test_equations_3_and_5(shape, alpha):
    logits, groups = batch(shape)
    p = probabilities(logits)
    cross_entropy = np.mean([-math.log(p[i, g]) for i, g in enumerate(groups)])
    mean_entropy = np.mean([scipy_entropy(row) for row in p])
    tensors = torch.tensor(logits), torch.tensor(groups)
    assert float(discriminator_loss(*tensors)) == pytest.approx(cross_entropy, rel=1e-9)
    assert float(entropy(tensors[0])) == pytest.approx(mean_entropy, rel=1e-9, abs=1e-12)
    expected = -cross_entropy - alpha * mean_entropy
    assert float(fairness_loss(*tensors, alpha)) == pytest.approx(expected, rel=1e-9)


@given(SHAPES, st.floats(0, 5))
def test_confusion_is_the_cross_entropy_to_the_uniform_distribution(shape, alpha):
    logits, groups = batch(shape)
    p = probabilities(logits)
    uniform = np.mean([-sum(math.log(q) for q in row) / len(row) for row in p])
    expected = uniform - alpha * np.mean([scipy_entropy(row) for row in p])
    found = fairness_loss(torch.tensor(logits), torch.tensor(groups), alpha, confusion=True)
    assert float(found) == pytest.approx(expected, rel=1e-9)
    knows_nothing = fairness_loss(
        torch.zeros(logits.shape), torch.tensor(groups), alpha, confusion=True
    )
    assert float(knows_nothing) <= float(found) + 1e-6


def test_the_papers_loss_rewards_sure_mistakes_and_confusion_does_not():
    wrong, unsure = torch.tensor([[9.0, -9.0]]), torch.zeros(1, 2)
    group = torch.tensor([1])
    assert fairness_loss(wrong, group, 0.1) < fairness_loss(unsure, group, 0.1)
    one, other = (fairness_loss(x, group, 0.1, confusion=True) for x in (wrong, unsure))
    assert one > other


def test_no_overflow():
    logits = torch.tensor([[200.0, -200.0]], requires_grad=True)
    loss = fairness_loss(logits, torch.tensor([1]), 1.0)
    loss.backward()
    assert loss.item() == pytest.approx(-400)
    assert torch.isfinite(logits.grad).all()


def test_weights_of_the_discriminators_loss_are_not_divided_out_in_a_batch():
    logits, groups = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), [0, 2, 2, 0, 2]
    weights = torch.tensor([4.0, 1.0, 0.5])
    single = [
        float(weights[g]) * -float(row.log_softmax(0)[g])
        for row, g in zip(logits, groups, strict=True)
    ]
    found = discriminator_loss(logits, torch.tensor(groups), weights)
    assert float(found) == pytest.approx(sum(single) / 5, rel=1e-6)
    ones = discriminator_loss(logits, torch.tensor(groups), torch.ones(3))
    assert float(ones) == pytest.approx(float(discriminator_loss(logits, torch.tensor(groups))))
