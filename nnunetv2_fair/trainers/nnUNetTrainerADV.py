"""ADV: a network trained from scratch whose embedding hides the attribute."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import nn

from nnunetv2_fair.networks.discriminator import AttributeDiscriminator
from nnunetv2_fair.networks.tap import BottleneckTap
from nnunetv2_fair.trainers.adversarial.adv_loss import AdversarialLoss
from nnunetv2_fair.trainers.adversarial.adversary import Adversary, GuessSummary, balanced_accuracy
from nnunetv2_fair.trainers.adversarial.logged_guesses import logged_guesses, shown_guesses
from nnunetv2_fair.trainers.base import SubgroupTrainer
from nnunetv2_fair.trainers.group_log.values import GroupValues
from nnunetv2_fair.trainers.shared.names import Option, choice_option, number_option

#: Of the discriminator's Adam, as in APPLE.
_DISCRIMINATOR_LR = 1e-3


def ramp(progress: float) -> float:
    """Return the share of its final weight that the reversed gradient has.

    Args:
        progress: Share of the training that is done, 0 to 1.

    Returns:
        0 to almost 1.

    Source: Ganin et al., JMLR 2016, section 5.2.2, with gamma = 10.
    """
    return 2 / (1 + math.exp(-10 * progress)) - 1


class nnUNetTrainerADV(SubgroupTrainer):
    """Trains nnU-Net's network against a discriminator that guesses the group at its bottleneck.

    Every step the discriminator learns from the batch's embeddings; then the network takes
    nnU-Net's step, the discriminator's gradient reversed at the bottleneck. It only affects the
    encoder. The trained network is nnU-Net's own, without the discriminator.

    Source: Ganin et al., "Domain-Adversarial Training of Neural Networks", JMLR 2016; the
    discriminator of Xu et al., npj Digital Medicine 2025.
    """

    OPTIONS: ClassVar[tuple[Option, ...]] = (
        number_option("lambda", 1.0, 0.0, 100.0, "final weight of the reversed gradient"),
        choice_option(
            "dloss",
            "balanced",
            ("balanced", "plain"),
            "the discriminator's loss; balanced: every group counts the same however rarely it is "
            "drawn; plain: every sample does",
        ),
    )

    _guesses: GuessSummary | None = None
    watch: ClassVar[str] = (
        "Watch the balanced accuracy of the discriminator in the log: near chance, it does not "
        "tell the groups apart."
    )

    def changes(self) -> list[str]:
        """Return what works against what."""
        clause = (
            "the encoder learns to hide the group from a discriminator (lambda rises to "
            f"{self.option('lambda'):g})"
        )
        return [clause, *super().changes()]

    def initialize(self) -> None:
        """Build as nnU-Net, and hook into the bottleneck."""
        super().initialize()
        self.loss.tap = BottleneckTap(self.network)

    def _build_loss(self) -> nn.Module:
        monitored: Any = super()._build_loss()
        return AdversarialLoss(monitored)

    @property
    def adversary(self) -> Adversary:
        """The discriminator; exists once training begins."""
        return self.loss.adversary

    def prepare_loss(self, cases: list[str]) -> None:
        """Make the discriminator of this fold's groups."""
        super().prepare_loss(cases)
        discriminator = AttributeDiscriminator(self.loss.tap.channels, len(self.grouping.names))
        self.loss.adversary = Adversary(
            discriminator.to(self.device),
            _DISCRIMINATOR_LR,
            self.num_epochs,
            alpha=0.0,
            weights=self.balancing_weights(cases) if self.option("dloss") == "balanced" else None,
            distributed=self.is_ddp,
        )

    def on_train_epoch_start(self) -> None:
        """Begin an epoch with its weight of the reversed gradient."""
        super().on_train_epoch_start()
        self.adversary.lr_scheduler.step(self.current_epoch)
        done = (self.current_epoch + 1) / self.num_epochs
        self.loss.strength = self.option("lambda") * ramp(done)

    def on_train_epoch_end(self, train_outputs: list[dict]) -> None:
        """Log how well the discriminator guesses."""
        super().on_train_epoch_end(train_outputs)
        guesses = self._guesses = self.adversary.finish_epoch()
        shown = shown_guesses(guesses.guesses, self.grouping, self._subgroup_log.visible)
        self.print_to_log_file(
            f"ADV: L_D {guesses.loss:.4f}, balanced accuracy of the discriminator "
            f"{balanced_accuracy(shown):.3f} (chance {guesses.chance:.3f}), lambda "
            f"{self.loss.strength:.4f}"
        )

    def logged_values(self) -> list[GroupValues]:
        """Return how well the discriminator guesses as well."""
        found = super().logged_values()
        if self._guesses is None:
            return found
        visible = self._subgroup_log.visible
        return [*found, *logged_guesses(self._guesses.guesses, self.grouping, visible)]

    def fairness_state(self) -> dict[str, torch.Tensor]:
        """Return the discriminator with its optimiser."""
        return {**super().fairness_state(), **self.adversary.state()}

    def load_fairness_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Restore the discriminator with its optimiser."""
        super().load_fairness_state(state)
        self.adversary.load_state(state)
