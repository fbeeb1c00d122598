"""APPLE: a perturbation of the embedding that hides the attribute from a discriminator."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import nn

from nnunetv2_fair.errors import TrainingError
from nnunetv2_fair.losses.group_dro import GroupDRO, GroupDROLoss
from nnunetv2_fair.losses.weighted import SampleWeightedLoss
from nnunetv2_fair.networks.bottleneck import unwrapped
from nnunetv2_fair.networks.discriminator import AttributeDiscriminator
from nnunetv2_fair.networks.perturbation import PerturbedNetwork
from nnunetv2_fair.trainers.adversarial.adversary import (
    Adversary,
    CollapseWatch,
    GuessSummary,
    balanced_accuracy,
)
from nnunetv2_fair.trainers.adversarial.apple_loss import AppleLoss
from nnunetv2_fair.trainers.adversarial.logged_guesses import logged_guesses, shown_guesses
from nnunetv2_fair.trainers.base import SubgroupTrainer
from nnunetv2_fair.trainers.group_log.values import GroupValues
from nnunetv2_fair.trainers.shared.base_model import base_option, load_base
from nnunetv2_fair.trainers.shared.names import (
    Option,
    choice_option,
    number_option,
    whole_number_option,
)
from nnunetv2_fair.training_log import columns


class nnUNetTrainerAPPLE(SubgroupTrainer):
    """Keeps a trained model unchanged and learns a perturbation of its embedding.

    A generator adds to the bottleneck embedding what keeps a discriminator from separating the
    groups, while the frozen decoder must still segment. The base is the finished
    ``nnUNetTrainer`` run of the same dataset, plans, configuration and fold unless the name
    (``base``) or the environment variable ``nnUNet_fair_base_checkpoint`` says otherwise; only a
    new training needs it. Learning rates (Adam, 0.001 for both networks, falling as
    nnU-Net's) and the defaults of alpha and beta are ours: the paper's text does not give them.

    Source: Xu et al., "Fair ultrasound diagnosis via adversarial protected attribute aware
    perturbations on latent embeddings", npj Digital Medicine 2025, Eqs. 2 to 6, Algorithm 1.
    """

    OPTIONS: ClassVar[tuple[Option, ...]] = (
        number_option("alpha", 0.1, 0.0, 100.0, "weight of the entropy in the fairness loss"),
        number_option("beta", 1.0, 0.0, 1000.0, "weight of the segmentation loss"),
        base_option(),
        choice_option(
            "fair", "paper", ("paper", "confusion"),
            "paper: maximise the discriminator's loss; confusion: make it unsure",
        ),
        choice_option(
            "dloss", "auto", ("auto", "balanced", "plain"),
            "the discriminator's loss; balanced: every group counts the same however rarely it is "
            "drawn; plain: every sample does; auto: balanced with fairconfusion, else plain",
        ),
        whole_number_option("dsteps", 1, 1, 100, "discriminator steps for each generator step"),
        choice_option(
            "levels", "bottleneck", ("bottleneck", "all"),
            "what is perturbed: the bottleneck, or every skip too",
        ),
        choice_option(
            "seg", "plain", ("plain", "balanced", "dro"),
            "segmentation loss: nnU-Net's, weighted by group size, or GroupDRO's",
        ),
    )  # fmt: skip

    _guesses: GuessSummary | None = None
    watch: ClassVar[str] = (
        "Watch the balanced accuracy of the discriminator in the log: near chance, it does not "
        "tell the groups apart."
    )

    def __init__(
        self,
        plans: dict,
        configuration: str,
        fold: int,
        dataset_json: dict,
        device: torch.device = torch.device("cuda"),  # noqa: B008 - nnU-Net's exact signature
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.initial_lr = 1e-3
        self.weight_decay = 0.0
        self._collapse_watch = CollapseWatch(self._log)

    @classmethod
    def build_network_architecture(
        cls,
        plans_manager: PlansManager,
        configuration_manager: ConfigurationManager,
        num_input_channels: int,
        num_output_channels: int,
        enable_deep_supervision: bool = True,
    ) -> nn.Module:
        """Return nnU-Net's network for the plans with generators in it, for prediction too.

        nnU-Net decides by the names of the arguments which ones to pass.
        """
        base = super().build_network_architecture(
            plans_manager,
            configuration_manager,
            num_input_channels,
            num_output_channels,
            enable_deep_supervision,
        )
        return PerturbedNetwork(base, all_levels=cls.option("levels") == "all")

    def changes(self) -> list[str]:
        """Return what is trained and what stays."""
        clause = (
            "the base model stays as it is; what is trained is a perturbation of its embedding "
            "that hides the group"
        )
        return [clause, *super().changes()]

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, PolyLRScheduler]:
        """Return Adam for the generators, with nnU-Net's schedule."""
        optimizer = torch.optim.Adam(self._perturbed.generators.parameters(), self.initial_lr)
        return optimizer, PolyLRScheduler(optimizer, self.initial_lr, self.num_epochs)

    @property
    def _balanced(self) -> bool:
        """Whether the discriminator's loss counts all groups the same."""
        chosen = self.option("dloss")
        return chosen == "balanced" or (chosen == "auto" and self.option("fair") == "confusion")

    @property
    def _perturbed(self) -> PerturbedNetwork:
        network = unwrapped(self.network)
        if not isinstance(network, PerturbedNetwork):
            raise TrainingError(
                f"{type(self).__name__} needs the network that it builds itself, nnU-Net's with "
                f"generators in it; found {type(network).__name__}. Do not override the trainer's "
                "build_network_architecture."
            )
        return network

    @property
    def adversary(self) -> Adversary:
        """The discriminator; exists once training begins."""
        return self.loss.adversary

    @property
    def base_trainer(self) -> str:
        """The base's trainer."""
        return str(self.option("base"))

    def load_starting_weights(self) -> None:
        """Load the base, which stays as it is."""
        for line in load_base(self, self._perturbed.base, self.base_trainer):
            self._log(line)

    def _build_loss(self) -> nn.Module:
        monitored: Any = super()._build_loss()
        return AppleLoss(monitored, self.option("beta"))

    def adapt_loss(self, loss: nn.Module) -> nn.Module:
        """Return the segmentation loss that the option ``seg`` names."""
        adapted = {"balanced": SampleWeightedLoss, "dro": GroupDROLoss}.get(self.option("seg"))
        return loss if adapted is None else adapted(loss)

    def prepare_loss(self, cases: list[str]) -> None:
        """Make the discriminator of this fold's groups."""
        super().prepare_loss(cases)
        n_groups = len(self.grouping.names)
        discriminator = AttributeDiscriminator(self._perturbed.latent_channels, n_groups)
        self.loss.adversary = Adversary(
            discriminator.to(self.device),
            self.initial_lr,
            self.num_epochs,
            steps=self.option("dsteps"),
            alpha=self.option("alpha"),
            confusion=self.option("fair") == "confusion",
            weights=self.balancing_weights(cases) if self._balanced else None,
            distributed=self.is_ddp,
        )
        weights = torch.ones(n_groups + 1)
        if self.option("seg") == "balanced":
            weights[:-1] = self.balancing_weights(cases)
        if self.option("seg") == "dro":
            self.adapted_loss.dro = GroupDRO(
                n_groups,
                group_sizes=list(self.grouping.counts(cases).values()),
                distributed=self.is_ddp,
                device=self.device,
            )
        if self.option("seg") != "plain":
            self.adapted_loss.set_group_weights(weights.float().to(self.device))

    def on_train_epoch_start(self) -> None:
        """Begin an epoch with the discriminator's learning rate in step."""
        super().on_train_epoch_start()
        self.adversary.lr_scheduler.step(self.current_epoch)

    def on_train_epoch_end(self, train_outputs: list[dict]) -> None:
        """Log the state of the game."""
        super().on_train_epoch_end(train_outputs)
        segmentation, perturbation = self.loss.finish_epoch(self._sum_over_ranks)
        guesses = self._guesses = self.adversary.finish_epoch()
        shown = shown_guesses(guesses.guesses, self.grouping, self._subgroup_log.visible)
        self.print_to_log_file(
            f"APPLE: L_D {guesses.loss:.4f}, balanced accuracy of the discriminator "
            f"{balanced_accuracy(shown):.3f} (chance {guesses.chance:.3f}), L_seg "
            f"{segmentation:.4f}, |delta|/|f_o| {perturbation:.4f}"
        )
        self._collapse_watch.see(self.current_epoch, guesses, perturbation)

    def logged_values(self) -> list[GroupValues]:
        """Return how well the discriminator guesses, and what ``seg`` weighs groups by."""
        found = super().logged_values()
        if self._guesses is None:
            return found
        visible = self._subgroup_log.visible
        found += logged_guesses(self._guesses.guesses, self.grouping, visible)
        if self.option("seg") == "dro":
            found.append(GroupValues(columns.Q, "q", self.adapted_loss.dro.q.tolist()))
        if self.option("seg") == "balanced":
            weights = self.adapted_loss.group_weights[:-1].tolist()
            title = "Weight of a case"
            found.append(GroupValues(columns.WEIGHT, title, weights, tells="sizes"))
        return found

    def fairness_state(self) -> dict[str, torch.Tensor]:
        """Return the discriminator with its optimiser, and ``q`` of ``segdro``."""
        state = {**super().fairness_state(), **self.adversary.state()}
        if self.option("seg") == "dro":
            state["q"] = self.adapted_loss.dro.q
        return state

    def load_fairness_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Restore the discriminator with its optimiser, and ``q``."""
        super().load_fairness_state(state)
        self.adversary.load_state(state)
        if self.option("seg") == "dro":
            self.adapted_loss.dro.q.copy_(state["q"])
