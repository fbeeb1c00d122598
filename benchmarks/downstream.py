"""How often the Jensen-Shannon divergence of errors is wrong: coverage, and tests on null data.

python benchmarks/downstream.py [REPEATS]

The second table is of whole results: hearts of two groups with the same errors, four measures and a
threshold of the ejection fraction; shown is what the page would claim about any of them.

Intervals are also made for groups that are too small for the command to show one. The truth of an
interval is the divergence of the two distributions in the bins of the sample.
"""

import sys
from collections.abc import Callable
from functools import partial
from itertools import product

import numpy as np
import pandas as pd
import scipy.stats

from nnunetv2_fair.evaluation.downstream import divergence, groups
from nnunetv2_fair.evaluation.downstream.divergence import (
    bin_edges,
    compare_counts,
    counts_in_bins,
    jensen_shannon,
)
from nnunetv2_fair.evaluation.downstream.groups import compare_errors, with_corrected_tests
from nnunetv2_fair.evaluation.downstream.measures import measure_info
from nnunetv2_fair.evaluation.downstream.settings import Threshold
from nnunetv2_fair.evaluation.statistics.all_comparisons import GroupVocabulary
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings

SIZES = ((10, 10), (10, 100), (20, 20), (20, 100), (30, 30), (50, 50), (50, 200), (100, 100),
         (200, 200))  # fmt: skip
HEARTS = ((10, 10), (20, 100), (50, 50))
#: Distribution of absolute errors, and how much larger those of the second group are.
ERRORS = {
    "normal": scipy.stats.halfnorm(),
    "gamma": scipy.stats.gamma(2),
    "heavy tails": scipy.stats.halfcauchy(),
}
FACTORS = (1.0, 1.3, 2.0)


def one(
    sizes: tuple[int, int], errors: scipy.stats.rv_continuous, factor: float, seed: int
) -> tuple[float, ...]:
    """Return covered, p, value, corrected value, by chance and truth of one study."""
    generator = np.random.default_rng(seed)
    samples = [errors.rvs(n, random_state=generator) * f
               for n, f in zip(sizes, (1.0, factor), strict=True)]  # fmt: skip
    edges = bin_edges(np.concatenate(samples))
    found = compare_counts(
        *(counts_in_bins(sample, edges) for sample in samples), generator,
        n_bootstrap=1000, confidence=0.95, n_permutations=499,
    )  # fmt: skip
    limits = np.array([*edges, np.inf])
    shares = [np.diff(errors.cdf(limits / f)) for f in (1.0, factor)]
    truth = float(jensen_shannon(*shares))
    within = found.interval.low - 1e-9 <= truth <= found.interval.high + 1e-9
    return within, found.p_value, found.value, found.corrected, found.by_chance, truth


def main(repeats: int, table: Callable[[str], None] = print) -> None:
    """Print a row per setting."""
    divergences(repeats, table)
    results(repeats // 5, table)


def divergences(repeats: int, table: Callable[[str], None]) -> None:
    """Print a row per setting of two groups' errors."""
    divergence.FEWEST_FOR_INTERVAL = 2
    table("| patients | errors | second group's | truth | JS | corrected | by chance | interval "
          "holds the truth | p < 0.05 |")  # fmt: skip
    table("|---|---|---|---|---|---|---|---|---|")
    for sizes, (name, errors), factor in product(SIZES, ERRORS.items(), FACTORS):
        rows = np.array([one(sizes, errors, factor, seed) for seed in range(repeats)])
        within, p, *means = rows.T
        told = " | ".join(f"{values.mean():.3f}" for values in (means[3], *means[:3]))
        coverage = f"{within.mean():.3f}" if within.any() else "none"
        table(f"| {sizes[0]} + {sizes[1]} | {name} | x {factor:g} | {told} | {coverage} | "
              f"{(p < 0.05).mean():.3f} |")  # fmt: skip


def results(repeats: int, table: Callable[[str], None]) -> None:
    """Print a row per number of patients and size of the errors of the second group."""
    groups.compare_counts = partial(compare_counts, n_permutations=999)
    table("| patients | images each | second group's errors | errors shown | decisions shown |")
    table("|---|---|---|---|---|")
    for sizes, images, factor in product(HEARTS, ((1, 1), (1, 4)), (1.0, 2.0)):
        shown = np.array([hearts(sizes, images, factor, seed) for seed in range(repeats)])
        rates = " | ".join(f"{rate:.3f}" for rate in shown.mean(axis=0))
        table(f"| {sizes[0]} + {sizes[1]} | {images[0]}, {images[1]} | x {factor:g} | {rates} |")


def hearts(
    sizes: tuple[int, int], images: tuple[int, int], factor: float, seed: int
) -> tuple[bool, bool]:
    """Return whether a difference of errors, and of decisions, is shown in one study."""
    generator = np.random.default_rng(seed)
    rows = []
    for group, (n, each, larger) in enumerate(zip(sizes, images, (1.0, factor), strict=True)):
        # errors of a patient's images resemble each other
        skill = np.repeat(generator.gamma(4, 0.25, n), each)
        edv = np.repeat(generator.normal(150, 30, n).clip(60), each)
        ef = np.repeat(generator.normal(0.56, 0.09, n).clip(0.15, 0.8), each)
        true = np.array([edv, edv * (1 - ef)])
        drawn = true * (1 + 0.06 * larger * skill * generator.standard_t(4, true.shape))
        for which in (true, drawn):
            rows.append(pd.DataFrame({
                "case": [f"{group}-{i}" for i in range(n * each)],
                "patient": np.repeat([f"{group}-{i}" for i in range(n)], each),
                "group": "ab"[group], "lvedv": which[0], "lvesv": which[1],
                "lvsv": which[0] - which[1], "ef": 100 * (which[0] - which[1]) / which[0],
            }))  # fmt: skip
    reference, prediction = (pd.concat(rows[i::2], ignore_index=True) for i in (0, 1))
    settings = StatisticsSettings(n_bootstrap=0, seed=seed)
    made = []
    for name in ("lvedv", "lvesv", "lvsv", "ef"):
        errors = prediction[name] - reference[name]
        own = reference[["case", "patient", "group"]].assign(
            reference=reference[name], prediction=prediction[name], error=errors,
            absolute_error=errors.abs(),
        )  # fmt: skip
        thresholds = [Threshold("ef", 50)] if name == "ef" else []
        made.append(compare_errors(own, "LV", measure_info(name, "mm"),
                                   GroupVocabulary("group", ("a", "b"), "a"), settings,
                                   thresholds))  # fmt: skip
    found = list(with_corrected_tests(made))
    errors_shown = any(d.corrected_p < 0.05 for c in found for d in c.divergences)
    tests = [d.test for c in found for d in c.decisions]
    return errors_shown, any(t is not None and t.corrected_p < 0.05 for t in tests)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
