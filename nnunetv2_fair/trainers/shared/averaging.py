"""The average of a network's weights over the training: ``_ema0.999``."""

from collections.abc import Mapping

import torch
from torch import nn

#: In the state, names of weights begin with this.
_PREFIX = "training_weights."
_STEPS = "averaged_steps"


class WeightAverage:
    """Exponential moving average of a network's weights, which can take their place.

    After every step each parameter's average moves by ``1 - d`` of the way towards the parameter,
    with ``d = min(decay, (1 + t) / (10 + t))`` after t steps, so that the random start is soon
    forgotten. Buffers, such as the statistics of batch normalisation, are those of the last step.

    The network holds either its training weights or, from :meth:`show` to :meth:`hide`, their
    average; the other set is kept here.

    Args:
        network: Without wrappers, its weights loaded, on the training device.
        decay: Above 0, below 1.

    Source: Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", SIAM
    Journal on Control and Optimization 1992; the start as in TensorFlow's
    ``ExponentialMovingAverage``.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._network = network
        self._decay = decay
        self._steps = 0
        self._shown = False
        self._other = {name: value.clone() for name, value in network.state_dict().items()}
        self._learnt = {name for name, _ in network.named_parameters()}

    @torch.no_grad()
    def update(self) -> None:
        """Include the weights after a step."""
        self._steps += 1
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        for name, value in self._network.state_dict().items():
            if name in self._learnt:
                self._other[name].lerp_(value.to(self._other[name].dtype), 1 - decay)
            else:
                self._other[name].copy_(value)

    def show(self) -> None:
        """Put the average into the network."""
        if not self._shown:
            self._exchange()

    def hide(self) -> None:
        """Put the training weights back into the network."""
        if self._shown:
            self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        for name, value in self._network.state_dict().items():
            kept = value.clone()
            value.copy_(self._other[name])
            self._other[name].copy_(kept)
        self._shown = not self._shown

    def state(self) -> dict[str, torch.Tensor]:
        """Return what a checkpoint whose network holds the average needs for going on."""
        if not self._shown:
            return {}
        weights = {f"{_PREFIX}{name}": value for name, value in self._other.items()}
        return {**weights, _STEPS: torch.tensor(self._steps)}

    def load_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Go on from a checkpoint; the network holds the average.

        Args:
            state: What :meth:`state` returned, other entries are ignored. Without it the
                average is also what training goes on from.
        """
        if _STEPS not in state:
            return
        self._steps = int(state[_STEPS])
        for name, value in self._other.items():
            value.copy_(state[f"{_PREFIX}{name}"])
        self._shown = True
