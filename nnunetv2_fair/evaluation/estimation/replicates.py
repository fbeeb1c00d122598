"""Statistics of bootstrap resamples."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Replicates:
    """Statistics of bootstrap resamples.

    Attributes:
        means: (replicates, models, groups); NaN for groups without units.
        medians: As ``means``.
        overall_mean: (replicates, models).
        overall_median: (replicates, models).
        dominance: (replicates, pairs): Cliff's delta of each pair of groups, first model.
    """

    means: np.ndarray
    medians: np.ndarray
    overall_mean: np.ndarray
    overall_median: np.ndarray
    dominance: np.ndarray
