"""How strong evidence must be for the strongest of many contrasts not to be chance.

All contrasts of a family are looked at together, so the level is kept for the family: in at most
5% of studies without any difference does a single one come out (at 95% confidence). Contrasts of
the same patients go up and down together. Every patient is given a random weight, the same in all
contrasts; the largest standardised contrast of each draw of weights shows how far the largest of
all goes by chance.

Source: Hothorn, Bretz and Westfall, Simultaneous inference in general parametric models,
Biometrical Journal 2008 (one critical value for correlated contrasts, each with its own degrees of
freedom); Chernozhukov, Chetverikov and Kato, Annals of Statistics 2013 (random weights).
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr, ndtri

from nnunetv2_fair.evaluation.model_comparison.contrasts import Contrast
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval

_DRAWS = 4000

#: More units than this are pooled at random, with random signs, which keeps their covariances.
_MOST_WEIGHTS = 4096


class RandomWeights:
    """Random weights of all patients (or cases) of a comparison, the same in every family.

    Attributes:
        drawn: (draws, weights).
    """

    def __init__(self, units: Sequence[str], generator: np.random.Generator) -> None:
        """Draw the weights.

        Args:
            units: Names of all units that occur in any contrast.
            generator: Source of randomness.
        """
        count = len(units)
        pooled = count > _MOST_WEIGHTS
        places = generator.integers(_MOST_WEIGHTS, size=count) if pooled else np.arange(count)
        signs = generator.choice([-1.0, 1.0], size=count) if pooled else np.ones(count)
        self._place = dict(zip(units, zip(places, signs, strict=True), strict=True))
        shape = (_DRAWS, min(count, _MOST_WEIGHTS))
        self.drawn = generator.standard_normal(shape, dtype=np.float32)

    def largest(self, units: Sequence[str], columns: np.ndarray) -> np.ndarray:
        """Return (draws,) the largest of several weighted sums, without their signs.

        Args:
            units: Names of the units, in the order of the rows.
            columns: (units, sums) what the weights multiply.
        """
        places, signs = np.array([self._place[unit] for unit in units]).T
        shares = np.zeros((self.drawn.shape[1], columns.shape[1]), dtype=np.float32)
        np.add.at(shares, places.astype(int), columns * signs[:, None])
        return np.asarray(np.abs(self.drawn @ shares).max(axis=1))


class Family:
    """Contrasts that are looked at together.

    Attributes:
        size: Number of contrasts so far.
    """

    def __init__(self, weights: RandomWeights, confidence: float) -> None:
        """Start without contrasts.

        Args:
            weights: Random weights of all units.
            confidence: Share of studies in which all intervals hold the truth.
        """
        self.size = 0
        self._weights = weights
        self._confidence = confidence
        self._largest = np.zeros(_DRAWS)

    def add(self, units: Sequence[str], contrasts: Sequence[Contrast]) -> None:
        """Add contrasts.

        Args:
            units: Names of the units of these contrasts, in the order of their errors.
            contrasts: The contrasts.
        """
        self.size += len(contrasts)
        columns = [c.errors / norm for c in contrasts if (norm := _norm(c.errors)) > 0]
        if columns:  # what does not vary is never far from 0
            largest = self._weights.largest(units, np.stack(columns, axis=1))
            np.maximum(self._largest, largest, out=self._largest)

    def corrected(self, contrast: Contrast) -> float:
        """Return the p-value of a contrast, corrected for all contrasts of the family."""
        p_value = contrast.p_value
        far = -ndtri(p_value / 2) if p_value > 0 else math.inf
        return max(p_value, float(1 + (self._largest >= far).sum()) / (1 + _DRAWS))

    def shows(self, contrast: Contrast) -> bool:
        """Return whether a contrast is shown to differ from 0."""
        return self.corrected(contrast) <= 1 - self._confidence + 1e-9

    def interval(self, contrast: Contrast) -> Interval:
        """Return the interval that holds the truth together with those of all others.

        It excludes 0 where the corrected p-value is below the level.
        """
        level = 1 - self._confidence
        rank = math.floor(level * (1 + _DRAWS) + 1e-9)
        # the corrected p of whatever is farther than this is at most rank / (1 + draws)
        far = np.sort(self._largest)[-rank] if rank else math.inf
        each = min(level, 2 * float(ndtr(-far)))
        return contrast.interval(1 - each) if each > 0 else NO_INTERVAL


def _norm(errors: np.ndarray) -> float:
    return float(np.sqrt((errors**2).sum()))
