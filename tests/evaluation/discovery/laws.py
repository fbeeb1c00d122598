"""Values without any true difference: what segmentation metrics look like."""

from collections.abc import Callable, Mapping

import numpy as np
import scipy.stats
from scipy.special import ndtr

from nnunetv2_fair.evaluation.discovery.rows import Rows

#: Groups of each attribute; the first has 70% of the patients.
LEVELS = (2, 3, 4, 3, 2, 5)

_SHARES = np.linspace(1e-6, 1 - 1e-6, 4001)
_DICE = scipy.stats.beta.ppf(_SHARES, 12, 1.5)


def _dice(share: np.ndarray) -> np.ndarray:
    return np.interp(share, _SHARES, _DICE)


#: Share of the distribution below a value -> the value.
LAWS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "dice": _dice,
    "dice with failures": lambda share: np.where(share < 0.03, 0, _dice(share)),
    "detection": lambda share: (share >= 0.03).astype(float),
    "hd95, capped": lambda share: np.where(share > 0.97, 300, np.exp(1 + 2 * share)),
    "nsd with ties at 1": lambda share: np.minimum(1, 1.06 * _dice(share)),
}


def attributes(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return the groups of n patients, independent of everything."""
    return np.stack([rng.choice(k, n, p=[0.7] + [0.3 / (k - 1)] * (k - 1)) for k in LEVELS], axis=1)


def values(
    rng: np.random.Generator, law: str, patients: np.ndarray, correlation: float
) -> np.ndarray:
    """Return the value of each image, given its patient, 0 to P - 1."""
    shared = rng.standard_normal(patients.max() + 1)[patients]
    own = rng.standard_normal(len(patients))
    latent = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own
    return LAWS[law](ndtr(latent))


def null_rows(
    rng: np.random.Generator,
    law: str,
    n: int,
    images: str = "one",
    correlation: float = 0.4,
    unit: str = "patient",
) -> Rows:
    """Return rows of n patients of one law.

    Args:
        rng: Source of randomness.
        law: One of ``LAWS``.
        n: Patients.
        images: ``one``, ``unequal`` (1 to 5), ``by group`` (1, 3 or 5 in the groups of an
            attribute), or ``changing`` (1 to 5, two attributes differing between them).
        correlation: Of a patient's images.
        unit: Of the rows.
    """
    codes = attributes(rng, n)
    count = {
        "one": np.ones(n, dtype=int),
        "by group": np.array([5, 1, 3])[codes[:, 1]],
    }.get(images, rng.integers(1, 6, n))
    patients = np.repeat(np.arange(n), count)
    codes = codes[patients]
    if images == "changing":
        for attribute in (2, 4):
            codes[:, attribute] = rng.integers(0, LEVELS[attribute], len(patients))
    return Rows.of(codes, values(rng, law, patients, correlation), patients, unit)
