"""InD: a separate model for one group, fine-tuned from the base on that group's cases."""

from functools import cached_property
from typing import Any, ClassVar

import torch

from nnunetv2_fair.errors import TrainerNameError, TrainingError, shorten
from nnunetv2_fair.networks.bottleneck import unwrapped
from nnunetv2_fair.subgroups.groups import Grouping
from nnunetv2_fair.subgroups.tokens import group_named
from nnunetv2_fair.trainers.base import SubgroupTrainer
from nnunetv2_fair.trainers.shared.base_model import base_option, load_base
from nnunetv2_fair.trainers.shared.names import Option, choice_option

#: A tenth of nnU-Net's: fine-tuning starts from weights that already fit.
_FINE_TUNING_LR = 1e-3


class nnUNetTrainerInD(SubgroupTrainer):
    """Trains on the cases of one group only, from the base's weights.

    The name says the group: ``nnUNetTrainerInD_sex=female``. Training starts from all weights of
    the finished base (segmentation heads included) with a tenth of nnU-Net's learning rate.
    Validation is nnU-Net's, on all of the fold's cases: a folder of the group's predictions alone
    would reveal who is in the group. The subgroup log shows the group separately.

    Source: the baseline InD of Xu et al., "Fair ultrasound diagnosis via adversarial protected
    attribute aware perturbations on latent embeddings", npj Digital Medicine 2025.
    """

    takes_group: ClassVar[bool] = True
    least_groups: ClassVar[int] = 1
    group: ClassVar[str | None] = None
    OPTIONS: ClassVar[tuple[Option, ...]] = (
        base_option(),
        choice_option(
            "start",
            "base",
            ("base", "scratch"),
            "base: fine-tune the base; scratch: train from random weights at nnU-Net's rate",
        ),
    )

    watch: ClassVar[str] = (
        "Compare its evaluation with the base's: a group with few cases may do better in a model "
        "of all."
    )

    def changes(self) -> list[str]:
        """Return what is trained on, and from where."""
        (group,) = self.grouping.names
        scratch = self.option("start") == "scratch"
        start = "from random weights" if scratch else "from the base's weights"
        clause = f"trains on the cases of group '{group}' alone, {start}; validates on all"
        return [clause, *super().changes()]

    @cached_property
    def grouping(self) -> Grouping:
        """The one group that is trained on; cases of all others are in none.

        Raises:
            DemographicsError: If the attribute has no such group.
            TrainerNameError: If the trainer's name does not name a group.
        """
        name = type(self).__name__
        if self.group is None:
            raise TrainerNameError(
                f"{name} trains a model for one group, and its name must say which, for "
                f"example {name}_sex=female."
            )
        found = self.all_groups
        chosen = group_named(self.group, found.names, found.expression)
        members = {case: g if g == chosen else None for case, g in found.group_of.items()}
        group = found.groups[found.names.index(chosen)]
        return Grouping(found.expression, (group,), members)

    def configure_optimizers(self, *stage: str) -> tuple[torch.optim.Optimizer, Any]:
        """Return nnU-Net's optimizer and schedule, slower for fine-tuning.

        Args:
            stage: Of trainers whose schedule has several, such as nnU-Net's with a warm-up.
        """
        if self.option("start") == "base":
            self.initial_lr = _FINE_TUNING_LR
        return super().configure_optimizers(*stage)

    def do_split(self) -> tuple[list[str], list[str]]:
        """Return the group's training cases and all validation cases of this fold.

        Raises:
            TrainingError: If the group has no training case in this fold.
        """
        train, val = super().do_split()
        (group,) = self.grouping.names
        own = self.grouping.members(train)[group]
        if not own:
            counts = self.all_groups.counts(train).items()
            listed = shorten((name for name, count in counts if count), 12)
            raise TrainingError(
                f"No training case of fold {self.fold} is in group '{group}' of "
                f"'{self.grouping.expression}' (groups with training cases: {listed}). Train the "
                "model of another group or another fold, or make new folds with "
                "nnUNetv2_fair_prepare."
            )
        return own, val

    @property
    def base_trainer(self) -> str | None:
        """The base's trainer, if the base is fine-tuned."""
        return None if self.option("start") == "scratch" else self.option("base")

    def load_starting_weights(self) -> None:
        """Load the base's weights, to be fine-tuned."""
        if self.base_trainer is None:
            return
        for line in load_base(self, unwrapped(self.network), self.base_trainer):
            self._log(line)
