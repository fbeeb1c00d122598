"""GroupDRO against the algorithm written down once more, and its limits."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.losses.group_dro import GroupDRO, GroupDROLoss, tail_shares
from tests.losses.nnunet_losses import (
    FORMS,
    Form,
    assert_same,
    every_form,
    select,
    tensors,
    value_and_gradients,
)


class Reference:
    """Algorithm 1 of Sagawa et al. with minibatches, in plain Python floats."""

    def __init__(self, n_groups, eta, c=0.0, sizes=None):
        self.q = [1 / n_groups] * n_groups
        self.eta = eta
        self.bonus = [c / math.sqrt(n) for n in sizes] if sizes else [0.0] * n_groups

    def step(self, losses, groups):
        mean = {}
        for g in set(groups) - {-1}:
            own = [loss for loss, group in zip(losses, groups, strict=True) if group == g]
            mean[g] = math.fsum(own) / len(own)
        mass = math.fsum(self.q[g] for g in mean)
        grown = {g: self.q[g] * math.exp(self.eta * (mean[g] + self.bonus[g])) for g in mean}
        for g in mean:
            self.q[g] = grown[g] * mass / math.fsum(grown.values())
        known = math.fsum(self.q[g] * mean[g] for g in mean)
        unknown = math.fsum(loss for loss, g in zip(losses, groups, strict=True) if g == -1)
        n_known = sum(g != -1 for g in groups)
        return n_known / len(groups) * known + unknown / len(groups)


@pytest.mark.parametrize(
    ("eta", "c", "all_present"), [(0.01, 0.0, True), (0.1, 0.0, False), (0.05, 3.0, False)]
)
def test_a_thousand_steps_follow_the_paper(rng, eta, c, all_present):
    sizes = [15, 400, 4221, 90]
    reference = Reference(4, eta, c, sizes)
    dro = GroupDRO(4, eta, c, sizes)
    for _ in range(1000):
        groups = rng.integers(0 if all_present else -1, 4, size=6)
        if all_present:
            groups[:4] = rng.permutation(4)
        losses = rng.gamma(2, 0.2 + 0.3 * (groups + 1))
        before = dro.q.clone()
        value = dro(torch.tensor(losses, dtype=torch.float32), torch.tensor(groups))
        expected = reference.step(losses.tolist(), groups.tolist())
        assert value.item() == pytest.approx(expected, abs=1e-6, rel=1e-6)
        for absent in set(range(4)) - set(groups.tolist()):
            assert dro.q[absent] == before[absent], "not to the bit"
        assert float(dro.q.sum()) == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(dro.q, reference.q, atol=1e-6)
    assert dro.q.max() > 0.5, "1,000 steps must have moved q"


def test_q_changes_only_in_training():
    dro = GroupDRO(2, 0.5)
    losses, groups = torch.tensor([1.0, 3.0]), torch.tensor([0, 1])
    assert dro(losses, groups, training=False).item() == pytest.approx(2.0)
    assert dro.q.tolist() == [0.5, 0.5]
    dro(losses, groups)
    assert float(dro.q[1]) == pytest.approx(math.exp(1.5) / (math.exp(0.5) + math.exp(1.5)))


def test_gradients_flow_to_losses_and_not_through_q():
    dro = GroupDRO(3, 0.3)
    losses = torch.tensor([1.0, 2.0, 4.0, 5.0], requires_grad=True)
    dro(losses, torch.tensor([0, 0, 2, -1])).backward()
    q = dro.q
    expected = [0.75 * q[0] / 2, 0.75 * q[0] / 2, 0.75 * q[2], 0.25]
    assert losses.grad.tolist() == pytest.approx([float(e) for e in expected])
    double = torch.tensor([1.0, 2.0, 4.0, 5.0], dtype=torch.float64, requires_grad=True)
    sizes = torch.tensor([3.0, 1.0, 2.0, 5.0])
    groups = torch.tensor([0, 0, 2, -1])
    assert torch.autograd.gradcheck(
        lambda values: dro(values, groups, sizes=sizes, training=False), (double,)
    )


def test_the_size_adjustment_favours_small_groups():
    dro = GroupDRO(2, 0.5, size_adjustment=4.0, group_sizes=[4, 400])
    value = dro(torch.tensor([1.0, 1.0]), torch.tensor([0, 1]))
    odds = float(dro.q[0] / dro.q[1])
    assert odds == pytest.approx(math.exp(0.5 * (4 / 2 - 4 / 20)))
    assert value.item() == pytest.approx(1.0), "the adjustment is no part of the loss"


def test_hard_max_is_the_papers_formula():
    dro = GroupDRO(3, 0.5, objective="hardmax")
    losses = torch.tensor([1.0, 2.0, 4.0, 1.0], requires_grad=True)
    value = dro(losses, torch.tensor([0, 0, 2, 2]))
    assert value.item() == pytest.approx(2.5)
    value.backward()
    assert losses.grad.tolist() == [0, 0, 0.5, 0.5]
    assert dro.q.tolist() == pytest.approx([1 / 3] * 3)


def test_mean_is_the_mean_of_the_groups_in_the_batch():
    dro = GroupDRO(3, 0.5, objective="mean")
    losses = torch.tensor([1.0, 2.0, 6.0, 5.0], requires_grad=True)
    value = dro(losses, torch.tensor([0, 0, 0, 2]))
    assert value.item() == pytest.approx((3.0 + 5.0) / 2)
    value.backward()
    assert losses.grad.tolist() == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2])
    assert dro.q.tolist() == pytest.approx([1 / 3] * 3)


@given(
    losses=st.lists(st.floats(-5, 50), min_size=1, max_size=12),
    seed=st.integers(0, 99),
    tail=st.floats(0.01, 1.0),
)
def test_a_groups_tail_is_its_conditional_value_at_risk(losses, seed, tail):
    groups = np.random.default_rng(seed).integers(0, 3, len(losses))
    values = torch.tensor(losses, dtype=torch.float64)
    shares = tail_shares(values, torch.tensor(groups), tail).numpy()
    for group in set(groups):
        own = np.array(losses)[groups == group]
        found = shares[groups == group] @ own / shares[groups == group].sum()
        # Rockafellar and Uryasev: the smallest t + mean(max(loss - t, 0)) / tail, at a loss
        expected = min(t + np.maximum(own - t, 0).mean() / tail for t in own)
        assert found == pytest.approx(expected, abs=1e-9, rel=1e-9)


def test_the_tail_of_a_group_ignores_other_groups_and_samples_that_do_not_count():
    dro = GroupDRO(2, 0.0, objective="mean", tail=0.5)
    losses = torch.tensor([1.0, 3.0, 9.0, 2.0, 4.0, 7.0], requires_grad=True)
    sizes = torch.tensor([1.0, 1.0, 0.0, 1.0, 1.0, 1.0])
    value = dro(losses, torch.tensor([0, 0, 0, 1, 1, -1]), sizes=sizes)
    # group 0: the worse of 1 and 3; group 1: of 2 and 4; 7 is of unknown group
    assert value.item() == pytest.approx(4 / 5 * (3 + 4) / 2 + 1 / 5 * 7)
    value.backward()
    assert losses.grad.tolist() == pytest.approx([0, 0.4, 0, 0, 0.4, 0.2])


@pytest.mark.parametrize("tail", [1.0, 0.4])
@pytest.mark.parametrize("objective", ["online", "hardmax", "mean"])
def test_only_unknown_samples_train_plainly(objective, tail):
    dro = GroupDRO(2, 0.5, objective=objective, tail=tail)
    losses = torch.tensor([1.0, 3.0], requires_grad=True)
    value = dro(losses, torch.tensor([-1, -1]))
    value.backward()
    assert value.item() == pytest.approx(2.0)
    assert losses.grad.tolist() == [0.5, 0.5]
    assert dro.q.tolist() == [0.5, 0.5]


def test_groups_without_training_case_hold_no_weight():
    dro = GroupDRO(3, 0.1, group_sizes=[5, 0, 7])
    assert dro.q.tolist() == [0.5, 0, 0.5]
    for _ in range(3):
        dro(torch.tensor([1.0, 2.0]), torch.tensor([0, 2]))
    assert dro.q[1] == 0
    assert float(dro.q.sum()) == pytest.approx(1)


def test_neither_overflow_nor_vanishing_weights_give_nan():
    dro = GroupDRO(2, 10.0)
    for _ in range(50):
        dro(torch.tensor([1e4, 1.0]), torch.tensor([0, 1]))
    assert dro.q.tolist() == pytest.approx([1, 0])
    value = dro(torch.tensor([1.0]), torch.tensor([1]))
    assert torch.isfinite(value)
    assert torch.isfinite(dro.q).all()


def test_sizes_must_fit():
    with pytest.raises(ValueError, match="needs group_sizes"):
        GroupDRO(2, size_adjustment=1.0)
    for sizes in ([1, 2, 3], [0, 0]):
        with pytest.raises(ValueError, match="do not fit 2 groups"):
            GroupDRO(2, group_sizes=sizes)


def robust(plain, n_groups, groups, **options):
    loss = GroupDROLoss(plain)
    loss.dro = GroupDRO(n_groups, **options)
    loss.set_group_weights(torch.ones(n_groups + 1))

    def call(output, target):
        loss.set_batch(torch.tensor(groups), training=True)
        return loss(output, target)

    return call, loss


def without_dice(form):
    loss = form.loss()
    (loss.loss if form.deep else loss).weight_dice = 0
    return loss


@every_form
@pytest.mark.parametrize("objective", ["online", "hardmax", "mean"])
def test_one_group_gives_nnunets_cross_entropy(form, objective):
    output, target = form.batch()
    theirs = value_and_gradients(without_dice(form), output, target)
    assert any(gradient.abs().max() > 1e-4 for gradient in theirs[1])
    call, loss = robust(form.loss(), 1, [0, 0, 0, 0], objective=objective)
    assert_same(value_and_gradients(call, output, target), theirs)
    assert loss.dro.q.tolist() == [1]


@every_form
def test_a_groups_loss_is_nnunets_on_its_samples(form):
    plain = without_dice(form)
    output, target = form.batch()
    groups = [1, 0, 1, -1]
    call, loss = robust(form.loss(), 3, groups, step_size=0.7)
    value = call(output, target)
    expected = {
        g: plain(*(select(x, [i for i in range(4) if groups[i] == g]) for x in (output, target)))
        for g in (0, 1, -1)
    }
    q = loss.dro.q
    assert float(q[2]) == pytest.approx(1 / 3)
    odds = math.exp(0.7 * (expected[1] - expected[0]).item())
    assert (q[1] / q[0]).item() == pytest.approx(odds, rel=1e-5)
    weighted = 0.75 * (q[0] * expected[0] + q[1] * expected[1]) + 0.25 * expected[-1]
    assert value.item() == pytest.approx(float(weighted), abs=1e-6, rel=1e-6)


@pytest.mark.parametrize("form", [f for f in FORMS if not f.deep and len(f.shape) == 2], ids=str)
def test_gradients_in_double_precision(form):
    output, target = form.batch(dtype=torch.float64)
    output, target = output[:, :, :3, :2].detach().requires_grad_(), target[:, :, :3, :2]
    call, loss = robust(form.loss(), 2, [1, 0, 1, -1], step_size=0.0)
    loss.set_group_weights(torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64))
    assert torch.autograd.gradcheck(lambda values: call(values, target), (output,))


def test_weights_multiply_the_samples_losses():
    form = Form(ignore=True)
    output, target = form.batch()
    plain, groups = without_dice(form), [0, 1, 1, 0]
    call, loss = robust(form.loss(), 2, groups, step_size=0.4)
    loss.set_group_weights(torch.tensor([3.0, 0.5, 1.0]))
    value = call(output, target)
    a, b = (
        weight * plain(*(select(x, [i for i in range(4) if groups[i] == g])
                         for x in (output, target)))
        for g, weight in ((0, 3.0), (1, 0.5))
    )  # fmt: skip
    q = torch.softmax(0.4 * torch.stack([a, b]), 0)
    torch.testing.assert_close(loss.dro.q, q.double(), atol=1e-6, rtol=1e-6)
    assert value.item() == pytest.approx(float(q[0] * a + q[1] * b), abs=1e-6, rel=1e-6)


def test_validation_is_nnunets_loss_and_leaves_q():
    form = Form()
    plain = form.loss()
    output, target = form.batch()
    loss = GroupDROLoss(plain)
    loss.dro = GroupDRO(2, 0.5)
    loss.set_batch(torch.tensor([0, 1, 0, 1]), training=False)
    assert torch.equal(loss(output, target), plain(output, target))
    assert loss.dro.q.tolist() == [0.5, 0.5]


@every_form
def test_nothing_valid_gives_zero_and_leaves_q(form):
    output, target = form.batch()
    for one in tensors(target):
        one.zero_()
        if form.ignore and form.regions:
            one[:, -1] = True
        elif form.ignore:
            one[:] = 7
    call, loss = robust(form.loss(), 2, [0, 1, 0, -1], step_size=0.5)
    value, gradients = value_and_gradients(call, output, target)
    assert torch.isfinite(value)
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    if form.ignore:
        assert value == 0
        assert loss.dro.q.tolist() == [0.5, 0.5]


def test_q_is_the_only_state():
    assert list(GroupDROLoss(Form().loss()).state_dict()) == ["dro.q"]
