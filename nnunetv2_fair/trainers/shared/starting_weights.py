"""Refuses ``-pretrained_weights`` where a trained model of the base gives the weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nnunetv2_fair.errors import TrainingError
from nnunetv2_fair.networks.bottleneck import unwrapped
from nnunetv2_fair.trainers.shared.base_model import BASE_CHECKPOINT
from nnunetv2_fair.trainers.shared.traces import removing_traces


class StartingWeights:
    """Watches who asks for a network's weights between its making and the training's start.

    nnU-Net does so for ``-pretrained_weights`` alone, and tells the trainer nothing about it.
    """

    def __init__(self) -> None:
        self._expected = False
        self._hook: Any = None

    @contextmanager
    def expected(self) -> Iterator[None]:
        """Let weights be loaded while the block runs, and from then on."""
        self._expected = True
        if self._hook is not None:
            self._hook.remove()
            self._hook = None
        yield

    def guard(self, trainer: Any) -> None:
        """Begin to watch a trainer's network, which has just been made.

        Args:
            trainer: A :class:`nnunetv2_fair.trainers.base.SubgroupTrainer` with a base.
        """
        if self._expected:
            return
        name, base = type(trainer).__name__, trainer.base_trainer

        def refuse(*_: Any) -> None:
            with removing_traces(trainer):
                raise TrainingError(
                    f"{name} starts from the weights of a trained model, that of {base}, so "
                    "-pretrained_weights would have no effect. Leave it out. To start from that "
                    f"file instead, name it as the base: export {BASE_CHECKPOINT}=FILE"
                )

        self._hook = unwrapped(trainer.network).register_state_dict_pre_hook(refuse)
