"""GroupDRO on cross-entropies that are weighted inversely to group sizes."""

from nnunetv2_fair.trainers.nnUNetTrainerGroupDRO import nnUNetTrainerGroupDRO
from nnunetv2_fair.trainers.nnUNetTrainerReweighting import nnUNetTrainerReweighting


class nnUNetTrainerReweightingGroupDRO(nnUNetTrainerGroupDRO, nnUNetTrainerReweighting):
    """GroupDRO on cross-entropies that are weighted inversely to group sizes.

    Source: Lee et al., "Understanding-informed Bias Mitigation for Fair CMR Segmentation",
    MELBA 2025, section 4.6.
    """
