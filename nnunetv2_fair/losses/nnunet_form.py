"""nnU-Net's loss taken apart: its settings, and its terms per sample.

A loss that treats samples differently needs the sums over each sample's voxels, before nnU-Net
combines them. Settings are read from the loss that nnU-Net built, so that nothing is decided twice.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from torch import nn

from nnunetv2_fair.errors import TrainingError
from nnunetv2_fair.losses.distributed import sum_over_ranks
from nnunetv2_fair.losses.per_sample import TargetFormat, one_hot_and_mask


@dataclass(frozen=True)
class DiceSums:
    """Sums over the voxels of each sample, B samples and K labels or regions.

    Attributes:
        overlap: ``(B, K)`` predicted probability inside the reference.
        predicted: ``(B, K)`` predicted probability.
        reference: ``(B, K)`` voxels of the reference.
    """

    overlap: torch.Tensor
    predicted: torch.Tensor
    reference: torch.Tensor

    def weighted(self, weights: torch.Tensor) -> "DiceSums":
        """Multiply every sample's sums by its weight, ``(B,)``."""
        column = weights[:, None]
        return DiceSums(self.overlap * column, self.predicted * column, self.reference * column)

    def with_scaled_predictions(self, scales: torch.Tensor) -> "DiceSums":
        """Return the sums as if each sample's probabilities were multiplied by ``(B,)`` scales."""
        column = scales[:, None]
        return DiceSums(self.overlap * column, self.predicted * column, self.reference)

    def per_group(self, slots: torch.Tensor, n_slots: int, distributed: bool) -> "DiceSums":
        """Add up the samples of each group, over all processes if ``distributed``.

        Args:
            slots: ``(B,)`` group of every sample, 0 to ``n_slots`` - 1.
            n_slots: Number of groups; the sums become ``(n_slots, K)``.
            distributed: Whether other processes hold further parts of the batch.
        """
        stacked = torch.stack([self.overlap, self.predicted, self.reference], 1)
        total = stacked.new_zeros((n_slots, *stacked.shape[1:])).index_add(0, slots, stacked)
        return DiceSums(*sum_over_ranks(total, distributed).unbind(1))


def _dice_sums(
    output: torch.Tensor, target: torch.Tensor, target_format: TargetFormat, with_background: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    with torch.no_grad():
        one_hot, mask = one_hot_and_mask(output.shape[1], target, target_format)
    sigmoid = target_format.has_regions
    probabilities = torch.sigmoid(output) if sigmoid else torch.softmax(output, 1)
    if not with_background:
        probabilities, one_hot = probabilities[:, 1:], one_hot[:, 1:]
    if mask is not None:
        probabilities, one_hot = probabilities * mask, one_hot & mask
    axes = tuple(range(2, output.ndim))
    dtype = torch.promote_types(probabilities.dtype, torch.float32)
    return (
        (probabilities * one_hot).sum(axes, dtype=dtype),
        probabilities.sum(axes, dtype=dtype),
        one_hot.sum(axes, dtype=dtype),
    )


@dataclass(frozen=True)
class LossForm:
    """The settings of nnU-Net's loss, and its terms.

    Attributes:
        target_format: How the target is encoded.
        weight_ce: Weight of the cross-entropy.
        weight_dice: Weight of the Dice loss.
        batch_dice: Whether the Dice loss sees the batch as one image.
        with_background: Whether the first channel counts in the Dice loss.
        smooth: Added to numerator and denominator of Dice.
        distributed: Whether the batch Dice spans all processes.
        level_weights: Weight of each output of deep supervision; None without it.
    """

    target_format: TargetFormat
    weight_ce: float
    weight_dice: float
    batch_dice: bool
    with_background: bool
    smooth: float
    distributed: bool
    level_weights: tuple[float, ...] | None
    _sums: Callable[..., tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = _dice_sums

    @classmethod
    def of(cls, loss: nn.Module) -> "LossForm":
        """Read the settings of a loss that nnU-Net built.

        Args:
            loss: ``DC_and_CE_loss`` or ``DC_and_BCE_loss``, alone or in a
                ``DeepSupervisionWrapper``; its Dice loss may be compiled.

        Raises:
            TrainingError: If it is none of these.
        """
        weights = getattr(loss, "weight_factors", None)
        single: Any = loss if weights is None else loss.loss
        has_regions = hasattr(single, "use_ignore_label")
        cross_entropy: Any = getattr(single, "ce", None)
        dice: Any = getattr(single, "dc", None)
        expected = nn.BCEWithLogitsLoss if has_regions else nn.CrossEntropyLoss
        plain = (
            isinstance(cross_entropy, expected)
            and hasattr(dice, "batch_dice")
            and (has_regions or hasattr(single, "ignore_label"))
            and cross_entropy.weight is None
            and not getattr(cross_entropy, "label_smoothing", 0)
            and getattr(cross_entropy, "pos_weight", None) is None
            and getattr(dice, "clip_tp", None) is None
        )
        if not plain:
            raise TrainingError(
                f"The loss {type(single).__name__} is not nnU-Net's default loss (cross-entropy "
                "plus soft Dice, without class weights), which trainers that weight groups build "
                "on. Use nnunetv2 2.8 or newer, unmodified."
            )
        if has_regions:
            # nnU-Net puts the ignored voxels into the last channel, regardless of their label
            target_format = TargetFormat(True, -1 if single.use_ignore_label else None)
        else:
            target_format = TargetFormat(False, single.ignore_label)
        compiled = hasattr(dice, "_orig_mod")
        return cls(
            target_format=target_format,
            weight_ce=float(single.weight_ce),
            weight_dice=float(single.weight_dice),
            batch_dice=bool(dice.batch_dice),
            with_background=bool(dice.do_bg),
            smooth=float(dice.smooth),
            distributed=bool(dice.ddp),
            level_weights=None if weights is None else tuple(float(w) for w in weights),
            _sums=torch.compile(_dice_sums) if compiled else _dice_sums,
        )

    def levels(self, output: Any, target: Any) -> Iterator[tuple[float, torch.Tensor, Any]]:
        """Yield weight, output and target of each resolution that counts.

        Args:
            output: As the network returns it: a tensor, or a list with deep supervision.
            target: As the loader provides it, accordingly.
        """
        if self.level_weights is None:
            yield 1.0, output, target
            return
        for weight, level_output, level_target in zip(
            self.level_weights, output, target, strict=False
        ):
            if weight != 0:
                yield weight, level_output, level_target

    def cross_entropy(
        self, output: torch.Tensor, target: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return every sample's cross-entropy, summed over voxels, and what to divide it by.

        The ratio of the batch's totals is nnU-Net's cross-entropy.

        Args:
            output: ``(B, C, ...)`` logits at one resolution.
            target: The target at that resolution.

        Returns:
            ``(B,)`` sums and ``(B,)`` sizes: voxels that are not ignored (for regions without
            an ignore label: values, that is voxels times regions, as in nnU-Net).
        """
        dtype = torch.promote_types(output.dtype, torch.float32)
        ignore_label = self.target_format.ignore_label
        if self.target_format.has_regions:
            one_hot, mask = one_hot_and_mask(output.shape[1], target, self.target_format)
            voxelwise = F.binary_cross_entropy_with_logits(
                output, one_hot.to(dtype), reduction="none"
            )
            if mask is not None:
                sums = (voxelwise * mask).flatten(1).sum(1, dtype=dtype)
                return sums, mask.flatten(1).sum(1).to(dtype)
        else:
            labels = target[:, 0].long()
            ignore_index = -100 if ignore_label is None else ignore_label
            voxelwise = F.cross_entropy(output, labels, ignore_index=ignore_index, reduction="none")
            if ignore_label is not None:
                sums = voxelwise.flatten(1).sum(1, dtype=dtype)
                return sums, (labels != ignore_label).flatten(1).sum(1).to(dtype)
        voxelwise = voxelwise.flatten(1)
        sums = voxelwise.sum(1, dtype=dtype)
        return sums, torch.full_like(sums, voxelwise.shape[1])

    def dice_sums(self, output: torch.Tensor, target: torch.Tensor) -> DiceSums:
        """Return, per sample, the sums from which nnU-Net computes its Dice loss.

        Args:
            output: ``(B, C, ...)`` logits at one resolution.
            target: The target at that resolution.
        """
        return DiceSums(*self._sums(output, target, self.target_format, self.with_background))

    def dice(self, sums: DiceSums) -> torch.Tensor:
        """Return the soft Dice of each row of the sums: ``(..., K)``, 0 to 1."""
        denominator = (sums.reference + sums.predicted + self.smooth).clamp_min(1e-8)
        return (2 * sums.overlap + self.smooth) / denominator

    def over_batch(self, sums: DiceSums) -> DiceSums:
        """Add up the samples of the batch, of all processes: ``(1, K)``."""
        slots = torch.zeros(len(sums.overlap), dtype=torch.long, device=sums.overlap.device)
        return sums.per_group(slots, 1, self.distributed)
