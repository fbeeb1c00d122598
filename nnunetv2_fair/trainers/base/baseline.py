"""nnU-Net's own trainer for any number of epochs; nnU-Net has it for a few numbers only."""

import re
from typing import ClassVar

import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

_NAME = re.compile(r"nnUNetTrainer_([1-9]\d*)epochs")


class _Baseline(nnUNetTrainer):
    """``nnUNetTrainer``, but for its number of epochs.

    Attributes:
        epochs: Number of epochs; set by the name.
    """

    epochs: ClassVar[int]

    def __init__(
        self,
        plans: dict,
        configuration: str,
        fold: int,
        dataset_json: dict,
        device: torch.device = torch.device("cuda"),  # noqa: B008 - nnU-Net's exact signature
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs = self.epochs


def baseline(name: str, module: str) -> type[nnUNetTrainer] | None:
    """Return nnU-Net's trainer of a number of epochs; None if the name asks for something else.

    Args:
        name: Such as ``nnUNetTrainer_300epochs``.
        module: Where the class can be found by its name, so that instances can be pickled.
    """
    found = _NAME.fullmatch(name)
    if not found:
        return None
    return type(name, (_Baseline,), {"__module__": module, "epochs": int(found[1])})
