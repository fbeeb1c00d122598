"""How many patients does it take to see a difference, or to exclude one?

Scores are drawn from Beta distributions and go through the evaluator (``evaluate_csv``,
``compare_models``), so that what is counted is the verdict that a page would print.

    python benchmarks/how_many_patients.py                       # all tables
    python benchmarks/how_many_patients.py gaps check --studies 100
"""

import argparse
import contextlib
import io
import logging
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from nnunetv2_fair.evaluation import (
    EvaluationResult,
    EvaluationSettings,
    compare_models,
    evaluate_csv,
)
from nnunetv2_fair.evaluation.failures.exact_tests import equal_proportions_test
from nnunetv2_fair.evaluation.failures.proportions import Counts

#: Mean and standard deviation of Dice: a large organ, a usual one, a lesion.
LAWS = {"SD 0.05": (0.92, 0.05), "SD 0.10": (0.85, 0.10), "SD 0.20": (0.70, 0.20)}
SIZES = (
    (10, 10), (20, 20), (50, 50), (100, 100), (200, 200), (500, 500),
    (180, 20), (450, 50), (900, 100),
)  # fmt: skip
RATES = ((0.01, 0.05), (0.02, 0.10), (0.05, 0.15), (0.05, 0.25), (0.10, 0.20), (0.10, 0.40))
GRID = (20, 30, 40, 50, 60, 80, 100, 120, 150, 200, 250, 300, 400, 500)


def scores(law: str, sizes: Sequence[int], gap: float, rng: np.random.Generator) -> np.ndarray:
    """Return Dice of two groups one after the other; that of the second is lower by the gap."""
    mean, sd = LAWS[law]
    total = mean * (1 - mean) / sd**2 - 1
    values = rng.beta(mean * total, (1 - mean) * total, sum(sizes))
    values[sizes[0] :] -= gap
    return np.clip(values, 0.001, 0.999)


def evaluated(
    values: np.ndarray, sizes: Sequence[int], rng: np.random.Generator, *, attributes: int = 1,
    settings: EvaluationSettings | None = None,
) -> EvaluationResult:  # fmt: skip
    """Evaluate scores of two groups; further attributes and labels differ in nothing.

    Args:
        values: ``(patients,)`` or ``(patients, labels)``.
        sizes: Patients of the two groups.
        rng: Deals the patients out to the groups of further attributes.
        attributes: How many are looked at.
        settings: Of the evaluation.
    """
    table = values.reshape(len(values), -1)
    columns = [np.repeat(["first", "second"], sizes)]
    columns += [rng.permutation(columns[0]) for _ in range(attributes - 1)]
    names = [f"attribute{i}" for i in range(attributes)]
    lines = [",".join(["case", "label", "dice", *names])]
    for i, row in enumerate(table):
        groups = [str(column[i]) for column in columns]
        lines += [",".join([f"c{i}", f"label{j}", f"{v:.6f}", *groups]) for j, v in enumerate(row)]
    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder) / "scores.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return evaluate_csv(
            path, names, settings=settings, reference_groups=dict.fromkeys(names, "first")
        )


def quiet() -> contextlib.AbstractContextManager:
    """Return a context without progress bars."""
    return contextlib.redirect_stderr(io.StringIO())


def verdict(result: EvaluationResult, kind: str, quantity: str) -> str:
    """Return the verdict on the two groups."""
    found = result.findings_on(kind, quantity, "attribute0", result.labels[0])  # type: ignore[arg-type]
    return found[0].verdict if found else ""


def gaps(studies: int) -> None:
    """Print the gap of medians that is shown with 80% and 50% probability."""
    print("| patients | " + " | ".join(f"Dice, {law}" for law in LAWS) + " | SD 0.10, 12 tests |")
    print("|---" * (len(LAWS) + 2) + "|")
    for sizes in SIZES:
        cells = []
        for law, n_labels, n_attributes in [*((law, 1, 1) for law in LAWS), ("SD 0.10", 3, 4)]:
            rng = np.random.default_rng([*sizes, n_labels])
            n = max(5, studies // 5) if n_labels > 1 else studies
            found = []
            for _ in range(n):
                values = np.stack([scores(law, sizes, 0, rng) for _ in range(n_labels)], axis=1)
                result = evaluated(values, sizes, rng, attributes=n_attributes)
                effect = result.comparison("attribute0", "dice", result.labels[0]).effects[0]
                found.append((effect.detectable_gap, effect.detectable_gap_half))
            most, half = np.nanmedian(np.array(found), axis=0)
            cells.append(f"{most:.3f} ({half:.3f})")
        print(f"| {sizes[0]} + {sizes[1]} | " + " | ".join(cells) + " |", flush=True)


def check(studies: int) -> None:
    """Print how often a gap of the size that `gaps` promises is shown, and how often none is."""
    print("| patients | Dice | gap promised at 80% | shown | shown without a gap |")
    print("|---|---|---|---|---|")
    for sizes in ((20, 20), (50, 50), (200, 200), (180, 20)):
        rng = np.random.default_rng([1, *sizes])
        promised = [
            evaluated(scores("SD 0.10", sizes, 0, rng), sizes, rng)
            .comparison("attribute0", "dice", "label0").effects[0].detectable_gap
            for _ in range(30)
        ]  # fmt: skip
        gap = float(np.nanmedian(promised))
        shown = [
            np.mean([
                verdict(evaluated(scores("SD 0.10", sizes, g, rng), sizes, rng),
                        "group_difference", "median") == "shown"
                for _ in range(studies)
            ])
            for g in (gap, 0.0)
        ]  # fmt: skip
        print(
            f"| {sizes[0]} + {sizes[1]} | SD 0.10 | {gap:.3f} | {shown[0]:.2f} | {shown[1]:.2f} |"
        )


def failures(studies: int) -> None:
    """Print the smallest groups in which a difference of failure rates is shown in 80%."""
    print("| failures | patients per group for 80% |")
    print("|---|---|")
    for one, two in RATES:
        power = _failure_power(one, two, studies * 5)
        needed = next((n for n in GRID if power(n) >= 0.8), None)
        print(f"| {one:.0%} and {two:.0%} | {needed or f'more than {GRID[-1]}'} |", flush=True)


def _failure_power(one: float, two: float, studies: int) -> Callable[[int], float]:
    def power(n: int) -> float:
        rng = np.random.default_rng(n)
        drawn = np.stack([rng.binomial(n, one, studies), rng.binomial(n, two, studies)], axis=1)
        outcomes, counts = np.unique(drawn, axis=0, return_counts=True)
        rejected = [
            equal_proportions_test([Counts(int(a), n), Counts(int(b), n)], rng).p_value <= 0.05
            for a, b in outcomes
        ]
        return float((np.array(rejected) * counts).sum() / studies)

    return power


def margins(studies: int) -> None:
    """Print how often a margin is excluded where there is no gap."""
    print("| patients | " + " | ".join(f"margin {m}, {law}" for law, m in _MARGINS) + " |")
    print("|---" * (len(_MARGINS) + 1) + "|")
    for sizes in ((20, 20), (50, 50), (100, 100), (200, 200), (500, 500), (180, 20), (900, 100)):
        cells = []
        for law, margin in _MARGINS:
            rng = np.random.default_rng([2, *sizes])
            settings = EvaluationSettings(margins={"dice": margin})
            excluded = [
                verdict(evaluated(scores(law, sizes, 0, rng), sizes, rng, settings=settings),
                        "equivalence", "mean") == "excluded"
                for _ in range(studies)
            ]  # fmt: skip
            cells.append(f"{np.mean(excluded):.2f}")
        print(f"| {sizes[0]} + {sizes[1]} | " + " | ".join(cells) + " |", flush=True)


_MARGINS = (("SD 0.05", 0.03), ("SD 0.10", 0.03), ("SD 0.10", 0.05), ("SD 0.20", 0.05))


def models(studies: int) -> None:
    """Print how often a smaller gap of a second model is shown; scores correlate by 0.8."""
    print("| patients | gap 0.10 halved, SD 0.10 | gap 0.05 halved, SD 0.10 |")
    print("|---|---|---|")
    for sizes in ((20, 20), (50, 50), (100, 100), (200, 200), (180, 20)):
        cells = []
        for gap in (0.10, 0.05):
            rng = np.random.default_rng([3, *sizes])
            shown = 0
            for _ in range(studies):
                shared, own = (scores("SD 0.10", sizes, 0, rng) for _ in range(2))
                mean = LAWS["SD 0.10"][0]
                again = mean + 0.8 * (shared - mean) + 0.6 * (own - mean)
                of_gap = np.repeat([0, gap], sizes)
                both = [
                    evaluated(np.clip(values, 0.001, 0.999), sizes, rng)
                    for values in (shared - of_gap, again - of_gap / 2)
                ]
                with quiet():
                    compared = compare_models(both, ["baseline", "other"])
                shown += any(
                    f.kind == "model_change" and f.quantity == "absolute_gap"
                    and f.verdict == "shown" and f.direction == "smaller"
                    for f in compared.findings
                )  # fmt: skip
            cells.append(f"{shown / studies:.2f}")
        print(f"| {sizes[0]} + {sizes[1]} | " + " | ".join(cells) + " |", flush=True)


TABLES = {t.__name__: t for t in (gaps, check, failures, margins, models)}


def main() -> None:
    """Print the tables that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"of {', '.join(TABLES)}")
    parser.add_argument("--studies", type=int, default=100)
    args = parser.parse_args()
    logging.disable(logging.INFO)
    for name in args.tables or TABLES:
        print(f"\n{TABLES[name].__doc__}\n")
        TABLES[name](args.studies)


if __name__ == "__main__":
    main()
