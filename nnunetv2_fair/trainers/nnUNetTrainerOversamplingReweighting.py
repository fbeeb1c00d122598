"""Balanced batches; what balance the sampling leaves open, weights add."""

from typing import ClassVar

from nnunetv2_fair.trainers.nnUNetTrainerOversampling import nnUNetTrainerOversampling
from nnunetv2_fair.trainers.nnUNetTrainerReweighting import nnUNetTrainerReweighting
from nnunetv2_fair.trainers.shared.names import Option, choice_option


class nnUNetTrainerOversamplingReweighting(nnUNetTrainerReweighting, nnUNetTrainerOversampling):
    """Balanced batches whose samples are weighted inversely to how often their group is drawn.

    With batches that are fully balanced, all weights are equal: the sampling has corrected for
    the sizes of groups, and weights must not do so again. With a lower ``level`` they add the
    rest. ``countstrain`` multiplies both corrections, as the method's name would have it.

    Source: Lee et al., "Understanding-informed Bias Mitigation for Fair CMR Segmentation",
    MELBA 2025, section 4.6.
    """

    OPTIONS: ClassVar[tuple[Option, ...]] = (
        choice_option(
            "counts",
            "drawn",
            ("drawn", "train", "batch"),
            "what weights are inverse to; drawn: how often a group is drawn; train: its training "
            "cases, which corrects twice; batch: its samples in each batch, as the public code",
        ),
    )

    def counted(self, cases: list[str]) -> list[float]:
        """Return how many cases of each group an epoch of as many samples as cases would draw."""
        if self.option("counts") == "train":
            return super().counted(cases)
        return list(self.drawing_shares(cases)[:-1] * len(cases))

    def prepare_loss(self, cases: list[str]) -> None:
        """Compute the weights, and warn of a correction that is made twice."""
        super().prepare_loss(cases)
        if self.option("counts") == "train" and self.option("level") > 0:
            self._log(
                "WARNING: countstrain corrects for the sizes of groups twice, by sampling and by "
                "weights: nearly all of the gradient can come from the smallest group. Leave the "
                "option out to weight what is drawn."
            )
