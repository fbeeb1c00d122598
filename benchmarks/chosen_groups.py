"""How often is anything shown of chosen groups, and of two of several, that is not so?

Six groups of unequal sizes; all are compared, or two or three that were chosen.

``pairs``: studies of two labels and a second attribute, evaluated as the command does it, without
resamples, so that nothing is said of medians and means. Every patient's Dice is drawn from one law,
or one group is worse than the others, so that what is said about two of the others is wrong.

``sentences``: one label and attribute, no group differs, with 200 resamples.

Prints the share of studies in which something false is shown, of which 0.05 is nominal.

    nice python benchmarks/chosen_groups.py pairs --studies 600
    nice python benchmarks/chosen_groups.py sentences --studies 250
"""

import argparse
import math
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from nnunetv2_fair.evaluation.findings.group_differences import group_differences
from nnunetv2_fair.evaluation.findings.pair_differences import pair_differences
from nnunetv2_fair.evaluation.metrics.registry import METRICS
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.evaluation.run import ScoredSettings, evaluate_scores
from nnunetv2_fair.evaluation.scored_cases import table_of_scores
from nnunetv2_fair.evaluation.scores_from_files import Scores
from nnunetv2_fair.evaluation.statistics.effects import correct_tests
from nnunetv2_fair.evaluation.statistics.group_comparison import (
    Observations,
    StatisticsSettings,
    compare_groups,
)
from nnunetv2_fair.tables.settings import TableSettings

SIZES = {"White": 300, "Black": 40, "Mixed": 25, "Asian": 60, "Chinese": 12, "Other": 8}
CHOICES = {
    "all six": None,
    "two": ("White", "Black"),
    "two small": ("Chinese", "Other"),
    "three": ("White", "Black", "Chinese"),
}
#: The group that is worse by so much; what is said about it is true.
WORSE, BY = "Black", 0.06
LABELS = ("one", "two")
INFO = MetricInfo("dice", "Dice", "", "higher", METRICS["dice"].definition, True, 0.0, 1.0)


def dice_of(generator: np.random.Generator, normal: np.ndarray, worse: np.ndarray) -> np.ndarray:
    """Return skewed Dice, 3% of it failures, worse by some amount."""
    dice = 1 - 0.15 * np.exp(0.6 * normal) - worse
    dice[generator.random(len(dice)) < 0.03] = 0
    return dice.clip(0, 1)


def study(
    generator: np.random.Generator, chosen: tuple[str, ...] | None, by: float
) -> EvaluationResult:
    """Evaluate one simulated test set."""
    ethnicity = np.repeat(list(SIZES), list(SIZES.values()))
    cases = [f"c{number}" for number in range(len(ethnicity))]
    quality = generator.standard_normal(len(cases))
    rows = []
    for label in LABELS:  # of one patient, with a correlation of a half
        both = (quality + generator.standard_normal(len(cases))) / math.sqrt(2)
        dice = dice_of(generator, both, by * (ethnicity == WORSE))
        rows.append(pd.DataFrame({"case": cases, "label": label, "dice": dice}))
    frame = pd.concat(rows, ignore_index=True).assign(flags="")
    frame["reference_voxels"] = frame["prediction_voxels"] = pd.array([pd.NA] * len(frame), "Int64")
    sex = generator.choice(["female", "male"], len(cases))
    about = pd.DataFrame({"case": cases, "ethnicity": ethnicity, "sex": sex})
    scores = Scores(Path("simulated.csv"), "", frame, (INFO,), LABELS, about, 0)
    settings = ScoredSettings(
        statistics=StatisticsSettings(n_bootstrap=0),
        references={"ethnicity": chosen[0] if chosen else "White"},
        groups={} if chosen is None else {"ethnicity": chosen},
    )
    table = table_of_scores(scores, TableSettings())
    return evaluate_scores(scores, table, ("ethnicity", "sex"), settings)


def pairs(name: str, by: float, studies: int) -> str:
    """Return how often two groups are falsely shown to differ, in any label."""
    generator = np.random.default_rng(zlib.crc32(f"{name} {by} 0".encode()))
    counts: Counter[str] = Counter()
    for _ in tqdm(range(studies), f"{name}, {by}", disable=None):
        found = [
            finding.who
            for finding in study(generator, CHOICES[name], by).findings
            if finding.kind == "pair_difference"
        ]
        counts["falsely"] += any(not by or WORSE not in who for who in found)
        counts["truly"] += any(by and WORSE in who for who in found)
    told = ", ".join(f"{key} {count / studies:.4f}" for key, count in counts.items())
    what = f"one group worse by {by}" if by else "equal groups"
    return f"{name} compared, {what}, {studies} studies: a pair is shown {told}"


def sentences(name: str, studies: int) -> str:
    """Return how often anything is shown of one label and attribute, with no group different."""
    generator = np.random.default_rng(zlib.crc32(f"sentences {name}".encode()))
    names, sizes, chosen = tuple(SIZES), list(SIZES.values()), CHOICES[name]
    groups = np.repeat(np.arange(len(names)), sizes)
    n = len(groups)
    counts: Counter[str] = Counter()
    for _ in tqdm(range(studies), name, disable=None):
        dice = dice_of(generator, generator.standard_normal(n), np.zeros(n))
        made = compare_groups(
            Observations(dice, np.zeros(n, dtype=bool), np.arange(n), groups, names),
            attribute="e",
            metric="dice",
            label="l",
            reference=chosen[0] if chosen else "White",
            error_measures=True,
            settings=StatisticsSettings(n_bootstrap=200),
            scale=INFO.scale,
            chosen=chosen,
        )
        result = EvaluationResult(
            "", pd.DataFrame(), (INFO,), ("l",), ("e",), correct_tests([made]),
            settings={"confidence": 0.95},
        )  # fmt: skip
        told = [*group_differences(result), *pair_differences(result)]
        counts.update({f"{f.kind} {f.quantity}" for f in told if f.verdict == "shown"})
    told_rates = ", ".join(f"{key} {count / studies:.4f}" for key, count in sorted(counts.items()))
    return f"{name} compared, {studies} studies: {told_rates}"


def main() -> None:
    """Print the rates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("pairs", "sentences"))
    parser.add_argument("--studies", type=int, default=250)
    args = parser.parse_args()
    if args.what == "sentences":
        for name in ("two", "two small", "three"):
            print(sentences(name, args.studies), flush=True)
        return
    for name, by in (("all six", 0.0), ("three", 0.0), ("all six", BY), ("three", BY)):
        print(pairs(name, by, args.studies), flush=True)


if __name__ == "__main__":
    main()
