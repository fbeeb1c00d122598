"""The divergence-weighted loss against nnU-Net's own, sample by sample."""

import numpy as np
import pytest
import torch
from nnunetv2.training.loss.compound_losses import DC_and_BCE_loss, DC_and_CE_loss
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss

from nnunetv2_fair.losses.divergence import DivergenceWeightedLoss
from nnunetv2_fair.losses.monitor import GroupMonitor
from nnunetv2_fair.losses.per_sample import TargetFormat, hard_counts
from tests.losses.test_per_sample import SHAPES, label_batch, region_batch

LEVELS = (4 / 7, 2 / 7, 1 / 7, 0.0)
WEIGHTS = torch.tensor([0.3, 0.0, 1.7])


def nnunet_loss(regions, ignore, batch_dice, deep):
    dice = {"batch_dice": batch_dice, "smooth": 1e-5, "do_bg": regions, "ddp": False}
    if regions:
        loss = DC_and_BCE_loss(
            {}, dice, use_ignore_label=ignore, dice_class=MemoryEfficientSoftDiceLoss
        )
    else:
        loss = DC_and_CE_loss(
            dice, {}, ignore_label=3 if ignore else None, dice_class=MemoryEfficientSoftDiceLoss
        )
    return DeepSupervisionWrapper(loss, LEVELS) if deep else loss


def batch(shape, regions, ignore, deep):
    def one(level):
        size = tuple(max(2, side // 2**level) for side in shape)
        if regions:
            return region_batch(size, ignore, seed=level)
        return label_batch(size, ignore=3 if ignore else None, seed=level)

    pairs = [one(level) for level in range(len(LEVELS) if deep else 1)]
    outputs = [output.requires_grad_() for output, _ in pairs]
    targets = [target for _, target in pairs]
    return (outputs, targets) if deep else (outputs[0], targets[0])


def gradient(loss, output):
    leaves = output if isinstance(output, list) else [output]
    found = torch.autograd.grad(loss, leaves, allow_unused=True)
    return [torch.zeros_like(o) if g is None else g for o, g in zip(leaves, found, strict=True)]


def sample(values, i):
    if isinstance(values, list):
        return [value[i : i + 1] for value in values]
    return values[i : i + 1]


CASES = pytest.mark.parametrize(
    ("shape", "regions", "ignore", "batch_dice", "deep"),
    [
        (shape, regions, ignore, batch_dice, deep)
        for shape in SHAPES
        for regions in (False, True)
        for ignore in (False, True)
        for batch_dice in (False, True)
        for deep in (False, True)
    ],
)


@CASES
def test_value_and_gradient(shape, regions, ignore, batch_dice, deep):
    theirs = nnunet_loss(regions, ignore, batch_dice, deep)
    output, target = batch(shape, regions, ignore, deep)
    plain = theirs(output, target)

    # nothing known yet, and alpha 1: nnU-Net's loss to the bit
    ours = DivergenceWeightedLoss(theirs, 0.2, GroupMonitor())
    assert torch.equal(ours(output, target), plain)
    alone = DivergenceWeightedLoss(theirs, 1.0, GroupMonitor())
    alone.set_weights(WEIGHTS)
    assert torch.equal(alone(output, target), plain)

    # nnU-Net's loss of one sample after the other
    weighted = sum(w * theirs(sample(output, i), sample(target, i)) for i, w in enumerate(WEIGHTS))
    expected = 0.2 * plain + 0.8 * weighted / 3
    ours.set_weights(WEIGHTS)
    value = ours(output, target)
    torch.testing.assert_close(value, expected, atol=1e-6, rtol=1e-6)
    for mine, reference in zip(gradient(value, output), gradient(expected, output), strict=True):
        torch.testing.assert_close(mine, reference, atol=1e-6, rtol=1e-5)

    # weights hold for one batch
    assert torch.equal(ours(output, target), plain)


@pytest.mark.parametrize("regions", [False, True])
def test_equal_weights_are_nnunets_loss_without_batch_dice(regions):
    theirs = nnunet_loss(regions, False, False, True)
    output, target = batch((11, 6), regions, False, True)
    ours = DivergenceWeightedLoss(theirs, 0.2, GroupMonitor())
    ours.set_weights(torch.ones(3))
    value, plain = ours(output, target), theirs(output, target)
    torch.testing.assert_close(value, plain, atol=1e-6, rtol=1e-6)
    for mine, reference in zip(gradient(value, output), gradient(plain, output), strict=True):
        torch.testing.assert_close(mine, reference, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("regions", [False, True])
@pytest.mark.parametrize("ignore", [False, True])
def test_gradient_in_double_precision(regions, ignore):
    output, target = batch((3, 4), regions, ignore, False)
    ours = DivergenceWeightedLoss(nnunet_loss(regions, ignore, True, False), 0.2, GroupMonitor())

    def value(logits):
        return (WEIGHTS * ours.per_sample(logits, target)).mean()

    assert torch.autograd.gradcheck(value, output.detach().double().requires_grad_())


def test_empty_foreground_and_all_ignored_give_numbers():
    output = torch.randn((2, 2, 4, 6), requires_grad=True)
    target = torch.zeros((2, 1, 4, 6), dtype=torch.int64)
    target[1] = 3
    ours = DivergenceWeightedLoss(nnunet_loss(False, True, True, False), 0.2, GroupMonitor())
    ours.set_weights(torch.ones(2))
    value = ours(output, target)
    assert torch.isfinite(value)
    assert torch.isfinite(torch.autograd.grad(value, output)[0]).all()


def test_the_monitor_sees_validation_cases_only_when_told():
    monitor = GroupMonitor()
    monitor.start(4, torch.device("cpu"))
    ours = DivergenceWeightedLoss(nnunet_loss(False, False, True, True), 0.2, monitor)
    output, target = batch((11, 6), False, False, True)
    ours.set_weights(WEIGHTS)
    ours(output, target)
    monitor.set_batch(torch.tensor([2, 0, 2]), training=False)
    ours(output, target)
    pooled = monitor.finish_epoch(lambda values: values).pseudo_dice
    counts = hard_counts(output[0].detach(), target[0], TargetFormat(False, None)).numpy()
    assert np.isnan(pooled[[1, 3]]).all()
    for group, members in ((0, [1]), (2, [0, 2])):
        tp, fp, fn = counts[members].sum(0)
        np.testing.assert_allclose(pooled[group], 2 * tp / (2 * tp + fp + fn))
