"""The weighted loss: nnU-Net's where weights are 1, nnU-Net's on repeated samples elsewhere."""

import pytest
import torch
from nnunetv2.training.loss.compound_losses import DC_and_topk_loss
from torch import nn

from nnunetv2_fair.errors import TrainingError
from nnunetv2_fair.losses.nnunet_form import LossForm
from nnunetv2_fair.losses.weighted import SampleWeightedLoss
from tests.losses.nnunet_losses import (
    FORMS,
    Form,
    assert_same,
    every_form,
    select,
    tensors,
    value_and_gradients,
)

GROUPS = torch.tensor([0, 1, -1, 1])


def grouped(plain: nn.Module, weights, training=True, groups=GROUPS):
    loss = SampleWeightedLoss(plain)
    loss.set_group_weights(torch.tensor(weights))

    def call(output, target):
        loss.set_batch(groups, training=training)
        return loss(output, target)

    return call


@every_form
def test_equal_weights_give_nnunets_loss_and_gradients(form):
    plain = form.loss()
    output, target = form.batch()
    theirs = value_and_gradients(plain, output, target)
    assert any(gradient.abs().max() > 1e-4 for gradient in theirs[1])
    assert_same(value_and_gradients(grouped(plain, [1.0, 1.0, 1.0]), output, target), theirs)


@every_form
def test_weights_count_as_repetitions(form):
    """Whole weights against nnU-Net's own loss on a batch that repeats the samples."""
    plain = form.loss()
    output, target = form.batch()
    repeats = [3, 0, 1, 0]
    ours = grouped(plain, [3.0, 0.0, 1.0])
    single = plain.loss if form.deep else plain
    levels = zip(tensors(output), tensors(target), strict=True)
    expected = 0.0
    for weight, (one_output, one_target) in zip([2 / 3, 1 / 3] if form.deep else [1], levels,
                                                strict=False):  # fmt: skip
        samples = [i for i, n in enumerate(repeats) for _ in range(n)]
        repeated = select(one_output, samples), select(one_target, samples)
        single.weight_dice = 0
        cross_entropy = single(*repeated)
        single.weight_dice, single.weight_ce = 1, 0
        dice = single(*repeated)
        single.weight_ce = 1

        def valid(one):
            if not form.ignore:
                return len(one)
            return (~one[:, -1:]).sum() if form.regions else (one != 7).sum()

        share = valid(repeated[1]) / valid(one_target)
        if not form.batch_dice:
            dice = dice * len(samples) / len(one_target)
        expected += weight * (share * cross_entropy + dice)
    torch.testing.assert_close(ours(output, target), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("form", [f for f in FORMS if len(f.shape) == 2 and f.deep], ids=str)
def test_gradients_in_double_precision(form):
    output, target = form.batch(dtype=torch.float64)
    # the last resolution does not count
    output, target = (
        [o[:, :, :3, :2].detach().requires_grad_() for o in output[:2]],
        [t[:, :, :3, :2] for t in target[:2]],
    )
    loss = SampleWeightedLoss(form.loss())
    weights = torch.tensor([2.5, 0.3, 1.0, 0.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda a, b: loss.weighted_loss([a, b], target, weights), tuple(output)
    )


def test_validation_and_calls_without_groups_are_nnunets_loss():
    form = Form()
    plain = form.loss()
    output, target = form.batch()
    expected = plain(output, target)
    weights = [5.0, 0.1, 1.0]
    assert torch.equal(grouped(plain, weights, training=False)(output, target), expected)
    loss = SampleWeightedLoss(plain)
    loss.set_group_weights(torch.tensor(weights))
    loss.set_batch(GROUPS, training=True)
    assert not torch.isclose(loss(output, target), expected, atol=1e-3)
    assert torch.equal(loss(output, target), expected), "groups count for one batch only"


def test_unknown_samples_take_the_last_weight():
    loss = SampleWeightedLoss(Form().loss())
    loss.set_group_weights(torch.tensor([5.0, 0.1, 2.0]))
    assert loss.weights_of(GROUPS).tolist() == pytest.approx([5.0, 0.1, 2.0, 0.1])
    assert loss.n_groups == 2


@every_form
def test_no_nan_without_foreground_or_valid_voxel(form):
    output, target = form.batch()
    for one in tensors(target):
        one.zero_()
        if form.ignore and form.regions:
            one[:, -1] = True
        elif form.ignore:
            one[:] = 7
    value, gradients = value_and_gradients(grouped(form.loss(), [4.0, 0.5, 1.0]), output, target)
    assert torch.isfinite(value)
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


def test_a_resolution_without_weight_is_not_looked_at():
    output, target = Form().batch()
    output[-1] = torch.full_like(output[-1], torch.nan)
    assert torch.isfinite(grouped(Form().loss(), [1.0, 2.0, 1.0])(output, target))


def test_settings_are_read_from_nnunets_loss():
    loss = Form(ignore=True).loss()
    loss.loss.weight_ce, loss.loss.weight_dice, loss.loss.dc.smooth = 0.3, 2, 0.5
    loss.loss.dc.do_bg = True
    output, target = Form(ignore=True).batch()
    theirs = value_and_gradients(loss, output, target)
    assert_same(value_and_gradients(grouped(loss, [1.0, 1.0, 1.0]), output, target), theirs)


def test_the_compiled_dice_of_nnunet_is_understood():
    loss = Form().loss()
    loss.loss.dc = torch.compile(loss.loss.dc)  # compiles when first called, which is not here
    form = LossForm.of(loss)
    assert (form.batch_dice, form.with_background, form.smooth) == (True, False, 1e-5)


def weighted_classes():
    loss = Form(deep=False).loss()
    loss.ce.weight = torch.ones(3)
    return loss


@pytest.mark.parametrize(
    "loss",
    [
        nn.CrossEntropyLoss(),
        weighted_classes(),
        DC_and_topk_loss({"batch_dice": True, "do_bg": False, "ddp": False}, {"k": 10}),
    ],
)
def test_other_losses_are_refused(loss):
    if type(loss).__name__ == "DC_and_topk_loss":
        loss.ce = nn.MSELoss()
    with pytest.raises(TrainingError, match="not nnU-Net's default loss"):
        LossForm.of(loss)
