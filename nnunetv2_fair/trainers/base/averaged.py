"""Training with an average of the weights, where the name asks for it: ``_ema0.999``."""

from collections.abc import Mapping

import torch

from nnunetv2_fair.networks.bottleneck import unwrapped
from nnunetv2_fair.trainers.base.continued import ContinuedTrainer
from nnunetv2_fair.trainers.shared.averaging import WeightAverage


class AveragedTrainer(ContinuedTrainer):
    """A trainer that can validate, save and predict with the average of its weights."""

    _average: WeightAverage | None = None

    def _start_average(self) -> None:
        """Begin with the network's weights; called before the adaptive state is restored."""
        if self.option("ema") is not None:
            self._average = WeightAverage(unwrapped(self.network), self.option("ema"))

    def train_step(self, batch: dict) -> dict:
        """Take nnU-Net's step, and include its weights."""
        result: dict = super().train_step(batch)
        if self._average is not None:
            self._average.update()
        return result

    def on_train_epoch_start(self) -> None:
        """Begin an epoch, with the weights that are trained."""
        if self._average is not None:
            self._average.hide()
        super().on_train_epoch_start()

    def on_validation_epoch_start(self) -> None:
        """Begin the validation, of the average of the weights where the name asks for it.

        It stays in the network until the next epoch, so that checkpoints hold it.
        """
        super().on_validation_epoch_start()
        if self._average is not None:
            self._average.show()

    def on_train_end(self) -> None:
        """End as nnU-Net does; the final checkpoint does not hold two sets of weights."""
        self._average = None
        super().on_train_end()

    def fairness_state(self) -> dict[str, torch.Tensor]:
        """Return the adaptive state, with the weights that are trained."""
        own = {} if self._average is None else self._average.state()
        return {**super().fairness_state(), **own}

    def load_fairness_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Restore the adaptive state, and the weights that are trained."""
        super().load_fairness_state(state)
        if self._average is not None:
            self._average.load_state(state)
