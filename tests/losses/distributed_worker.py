"""One process of test_distributed.py: ``python -m tests.losses.distributed_worker``."""

import itertools
import sys
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from nnunetv2_fair.losses.distributed import sum_over_ranks
from nnunetv2_fair.losses.divergence import DivergenceWeightedLoss
from nnunetv2_fair.losses.febs import FEBSLoss
from nnunetv2_fair.losses.group_dro import GroupDRO, GroupDROLoss
from nnunetv2_fair.losses.monitor import GroupMonitor
from nnunetv2_fair.losses.weighted import GroupLoss, SampleWeightedLoss
from nnunetv2_fair.subgroups.divergence import divergence_weights, find_divergences
from tests.losses.nnunet_losses import Form, select

N_GROUPS, STEPS = 4, 3
#: Groups of the samples of three steps, six places each: unknown ones, absent ones, groups that
#: only one process sees.
GROUPS = [[0, 1, 1, 0, 2, -1], [1, 1, 0, 2, 2, 2], [-1, -1, 1, 1, 1, 0]]
FORMS = {
    str(form): form
    for form in (
        Form(regions=regions, ignore=ignore, batch_dice=batch_dice, deep=deep)
        for regions, ignore, batch_dice, deep in itertools.product([False, True], repeat=4)
    )
}
METHODS = ("plain", "weighted", "dro", "hardmax", "tail", "febs", "divergence")
#: Weights of the six places, and the groups of the six cases that validation sees.
PLACE_WEIGHTS = torch.tensor([0.1, 0.0, 0.4, 0.2, 2.0, 0.05])
CODES = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [0, -1], [1, 0]])


def build(method: str, form: Form, ddp: bool) -> nn.Module:
    plain = form.loss(ddp)
    weights = torch.tensor([4.0, 0.4, 1.5, 1.0, 1.0])
    loss: GroupLoss
    if method == "divergence":
        return DivergenceWeightedLoss(plain, 0.2, GroupMonitor())
    if method == "plain":
        return plain
    if method == "weighted":
        loss = SampleWeightedLoss(plain)
    elif method == "febs":
        loss = FEBSLoss(plain, 1.0)
    else:
        loss = GroupDROLoss(plain)
        loss.dro = GroupDRO(
            N_GROUPS,
            0.3,
            1.0,
            [3, 40, 7, 5],
            objective="hardmax" if method == "hardmax" else "online",
            tail=0.6 if method == "tail" else 1.0,
            distributed=ddp,
        )
    loss.set_group_weights(weights)
    return loss


def train(method: str, form: Form, part: list[int], ddp: bool) -> dict[str, torch.Tensor]:
    """Take the steps on a part of each batch; return everything that should be equal."""
    channels = 2 if form.regions else 3
    torch.manual_seed(0)
    network = nn.Conv2d(channels, channels, 1)
    model = nn.parallel.DistributedDataParallel(network) if ddp else network
    loss = build(method, form, ddp)
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    values = []
    for step in range(STEPS):
        output, target = (select(x, part) for x in form.batch(6, seed=step))
        levels = output if form.deep else [output]
        joined = torch.cat([o.detach().flatten(2) for o in levels], 2)[..., None]
        # one call of the model for all resolutions, as nnU-Net's networks make
        parts = model(joined)[..., 0].split([o[0, 0].numel() for o in levels], 2)
        results = [p.reshape(o.shape) for p, o in zip(parts, levels, strict=True)]
        if isinstance(loss, GroupLoss):
            loss.set_batch(torch.tensor([GROUPS[step][i] for i in part]), training=True)
        if isinstance(loss, DivergenceWeightedLoss):
            loss.set_weights(PLACE_WEIGHTS[part])
        value = loss(results if form.deep else results[0], target)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.detach())
    found = {"values": torch.stack(values), "network": network.weight.detach().clone()}
    if isinstance(loss, GroupDROLoss):
        found["q"] = loss.dro.q
    if isinstance(loss, DivergenceWeightedLoss):
        monitor = loss.loss._monitor
        monitor.start(6, torch.device("cpu"))
        monitor.set_batch(torch.tensor(part), training=False)
        with torch.no_grad():
            loss(results if form.deep else results[0], target)
        summary = monitor.finish_epoch(lambda values: sum_over_ranks(values, ddp))
        searched = find_divergences(CODES, np.nanmean(summary.pseudo_dice, 1))
        found["weights"] = torch.tensor(
            divergence_weights(CODES, searched.codes, searched.divergence)
        )
    return found


def parts_of(method: str) -> list[list[int]]:
    """Return the places of each process; nnU-Net's plain cross-entropy needs equal parts."""
    return (
        [[0, 1, 2, 3], [4, 5]] if method in ("dro", "hardmax", "tail") else [[0, 1, 2], [3, 4, 5]]
    )


def main(rank: int, folder: Path) -> None:
    dist.init_process_group(
        "gloo", init_method=f"file://{folder / 'store'}", rank=rank, world_size=2
    )
    found = {
        (method, name): train(method, form, parts_of(method)[rank], True)
        for method in METHODS
        for name, form in FORMS.items()
    }
    torch.save(found, folder / f"{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(int(sys.argv[1]), Path(sys.argv[2]))
