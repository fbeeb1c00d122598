"""Which group every case is in, and how often each group is drawn."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nnunetv2_fair.errors import DemographicsError
from nnunetv2_fair.losses.reweighting import group_weights
from nnunetv2_fair.subgroups.groups import Grouping, group_cases
from nnunetv2_fair.subgroups.table import DemographicsTable, read_dataset_table, table_hash
from nnunetv2_fair.trainers.base.named import NamedTrainer
from nnunetv2_fair.trainers.shared.introduction import GroupSize
from nnunetv2_fair.trainers.shared.names import meant_option


class GroupedTrainer(NamedTrainer):
    """A trainer that reads the demographics table of its preprocessed dataset."""

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
        """Groups that the trainer trains on: all, unless its name says one.

        Raises:
            DemographicsError: As for :attr:`all_groups`.
        """
        return self.all_groups

    @cached_property
    def all_groups(self) -> Grouping:
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

    def group_sizes(self, cases: Iterable[str]) -> dict[str, GroupSize]:
        """Return how many of the given cases and of their patients each group has.

        Args:
            cases: Of this dataset. Those of unknown group are counted last, if there are any.
        """
        patients = self.table.patients
        cases = list(dict.fromkeys(cases))  # folds repeat cases by their sampling weights
        members = self.grouping.members(cases)
        unknown = self.grouping.unknown(cases)
        if unknown:
            members["no known group"] = unknown
        return {
            name: GroupSize(len(own), len({patients[case] for case in own}))
            for name, own in members.items()
        }

    def _groups_of(self, keys: Any) -> torch.Tensor:
        return torch.tensor([self.grouping.index_of(str(key)) for key in keys], device=self.device)
