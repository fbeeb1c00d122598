"""A trainer of your own: groups are drawn in proportion to the square root of their size.

nnU-Net finds it in the folder that ``nnUNet_extTrainer`` names:

    export nnUNet_extTrainer=$PWD/examples/trainers
    nnUNetv2_train 42 2d 0 -tr nnUNetTrainerRootSampling

The class below is used under its own name: the grammar of names with options (``..._sex_level0.5``)
is for the trainers of this package. So say the attribute here, or leave it to the dataset's
default, and derive a class for each variant.
"""

import numpy as np

from nnunetv2_fair.sampling.balance import BalancedSampler
from nnunetv2_fair.trainers import SubgroupTrainer


class nnUNetTrainerRootSampling(SubgroupTrainer):
    """Between nnU-Net's sampling and oversampling; network, loss and validation are nnU-Net's."""

    attribute = None  # the dataset's default; "sex+age" would be the joint groups

    def drawing_shares(self, cases: list[str]) -> np.ndarray:
        """Return the share of each group, and as the last one that of unknown group."""
        counts = self.grouping.counts(cases)
        sizes = np.array([*counts.values(), len(self.grouping.unknown(cases))], dtype=float)
        return np.sqrt(sizes) / np.sqrt(sizes).sum()

    def build_sampler(self, cases: list[str]) -> BalancedSampler:
        """Return what draws the cases of each training batch."""
        members = [*self.grouping.members(cases).values(), self.grouping.unknown(cases)]
        batch_size = self.configuration_manager.batch_size
        return BalancedSampler(members, self.drawing_shares(cases), [batch_size])


class nnUNetTrainerRootSampling_1epoch(nnUNetTrainerRootSampling):
    """The same for one epoch, to see whether it runs."""

    epochs = 1
