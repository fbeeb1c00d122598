"""nnU-Net's own trainer for any number of epochs, and for runs that differ by their seed alone.

nnU-Net has it for a few numbers of epochs only, and without seeds.
"""

import re
from typing import Any, ClassVar

import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunetv2_fair.trainers.base.loaders import start_loaders
from nnunetv2_fair.trainers.shared.seeding import seed_process

_NAME = re.compile(r"nnUNetTrainer(?:_run([1-9]\d{0,2}))?(?:_([1-9]\d*)(?:epochs|(?<=_1)epoch))?")


class _Baseline(nnUNetTrainer):
    """``nnUNetTrainer``, but for its number of epochs and its seed.

    Attributes:
        epochs: Number of epochs, set by the name; None takes nnU-Net's.
        run: Number of the run, set by the name; None leaves everything to chance, as nnU-Net does.
    """

    epochs: ClassVar[int | None]
    run: ClassVar[int | None]

    def __init__(
        self,
        plans: dict,
        configuration: str,
        fold: int,
        dataset_json: dict,
        device: torch.device = torch.device("cuda"),  # noqa: B008 - nnU-Net's exact signature
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        if self.epochs is not None:
            self.num_epochs = self.epochs

    def initialize(self) -> None:
        """Build the network as nnU-Net does, from the run's seed."""
        if self.run is not None:
            seed_process(self.run, self.local_rank, 0)
        super().initialize()

    def get_dataloaders(self) -> tuple[Any, Any]:
        """Return nnU-Net's data loaders, with the run's seeds."""
        train, val = super().get_dataloaders()
        start_loaders(train, val, None, self.run, self.local_rank, self.current_epoch)
        return train, val


def is_baseline(name: str) -> bool:
    """Return whether a name is that of nnU-Net's trainer of some number of epochs, or a run."""
    return _NAME.fullmatch(name) is not None


def baseline(name: str, module: str) -> type[nnUNetTrainer] | None:
    """Return nnU-Net's trainer of a number of epochs; None if the name asks for something else.

    Args:
        name: Such as ``nnUNetTrainer_300epochs`` or ``nnUNetTrainer_run2_300epochs``.
        module: Where the class can be found by its name, so that instances can be pickled.
    """
    found = _NAME.fullmatch(name)
    if not found or name == nnUNetTrainer.__name__:
        return None
    run, epochs = (int(number) if number else None for number in found.groups())
    return type(name, (_Baseline,), {"__module__": module, "epochs": epochs, "run": run})
