"""How long does FairMedSeg's search for divergent subgroups take, once per epoch?

Searches random tables of five groups per attribute and computes the weights of the same number
of training cases; prints medians.

    python benchmarks/divergence_search.py
"""

import argparse
import statistics
import time

import numpy as np

from nnunetv2_fair.subgroups.divergence import (
    divergence_weights,
    fill_and_scale,
    find_divergences,
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    for n_cases, n_attributes in ((1500, 3), (10_000, 6)):
        codes = rng.integers(0, 5, (n_cases, n_attributes))
        scores = rng.random(n_cases)
        seconds: dict[str, list[float]] = {"search": [], "weights": []}
        for run in range(args.runs + 1):
            begun = time.perf_counter()
            found = find_divergences(codes, scores, 0.001)
            searched = time.perf_counter()
            weights = divergence_weights(codes, found.codes, found.divergence)
            fill_and_scale(weights, mean_one=True)
            if run:  # the first run imports DivExplorer
                seconds["search"].append(searched - begun)
                seconds["weights"].append(time.perf_counter() - searched)
        print(
            f"{n_cases} cases x {n_attributes} attributes, {len(found)} subgroups: "
            + ", ".join(f"{name} {statistics.median(s):.3f} s" for name, s in seconds.items())
        )


if __name__ == "__main__":
    main()
