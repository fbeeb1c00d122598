"""nnU-Net's losses and counts, one value per sample instead of one per batch."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit

#: nnU-Net's ``smooth`` of the Dice loss.
_SMOOTH = 1e-5


@dataclass(frozen=True)
class TargetFormat:
    """How nnU-Net encodes the target of a dataset.

    Attributes:
        has_regions: True: (B, R[+1], ...) one-hot, overlapping, the ignore channel last;
            False: (B, 1, ...) label map.
        ignore_label: Label whose voxels are ignored; None if there is none.
    """

    has_regions: bool
    ignore_label: int | None


def one_hot_and_mask(
    n_channels: int, target: torch.Tensor, target_format: TargetFormat
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Split a target into what each output channel should be and where it counts.

    Args:
        n_channels: Output channels C of the network.
        target: As nnU-Net's data loader gives it (see :class:`TargetFormat`).
        target_format: How to read it.

    Returns:
        ``(B, C, ...)`` bool, and ``(B, 1, ...)`` bool that is False where ignored, or None.
    """
    if target_format.has_regions:
        if target_format.ignore_label is None:
            return target.bool(), None
        return target[:, :-1].bool(), ~target[:, -1:].bool()
    labels = target.long()
    mask = None
    if target_format.ignore_label is not None:
        mask = labels != target_format.ignore_label
        labels = torch.where(mask, labels, 0)
    one_hot = torch.zeros((len(labels), n_channels, *labels.shape[2:]), dtype=torch.bool,
                          device=labels.device)  # fmt: skip
    return one_hot.scatter_(1, labels, True), mask


def per_sample_loss(
    output: torch.Tensor, target: torch.Tensor, target_format: TargetFormat
) -> torch.Tensor:
    """Return cross-entropy plus soft Dice loss of every sample.

    The mean over the batch is nnU-Net's ``DC_and_CE_loss`` (labels) or ``DC_and_BCE_loss``
    (regions) with ``batch_dice`` off; with an ignore label each sample's cross-entropy is the
    mean over its own valid voxels.

    Args:
        output: ``(B, C, ...)`` logits at one resolution.
        target: The target at that resolution.
        target_format: How to read it.

    Returns:
        ``(B,)`` float32, from about -1 (perfect) upwards.
    """
    output = output.float()
    one_hot, mask = one_hot_and_mask(output.shape[1], target, target_format)
    axes = tuple(range(2, output.ndim))
    if target_format.has_regions:
        voxelwise = F.binary_cross_entropy_with_logits(output, one_hot.float(), reduction="none")
        voxelwise = voxelwise.mean(1, keepdim=True)
        probabilities = torch.sigmoid(output)
    else:
        log_probabilities = torch.log_softmax(output, 1)
        voxelwise = -(log_probabilities * one_hot).sum(1, keepdim=True)
        # nnU-Net's Dice leaves the background out of label maps
        probabilities, one_hot = log_probabilities.exp()[:, 1:], one_hot[:, 1:]
    if mask is None:
        cross_entropy = voxelwise.mean((1, *axes))
        overlap = (probabilities * one_hot).sum(axes)
        sizes = probabilities.sum(axes) + one_hot.sum(axes)
    else:
        n_valid = mask.sum((1, *axes)).clamp(min=1)
        cross_entropy = (voxelwise * mask).sum((1, *axes)) / n_valid
        overlap = (probabilities * (one_hot & mask)).sum(axes)
        sizes = (probabilities * mask).sum(axes) + (one_hot & mask).sum(axes)
    dice = (2 * overlap + _SMOOTH) / (sizes + _SMOOTH).clamp(min=1e-8)
    return cross_entropy - dice.mean(1)


def hard_counts(
    output: torch.Tensor, target: torch.Tensor, target_format: TargetFormat
) -> torch.Tensor:
    """Count true positive, false positive and false negative voxels of every sample.

    Args:
        output: ``(B, C, ...)`` logits at full resolution.
        target: The target at full resolution.
        target_format: How to read it.

    Returns:
        ``(B, 3, K)`` float64 counts: tp, fp, fn of the K foreground labels or regions.
    """
    one_hot, mask = one_hot_and_mask(output.shape[1], target, target_format)
    if target_format.has_regions:
        predicted = output > 0  # sigmoid above one half
    else:
        predicted = torch.zeros_like(one_hot).scatter_(1, output.argmax(1, keepdim=True), True)
        predicted, one_hot = predicted[:, 1:], one_hot[:, 1:]
    if mask is not None:
        predicted, one_hot = predicted & mask, one_hot & mask
    axes = tuple(range(2, output.ndim))
    tp = (predicted & one_hot).sum(axes)
    fp = (predicted & ~one_hot).sum(axes)
    fn = (~predicted & one_hot).sum(axes)
    return torch.stack([tp, fp, fn], 1).double()
