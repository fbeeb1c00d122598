"""Cup-to-disc ratios of a picture of the optic disc."""

import math

import numpy as np


def cup_to_disc(cup: np.ndarray, disc: np.ndarray) -> tuple[float, float]:
    """Return the vertical and the area cup-to-disc ratio.

    Args:
        cup: Boolean mask whose rows run downwards.
        disc: The same of the disc, which the cup is a part of.

    Returns:
        Rows from the first to the last of the cup over those of the disc, and pixels of the cup
        over those of the disc; 0 without a cup, NaN without a disc.
    """
    if not disc.any():
        return math.nan, math.nan
    return _height(cup) / _height(disc), float(np.count_nonzero(cup) / np.count_nonzero(disc))


def _height(mask: np.ndarray) -> int:
    rows = np.flatnonzero(mask.any(axis=1))
    return int(rows[-1] - rows[0] + 1) if len(rows) else 0
