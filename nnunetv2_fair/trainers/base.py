"""SubgroupTrainer: nnU-Net's trainer that knows which group every sample is in."""

import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torch.distributed as dist
from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch import nn

from nnunetv2_fair.errors import DemographicsError, TrainingError, shorten
from nnunetv2_fair.losses.monitor import GroupMonitor, MonitoredLoss
from nnunetv2_fair.losses.per_sample import TargetFormat
from nnunetv2_fair.losses.reweighting import group_weights
from nnunetv2_fair.networks.bottleneck import unwrapped
from nnunetv2_fair.networks.devices import require_device
from nnunetv2_fair.paths import SPLITS_JSON, SUBGROUP_LOG_CSV, SUBGROUP_LOG_PNG
from nnunetv2_fair.sampling.loader import loader_of, restart
from nnunetv2_fair.subgroups.folds import checked_folds, read_folds, require_fold
from nnunetv2_fair.subgroups.groups import Grouping, group_cases
from nnunetv2_fair.subgroups.origin import changed_since
from nnunetv2_fair.subgroups.table import (
    DemographicsTable,
    check_against_cases,
    read_dataset_table,
    table_hash,
)
from nnunetv2_fair.trainers.shared.averaging import WeightAverage
from nnunetv2_fair.trainers.shared.checkpoint import (
    FairnessCheckpoint,
    check_same_table,
    fingerprint,
    read_checkpoint,
    whole_checkpoint,
    write_checkpoint,
)
from nnunetv2_fair.trainers.shared.fold_lock import fold_held
from nnunetv2_fair.trainers.shared.introduction import GroupSize, introduction, sizes_in_words
from nnunetv2_fair.trainers.shared.names import (
    Option,
    choice_option,
    meant_option,
    number_option,
    whole_number_option,
)
from nnunetv2_fair.trainers.shared.seeding import seed_process, worker_seeds
from nnunetv2_fair.trainers.shared.starting_weights import StartingWeights
from nnunetv2_fair.trainers.shared.subgroup_log import SubgroupLog
from nnunetv2_fair.trainers.shared.traces import removing_traces
from nnunetv2_fair.trainers.shared.variants import variant_option


class SubgroupTrainer(nnUNetTrainer):
    """Base of all trainers here: looks up groups, passes them to the loss, logs per group.

    Trains exactly as ``nnUNetTrainer`` does; subclasses change the sampling (:meth:`build_sampler`)
    or the loss (:meth:`adapt_loss`, :meth:`prepare_loss`). Prediction needs neither the table nor
    this class's state.

    Class attributes are set by the name (see :mod:`nnunetv2_fair.trainers.shared.names`):

    Attributes:
        attribute: Attribute expression that defines the groups; None takes the default.
        epochs: Number of epochs; None takes nnU-Net's.
        chosen_options: Options in the name.
        OPTIONS: Options that this class knows.
        takes_group: Whether the name must say one group to train on.
        least_groups: How many groups training cases must be in for the method to make sense.
        watch: Sentence for the screen: what to look at in the log of the groups.
    """

    attribute: ClassVar[str | None] = None
    epochs: ClassVar[int | None] = None
    chosen_options: ClassVar[Mapping[str, Any]] = {}
    takes_group: ClassVar[bool] = False
    least_groups: ClassVar[int] = 2
    watch: ClassVar[str] = (
        "Watch the group with the lowest pseudo Dice: it should rise, and the others not fall."
    )
    OPTIONS: ClassVar[tuple[Option, ...]] = (
        choice_option(
            "unknown",
            "exclude",
            ("exclude", "own", "error"),
            "what to do with training cases of unknown group",
        ),
        variant_option(),
        whole_number_option(
            "run",
            None,
            1,
            999,
            "which of several trainings that differ by chance alone; seeds initialisation, "
            "sampling and augmentation",
        ),
        number_option(
            "ema",
            None,
            0.5,
            0.99999,
            "decay of the average of the weights that is validated, saved and predicted with",
        ),
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
        self._nnunets_own = frozenset([*vars(self), *dir(nnUNetTrainer)])
        self._describing = False
        if self.epochs is not None:
            self.num_epochs = self.epochs
        self.monitor = GroupMonitor()
        self._weights = StartingWeights()
        self._average: WeightAverage | None = None
        self._continued = False
        self._saved_fairness: FairnessCheckpoint | None = None
        self._held = ExitStack()

    @classmethod
    def known_options(cls) -> dict[str, Option]:
        """Return all options of this class and its bases."""
        return {
            option.name: option
            for base in reversed(cls.__mro__)
            for option in vars(base).get("OPTIONS", ())
        }

    @classmethod
    def option(cls, name: str) -> Any:
        """Return the value of an option: the name's, else the default."""
        return cls.chosen_options.get(name, cls.known_options()[name].default)

    @classmethod
    def check_options(cls) -> None:
        """Refuse options of the name that exclude each other; called when the name is read.

        Raises:
            TrainerNameError: If there are any.
        """

    @cached_property
    def table(self) -> DemographicsTable:
        """The demographics table in the preprocessed dataset's folder.

        Raises:
            DemographicsError: If it is missing or wrong.
        """
        return read_dataset_table(Path(self.preprocessed_dataset_folder_base))

    @cached_property
    def table_hash(self) -> str:
        """Hash of what table and dictionary said when training began."""
        return table_hash(self.table)

    @cached_property
    def grouping(self) -> Grouping:
        """Groups of all cases.

        Raises:
            DemographicsError: If the table lacks the attribute, or a value where that is an error.
        """
        table = self.table
        try:
            return group_cases(table, self.attribute, self.option("unknown"))
        except DemographicsError as error:
            meant = meant_option(self.attribute, table.schema.attributes, self.known_options())
            raise DemographicsError(f"{type(self).__name__}: {error}{meant}") from None

    def build_sampler(self, cases: list[str]) -> Callable[[], np.ndarray] | None:
        """Return the sampler of the cases of each training batch; None leaves nnU-Net's choice.

        Args:
            cases: Training cases of this fold.
        """
        return None

    def drawing_shares(self, cases: list[str]) -> np.ndarray:
        """Return how often each group is drawn for training.

        Args:
            cases: Training cases of this fold.

        Returns:
            ``(G + 1,)`` shares that sum to 1, the last that of cases of unknown group.
        """
        counts = [*self.grouping.counts(cases).values(), len(self.grouping.unknown(cases))]
        return np.array(counts) / len(cases)

    def balancing_weights(self, cases: list[str]) -> torch.Tensor:
        """Return weights with which all groups count the same among the samples drawn.

        Args:
            cases: Training cases of this fold.

        Returns:
            ``(G,)`` float32, inverse to how often a group is drawn; the mean over the samples
            drawn is 1. A group that is never drawn has weight 0.
        """
        drawn = list(self.drawing_shares(cases)[:-1] * len(cases))
        return torch.tensor(group_weights(drawn, drawn)[:-1], dtype=torch.float32)

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
        plain = super()._build_loss()
        try:
            adapted = self.adapt_loss(plain)
        except TrainingError:
            builder, adapter = self._owner("_build_loss"), self._owner("adapt_loss")
            if builder is nnUNetTrainer:
                raise
            raise TrainingError(
                f"{type(self).__name__}: {adapter.__name__}.adapt_loss takes nnU-Net's default "
                f"loss apart, and {builder.__name__}._build_loss builds another one "
                f"({type(getattr(plain, 'loss', plain)).__name__}). Combine {builder.__name__} "
                "with a method that leaves the loss as it is, such as Oversampling, or this "
                "method with another trainer."
            ) from None
        return MonitoredLoss(adapted, self.monitor, target_format)

    def _owner(self, name: str) -> type:
        """Return the class that a method comes from, this one left out unless it is the last."""
        owners = [cls for cls in type(self).__mro__ if name in vars(cls)]
        return next((cls for cls in owners if cls is not SubgroupTrainer), SubgroupTrainer)

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
        if self._saved_fairness is not None:
            name = type(self).__name__
            check_same_table(self._saved_fairness, self.table_hash, self.table.source, name)
        folder = Path(self.preprocessed_dataset_folder_base)
        images = self.preprocessed_dataset_folder
        if not Path(images).is_dir():
            raise TrainingError(
                f"{images} does not exist: the images of this configuration have not been "
                f"preprocessed. Run: nnUNetv2_preprocess -d {folder.name} -c "
                f"{self.configuration_name} -plans_name {self.plans_manager.plans_name}"
            )
        if self.fold == "all":
            warnings = changed_since(folder)
        else:
            cases = infer_dataset_class(images).get_identifiers(images)
            folds, warnings = checked_folds(folder, self.table, cases)
            require_fold(folds, self.fold, folder / SPLITS_JSON)
        for sentence in warnings:
            self._show(f"WARNING: {sentence}.")  # not into the log: it names cases

    def do_split(self) -> tuple[list[str], list[str]]:
        """Return nnU-Net's cases of the fold; validation alone needs them, too.

        Raises:
            DatasetError: If there is no such fold, for which nnU-Net would draw cases itself.
        """
        path = Path(self.preprocessed_dataset_folder_base, SPLITS_JSON)
        if self.fold != "all" and path.exists():
            require_fold(read_folds(path), self.fold, path)
        return super().do_split()

    def get_tr_and_val_datasets(self) -> tuple[Any, Any]:
        """Return nnU-Net's datasets of the fold; workers that read them have not started yet."""
        train, val = super().get_tr_and_val_datasets()
        self._check_groups(list(train.identifiers), list(val.identifiers))
        return train, val

    def get_dataloaders(self) -> tuple[Any, Any]:
        """Return nnU-Net's data loaders, the training one with this trainer's sampler."""
        train, val = super().get_dataloaders()
        train_cases = list(loader_of(train).indices)
        val_cases = list(loader_of(val).indices)
        self._watch_groups(train_cases, val_cases)
        self._log(f"Demographics table: SHA-256 {self.table_hash[:12]}...")
        self.prepare_loss(train_cases)
        if self.option("ema") is not None:
            self._average = WeightAverage(unwrapped(self.network), self.option("ema"))
        self._restore_fairness()
        self._start_loaders(train, val, self.build_sampler(train_cases))
        return train, val

    def _start_loaders(
        self, train: Any, val: Any, sampler: Callable[[], np.ndarray] | None
    ) -> None:
        """Start the workers again where they must draw or augment differently from nnU-Net's."""
        run = self.option("run")
        if run is None:
            restart(train, sampler)
            return
        # a training that is continued must not see the batches of its beginning again
        key = (run, self.local_rank, self.current_epoch)
        restart(train, sampler, partial(worker_seeds, *key, 0))
        restart(val, None, partial(worker_seeds, *key, 1))
        seed_process(run, self.local_rank, self.current_epoch + 1)

    def _check_groups(self, train_cases: list[str], val_cases: list[str]) -> None:
        """Raise if the table does not fit the fold, or the fold's groups do not fit the method."""
        check_against_cases(
            self.table, [*train_cases, *val_cases], f"fold {self.fold}", allow_extra=True
        )
        grouping = self.grouping
        counts = grouping.counts(train_cases)
        present = [name for name, count in counts.items() if count]
        if len(present) < self.least_groups:
            raise TrainingError(
                f"{self.table.source}: all training cases of fold {self.fold} that have a known "
                f"'{grouping.expression}' are in one group ({shorten(present) or 'none'}); "
                f"{type(self).__name__} needs at least two. Choose another attribute in the "
                "trainer's name, other bins in demographics.json, or other folds with "
                "nnUNetv2_fair_prepare."
            )

    def group_sizes(self, cases: Iterable[str]) -> dict[str, GroupSize]:
        """Return how many of the given cases and of their patients each group has.

        Args:
            cases: Of this dataset. Those of unknown group are counted last, if there are any.
        """
        patients = self.table.patients
        cases = list(cases)
        members = self.grouping.members(cases)
        unknown = self.grouping.unknown(cases)
        if unknown:
            members["no known group"] = unknown
        return {
            name: GroupSize(len(own), len({patients[case] for case in own}))
            for name, own in members.items()
        }

    def _introduce(self) -> None:
        """Say what this training is about; sizes of groups are not written into the log."""
        if self.local_rank != 0:
            return
        grouping = self.grouping
        first, *others = introduction(
            type(self).__name__,
            "; ".join(self.changes()) or "trains as nnU-Net does",
            grouping.expression,
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

    def _show(self, message: str) -> None:
        """Print for the person at the screen what must not stand in nnU-Net's log.

        Weights & Biases uploads what is on the screen; with it, nothing is shown.
        """
        if self.local_rank == 0 and not getattr(self.logger, "loggers", ()):
            sys.stdout.write(f"{message}\n")

    def _watch_groups(self, train_cases: list[str], val_cases: list[str]) -> None:
        """Start the monitor and the log of this fold's groups."""
        grouping = self.grouping
        patients = self.table.patients
        visible = {
            part: {
                name: len({patients[case] for case in members}) > 1
                for name, members in grouping.members(cases).items()
            }
            for part, cases in (("train", train_cases), ("val", val_cases))
        }
        self.monitor.start(len(grouping.names), self.device)
        self._subgroup_log = SubgroupLog(
            Path(self.output_folder) / SUBGROUP_LOG_CSV,
            Path(self.output_folder) / SUBGROUP_LOG_PNG,
            grouping.expression,
            grouping.names,
            visible,
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

    def _save_debug_information(self) -> None:
        """Write nnU-Net's ``debug.json``, which is exported with the model.

        nnU-Net writes ``str()`` of every attribute. Ours tell about groups and cases, and stay out.
        """
        self._describing = True
        try:
            super()._save_debug_information()
        finally:
            self._describing = False

    def __dir__(self) -> Iterable[str]:
        """Return all attributes; while nnU-Net describes the trainer, only those it knows."""
        names = super().__dir__()
        if not vars(self).get("_describing", False):
            return names
        return [name for name in names if name in self._nnunets_own]

    def _log(self, message: str) -> None:
        self.print_to_log_file(message, add_timestamp=False)

    def _groups_of(self, keys: Any) -> torch.Tensor:
        return torch.tensor([self.grouping.index_of(str(key)) for key in keys], device=self.device)

    def train_step(self, batch: dict) -> dict:
        """Take nnU-Net's step with the samples' groups known to the loss."""
        self.loss.set_batch(self._groups_of(batch["keys"]), training=True)
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
        self._held.close()  # another process may now train in this folder

    def validation_step(self, batch: dict) -> dict:
        """Take nnU-Net's validation step, counting per group."""
        self.loss.set_batch(self._groups_of(batch["keys"]), training=False)
        return super().validation_step(batch)

    def on_validation_epoch_end(self, val_outputs: list[dict]) -> None:
        """Log the epoch's training loss and pseudo Dice of every group."""
        super().on_validation_epoch_end(val_outputs)
        summary = self.monitor.finish_epoch(all_reduce=self._sum_over_ranks)
        if self.local_rank == 0:
            for line in self._subgroup_log.add(self.current_epoch, summary):
                self.print_to_log_file(line)

    def fairness_state(self) -> dict[str, torch.Tensor]:
        """Return the adaptive state that a resumed training needs, the same on every rank.

        It must hold nothing that reveals the group of a single case: checkpoints are shared.
        """
        return {} if self._average is None else self._average.state()

    def load_fairness_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Restore what :meth:`fairness_state` returned; called before the first step.

        Args:
            state: Tensors on the CPU.
        """
        if self._average is not None:
            self._average.load_state(state)

    def vocabulary(self) -> list[Any]:
        """Return the groups that positions in the adaptive state refer to, in their order."""
        return [self.grouping.expression, list(self.grouping.names)]

    def save_checkpoint(self, filename: str) -> None:
        """Save nnU-Net's checkpoint and in it the adaptive state; never a partial file."""
        if self.local_rank != 0 or self.disable_checkpointing:
            super().save_checkpoint(filename)
            return
        ours = FairnessCheckpoint(
            expression=self.grouping.expression,
            vocabulary=fingerprint(self.vocabulary()),
            table=self.table_hash,
            state={name: value.detach().cpu() for name, value in self.fairness_state().items()},
        )
        write_checkpoint(Path(filename), super().save_checkpoint, ours)

    def load_checkpoint(self, filename_or_checkpoint: dict | str) -> None:
        """Load nnU-Net's checkpoint; the adaptive state follows when training begins.

        Validation alone needs neither the state nor the table. A training that is to be continued
        goes on from an earlier checkpoint if the latest is damaged.

        Raises:
            TrainingError: If it is damaged, and so are all earlier ones.
        """
        if not isinstance(filename_or_checkpoint, dict):
            wanted = Path(filename_or_checkpoint)
            chosen, damaged = whole_checkpoint(wanted, fall_back=self._is_to_continue)
            for sentence in damaged:
                self._log(f"WARNING: {sentence}. The training goes on from {chosen.name}.")
            filename_or_checkpoint = str(chosen)
        with self._weights.expected():
            super().load_checkpoint(filename_or_checkpoint)
        self._continued = True
        self._saved_fairness = read_checkpoint(filename_or_checkpoint)

    def _restore_fairness(self) -> None:
        if not self._continued:
            return
        saved = self._saved_fairness
        if saved is None:
            self._log(
                "WARNING: the checkpoint holds no state of nnunetv2_fair: what adapts to the "
                "groups starts from scratch."
            )
            return
        check_same_table(saved, self.table_hash, self.table.source, type(self).__name__)
        if saved.table != self.table_hash:
            self._log("WARNING: continuing with a changed demographics table, as allowed.")
        if saved.vocabulary == fingerprint(self.vocabulary()):
            self.load_fairness_state(saved.state)
        elif saved.state:
            self._log(
                "WARNING: the changed table has other groups: what adapts to them starts from "
                "scratch."
            )

    def _sum_over_ranks(self, values: torch.Tensor) -> torch.Tensor:
        if self.is_ddp:
            dist.all_reduce(values)
        return values
