"""Per-sample losses and counts against nnU-Net's own."""

import numpy as np
import pytest
import torch
from nnunetv2.training.loss.compound_losses import DC_and_BCE_loss, DC_and_CE_loss
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss, get_tp_fp_fn_tn

from nnunetv2_fair.losses.monitor import GroupMonitor, MonitoredLoss
from nnunetv2_fair.losses.per_sample import TargetFormat, hard_counts, per_sample_loss

SHAPES = [(11, 6), (5, 7, 4)]


def label_batch(shape, ignore=None, n_samples=3, n_labels=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    output = torch.randn((n_samples, n_labels, *shape), generator=generator) * 3
    target = torch.randint(0, n_labels, (n_samples, 1, *shape), generator=generator)
    if ignore is not None:
        target[torch.rand(target.shape, generator=generator) < 0.2] = ignore
    return output, target


def region_batch(shape, ignore, n_samples=3, n_regions=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    output = torch.randn((n_samples, n_regions, *shape), generator=generator) * 3
    target = torch.rand((n_samples, n_regions + ignore, *shape), generator=generator) < 0.4
    if ignore:
        target[:, :-1] &= ~target[:, -1:]
    return output, target


@pytest.mark.parametrize("shape", SHAPES)
def test_mean_is_nnunets_loss_for_labels(shape):
    output, target = label_batch(shape)
    theirs = DC_and_CE_loss(
        {"batch_dice": False, "smooth": 1e-5, "do_bg": False, "ddp": False}, {},
        dice_class=MemoryEfficientSoftDiceLoss,
    )(output, target)  # fmt: skip
    ours = per_sample_loss(output, target, TargetFormat(False, None))
    assert ours.shape == (3,)
    torch.testing.assert_close(ours.mean(), theirs, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sample", range(3))
def test_one_sample_is_nnunets_loss_with_ignore_label(shape, sample):
    output, target = label_batch(shape, ignore=3)
    theirs = DC_and_CE_loss(
        {"batch_dice": False, "smooth": 1e-5, "do_bg": False, "ddp": False}, {}, ignore_label=3,
        dice_class=MemoryEfficientSoftDiceLoss,
    )(output[sample : sample + 1], target[sample : sample + 1])  # fmt: skip
    ours = per_sample_loss(output, target, TargetFormat(False, 3))
    torch.testing.assert_close(ours[sample], theirs, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("ignore", [False, True])
def test_one_sample_is_nnunets_loss_for_regions(shape, ignore):
    output, target = region_batch(shape, ignore)
    loss = DC_and_BCE_loss(
        {}, {"batch_dice": False, "do_bg": True, "smooth": 1e-5, "ddp": False},
        use_ignore_label=ignore, dice_class=MemoryEfficientSoftDiceLoss,
    )  # fmt: skip
    ours = per_sample_loss(output, target, TargetFormat(True, 9 if ignore else None))
    for sample in range(3):
        one = slice(sample, sample + 1)
        # nnU-Net sums the ignored BCE over channels but divides by voxels
        theirs = loss(output[one], target[one])
        if ignore:
            n_regions = output.shape[1]
            dice = MemoryEfficientSoftDiceLoss(
                torch.sigmoid, batch_dice=False, do_bg=True, smooth=1e-5, ddp=False
            )(output[one], target[one][:, :-1], ~target[one][:, -1:])
            theirs = (theirs - dice) / n_regions + dice
        torch.testing.assert_close(ours[sample], theirs, atol=1e-6, rtol=1e-6)


def test_empty_foreground_and_all_ignored_give_numbers():
    output = torch.randn((2, 2, 4, 6))
    target = torch.zeros((2, 1, 4, 6), dtype=torch.int64)
    target[1] = 2
    assert torch.isfinite(per_sample_loss(output, target, TargetFormat(False, 2))).all()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("regions", [False, True])
@pytest.mark.parametrize("ignore", [False, True])
def test_counts_are_nnunets(shape, regions, ignore):
    if regions:
        output, target = region_batch(shape, ignore)
        prediction = (torch.sigmoid(output) > 0.5).long()
        mask = ~target[:, -1:] if ignore else None
        reference = target[:, :-1] if ignore else target
        foreground = slice(None)
    else:
        output, target = label_batch(shape, ignore=3 if ignore else None)
        prediction = torch.nn.functional.one_hot(output.argmax(1), 3).movedim(-1, 1)
        mask = target != 3 if ignore else None
        reference = torch.where(target == 3, 0, target)
        foreground = slice(1, None)
    tp, fp, fn, _ = get_tp_fp_fn_tn(
        prediction.float(), reference, mask=None if mask is None else mask.float()
    )
    ours = hard_counts(output, target, TargetFormat(regions, 3 if ignore else None))
    theirs = torch.stack([tp[:, foreground], fp[:, foreground], fn[:, foreground]], 1)
    torch.testing.assert_close(ours, theirs.double(), atol=0, rtol=0)


def test_monitor_sums_per_group_and_leaves_the_loss_alone():
    target_format = TargetFormat(False, None)
    monitor = GroupMonitor()
    monitor.start(3, torch.device("cpu"))
    base = torch.nn.CrossEntropyLoss()
    loss = MonitoredLoss(lambda o, t: base(o, t[:, 0]), monitor, target_format)
    losses, counts, groups = [], [], []
    for step in range(4):
        output, target = label_batch((6, 5), n_samples=4, seed=step)
        batch_groups = torch.tensor([step % 2, -1, 1, 0])
        monitor.set_batch(batch_groups, training=True)
        assert loss(output, target) == base(output, target[:, 0])
        monitor.set_batch(batch_groups, training=False)
        loss(output, target)
        loss(output, target)  # without set_batch nothing is counted
        losses += per_sample_loss(output, target, target_format).tolist()
        counts += list(hard_counts(output, target, target_format).numpy())
        groups += batch_groups.tolist()
    summary = monitor.finish_epoch(lambda values: values)
    losses, counts, groups = np.array(losses), np.array(counts), np.array(groups)
    for g in range(2):
        assert summary.train_loss[g] == pytest.approx(losses[groups == g].mean(), abs=1e-6)
        tp, fp, fn = counts[groups == g].sum(0)
        np.testing.assert_allclose(summary.pseudo_dice[g], 2 * tp / (2 * tp + fp + fn))
    assert np.isnan(summary.train_loss[2])
    assert np.isnan(summary.pseudo_dice[2]).all()
    # the next epoch starts empty
    empty = monitor.finish_epoch(lambda values: values)
    assert np.isnan(empty.train_loss).all()
    assert empty.pseudo_dice.shape == (3, 0)


def test_monitor_adds_up_ranks():
    monitor = GroupMonitor()
    monitor.start(2, torch.device("cpu"))
    output, target = label_batch((6, 5), n_samples=2)
    monitor.set_batch(torch.tensor([0, 1]), training=True)
    monitor.record(output, target, TargetFormat(False, None))
    own = per_sample_loss(output, target, TargetFormat(False, None)).numpy()
    # the other rank saw one sample of each group, with losses 3 and 5
    other = torch.tensor([[3.0, 1.0], [5.0, 1.0], [0.0, 0.0]])
    summary = monitor.finish_epoch(lambda values: values + other)
    np.testing.assert_allclose(summary.train_loss, (own + np.array([3, 5])) / 2)
