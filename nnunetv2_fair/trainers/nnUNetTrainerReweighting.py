"""Reweighting: samples of small groups count more in the loss."""

import math
from typing import ClassVar

import torch
from torch import nn

from nnunetv2_fair.errors import TrainerNameError
from nnunetv2_fair.losses.reweighting import group_weights
from nnunetv2_fair.losses.weighted import DiceWeightedLoss, SampleWeightedLoss
from nnunetv2_fair.trainers.base import SubgroupTrainer
from nnunetv2_fair.trainers.group_log.values import GroupValues
from nnunetv2_fair.trainers.shared.introduction import has_small_group
from nnunetv2_fair.trainers.shared.names import Option, choice_option, number_option
from nnunetv2_fair.training_log import columns


class nnUNetTrainerReweighting(SubgroupTrainer):
    """Weights every sample's cross-entropy and Dice inversely to its group's size.

    Weights follow from the training cases of the fold. Their mean over the samples that are
    drawn is 1, so that learning rate and gradient clipping keep their meaning; ``scaleraw``
    gives the paper's. Cases of unknown group have the mean weight. ``countsbatch`` does what
    the paper's public code does: weights from the counts in each batch, on the Dice alone.

    Source: Lee et al., "Understanding-informed Bias Mitigation for Fair CMR Segmentation",
    MELBA 2025, section 4.4.
    """

    OPTIONS: ClassVar[tuple[Option, ...]] = (
        choice_option(
            "counts",
            "train",
            ("train", "batch"),
            "train: sizes of groups among the training cases; batch: in each batch, for the Dice "
            "alone, as the public code",
        ),
        number_option(
            "cap",
            math.inf,
            1.0,
            1e6,
            "largest weight of a case, in multiples of the mean weight; inf means no cap",
        ),
        choice_option(
            "scale",
            "mean",
            ("mean", "raw"),
            "mean: weights average 1 over the samples drawn; raw: they sum to 1 over the groups",
        ),
    )

    @classmethod
    def check_options(cls) -> None:
        """Refuse a cap on weights that differ from batch to batch."""
        super().check_options()
        if cls.option("counts") == "batch" and not math.isinf(cls.option("cap")):
            raise TrainerNameError(
                f"{cls.__name__}: 'cap' limits weights that come from the training cases, and "
                "'countsbatch' takes others from each batch. Leave one of the two out."
            )

    def changes(self) -> list[str]:
        """Return that weights follow from the sizes of groups."""
        clause = "samples of small groups count more in the loss"
        if self.option("counts") == "batch":
            clause = "samples of groups that are few in a batch count more in its Dice loss"
        return [clause, *super().changes()]

    def adapt_loss(self, loss: nn.Module) -> nn.Module:
        """Return nnU-Net's loss with a weight per sample."""
        by_batch = self.option("counts") == "batch"
        return DiceWeightedLoss(loss) if by_batch else SampleWeightedLoss(loss)

    def counted(self, cases: list[str]) -> list[float]:
        """Return the sizes of groups that weights are inversely proportional to.

        Args:
            cases: Training cases of this fold.

        Returns:
            One number per group, 0 or more.
        """
        return list(self.grouping.counts(cases).values())

    def prepare_loss(self, cases: list[str]) -> None:
        """Compute the weights from the training cases, or leave them to each batch."""
        super().prepare_loss(cases)
        if self.option("counts") == "batch":
            n_groups = len(self.grouping.names)
            self.adapted_loss.set_group_weights(torch.ones(n_groups + 1, device=self.device))
            self.adapted_loss.count_batches(raw=self.option("scale") == "raw")
            return
        cap = self.option("cap")
        weights = group_weights(
            self.counted(cases),
            list(self.drawing_shares(cases)),
            cap=None if math.isinf(cap) else cap,
            raw=self.option("scale") == "raw",
        )
        self.adapted_loss.set_group_weights(
            torch.tensor(weights, dtype=torch.float32, device=self.device)
        )
        # they tell how large groups are: not into the log, and not if a group is small
        if has_small_group(self.group_sizes(cases)):
            self._show("Weights are not shown: a group has too few patients.")
            return
        named = zip((*self.grouping.names, "no known group"), weights, strict=True)
        self._show("Weight of a case: " + ", ".join(f"{name} {w:.4g}" for name, w in named))

    def logged_values(self) -> list[GroupValues]:
        """Return the weights as well, unless they differ from batch to batch."""
        found = super().logged_values()
        if self.option("counts") == "batch":
            return found
        weights = self.adapted_loss.group_weights[:-1].tolist()
        return [*found, GroupValues(columns.WEIGHT, "Weight of a case", weights, tells="sizes")]
