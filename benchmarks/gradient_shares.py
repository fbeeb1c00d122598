"""Which share of the gradient comes from the smaller group?

Draws batches of 12 as nnU-Net would from 15 and 4,221 training cases (the cohort of Lee et al.,
MELBA 2025), or balanced ones, with synthetic predictions of the same quality for both groups,
and sums the size of the loss's gradient with respect to every sample's logits. The share is that
of the smaller group, over all batches. A second table: predictions of the smaller group are
worse, every batch holds both groups equally, and the share of the worse group is shown.

    python benchmarks/gradient_shares.py
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from nnunetv2.training.loss.compound_losses import DC_and_CE_loss
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss
from torch import nn

from nnunetv2_fair.losses.febs import FEBSLoss
from nnunetv2_fair.losses.group_dro import GroupDRO, GroupDROLoss
from nnunetv2_fair.losses.reweighting import group_weights
from nnunetv2_fair.losses.weighted import DiceWeightedLoss, GroupLoss, SampleWeightedLoss

#: Training cases of the two groups, and places in a batch.
SIZES, BATCH = (15, 4221), 12
SHARES = {"nnU-Net": np.array(SIZES) / sum(SIZES), "balanced": np.array([0.5, 0.5])}


def plain() -> nn.Module:
    """Return nnU-Net's loss with batch Dice, as its 2D plans have it."""
    return DC_and_CE_loss(
        {"batch_dice": True, "smooth": 1e-5, "do_bg": False, "ddp": False},
        {},
        dice_class=MemoryEfficientSoftDiceLoss,
    )


def weighted(
    shares: np.ndarray, counted: Sequence[float] = SIZES, *, raw: bool = False
) -> Callable[[], GroupLoss]:
    """Return a maker of the loss with weights inverse to what is counted."""

    def make() -> GroupLoss:
        loss = SampleWeightedLoss(plain())
        weights = group_weights(counted, list(shares), raw=raw)
        loss.set_group_weights(torch.tensor(weights, dtype=torch.float32))
        return loss

    return make


def by_batch() -> GroupLoss:
    """Return the loss of the public code: weights from each batch, for the Dice alone."""
    loss = DiceWeightedLoss(plain())
    loss.set_group_weights(torch.ones(3))
    loss.count_batches(raw=True)
    return loss


def dro(objective: Any) -> Callable[[], GroupLoss]:
    """Return a maker of GroupDRO's loss."""

    def make() -> GroupLoss:
        loss = GroupDROLoss(plain())
        loss.dro = GroupDRO(2, group_sizes=SIZES, objective=objective)
        loss.set_group_weights(torch.ones(3))
        return loss

    return make


def febs(direction: Any, gamma: float = 1.0) -> Callable[[], GroupLoss]:
    """Return a maker of the loss of fair error-bound scaling."""

    def make() -> GroupLoss:
        loss = FEBSLoss(plain(), gamma, direction)
        loss.set_group_weights(torch.ones(3))
        return loss

    return make


@dataclass(frozen=True)
class Row:
    """A method: its name, how batches are drawn, and its loss (None: nnU-Net's)."""

    name: str
    drawn: str
    make: Callable[[], GroupLoss] | None


ROWS = (
    Row("nnU-Net", "nnU-Net", None),
    Row("Oversampling", "balanced", None),
    Row("Reweighting", "nnU-Net", weighted(SHARES["nnU-Net"])),
    Row("Reweighting_scaleraw (the paper's weights)", "nnU-Net",
        weighted(SHARES["nnU-Net"], raw=True)),
    Row("Reweighting_countsbatch_scaleraw (public code)", "nnU-Net", by_batch),
    Row("OversamplingReweighting", "balanced",
        weighted(SHARES["balanced"], list(SHARES["balanced"] * sum(SIZES)))),
    Row("OversamplingReweighting_countstrain", "balanced", weighted(SHARES["balanced"])),
    Row("GroupDRO (first steps)", "nnU-Net", dro("online")),
    Row("GroupDRO_objectivemean (public code)", "nnU-Net", dro("mean")),
    Row("OversamplingGroupDRO (first steps)", "balanced", dro("online")),
)  # fmt: skip
WORSE = (
    Row("nnU-Net", "balanced", None),
    Row("FEBS (public code)", "balanced", febs("code")),
    Row("FEBS_directionpaper", "balanced", febs("paper")),
    Row("OversamplingGroupDRO (first steps)", "balanced", dro("online")),
)


def batch(
    rng: np.random.Generator, groups: np.ndarray, quality: tuple[float, float]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits and target of a disc in every sample, as good as its group's quality."""
    n, side = len(groups), 32
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 2, indexing="ij"))
    centres = rng.uniform(10, 22, (n, 2, 1, 1))
    radii = rng.uniform(5, 9, (n, 1, 1))
    target = ((grid - centres) ** 2).sum(1) <= radii**2
    margin = np.array(quality)[groups][:, None, None] * (2 * target - 1)
    logits = np.stack([np.zeros_like(margin), margin + rng.normal(0, 1.5, margin.shape)], 1)
    return torch.tensor(logits, dtype=torch.float32), torch.tensor(target[:, None]).float()


def share_of_first_group(row: Row, n_batches: int, quality: tuple[float, float]) -> float:
    """Return which share of the gradient comes from samples of the first group, 0 to 1."""
    rng = np.random.default_rng(0)
    loss = plain() if row.make is None else row.make()
    sums = np.zeros(2)
    for _ in range(n_batches):
        if row.drawn == "balanced":
            groups = rng.permutation(np.arange(BATCH) % 2)
        else:
            groups = (rng.random(BATCH) >= SHARES["nnU-Net"][0]).astype(int)
        output, target = batch(rng, groups, quality)
        output.requires_grad_()
        if isinstance(loss, GroupLoss):
            loss.set_batch(torch.tensor(groups), training=True)
        loss(output, target).backward()
        assert output.grad is not None
        sizes = output.grad.flatten(1).abs().sum(1).numpy()
        sums += np.bincount(groups, sizes, minlength=2)
    return float(sums[0] / sums.sum())


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, default=4000)
    n = parser.parse_args().batches
    torch.set_num_threads(1)
    print(f"15 and 4,221 cases, batches of {BATCH}, both groups equally good")
    for row in ROWS:
        print(f"  {row.name:50s} {share_of_first_group(row, n, (1.0, 1.0)):.4f}")
    print("balanced batches, the first group's predictions worse")
    for row in WORSE:
        print(f"  {row.name:50s} {share_of_first_group(row, min(n, 500), (0.3, 2.0)):.4f}")


if __name__ == "__main__":
    main()
