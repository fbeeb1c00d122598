"""How well do FairMedSeg's weights follow the true divergences, by number of pooled epochs?

Simulates a validation set whose cases have a known Dice, with a true difference between the
groups of each attribute, and epochs of 100 patches (nnU-Net's 50 steps of batches of 2) that are
drawn with replacement and are noisy. The weights of the training cases are compared with those
from the true Dice of all validation cases: correlation, correlation of the weights of two
windows that do not overlap, and the share of all weight on cases whose subgroup does better.

    python benchmarks/divergence_window.py
"""

import argparse

import numpy as np

from nnunetv2_fair.subgroups.divergence import divergence_weights, fill_and_scale, find_divergences

N_TRAIN, N_VAL, PATCHES = 1200, 300, 100
#: Groups of each attribute, and how far their mean Dice is from the average.
EFFECTS = ([0.03, -0.03], [0.0, 0.02, -0.02, 0.0, -0.04], [0.0, 0.01, -0.01])
#: Standard deviation of Dice between cases, and between patches of one case.
BETWEEN, WITHIN = 0.15, 0.1


def weights(codes: np.ndarray, scores: np.ndarray, train: np.ndarray, minsup: float) -> tuple:
    """Return the weights of the training cases, and the share on cases that do better."""
    found = find_divergences(codes, scores, minsup)
    own = divergence_weights(train, found.codes, found.divergence)
    given = fill_and_scale(own, mean_one=False)
    inside = ((train[:, None] == found.codes) | (found.codes < 0)).all(2)
    signed = np.where(inside, found.divergence, 0)
    furthest = signed[np.arange(len(train)), np.abs(signed).argmax(1)]
    return given, given[furthest > 0].sum() / given.sum()


def trial(rng: np.random.Generator, window: int, minsup: float) -> tuple[float, float, float]:
    """Return the three figures for one simulated training."""
    sizes = [len(effect) for effect in EFFECTS]
    train, val = (
        np.stack([rng.integers(0, size, n) for size in sizes], 1) for n in (N_TRAIN, N_VAL)
    )
    truth = 0.7 + sum(np.array(e)[val[:, i]] for i, e in enumerate(EFFECTS))
    truth = truth + rng.normal(0, BETWEEN, N_VAL)
    wanted, _ = weights(val, truth, train, minsup)
    seen = []
    for _ in range(2):
        drawn = rng.integers(0, N_VAL, PATCHES * window)
        values = truth[drawn] + rng.normal(0, WITHIN, len(drawn))
        counts = np.bincount(drawn, minlength=N_VAL)
        with np.errstate(invalid="ignore"):
            seen.append(np.bincount(drawn, values, minlength=N_VAL) / counts)
    (one, better), (other, _) = (weights(val, scores, train, minsup) for scores in seen)
    return np.corrcoef(one, wanted)[0, 1], np.corrcoef(one, other)[0, 1], better


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=40)
    repetitions = parser.parse_args().repetitions
    print("minsup  window  with the truth  between windows  on better subgroups")
    for minsup in (0.001, 0.05):
        for window in (1, 5, 20, 100):
            rng = np.random.default_rng(0)
            found = np.mean([trial(rng, window, minsup) for _ in range(repetitions)], 0)
            print(f"{minsup:6g}  {window:6d}  {found[0]:14.2f}  {found[1]:15.2f}  {found[2]:19.2f}")


if __name__ == "__main__":
    main()
