"""Sums over the processes of a distributed training, through which gradients flow."""

from typing import Any

import torch
import torch.distributed as dist


class _SumOverRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


def sum_over_ranks(values: torch.Tensor, distributed: bool = True) -> torch.Tensor:
    """Return the sum of a tensor over all processes, the same on each.

    The gradient is summed as well. A loss computed from such sums is the same in every process;
    torch averages the processes' gradients of the network, and the result is the gradient of the
    loss on the joint batches of all processes. nnU-Net's ``AllGatherGrad`` followed by a sum does
    the same.

    Args:
        values: Any shape, the same in all processes.
        distributed: False returns ``values``, as in a training of one process.
    """
    return _SumOverRanks.apply(values) if distributed else values


def joined_over_ranks(values: torch.Tensor, distributed: bool = True) -> torch.Tensor:
    """Return the tensor's rows from all processes, in order of rank, the same on each.

    Gradients flow as through :func:`sum_over_ranks`.

    Args:
        values: ``(B, ...)``; B may differ between processes, and be 0.
        distributed: False returns ``values``, as in a training of one process.
    """
    if not distributed:
        return values
    rank = dist.get_rank()
    sizes = torch.zeros(dist.get_world_size(), dtype=torch.long, device=values.device)
    sizes[rank] = len(values)
    dist.all_reduce(sizes)
    before, after = int(sizes[:rank].sum()), int(sizes[rank + 1 :].sum())
    rest = values.shape[1:]
    padded = [values.new_zeros((before, *rest)), values, values.new_zeros((after, *rest))]
    return sum_over_ranks(torch.cat(padded))
