"""Every measure of quality beside its floor: what real cases reach against other real cases."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from nnunetv2_fair.errors import DatasetError
from nnunetv2_fair.synthesis.quality.distances import (
    NEIGHBOURS,
    fairdiff_matching,
    frechet_distance,
    kernel_distance,
    matching,
    precision_recall,
)

_Measure = Callable[[np.ndarray, np.ndarray], float]
#: Name of each measure -> its value for synthetic and real features.
MEASURES: Mapping[str, _Measure] = {
    "frechet_distance": frechet_distance,
    "kernel_distance": kernel_distance,
    "minimum_matching_distance": lambda s, r: matching(s, r).distance,
    "coverage": lambda s, r: matching(s, r).coverage,
    "fairdiff_matching_distance": lambda s, r: fairdiff_matching(s, r).distance,
    "fairdiff_coverage": lambda s, r: fairdiff_matching(s, r).coverage,
    "precision": lambda s, r: precision_recall(s, r).precision,
    "recall": lambda s, r: precision_recall(s, r).recall,
}
#: Fewest cases of a set that are measured.
LEAST = NEIGHBOURS + 1


@dataclass(frozen=True)
class Quality:
    """Measures of one group.

    Attributes:
        n: Cases in each of the two sets that were compared.
        measured: Name of the measure -> mean over the draws, synthetic against real.
        floor: The same, real against other real cases.
    """

    n: int
    measured: Mapping[str, float] = field(repr=False)
    floor: Mapping[str, float] = field(repr=False)


def quality(
    synthetic: np.ndarray,
    real: np.ndarray,
    *,
    draws: int = 20,
    seed: int = 0,
    scaled: bool = True,
) -> Quality:
    """Measure synthetic features against real ones, and real against real at the same n.

    Each draw splits the real cases at random into two halves of n: one is the reference, the other
    one and n synthetic cases are compared with it.

    Of few cases with many features the Frechet distance is nearly all floor: with 40 cases and 128
    features, blur moves it from 112 to 113, with 150 from 36 to 54. The kernel distance, whose
    floor is about 0 at any n, sees it in both (0.57).

    Args:
        synthetic: ``(s, d)`` features of synthetic cases of a group.
        real: ``(r, d)`` features of real cases of that group, of as many patients: several images
            of one patient on both sides would lower the floor.
        draws: How many, at least 1.
        seed: Of the draws.
        scaled: Whether features are scaled by mean and standard deviation of all real cases.

    Raises:
        DatasetError: If there are fewer than 8 real or 4 synthetic cases.
    """
    n = min(len(real) // 2, len(synthetic))
    if n < LEAST:
        raise DatasetError(
            f"Found {len(real)} real and {len(synthetic)} synthetic cases of a group. Expected at "
            f"least {2 * LEAST} real ones, half of which give the floor, and {LEAST} synthetic "
            "ones. Measure larger groups only, or all groups together."
        )
    if scaled:
        mean, spread = real.mean(axis=0), real.std(axis=0)
        # a feature that is the same in all real cases has no scale
        spread = np.where(spread > 0, spread, 1)
        synthetic, real = (synthetic - mean) / spread, (real - mean) / spread
    rng = np.random.default_rng(seed)
    measured: dict[str, list[float]] = {name: [] for name in MEASURES}
    floor: dict[str, list[float]] = {name: [] for name in MEASURES}
    for _ in range(draws):
        order = rng.permutation(len(real))
        reference, others = real[order[:n]], real[order[n : 2 * n]]
        drawn = synthetic[rng.choice(len(synthetic), n, replace=False)]
        for name, measure in MEASURES.items():
            measured[name].append(measure(drawn, reference))
            floor[name].append(measure(others, reference))
    return Quality(n, *({k: float(np.mean(v)) for k, v in x.items()} for x in (measured, floor)))
