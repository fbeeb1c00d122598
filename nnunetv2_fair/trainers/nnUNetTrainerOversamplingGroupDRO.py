"""Balanced batches, GroupDRO on their losses."""

from nnunetv2_fair.trainers.nnUNetTrainerGroupDRO import nnUNetTrainerGroupDRO
from nnunetv2_fair.trainers.nnUNetTrainerOversampling import nnUNetTrainerOversampling


class nnUNetTrainerOversamplingGroupDRO(nnUNetTrainerGroupDRO, nnUNetTrainerOversampling):
    """Balanced batches, GroupDRO on their losses.

    Source: Lee et al., "Understanding-informed Bias Mitigation for Fair CMR Segmentation",
    MELBA 2025, section 4.6.
    """
