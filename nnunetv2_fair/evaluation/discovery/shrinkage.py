"""Divergences without the luck that brought them to the top of a list.

The strongest of many noisy divergences is, on average, smaller in truth. By how much shows in the
z of all subgroups together: where they look like noise, every divergence is drawn to 0; one that
stands far out keeps nearly all of its size. The z are those of ranks, which few failures cannot
inflate, so their share of signal is applied to the divergence.

Source: Stephens, False discovery rates: a new deal, 2017 (adaptive shrinkage: empirical Bayes with
a mixture of normal distributions around 0; here without its penalty).
"""

import numpy as np

#: Smallest standard deviation of true z in the mixture besides 0, and the ratio of neighbours.
_LEAST, _STEP = 0.1, 2**0.5
_ITERATIONS = 500
_ENOUGH = 1e-6


def signal_shares(z: np.ndarray) -> np.ndarray:
    """Return which share of each z is expected to be true, given all of them.

    Args:
        z: (S,) of all subgroups that were searched; NaN where there is none.

    Returns:
        (S,) in 0..1; NaN where there is no z.
    """
    shares = np.full(len(z), np.nan)
    known = ~np.isnan(z)
    if known.any():
        shares[known] = _expected_shares(z[known])
    return shares


def _expected_shares(z: np.ndarray) -> np.ndarray:
    widest = max(2 * float(np.abs(z).max()), 8 * _LEAST)
    spread = np.concatenate(
        [[0.0], _LEAST * _STEP ** np.arange(np.ceil(np.log(widest / _LEAST) / np.log(_STEP)) + 1)]
    )
    total = 1 + spread**2
    log_density = -0.5 * (z[:, None] ** 2 / total + np.log(total))
    density = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    weights = np.full(len(spread), 1 / len(spread))
    for _ in range(_ITERATIONS):
        belongs = _normalised(density * weights)
        updated = belongs.mean(axis=0)
        done = np.abs(updated - weights).max() < _ENOUGH
        weights = updated
        if done:
            break
    # of a normal prior around 0, the posterior mean is this share of z
    return np.asarray(_normalised(density * weights) @ (spread**2 / total))


def _normalised(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))
