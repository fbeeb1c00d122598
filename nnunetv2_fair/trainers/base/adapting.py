"""A method's loss around nnU-Net's, or around that of the trainer it is combined with."""

from collections.abc import Callable, Iterable

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
        below = trainer.__mro__.index(base) + 1  # a method's own _build_loss only wraps
        builder = _owner(trainer.__mro__[below:], "_build_loss")
        adapter = _owner(trainer.__mro__, "adapt_loss")
        if builder is nnUNetTrainer:
            raise
        raise TrainingError(
            f"{trainer.__name__}: {adapter.__name__}.adapt_loss takes nnU-Net's default "
            f"loss apart, and {builder.__name__}._build_loss builds another one "
            f"({type(getattr(plain, 'loss', plain)).__name__}). Combine {builder.__name__} "
            "with a method that leaves the loss as it is, such as Oversampling, or this "
            "method with another trainer."
        ) from None


def _owner(classes: Iterable[type], name: str) -> type:
    """Return the first class that has a method of its own."""
    return next(cls for cls in classes if name in vars(cls))
