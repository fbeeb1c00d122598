"""Oversampling: every batch holds equal numbers of every group."""

from collections.abc import Callable
from typing import ClassVar

import numpy as np
import torch.distributed as dist

from nnunetv2_fair.sampling.balance import BalancedSampler, balanced_shares
from nnunetv2_fair.trainers.base import SubgroupTrainer
from nnunetv2_fair.trainers.names import Option, number_option


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

    def build_sampler(self, cases: list[str]) -> Callable[[], np.ndarray]:
        """Return the sampler that balances the groups of this fold's training cases."""
        grouping = self.grouping
        members = [group for group in grouping.members(cases).values() if group]
        unknown = grouping.unknown(cases)
        shares = balanced_shares([len(g) for g in members], len(unknown), self.option("level"))
        world_size, rank = (dist.get_world_size(), dist.get_rank()) if self.is_ddp else (1, 0)
        total = self.configuration_manager.batch_size
        # nnU-Net gives the first ranks one sample more where the batch does not divide evenly
        sizes = [len(part) for part in np.array_split(np.arange(total), world_size)]
        if len(members) > total:
            self._log(
                f"INFO: {len(members)} groups but {total} places in a batch: each batch holds a "
                "random choice of the groups."
            )
        return BalancedSampler([*members, unknown], shares, sizes, rank)
