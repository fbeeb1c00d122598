"""APPLE's loss: segmentation, and the discriminator that the generator plays against."""

from typing import Any, Protocol

import torch

from nnunetv2_fair.losses.monitor import MonitoredLoss
from nnunetv2_fair.networks.perturbation import PerturbedOutput
from nnunetv2_fair.trainers.adversarial.adversarial_game import AdversarialGame


class _AllReduce(Protocol):
    def __call__(self, values: torch.Tensor, /) -> torch.Tensor: ...


class AppleLoss(AdversarialGame):
    """``beta L_seg + L_fair`` in training, nnU-Net's loss in validation (Eqs. 4 to 6).

    ``L_seg`` is half of nnU-Net's loss. In a training step the discriminator learns from the
    batch first, as in Algorithm 1.

    Args:
        segmentation: nnU-Net's loss or a replacement.
        beta: Weight of the segmentation.
    """

    def __init__(self, segmentation: MonitoredLoss, beta: float) -> None:
        super().__init__(segmentation)
        self.beta = beta
        # sums over the steps of an epoch of L_seg, |delta|/|f_o|, and 1; on the training device
        self._sums: torch.Tensor | None = None

    def forward(self, output: Any, target: Any) -> torch.Tensor:
        """Return the loss of the batch: a scalar."""
        groups = self.take_groups()
        if not isinstance(output, PerturbedOutput) or groups is None or self.adversary is None:
            return self.segmentation(output, target)
        segmentation = self.segmentation(output.segmentation, target) / 2
        fairness = self.adversary.play(output.perturbed, groups)
        self._record(segmentation.detach(), output)
        return self.beta * segmentation + fairness

    @torch.no_grad()
    def _record(self, segmentation: torch.Tensor, output: PerturbedOutput) -> None:
        pairs = list(zip(output.original, output.perturbed, strict=True))
        delta = sum((p.float() - o.float()).square().sum() for o, p in pairs)
        size = sum(o.float().square().sum() for o, _ in pairs)
        share = torch.as_tensor(delta / size).sqrt()
        seen = torch.stack([segmentation.float(), share, torch.ones_like(share)])
        self._sums = seen if self._sums is None else self._sums + seen

    def finish_epoch(self, all_reduce: _AllReduce) -> tuple[float, float]:
        """Return the epoch's mean ``L_seg`` and ``|delta| / |f_o|``, and start over.

        Args:
            all_reduce: Sums a tensor over all ranks; returns it unchanged in one process.
        """
        sums, self._sums = self._sums, None
        if sums is None:
            return float("nan"), float("nan")
        segmentation, share, steps = all_reduce(sums).tolist()
        return segmentation / steps, share / steps
