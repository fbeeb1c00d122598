"""Balanced batches whose samples are weighted inversely to group sizes."""

from nnunetv2_fair.trainers.nnUNetTrainerOversampling import nnUNetTrainerOversampling
from nnunetv2_fair.trainers.nnUNetTrainerReweighting import nnUNetTrainerReweighting


class nnUNetTrainerOversamplingReweighting(nnUNetTrainerReweighting, nnUNetTrainerOversampling):
    """Balanced batches whose samples are weighted inversely to group sizes.

    Source: Lee et al., "Understanding-informed Bias Mitigation for Fair CMR Segmentation",
    MELBA 2025, section 4.6.
    """
