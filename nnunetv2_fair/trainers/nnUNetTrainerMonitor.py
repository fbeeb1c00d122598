"""Monitor: nnU-Net's training, watched group by group."""

from typing import ClassVar

from nnunetv2_fair.trainers.base import SubgroupTrainer


class nnUNetTrainerMonitor(SubgroupTrainer):
    """Trains as ``nnUNetTrainer`` does, to the bit, and logs loss and pseudo Dice per group.

    The baseline of all other trainers: of any number of epochs, and with the same log.
    """

    least_groups: ClassVar[int] = 1
    watch: ClassVar[str] = "Watch whether the groups learn equally fast and end equally well."
