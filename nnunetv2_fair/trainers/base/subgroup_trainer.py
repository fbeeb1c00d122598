"""SubgroupTrainer: nnU-Net's trainer that knows which group every sample is in."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from nnunetv2_fair.errors import shorten
from nnunetv2_fair.files.pool import make_room_for_sockets
from nnunetv2_fair.losses.monitor import GroupMonitor, MonitoredLoss
from nnunetv2_fair.losses.per_sample import TargetFormat
from nnunetv2_fair.networks.devices import require_device
from nnunetv2_fair.paths import SUBGROUP_LOG_CSV, SUBGROUP_LOG_PNG
from nnunetv2_fair.sampling.loader import loader_of
from nnunetv2_fair.trainers.base import checks
from nnunetv2_fair.trainers.base.adapting import adapted
from nnunetv2_fair.trainers.base.averaged import AveragedTrainer
from nnunetv2_fair.trainers.base.loaders import start_loaders
from nnunetv2_fair.trainers.group_log.subgroup_log import SubgroupLog
from nnunetv2_fair.trainers.group_log.uploads import upload
from nnunetv2_fair.trainers.group_log.values import GroupValues
from nnunetv2_fair.trainers.group_log.visible import Visible
from nnunetv2_fair.trainers.shared.fold_lock import fold_held
from nnunetv2_fair.trainers.shared.introduction import introduction, sizes_in_words
from nnunetv2_fair.trainers.shared.seeding import seed_process
from nnunetv2_fair.trainers.shared.starting_weights import StartingWeights
from nnunetv2_fair.trainers.shared.traces import removing_traces


class SubgroupTrainer(AveragedTrainer):
    """Base of all trainers here: looks up groups, passes them to the loss, logs per group.

    Trains exactly as ``nnUNetTrainer`` does; subclasses change the sampling (:meth:`build_sampler`)
    or the loss (:meth:`adapt_loss`, :meth:`prepare_loss`). Prediction needs neither the table nor
    this class's state.

    Attributes:
        least_groups: How many groups training cases must be in for the method to make sense.
        watch: Sentence for the screen: what to look at in the log of the groups.
    """

    least_groups: ClassVar[int] = 2
    watch: ClassVar[str] = (
        "Watch the group with the lowest pseudo Dice: it should rise, and the others not fall."
    )

    def __init__(
        self,
        plans: dict,
        configuration: str,
        fold: int,
        dataset_json: dict,
        device: torch.device = torch.device("cuda"),  # noqa: B008 - nnU-Net's exact signature
    ) -> None:
        # nnU-Net takes it out of the plans, and keeps it nowhere
        self._is_to_continue = bool(plans.get("continue_training"))
        super().__init__(plans, configuration, fold, dataset_json, device)
        self._hide_from_here()
        if self.epochs is not None:
            self.num_epochs = self.epochs
        self.monitor = GroupMonitor()
        self._weights = StartingWeights()
        self._held = ExitStack()

    def build_sampler(self, cases: list[str]) -> Callable[[], np.ndarray] | None:
        """Return the sampler of the cases of each training batch; None leaves nnU-Net's choice.

        Args:
            cases: Training cases of this fold.
        """
        return None

    def adapt_loss(self, loss: nn.Module) -> nn.Module:
        """Return the loss to train with; it may be one that receives the groups by ``set_batch``.

        Called when the trainer is built, for prediction too: groups are not known yet.

        Args:
            loss: nnU-Net's loss, as nnU-Net built it.
        """
        return loss

    def prepare_loss(self, cases: list[str]) -> None:
        """Give the loss what it needs to know about the groups, before the first step.

        Called in every training, including resumed ones.

        Args:
            cases: Training cases of this fold.
        """

    @property
    def adapted_loss(self) -> Any:
        """What :meth:`adapt_loss` returned."""
        return self.loss.loss

    def _build_loss(self) -> nn.Module:
        target_format = TargetFormat(
            has_regions=self.label_manager.has_regions,
            ignore_label=self.label_manager.ignore_label,
        )
        loss = adapted(self.adapt_loss, super()._build_loss(), type(self), SubgroupTrainer)
        return MonitoredLoss(loss, self.monitor, target_format)

    def changes(self) -> list[str]:
        """Return what this trainer does differently from nnU-Net's, for the screen.

        Returns:
            Clauses without full stops, the most derived class's first.
        """
        return []

    def load_starting_weights(self) -> None:
        """Load the weights that a new training starts from, where they are not random.

        Not called in a training that is continued.
        """

    @property
    def base_trainer(self) -> str | None:
        """Name of the trainer whose model this one starts from; None if it starts from nothing."""
        return None

    def initialize(self) -> None:
        """Build the network as nnU-Net does, from this run's seed where the name has one.

        Weights that the base would replace are refused.
        """
        if self.option("run") is not None:
            seed_process(self.option("run"), self.local_rank, 0)
        super().initialize()
        if self.base_trainer is not None:
            self._weights.guard(self)

    def on_train_start(self) -> None:
        """Begin as nnU-Net does: everything is checked before its workers start."""
        with removing_traces(self), self._weights.expected(), ExitStack() as held:
            if self.local_rank == 0:
                held.enter_context(fold_held(Path(self.output_folder)))
            require_device(self.device.type)
            self._check()
            if not self.was_initialized:
                self.initialize()
            if not self._continued:
                self.load_starting_weights()
            super().on_train_start()
            self._held = held.pop_all()
        self._introduce()

    def _check(self) -> None:
        """Refuse a wrong name, table or file of folds, before the network is built."""
        self.grouping  # noqa: B018
        self._check_saved_table()
        checks.require_images(self)
        for sentence in checks.check_folds(self):
            self._show(f"WARNING: {sentence}.")  # not into the log: it names cases

    def do_split(self) -> tuple[list[str], list[str]]:
        """Return nnU-Net's cases of the fold; validation alone needs them, too.

        Where the name says so, with fewer training cases of the smallest group, or of all others.

        Raises:
            DatasetError: If there is no such fold, for which nnU-Net would draw cases itself.
            TrainingError: If the smallest group has fewer patients than the name says.
        """
        checks.require_existing_fold(self)
        train, val = super().do_split()
        return checks.chosen_cohort(self, list(train)), val

    def get_tr_and_val_datasets(self) -> tuple[Any, Any]:
        """Return nnU-Net's datasets of the fold; workers that read them have not started yet."""
        train, val = super().get_tr_and_val_datasets()
        if self.option("minority") is not None or self.option("cohort") != "all":
            # nnU-Net has just said how many there are in the fold
            self._show(f"The cohort has {len(train.identifiers)} of these training cases.")
        checks.check_groups(self, list(train.identifiers), list(val.identifiers), self.least_groups)
        return train, val

    def get_dataloaders(self) -> tuple[Any, Any]:
        """Return nnU-Net's data loaders, the training one with this trainer's sampler."""
        make_room_for_sockets()  # workers pass their batches through them
        train, val = super().get_dataloaders()
        train_cases = list(loader_of(train).indices)
        val_cases = list(loader_of(val).indices)
        self._watch_groups(train_cases, val_cases)
        self._log(f"Demographics table: SHA-256 {self.table_hash[:12]}...")
        self.prepare_loss(train_cases)
        self._start_average()
        self._restore_fairness()
        sampler = self.build_sampler(train_cases)
        run = self.option("run")
        start_loaders(train, val, sampler, run, self.local_rank, self.current_epoch)
        return train, val

    def _introduce(self) -> None:
        """Say what this training is about; sizes of groups are not written into the log."""
        if self.local_rank != 0:
            return
        first, *others = introduction(
            type(self).__name__,
            "; ".join(self.changes()) or "trains as nnU-Net does",
            self.grouping.expression,
            self.fold,
            Path(self.output_folder) / SUBGROUP_LOG_CSV,
            self.watch,
        )
        sizes = self.group_sizes(loader_of(self.dataloader_train).indices)
        self._log("")
        self._show(first + sizes_in_words(sizes))
        for line in others:
            self._log(line)
        absent = [name for name, size in sizes.items() if not size.cases]
        if absent:
            self._log(f"WARNING: no training case of group {shorten(absent)} in this fold.")
        self._log("")

    def _watch_groups(self, train_cases: list[str], val_cases: list[str]) -> None:
        """Start the monitor and the log of this fold's groups."""
        grouping, folder = self.grouping, Path(self.output_folder)
        self.monitor.start(len(grouping.names), self.device)
        dataset = Path(self.preprocessed_dataset_folder_base).name
        self._subgroup_log = SubgroupLog(
            folder / SUBGROUP_LOG_CSV,
            folder / SUBGROUP_LOG_PNG,
            f"{type(self).__name__}, {dataset}, {self.configuration_name}, fold {self.fold}",
            grouping.expression,
            grouping.names,
            Visible({"train": self.group_sizes(train_cases), "val": self.group_sizes(val_cases)}),
            self._label_names(),
        )
        if self.local_rank == 0:
            damage = self._subgroup_log.forget_from(self.current_epoch)
            if damage:
                self._log(f"WARNING: {damage}.")

    def _label_names(self) -> list[str]:
        # foreground labels and regions have this order in the network's output
        ignored = {"background", "ignore"}
        return [name for name in self.dataset_json["labels"] if name not in ignored]

    def train_step(self, batch: dict) -> dict:
        """Take nnU-Net's step with the samples' groups known to the loss."""
        self.loss.set_batch(self._groups_of(batch["keys"]), training=True)
        return super().train_step(batch)

    def validation_step(self, batch: dict) -> dict:
        """Take nnU-Net's validation step, counting per group."""
        self.loss.set_batch(self._groups_of(batch["keys"]), training=False)
        result: dict = super().validation_step(batch)
        return result

    def on_validation_epoch_end(self, val_outputs: list[dict]) -> None:
        """Log the epoch's losses and pseudo Dice of every group, and what the method adds."""
        super().on_validation_epoch_end(val_outputs)
        summary = self.monitor.finish_epoch(all_reduce=self._sum_over_ranks)
        if self.local_rank != 0:
            return
        values = self.logged_values()
        rows = self._subgroup_log.add(self.current_epoch, summary, values)
        for line in self._subgroup_log.lines(rows, values):
            self.print_to_log_file(line)
        upload(getattr(self.logger, "loggers", ()), rows, values, self.grouping.expression)

    def logged_values(self) -> list[GroupValues]:
        """Return what the log shows of the method, for the epoch that ends.

        Called at the end of every epoch's validation, in the first process alone.

        Returns:
            Columns, those of the base classes first.
        """
        return []

    def on_train_end(self) -> None:
        """End as nnU-Net does; another process may then train in the folder."""
        super().on_train_end()
        self._held.close()

    def _sum_over_ranks(self, values: torch.Tensor) -> torch.Tensor:
        if self.is_ddp:
            dist.all_reduce(values)
        return values
