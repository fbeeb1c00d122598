"""GroupDRO: the group with the largest loss counts most."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import nn

from nnunetv2_fair.losses.group_dro import GroupDRO, GroupDROLoss
from nnunetv2_fair.trainers.base import SubgroupTrainer
from nnunetv2_fair.trainers.group_log.values import GroupValues
from nnunetv2_fair.trainers.shared.names import Option, choice_option, number_option
from nnunetv2_fair.training_log import columns


class nnUNetTrainerGroupDRO(SubgroupTrainer):
    """Minimises a weighted sum of the groups' cross-entropies; weights follow the losses.

    The Dice loss is left out in training, as in the paper; validation reports nnU-Net's loss.

    Source: Sagawa et al., "Distributionally Robust Neural Networks", ICLR 2020, algorithm 1;
    Lee et al., "Understanding-informed Bias Mitigation for Fair CMR Segmentation", MELBA 2025,
    section 4.5.
    """

    OPTIONS: ClassVar[tuple[Option, ...]] = (
        number_option("step", 0.01, 0.0, 10.0, "step size of the group weights q (eta)"),
        number_option(
            "adjust",
            0.0,
            0.0,
            100.0,
            "size adjustment C: C/sqrt(cases of the group) is added to its loss for the update",
        ),
        choice_option(
            "objective",
            "online",
            ("online", "hardmax", "mean"),
            "online: weights q; hardmax: only the worst group of the batch; mean: every group of "
            "the batch equally",
        ),
        number_option(
            "tail",
            1.0,
            0.0,
            1.0,
            "share of each group's samples in a batch, the worst ones, that its loss is made of",
            low_open=True,
        ),
    )

    watch: ClassVar[str] = (
        "Watch q in the log, the groups' weights: where one group has nearly all, the others "
        "hardly train."
    )

    def changes(self) -> list[str]:
        """Return what the groups' weights follow."""
        clause = {
            "online": "groups with larger losses count more and more (step "
            f"{self.option('step'):g})",
            "hardmax": "only the group with the largest loss in a batch counts",
            "mean": "all groups in a batch count equally",
        }[self.option("objective")]
        if self.option("tail") < 1:
            clause += f", each by the worst {self.option('tail'):.0%} of its samples"
        return [f"{clause}; training leaves the Dice loss out", *super().changes()]

    def adapt_loss(self, loss: nn.Module) -> nn.Module:
        """Return the robust loss."""
        return GroupDROLoss(loss)

    def prepare_loss(self, cases: list[str]) -> None:
        """Start ``q`` with the groups of this fold."""
        grouping = self.grouping
        self.adapted_loss.dro = GroupDRO(
            len(grouping.names),
            self.option("step"),
            self.option("adjust"),
            list(grouping.counts(cases).values()),
            objective=self.option("objective"),
            tail=self.option("tail"),
            distributed=self.is_ddp,
            device=self.device,
        )
        self.adapted_loss.set_group_weights(torch.ones(len(grouping.names) + 1, device=self.device))
        super().prepare_loss(cases)

    def fairness_state(self) -> dict[str, torch.Tensor]:
        """Return ``q``."""
        return {**super().fairness_state(), "q": self.adapted_loss.dro.q}

    def load_fairness_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Restore ``q``."""
        super().load_fairness_state(state)
        self.adapted_loss.dro.q.copy_(state["q"])

    def logged_values(self) -> list[GroupValues]:
        """Return ``q`` as well."""
        q = self.adapted_loss.dro.q.tolist()
        return [*super().logged_values(), GroupValues(columns.Q, "q", q)]
