"""How often do the evaluator's 95% intervals contain the true value?

Draws thousands of studies from known distributions, asks the evaluator's own functions for every
interval, and counts. Groups of patients, one case each; the true value of every measure comes from
the distributions themselves (a sample of two million).

    python benchmarks/coverage.py
"""

import argparse
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from tqdm import tqdm

from nnunetv2_fair.evaluation.estimation.estimates import Estimates, Summaries
from nnunetv2_fair.evaluation.results.groups import Comparison
from nnunetv2_fair.evaluation.results.values import Interval
from nnunetv2_fair.evaluation.statistics.group_comparison import (
    Observations,
    StatisticsSettings,
    compare_groups,
)

_Draw = Callable[[np.random.Generator, int], np.ndarray]

#: What group values look like: Dice-like ones are skewed towards failures, distances to the right.
DISTRIBUTIONS: Mapping[str, tuple[bool, Sequence[_Draw]]] = {
    "Dice, equal groups": (
        True, [lambda r, n: r.beta(18, 2, n), lambda r, n: r.beta(18, 2, n)],
    ),
    "Dice, 0.90 and 0.85": (
        True, [lambda r, n: r.beta(18, 2, n), lambda r, n: r.beta(17, 3, n)],
    ),
    "Dice, very skewed, 0.81 and 0.71": (
        True, [lambda r, n: r.beta(5, 1.2, n), lambda r, n: r.beta(3, 1.2, n)],
    ),
    "Dice, four groups, two alike": (
        True,
        [
            lambda r, n: r.beta(18, 2, n), lambda r, n: r.beta(18, 2, n),
            lambda r, n: r.beta(17, 3, n), lambda r, n: r.beta(15, 4, n),
        ],
    ),
    "HD95, 3.1 and 4.2 mm": (
        False,
        [lambda r, n: r.lognormal(1, 0.5, n), lambda r, n: r.lognormal(1.3, 0.5, n)],
    ),
}  # fmt: skip
SIZES = ((10, 10), (10, 180), (20, 20), (50, 50), (12, 40))
_TRUTH = 2_000_000


def main() -> None:
    """Simulate and print one table per distribution."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--studies", type=int, default=2000, help="studies per row")
    parser.add_argument("--bootstrap", type=int, default=2000, help="resamples per study")
    args = parser.parse_args()
    error = 1.96 * (0.95 * 0.05 / args.studies) ** 0.5
    print(f"{args.studies} studies per row: a share of 0.95 is known to within {error:.3f}.")
    for name, (error_measures, draws) in DISTRIBUTIONS.items():
        truth = _truth(draws, error_measures)
        print(f"\n{name}")
        for sizes in SIZES:
            counts = [sizes[min(index, 1)] for index in range(len(draws))]
            asked = {
                what: value
                for what, value in truth.items()
                if len(set(counts)) == 1 or not what.startswith("es_")
            }
            held = _coverage(draws, counts, asked, error_measures, args)
            shares = ", ".join(f"{what} {share:.3f}" for what, share in held.items())
            print(f"  groups of {counts}: {shares}", flush=True)


def _study(draws: Sequence[_Draw], counts: Sequence[int], rng: np.random.Generator) -> Observations:
    values = np.concatenate([draw(rng, n) for draw, n in zip(draws, counts, strict=True)])
    total = len(values)
    return Observations(
        values,
        np.zeros(total, dtype=bool),
        np.arange(total).astype(str).astype(object),
        np.repeat(np.arange(len(draws)), counts),
        tuple(f"group {index}" for index in range(len(draws))),
    )


def _coverage(
    draws: Sequence[_Draw],
    counts: Sequence[int],
    truth: Mapping[str, float],
    error_measures: bool,
    args: argparse.Namespace,
) -> dict[str, float]:
    held: Counter[str] = Counter()
    rng = np.random.default_rng(0)
    for study in tqdm(range(args.studies), unit="study", leave=False):
        found = compare_groups(
            _study(draws, counts, rng),
            attribute="attribute",
            metric="metric",
            label="label",
            reference="group 0",
            error_measures=error_measures,
            settings=StatisticsSettings(n_bootstrap=args.bootstrap, seed=study),
        )
        intervals = _intervals(found)
        for name, value in truth.items():
            held[name] += intervals[name].low <= value <= intervals[name].high
    return {name: held[name] / args.studies for name in truth}


def _intervals(found: Comparison) -> dict[str, Interval]:
    intervals = {
        "mean": found.groups["group 0"].mean_interval,
        "median": found.groups["group 0"].median_interval,
        "Cliff's delta": found.effects[0].interval,
    }
    return {**intervals, **{gap.name: gap.interval for gap in reversed(found.gaps)}}


def _truth(draws: Sequence[_Draw], error_measures: bool) -> dict[str, float]:
    rng = np.random.default_rng(1)
    samples = [draw(rng, _TRUTH) for draw in draws]
    means, medians = (np.array([f(s) for s in samples]) for f in (np.mean, np.median))
    names = tuple(f"group {index}" for index in range(len(draws)))
    everything = list(range(len(draws)))
    # the overall mean depends on the groups' sizes: equity-scaled scores are checked where these
    # are equal
    whole = Summaries(means, medians, means.mean(), np.asarray(np.nan))
    estimates = Estimates(
        names, everything, 0, error_measures, whole, whole, samples, np.concatenate(samples), 0.95
    )
    values = {key.name: float(v) for key, v in reversed(estimates.gap_values(whole).items())}
    first, second = samples[0][:200_000], samples[1][-200_000:]
    order = np.searchsorted(np.sort(second), first, side="left") / len(second)
    return {
        "mean": float(means[0]),
        "median": float(medians[0]),
        "Cliff's delta": float(2 * order.mean() - 1),
        **values,
    }


if __name__ == "__main__":
    main()
