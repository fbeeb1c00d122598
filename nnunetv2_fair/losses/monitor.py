"""Watching the loss per group without changing it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import nn

from nnunetv2_fair.losses.per_sample import TargetFormat, hard_counts, per_sample_loss


@dataclass(frozen=True)
class EpochSummary:
    """What one epoch did for each group: G groups, K foreground labels or regions.

    Attributes:
        train_loss: ``(G,)`` mean per-sample loss; NaN if the group was not drawn.
        val_loss: ``(G,)`` the same of the validation patches.
        drawn_share: ``(G,)`` share of the training samples that were the group's, 0 to 1; they sum
            to 1 less the share of unknown group. NaN if nothing was drawn.
        pseudo_dice: ``(G, K)`` Dice over the pooled validation patches of the group; NaN if
            neither reference nor prediction holds the label.
        counts: ``(G, 3, K)`` voxels of these patches: true positive, false positive, false
            negative; K is 0 where nothing was validated.
    """

    train_loss: np.ndarray
    val_loss: np.ndarray
    drawn_share: np.ndarray
    pseudo_dice: np.ndarray
    counts: np.ndarray


def dice_of_counts(counts: np.ndarray) -> np.ndarray:
    """Return the Dice of pooled voxels.

    Args:
        counts: ``(..., 3, K)`` true positive, false positive, false negative.

    Returns:
        ``(..., K)``, 0 to 1; NaN if neither reference nor prediction holds the label.
    """
    tp, fp, fn = np.moveaxis(counts, -2, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        dice: np.ndarray = 2 * tp / (2 * tp + fp + fn)
    return dice


@runtime_checkable
class GroupAware(Protocol):
    """Anything that needs to know the groups of a batch before it sees the batch."""

    def set_batch(self, groups: torch.Tensor, *, training: bool) -> None:
        """Say which groups the samples of the coming batch are in.

        Args:
            groups: ``(B,)`` int, -1 for unknown.
            training: Whether the batch belongs to a training or a validation step.
        """


class GroupMonitor:
    """Sums losses and counts per group over one epoch, on the training device.

    Nothing here waits for the device; there is a single transfer at the end of the epoch.
    """

    def __init__(self) -> None:
        self._n_groups = 0
        self._device = torch.device("cpu")
        self._groups: torch.Tensor | None = None
        self._training = False
        self._reset()

    def start(self, n_groups: int, device: torch.device) -> None:
        """Set how many groups there are; forget everything seen before."""
        self._n_groups = n_groups
        self._device = device
        self._reset()

    def _reset(self) -> None:
        # float64 holds any voxel count exactly; MPS does not support it
        self._dtype = torch.float32 if self._device.type == "mps" else torch.float64
        # training and validation; per group the sum of losses, and how many
        shape = (2, self._n_groups + 1, 2)
        self._losses = torch.zeros(shape, dtype=self._dtype, device=self._device)
        self._counts: torch.Tensor | None = None

    def set_batch(self, groups: torch.Tensor, *, training: bool) -> None:
        """Say which groups the samples are in (see :class:`GroupAware`)."""
        # the last slot collects samples of unknown group
        self._groups = torch.where(groups < 0, self._n_groups, groups)
        self._training = training

    @torch.no_grad()
    def record(
        self, output: torch.Tensor, target: torch.Tensor, target_format: TargetFormat
    ) -> None:
        """Add one batch; does nothing outside a step (no groups set)."""
        groups, self._groups = self._groups, None
        if groups is None:
            return
        losses = per_sample_loss(output, target, target_format).to(self._dtype)
        sums = self._losses[0 if self._training else 1]
        sums.index_add_(0, groups, torch.stack([losses, torch.ones_like(losses)], 1))
        if self._training:
            return
        counts = hard_counts(output, target, target_format).to(self._dtype)
        if self._counts is None:
            shape = (self._n_groups + 1, *counts.shape[1:])
            self._counts = torch.zeros(shape, dtype=self._dtype, device=self._device)
        self._counts.index_add_(0, groups, counts)

    def finish_epoch(self, all_reduce: Callable[[torch.Tensor], torch.Tensor]) -> EpochSummary:
        """Return the epoch's summary and start over.

        Args:
            all_reduce: Sums a tensor over all ranks; returns it unchanged in one process.
        """
        losses = all_reduce(self._losses).cpu().numpy()
        counts = torch.zeros((self._n_groups + 1, 3, 0), dtype=self._dtype, device=self._device)
        if self._counts is not None:
            counts = all_reduce(self._counts)
        pooled = counts[:-1].cpu().numpy()
        with np.errstate(divide="ignore", invalid="ignore"):
            train_loss, val_loss = losses[:, :-1, 0] / losses[:, :-1, 1]
            drawn_share = losses[0, :-1, 1] / losses[0, :, 1].sum()
        dice = dice_of_counts(pooled)
        summary = EpochSummary(train_loss, val_loss, drawn_share, dice, pooled)
        self._reset()
        return summary


class MonitoredLoss(nn.Module):
    """A loss that returns what the wrapped one returns, and lets a monitor watch.

    Args:
        loss: nnU-Net's loss or a replacement, with or without deep supervision; if it is
            :class:`GroupAware`, it is told the groups of each batch.
        monitor: The monitor that watches.
        target_format: How to read the target.
    """

    def __init__(self, loss: nn.Module, monitor: GroupMonitor, target_format: TargetFormat) -> None:
        super().__init__()
        self.loss = loss
        self._monitor = monitor
        self._target_format = target_format

    def set_batch(self, groups: torch.Tensor, *, training: bool) -> None:
        """Tell monitor and loss which groups the samples are in (see :class:`GroupAware`)."""
        self._monitor.set_batch(groups, training=training)
        if isinstance(self.loss, GroupAware):
            self.loss.set_batch(groups, training=training)

    def forward(self, output: Any, target: Any) -> torch.Tensor:
        """Return the wrapped loss; with deep supervision the monitor sees full resolution."""
        value = self.loss(output, target)
        full_output = output[0] if isinstance(output, list | tuple) else output
        full_target = target[0] if isinstance(target, list | tuple) else target
        self._monitor.record(full_output.detach(), full_target, self._target_format)
        return value
