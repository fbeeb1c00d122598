"""p-values corrected for multiple testing; NaN (no test) stays NaN and does not count."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy.stats import false_discovery_control

from nnunetv2_fair.evaluation.results.discovery import Correction

P = Sequence[float] | np.ndarray


def holm(p_values: P) -> list[float]:
    """Return p-values corrected by Holm's method, which controls the family-wise error rate.

    Source: Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    return _corrected(p_values, _step_down)


def benjamini_hochberg(p_values: P) -> list[float]:
    """Return p-values corrected for the false discovery rate: few among the findings are false.

    Source: Benjamini and Hochberg, Controlling the false discovery rate, 1995.
    """
    return _corrected(p_values, false_discovery_control)


#: Name of a correction -> function.
CORRECTIONS: Mapping[Correction, Callable[[P], list[float]]] = {
    "holm": holm,
    "fdr": benjamini_hochberg,
}


def _corrected(p_values: P, correct: Callable[[np.ndarray], np.ndarray]) -> list[float]:
    values = np.array(p_values, dtype=float)
    tested = ~np.isnan(values)
    if tested.any():
        values[tested] = correct(values[tested])
    return [float(value) for value in values]


def _step_down(p_values: np.ndarray) -> np.ndarray:
    order = np.argsort(p_values)
    stepped = p_values[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return corrected
