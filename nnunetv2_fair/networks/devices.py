"""Whether torch can use the device that a command or trainer is told to use."""

import torch

from nnunetv2_fair.errors import UsageError


def require_device(device: str) -> None:
    """Refuse a device that this machine does not have, before anything is loaded.

    Args:
        device: ``cuda``, ``cpu`` or ``mps``.

    Raises:
        UsageError: If torch cannot use it.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            "-device cuda: torch finds no GPU that it can use. Pass -device cpu, which is slower. "
            "If there is a GPU, nvidia-smi must list it, and torch must be a build for CUDA "
            f"(found torch {torch.__version__})."
        )
    if device == "mps" and not torch.backends.mps.is_available():
        raise UsageError("-device mps: this is not a Mac with Apple silicon. Pass -device cpu.")
