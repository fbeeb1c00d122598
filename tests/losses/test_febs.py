"""Fair error-bound scaling: nnU-Net's loss without it, the formula with it."""

import math

import pytest
import torch

from nnunetv2_fair.losses.febs import FEBSLoss
from tests.losses.nnunet_losses import (
    FORMS,
    Form,
    assert_same,
    every_form,
    select,
    tensors,
    value_and_gradients,
)


def scaled(plain, n_groups, groups, gamma, direction="code"):
    loss = FEBSLoss(plain, gamma, direction)
    loss.set_group_weights(torch.ones(n_groups + 1))

    def call(output, target):
        loss.set_batch(torch.tensor(groups), training=True)
        return loss(output, target)

    return call


@every_form
@pytest.mark.parametrize(
    ("groups", "gamma"), [([0, 1, -1, 1], 0.0), ([1, 1, 1, 1], 2.0), ([-1] * 4, 2.0)]
)
def test_without_scaling_half_of_nnunets_loss(form, groups, gamma):
    plain = form.loss()
    output, target = form.batch()
    theirs = value_and_gradients(plain, output, target)
    ours = value_and_gradients(scaled(plain, 3, groups, gamma), output, target)
    assert_same(ours, theirs, factor=0.5)


def probabilities(form, output):
    return torch.sigmoid(output) if form.regions else torch.softmax(output, 1)[:, 1:]


def references(form, target):
    """Return one-hot reference and where it counts, by another way than the losses'."""
    if form.regions:
        if not form.ignore:
            return target.double(), torch.ones_like(target[:, :1]).double()
        return target[:, :-1].double(), (~target[:, -1:]).double()
    counts = (target != 7).double()
    return torch.cat([target == 1, target == 2], 1).double(), counts


def soft_dice(p, y, batch):
    """Dice per label, of the samples together or each alone."""
    axes = (0, *range(2, p.ndim)) if batch else tuple(range(2, p.ndim))
    return (2 * (p * y).sum(axes) + 1e-5) / (p.sum(axes) + y.sum(axes) + 1e-5)


@every_form
@pytest.mark.parametrize(
    ("gamma", "direction"), [(0.5, "code"), (1.0, "code"), (3.0, "code"), (2.0, "paper")]
)
def test_the_formula(form, gamma, direction):
    output, target = form.batch()
    groups = [2, 0, 2, -1]
    expected = 0.0
    plain = form.loss()
    single = plain.loss if form.deep else plain
    levels = zip([2 / 3, 1 / 3] if form.deep else [1], tensors(output), tensors(target),
                 strict=False)  # fmt: skip
    scales = set()
    for weight, one_output, one_target in levels:
        p = probabilities(form, one_output.detach().double())
        y, counts = references(form, one_target)
        p, y = p * counts, y * counts
        losses = {
            g: 1 - float(soft_dice(p[members], y[members], batch=True).mean())
            for g, members in ((0, [1]), (2, [0, 2]))
        }
        best, worst = min(losses.values()), max(losses.values())
        scale = {
            g: math.tanh((best / loss if direction == "code" else loss / worst) ** gamma)
            / math.tanh(1)
            for g, loss in losses.items()
        }
        assert max(scale.values()) == pytest.approx(1)
        scales |= set(scale.values())
        column = torch.tensor([scale.get(g, 1.0) for g in groups])
        p = p * column.reshape(-1, *[1] * (p.ndim - 1))
        single.weight_ce, single.weight_dice = 1, 0
        cross_entropy = float(single(one_output, one_target))
        single.weight_dice = 1
        dice = float(soft_dice(p, y, form.batch_dice).mean())
        expected += weight * 0.5 * (cross_entropy - dice)
    assert min(scales) < 0.999, "the groups must differ"
    value = scaled(plain, 3, groups, gamma, direction)(output, target)
    assert value.item() == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("direction", ["code", "paper"])
def test_an_absent_group_changes_nothing(direction):
    form = Form()
    output, target = form.batch()
    few = scaled(form.loss(), 2, [0, 1, 0, 1], 1.0, direction)(output, target)
    many = scaled(form.loss(), 9, [0, 8, 0, 8], 1.0, direction)(output, target)
    assert torch.equal(few, many)
    assert not torch.isclose(few, 0.5 * form.loss()(output, target), atol=1e-4)


def dice_gradients(direction, gamma=2.0):
    """Return the size of the Dice loss's gradient for a poor and a good sample."""
    form = Form(deep=False, batch_dice=False)
    _, target = form.batch(2)
    one_hot = torch.nn.functional.one_hot(target[:, 0].long(), 3).movedim(-1, 1).float()
    sure = torch.tensor([0.5, 3.0]).reshape(2, *[1] * (one_hot.ndim - 1))
    output = (sure * one_hot).requires_grad_()
    plain = form.loss()
    plain.weight_ce = 0
    _, (gradient,) = value_and_gradients(scaled(plain, 2, [0, 1], gamma, direction), output, target)
    return gradient.flatten(1).abs().sum(1)


def test_the_published_direction_lowers_the_gradient_of_the_worse_group_and_the_papers_raises_it():
    plain, code, paper = (
        dice_gradients(*arguments) for arguments in (("code", 0.0), ("code",), ("paper",))
    )
    assert code[0] < 0.6 * plain[0]
    assert code[1] == pytest.approx(float(plain[1]))
    assert paper[0] == pytest.approx(float(plain[0]))
    assert paper[1] < 0.6 * plain[1]


@pytest.mark.parametrize("form", [f for f in FORMS if not f.deep and len(f.shape) == 2], ids=str)
def test_gradients_in_double_precision(form, monkeypatch):
    output, target = form.batch(dtype=torch.float64)
    output, target = output[:, :, :3, :2].detach().requires_grad_(), target[:, :, :3, :2]
    # scales carry no gradient, so the check holds them still
    fixed = torch.tensor([0.7, 1.0, 1.0], dtype=torch.float64)
    monkeypatch.setattr(FEBSLoss, "scales", lambda *_: fixed)
    call = scaled(form.loss(), 2, [0, 1, 0, -1], 1.0)
    assert torch.autograd.gradcheck(lambda values: call(values, target), (output,))


def test_scales_carry_no_gradient():
    form = Form(deep=False)
    output, target = form.batch()
    loss = FEBSLoss(form.loss())
    loss.set_group_weights(torch.ones(3))
    scales = loss.scales(loss.form.dice_sums(output, target), torch.tensor([0, 1, 0, 1]))
    assert not scales.requires_grad
    assert scales[2] == 1


@every_form
def test_no_nan_without_foreground_or_valid_voxel(form):
    output, target = form.batch()
    for one in tensors(target):
        one.zero_()
        if form.ignore and form.regions:
            one[:, -1] = True
        elif form.ignore:
            one[:] = 7
    value, gradients = value_and_gradients(
        scaled(form.loss(), 2, [0, 1, 1, -1], 1.0), output, target
    )
    assert torch.isfinite(value)
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


def test_a_perfect_group_does_not_divide_by_zero():
    form = Form(deep=False)
    _, target = form.batch()
    one_hot = torch.nn.functional.one_hot(target[:, 0].long(), 3).movedim(-1, 1).float()
    output = (100 * one_hot).requires_grad_()
    value, _ = value_and_gradients(scaled(form.loss(), 2, [0, 1, 0, 1], 1.0), output, target)
    assert value.item() == pytest.approx(-0.5, abs=1e-5)


def test_one_sample_is_enough():
    form = Form()
    output, target = (select(x, [0]) for x in form.batch())
    value = scaled(form.loss(), 2, [1], 1.0)(output, target)
    torch.testing.assert_close(value, 0.5 * form.loss()(output, target))
