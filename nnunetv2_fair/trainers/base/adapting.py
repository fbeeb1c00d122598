"""A method's loss around nnU-Net's, or around that of the trainer it is combined with."""

from collections.abc import Callable

from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch import nn

from nnunetv2_fair.errors import TrainingError


def adapted(
    adapt: Callable[[nn.Module], nn.Module], plain: nn.Module, trainer: type, base: type
) -> nn.Module:
    """Return what the method makes of the loss.

    Args:
        adapt: The method's ``adapt_loss``.
        plain: The loss, as nnU-Net or the trainer that the method is combined with built it.
        trainer: Class of the trainer.
        base: The class whose hooks call both.

    Raises:
        TrainingError: If the method needs nnU-Net's loss and a trainer that the method is
            combined with builds another; both hooks are named.
    """
    try:
        return adapt(plain)
    except TrainingError:
        builder, adapter = (_owner(trainer, base, name) for name in ("_build_loss", "adapt_loss"))
        if builder is nnUNetTrainer:
            raise
        raise TrainingError(
            f"{trainer.__name__}: {adapter.__name__}.adapt_loss takes nnU-Net's default "
            f"loss apart, and {builder.__name__}._build_loss builds another one "
            f"({type(getattr(plain, 'loss', plain)).__name__}). Combine {builder.__name__} "
            "with a method that leaves the loss as it is, such as Oversampling, or this "
            "method with another trainer."
        ) from None


def _owner(trainer: type, base: type, name: str) -> type:
    """Return the class that a method comes from, ``base`` left out unless it is the last."""
    owners = [cls for cls in trainer.__mro__ if name in vars(cls)]
    return next((cls for cls in owners if cls is not base), base)
