"""Oversampling: every batch holds equal numbers of every group."""

from collections.abc import Callable
from typing import ClassVar

import numpy as np
import torch.distributed as dist

from nnunetv2_fair.sampling.balance import BalancedSampler, balanced_shares
from nnunetv2_fair.trainers.base import SubgroupTrainer
from nnunetv2_fair.trainers.shared.names import Option, number_option


class nnUNetTrainerOversampling(SubgroupTrainer):
    """Draws cases of small groups more often; network, loss and validation are nnU-Net's.

    Cases are drawn with replacement. Where the batch does not divide evenly, the extra places
    go to groups at random; where there are more groups than places, each batch holds a random
    choice of them. Cases of unknown group keep their natural share.

    Source: Lee et al., "Understanding-informed Bias Mitigation for Fair CMR Segmentation",
    MELBA 2025, section 4.3.
    """

    OPTIONS: ClassVar[tuple[Option, ...]] = (
        number_option(
            "level",
            1.0,
            0.0,
            1.0,
            "how far towards equal shares: 1 is fully balanced, 0 is the natural proportion",
        ),
    )

    def changes(self) -> list[str]:
        """Return that batches are balanced, and how far."""
        level = self.option("level")
        clause = "every batch holds the same number of samples of every group"
        if level < 1:
            clause = f"shares of the groups in a batch go {level:.0%} of the way to equal ones"
        return [clause, *super().changes()]

    def drawing_shares(self, cases: list[str]) -> np.ndarray:
        """Return the balanced shares; a group without training cases has none."""
        sizes = np.array(list(self.grouping.counts(cases).values()))
        unknown = len(self.grouping.unknown(cases))
        shares = np.zeros(len(sizes) + 1)
        present = np.append(sizes > 0, True)
        shares[present] = balanced_shares(list(sizes[sizes > 0]), unknown, self.option("level"))
        return shares

    def build_sampler(self, cases: list[str]) -> Callable[[], np.ndarray]:
        """Return the sampler that balances the groups of this fold's training cases."""
        grouping = self.grouping
        members = [*grouping.members(cases).values(), grouping.unknown(cases)]
        n_present = sum(bool(group) for group in members[:-1])
        world_size, rank = (dist.get_world_size(), dist.get_rank()) if self.is_ddp else (1, 0)
        total = self.configuration_manager.batch_size
        # nnU-Net gives the first ranks one sample more where the batch does not divide evenly
        sizes = [len(part) for part in np.array_split(np.arange(total), world_size)]
        if n_present > total:
            self._log(
                f"INFO: {n_present} groups but {total} places in a batch: each batch holds a "
                "random choice of the groups."
            )
        return BalancedSampler(members, self.drawing_shares(cases), sizes, rank)
