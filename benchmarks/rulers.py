"""Error rates of what an audit of labels says, with known truth.

    python benchmarks/rulers.py --runs 2000 --audits 400

Two tables. The first: a model's gap against expert masks, which is 0, from cases that all have
automated masks and of which some have expert ones; the automated masks flatter one group or not.
The second: whole audits of masks and models that are equally good for all groups, and the share in
which anything is shown, by kind of claim. Scores are drawn, masks are not; everything from the
scores on is what ``nnUNetv2_fair_audit_labels`` does.
"""

import argparse
import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nnunetv2_fair.audit.labels.combined_gaps import combined_gaps
from nnunetv2_fair.audit.labels.findings import verdict_of
from nnunetv2_fair.audit.labels.gap_changes import gap_changes
from nnunetv2_fair.audit.labels.label_errors import label_errors
from nnunetv2_fair.audit.labels.people import Groups, People
from nnunetv2_fair.audit.labels.scores import Scores
from nnunetv2_fair.audit.labels.sources import source_gaps
from nnunetv2_fair.audit.results.labels import Estimate
from nnunetv2_fair.audit.statistics.contrasts import mean_of
from nnunetv2_fair.audit.statistics.rulers import Sample, combined, difference
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings

LEVEL = 0.95
DICE = MetricInfo("dice", "Dice", "", "higher", "", lowest=0.0, highest=1.0)


@dataclass(frozen=True)
class Cell:
    """One setting of the first table.

    Attributes:
        n: Patients of each group with masks of both kinds.
        n_all: Patients of each group.
        correlation: Of both scores.
        flaw: By how much the automated masks flatter the first group.
        skewed: Whether scores are skewed and some masks fail altogether.
    """

    n: int
    n_all: int
    correlation: float
    flaw: float
    skewed: bool = False


@dataclass(frozen=True)
class Found:
    """What was found in one setting.

    Attributes:
        automated: Mean gap against automated masks; the true gap is 0.
        rmse_expert: Root mean square error of the gap from expert masks alone.
        rmse: The same of the combined estimate.
        width_expert: Mean width of the interval from expert masks alone.
        width: The same of the combined estimate.
        coverage_expert: Share of intervals from expert masks alone that hold the true gap.
        coverage: The same of the combined estimate.
        shown: Share of runs in which the combined estimate shows a gap.
    """

    automated: float
    rmse_expert: float
    rmse: float
    width_expert: float
    width: float
    coverage_expert: float
    coverage: float
    shown: float


def simulate(cell: Cell, runs: int, seed: int) -> Found:
    """Return how often the estimates are right in one setting.

    Args:
        cell: The setting.
        runs: How often it is drawn.
        seed: Of the random numbers.
    """
    rng = np.random.default_rng(seed)
    values, widths, covered, automated, shown = [], [], [], [], 0
    for _ in range(runs):
        alone, both, crude = [], [], []
        for flaw in (cell.flaw, 0.0):
            expert, auto = _scores(cell, rng)
            auto += flaw
            few, many = auto[: cell.n], auto[cell.n :]
            alone.append(mean_of(expert[: cell.n]))
            both.append(Sample(expert[: cell.n], few, many))
            crude.append(auto.mean())
        gaps = [difference(*alone), combined(*both).gap]
        intervals = [gap.interval(LEVEL) for gap in gaps]
        values.append([gap.value for gap in gaps])
        widths.append([i.high - i.low for i in intervals])
        covered.append([i.low <= 0 <= i.high for i in intervals])
        automated.append(crude[0] - crude[1])
        shown += gaps[1].p_value < 1 - LEVEL
    rmse = np.sqrt(np.mean(np.square(values), axis=0))
    width, coverage = np.mean(widths, axis=0), np.mean(covered, axis=0)
    return Found(
        float(np.mean(automated)), *map(float, (*rmse, *width, *coverage)), shown / runs
    )  # fmt: skip


def _scores(cell: Cell, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return scores of one group against expert and automated masks, both of mean about 0.85."""
    r = cell.correlation
    common = rng.standard_normal(cell.n_all)
    other = r * common + math.sqrt(1 - r**2) * rng.standard_normal(cell.n_all)
    if not cell.skewed:
        return 0.85 + 0.1 * common, 0.85 + 0.1 * other
    # a long tail to the left, and 3% of the predictions miss altogether
    scores = [1 - 0.12 * np.exp(0.6 * part) for part in (common, other)]
    missed = rng.random(cell.n_all) < 0.03
    return tuple(np.where(missed, 0.0, part) for part in scores)  # type: ignore[return-value]


def equal_audit(rng: np.random.Generator, n: int, n_expert: int) -> dict[str, bool]:
    """Return kind of claim -> whether anything is shown in an audit in which no group differs.

    Args:
        rng: Random numbers.
        n: Patients; a fourth of them is in the smaller group of each of two attributes.
        n_expert: Patients of these with expert masks.
    """
    cases = [f"case_{i:04d}" for i in range(n)]
    attributes = []
    for name in ("age", "sex"):
        of = dict(zip(cases, np.where(rng.random(n) < 0.25, "few", "many"), strict=True))
        attributes.append(Groups(name, ("few", "many"), of, ((1, 0),)))
    settings = StatisticsSettings(seed=int(rng.integers(1 << 30)))
    people = People(tuple(attributes), dict(zip(cases, cases, strict=True)), settings)
    labels = ("organ", "lesion")
    base = {label: rng.beta(8, 2, n) for label in labels}

    def scores(name: str, trainings: int, number: int, noise: float) -> Scores:
        tables = []
        for _ in range(trainings):
            parts = []
            for label in labels:
                # every kind of masks has its own skewed errors, and some fail
                values = np.clip(base[label] - noise * rng.gamma(1, 1, n), 0, 1)
                values[rng.random(n) < 0.03] = 0.0
                part = pd.DataFrame({"case": cases, "label": label, "dice": values, "flags": ""})
                parts.append(part[:number])
            tables.append(pd.concat(parts, ignore_index=True))
        return Scores(name, tuple(tables), labels, "diagonal")

    made = {
        "automated": scores("automated", 1, n_expert, 0.05),
        "second_expert": scores("second_expert", 1, n_expert, 0.02),
        "model_automated": scores("model_automated", 1, n, 0.06),
        "model_expert": scores("model_expert", 1, n_expert, 0.08),
        "trained_on_automated": scores("trained_on_automated", 1, n_expert, 0.08),
        "trained_on_expert": scores("trained_on_expert", 1, n_expert, 0.06),
    }
    errors = {
        case: {
            label: {
                "volume": rng.standard_t(5) * 0.2,
                "boundary": (1 - rng.gamma(2, 0.5)) * 0.8,
                "shift": rng.gamma(2, 0.5),
            }
            for label in labels
        }
        for case in cases[:n_expert]
    }
    sources = dict(zip(cases, rng.choice(["A", "B", "C"], n), strict=True))
    found: list[tuple[str, Estimate]] = []
    for one in label_errors(errors, labels, people, "mm"):
        found += [(f"{one.measure} of a group", group.mean) for group in one.groups.values()]
        found += [(f"{one.measure} between groups", pair.gap) for pair in one.gaps]
    found += [
        ("gap by source", one.heterogeneity)
        for one in source_gaps(made["automated"], (DICE,), labels, people, sources)
    ]
    for change in gap_changes(made, (DICE,), labels, people, None):
        found.append((" - ".join(change.scores), change.change))
    pair = made["model_automated"], made["model_expert"]
    found += [
        ("gap against expert masks", one.combined)
        for one in combined_gaps(*pair, (DICE,), labels, people, None)
    ]
    shown: dict[str, bool] = {}
    for kind, estimate in found:
        shown[kind] = shown.get(kind, False) or verdict_of(estimate, LEVEL) == "shown"
    return shown


CELLS = tuple(
    Cell(n, n_all, correlation, flaw, skewed)
    for n, n_all in ((10, 100), (20, 300), (50, 300))
    for correlation in (0.5, 0.8, 0.95)
    for flaw, skewed in ((0.06, False), (0.06, True))
)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=2000, help="of each row of the first table")
    parser.add_argument("--audits", type=int, default=400, help="audits without any difference")
    parser.add_argument("--seed", type=int, default=0, help="of the audits")
    args = parser.parse_args()
    print(
        "| labelled twice | patients | correlation | scores | automated | RMSE expert | RMSE "
        "combined | width expert | width combined | coverage expert | coverage combined | shown |"
    )
    print("|" + "---|" * 12)
    for number, cell in enumerate(CELLS):
        f = simulate(cell, args.runs, number)
        scores = "skewed" if cell.skewed else "normal"
        print(
            f"| {cell.n} | {cell.n_all} | {cell.correlation} | {scores} | {f.automated:.3f} | "
            f"{f.rmse_expert:.4f} | {f.rmse:.4f} | {f.width_expert:.3f} | {f.width:.3f} | "
            f"{f.coverage_expert:.3f} | {f.coverage:.3f} | {f.shown:.3f} |",
            flush=True,
        )
    for n, n_expert in ((120, 60), (400, 200)):
        counts: Counter[str] = Counter()
        rng = np.random.default_rng(args.seed + n)
        for _ in range(args.audits):
            counts.update(equal_audit(rng, n, n_expert))
        print(f"\n{n} patients, {n_expert} with expert masks, {args.audits} audits\n")
        print("| claim | shown |\n|---|---|")
        for kind in sorted(counts):
            print(f"| {kind} | {counts[kind] / args.audits:.3f} |", flush=True)


if __name__ == "__main__":
    main()
