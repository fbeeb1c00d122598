"""Linear scales with round ticks."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Axis:
    """A linear scale with round ticks.

    Attributes:
        low: Value at the left end.
        high: Value at the right end; greater than ``low``.
        ticks: Round values between them.
        decimals: Decimals needed to distinguish the ticks.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    decimals: int

    def position(self, value: float) -> float:
        """Return the position of a value, 0 (low) to 1 (high), clipped."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))

    def positions(self, values: np.ndarray) -> np.ndarray:
        """Return :meth:`position` of (n,) values."""
        return np.clip((values - self.low) / (self.high - self.low), 0.0, 1.0)

    def tick_text(self, tick: float) -> str:
        """Write a tick."""
        text = f"{abs(tick):.{self.decimals}f}"
        return f"\N{MINUS SIGN}{text}" if tick < 0 and float(text) else text


def axis(values: Iterable[float], *, include: Iterable[float] = (), n_ticks: int = 4) -> Axis:
    """Return a scale that holds all finite values.

    Args:
        values: What will be drawn; NaN and infinite values are ignored.
        include: Further values that must be on the scale, such as 0.
        n_ticks: At least about how many steps; at most about twice as many.
    """
    finite = [v for v in (*values, *include) if math.isfinite(v)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    if high - low < 1e-9 * max(1.0, abs(high)):
        margin = max(abs(high) * 0.1, 0.05)
        low, high = low - margin, high + margin
    step = _round_step((high - low) / n_ticks)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(round(i * step, 12) for i in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], ticks, max(0, -math.floor(math.log10(step) + 1e-9)))


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * f for f in (1, 2, 5, 10) if power * f >= rough * (1 - 1e-9))
