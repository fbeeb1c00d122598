"""Adaptive state in nnU-Net's checkpoints, so that a training can be continued."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from nnunetv2_fair.trainers.base.discreet import DiscreetTrainer
from nnunetv2_fair.trainers.base.grouped import GroupedTrainer
from nnunetv2_fair.trainers.shared.checkpoint import (
    FairnessCheckpoint,
    check_same_table,
    fingerprint,
    read_checkpoint,
    whole_checkpoint,
    write_checkpoint,
)
from nnunetv2_fair.trainers.shared.starting_weights import StartingWeights


class ContinuedTrainer(GroupedTrainer, DiscreetTrainer):
    """A trainer whose checkpoints hold what adapts to the groups."""

    _is_to_continue = False
    _continued = False
    _saved_fairness: FairnessCheckpoint | None = None
    _weights: StartingWeights

    def fairness_state(self) -> dict[str, torch.Tensor]:
        """Return the adaptive state that a resumed training needs, the same on every rank.

        It must hold nothing that reveals the group of a single case: checkpoints are shared.
        """
        return {}

    def load_fairness_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Restore what :meth:`fairness_state` returned; called before the first step.

        Args:
            state: Tensors on the CPU.
        """

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

    def _check_saved_table(self) -> None:
        """Refuse to continue with another table than the checkpoint was written with."""
        if self._saved_fairness is not None:
            name = type(self).__name__
            check_same_table(self._saved_fairness, self.table_hash, self.table.source, name)

    def _restore_fairness(self) -> None:
        """Restore the adaptive state of a training that is continued."""
        if not self._continued:
            return
        saved = self._saved_fairness
        if saved is None:
            self._log(
                "WARNING: the checkpoint holds no state of nnunetv2_fair: what adapts to the "
                "groups starts from scratch."
            )
            return
        self._check_saved_table()
        if saved.table != self.table_hash:
            self._log("WARNING: continuing with a changed demographics table, as allowed.")
        if saved.vocabulary == fingerprint(self.vocabulary()):
            self.load_fairness_state(saved.state)
        elif saved.state:
            self._log(
                "WARNING: the changed table has other groups: what adapts to them starts from "
                "scratch."
            )
