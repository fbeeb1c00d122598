"""One process of test_adversary.py: ``python -m tests.trainers.adversarial.adversary_worker``."""

import sys
from pathlib import Path

import torch
import torch.distributed as dist

from nnunetv2_fair.networks.discriminator import AttributeDiscriminator
from nnunetv2_fair.networks.perturbation import PerturbedNetwork
from nnunetv2_fair.trainers.adversarial.adversary import Adversary
from tests.networks.unets import images, unet

#: Groups of the samples of three steps, six places each; in the second step the second process
#: knows no sample's group.
GROUPS = [[0, 1, 1, 0, 2, -1], [1, 0, 0, 2, -1, -1], [2, -1, 1, 1, 1, 0]]
#: Places of each process.
PARTS = [[0, 1, 2, 3], [4, 5]]


def play(part: list[int], distributed: bool) -> dict[str, torch.Tensor]:
    """Play three steps on a part of each batch; return everything that should be equal."""
    network = PerturbedNetwork(unet(deep_supervision=False)).train()
    torch.manual_seed(7)
    torch.nn.init.normal_(network.generators[0].layers[-1].weight, std=0.1)
    network.double()
    # every process would begin with a discriminator of its own
    torch.manual_seed(8 + (part[0] if distributed else 0))
    discriminator = AttributeDiscriminator(16, 3).double()
    adversary = Adversary(discriminator, 0.01, 10, steps=2, alpha=0.3, distributed=distributed)
    model = torch.nn.parallel.DistributedDataParallel(network) if distributed else network
    optimizer = torch.optim.Adam(network.generators.parameters(), 0.01)
    values = []
    for step, groups in enumerate(GROUPS):
        x = images(batch=6).double().roll(step, 3)[part]
        output = model(x)
        loss = adversary.play(output.perturbed, torch.tensor([groups[i] for i in part]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(loss.detach())
    summary = adversary.finish_epoch()
    return {
        "values": torch.stack(values),
        "generator": torch.cat([p.detach().flatten() for p in network.generators.parameters()]),
        "summary": torch.tensor([summary.loss, summary.balanced_accuracy, summary.chance]),
        **adversary.state(),
    }


def main(rank: int, folder: Path) -> None:
    dist.init_process_group(
        "gloo", init_method=f"file://{folder / 'store'}", rank=rank, world_size=2
    )
    torch.save(play(PARTS[rank], True), folder / f"{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(int(sys.argv[1]), Path(sys.argv[2]))
