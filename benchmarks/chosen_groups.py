"""How often is anything shown of chosen groups, and of two of several, that is not so?

Draws studies of six groups of unequal sizes, two labels, and a second attribute, and lets the
evaluator compare all six, two chosen ones, or three. Every patient's Dice is drawn from one law, or
one group is worse than the others, so that what is said about two of the others is wrong. A study
counts once, whatever else is shown in it. Prints the share of studies in which something false is
shown, of which 0.05 is nominal. Pairs need no resamples, so that five times as many studies without
them (in which nothing is shown of medians and means) tell more exactly how often they are wrong.

    nice python benchmarks/chosen_groups.py --studies 120
"""

import argparse
import math
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from nnunetv2_fair.evaluation.metrics.registry import METRICS
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.evaluation.run import ScoredSettings, evaluate_scores
from nnunetv2_fair.evaluation.scored_cases import table_of_scores
from nnunetv2_fair.evaluation.scores_from_files import Scores
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.tables.settings import TableSettings

SIZES = {"White": 300, "Black": 40, "Mixed": 25, "Asian": 60, "Chinese": 12, "Other": 8}
CHOICES = {
    "all six": None,
    "two": ("White", "Black"),
    "two small": ("Chinese", "Other"),
    "three": ("White", "Black", "Chinese"),
}
#: The group that is worse by so much, and the pairs that then differ.
WORSE, BY = "Black", 0.06
LABELS = ("one", "two")
MEDIANS_OR_PAIRS = {"group_difference median", "pair_difference cliffs_delta"}


def study(
    generator: np.random.Generator, chosen: tuple[str, ...] | None, by: float, resamples: int
) -> EvaluationResult:
    """Evaluate one simulated test set."""
    ethnicity = np.repeat(list(SIZES), list(SIZES.values()))
    cases = [f"c{number}" for number in range(len(ethnicity))]
    quality = generator.standard_normal(len(cases))
    rows = []
    for label in LABELS:  # of one patient, with a correlation of a half
        both = (quality + generator.standard_normal(len(cases))) / math.sqrt(2)
        dice = 1 - 0.15 * np.exp(0.6 * both)  # skewed, as Dice is
        dice -= by * (ethnicity == WORSE)
        dice[generator.random(len(cases)) < 0.03] = 0  # failures
        rows.append(pd.DataFrame({"case": cases, "label": label, "dice": dice.clip(0, 1)}))
    frame = pd.concat(rows, ignore_index=True).assign(flags="")
    frame["reference_voxels"] = frame["prediction_voxels"] = pd.array([pd.NA] * len(frame), "Int64")
    sex = generator.choice(["female", "male"], len(cases))
    about = pd.DataFrame({"case": cases, "ethnicity": ethnicity, "sex": sex})
    known = METRICS["dice"]
    info = MetricInfo("dice", known.title, "", known.better, known.definition, True, 0.0, 1.0)
    scores = Scores(Path("simulated.csv"), "", frame, (info,), LABELS, about, 0)
    settings = ScoredSettings(
        statistics=StatisticsSettings(n_bootstrap=resamples),
        references={"ethnicity": chosen[0] if chosen else "White"},
        groups={} if chosen is None else {"ethnicity": chosen},
    )
    table = table_of_scores(scores, TableSettings())
    return evaluate_scores(scores, table, ("ethnicity", "sex"), settings)


def false_claims(result: EvaluationResult, by: float) -> set[str]:
    """Return the kinds of findings that show something that is not so."""
    wrong = set()
    for found in result.findings:
        if found.verdict != "shown" or found.kind == "size_explains":
            continue
        # with a group that is worse, all that speaks of it is true
        if by and found.attribute == "ethnicity" and WORSE in found.who:
            continue
        wrong.add(f"{found.kind} {found.quantity}")
    return wrong


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=120)
    studies = parser.parse_args().studies
    cells = [(name, 0.0) for name in CHOICES] + [("all six", BY), ("three", BY)]
    for resamples, number in ((0, 5 * studies), (300, studies)):
        for name, by in cells:
            if resamples or CHOICES[name] is None or len(CHOICES[name] or ()) > 2:
                print(rates(name, by, resamples, number), flush=True)


def rates(name: str, by: float, resamples: int, studies: int) -> str:
    """Return how often what is shown, of one choice."""
    generator = np.random.default_rng(zlib.crc32(f"{name} {by} {resamples}".encode()))
    counts: Counter[str] = Counter()
    for _ in tqdm(range(studies), f"{name}, {by}", disable=None):
        result = study(generator, CHOICES[name], by, resamples)
        wrong = false_claims(result, by)
        counts.update(wrong)
        counts["anything"] += bool(wrong)
        counts["medians or pairs"] += bool(wrong & MEDIANS_OR_PAIRS)
        shown = [f for f in result.findings if f.verdict == "shown" and WORSE in f.who]
        counts["(a pair with the worse group)"] += any(f.kind == "pair_difference" for f in shown)
    what = f"one group worse by {by}" if by else "equal groups"
    told = ", ".join(f"{key} {count / studies:.4f}" for key, count in sorted(counts.items()))
    return f"{name} compared, {what}, {resamples} resamples, {studies} studies: {told}"


if __name__ == "__main__":
    main()
