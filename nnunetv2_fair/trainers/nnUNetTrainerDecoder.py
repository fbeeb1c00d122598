"""Decoder: a trained model's encoder is kept, its decoder retrained on balanced batches."""

from typing import Any, ClassVar

import torch

from nnunetv2_fair.networks.bottleneck import unwrapped
from nnunetv2_fair.networks.frozen import RetrainedPart
from nnunetv2_fair.trainers.nnUNetTrainerOversampling import nnUNetTrainerOversampling
from nnunetv2_fair.trainers.shared.base_model import base_option, load_base
from nnunetv2_fair.trainers.shared.names import Option, choice_option

#: A tenth of nnU-Net's: fine-tuning starts from weights that already fit.
_FINE_TUNING_LR = 1e-3


class nnUNetTrainerDecoder(nnUNetTrainerOversampling):
    """Keeps the encoder of a trained model to the bit and retrains its decoder.

    Batches are balanced as :class:`nnUNetTrainerOversampling` does it. The base is found as
    APPLE's is; only a new training needs it. The network is nnU-Net's own. Unless the name says
    otherwise the training has 100 epochs, from the base's weights with a tenth of nnU-Net's
    learning rate.

    Source: last-layer retraining of Kirichenko et al., "Last Layer Re-Training is Sufficient for
    Robustness to Spurious Correlations", ICLR 2023, arXiv:2204.02937, carried over from
    classification to segmentation.
    """

    epochs: ClassVar[int | None] = 100
    OPTIONS: ClassVar[tuple[Option, ...]] = (
        base_option(),
        choice_option(
            "retrain",
            "decoder",
            ("decoder", "heads"),
            "what is retrained: the decoder, or the segmentation heads alone",
        ),
        choice_option(
            "start",
            "base",
            ("base", "random"),
            "base: what is retrained starts from the base's weights; random: from new ones, at "
            "nnU-Net's learning rate",
        ),
    )

    watch: ClassVar[str] = (
        "Compare its evaluation with the base's: the worst group should gain, the others not lose."
    )

    def changes(self) -> list[str]:
        """Return what is retrained and what stays."""
        heads, random = self.option("retrain") == "heads", self.option("start") == "random"
        part = "the segmentation heads" if heads else "the decoder"
        kept = "all else of the base stays" if heads else "the encoder of the base stays"
        start = " from random weights" if random else ""
        return [f"{part} is retrained{start}, {kept} as it is", *super().changes()]

    def configure_optimizers(self, *stage: str) -> tuple[torch.optim.Optimizer, Any]:
        """Return nnU-Net's optimizer and schedule for the part that is retrained.

        An optimizer passes over weights that have no gradient.

        Args:
            stage: Of trainers whose schedule has several, such as nnU-Net's with a warm-up.

        Raises:
            TrainingError: If the network has no decoder.
        """
        self._part = RetrainedPart(self.network, heads=self.option("retrain") == "heads")
        if self.option("start") == "base":
            self.initial_lr = _FINE_TUNING_LR
        return super().configure_optimizers(*stage)

    @property
    def base_trainer(self) -> str:
        """The base's trainer."""
        return str(self.option("base"))

    def load_starting_weights(self) -> None:
        """Load the base; with ``startrandom`` what is retrained keeps its new weights."""
        random = self._part.copy_weights()
        for line in load_base(self, unwrapped(self.network), self.base_trainer):
            self._log(line)
        if self.option("start") == "random":
            self._part.set_weights(random)

    def on_train_epoch_start(self) -> None:
        """Begin an epoch; what is frozen stays in evaluation mode."""
        super().on_train_epoch_start()
        self._part.train()
