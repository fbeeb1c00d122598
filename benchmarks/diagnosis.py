"""Error rates of the rule that names causes of a gap, with known causes.

    python benchmarks/diagnosis.py --runs 500 --settings 200

Draws scores of patients, not images, with every intervention done; everything from the scores on is
:func:`nnunetv2_fair.audit.causes.verdicts.diagnose`. Prints how often which cause is named by what
was planted.
"""

import argparse
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from nnunetv2_fair.audit.causes.evidence import CAUSES, Evidence
from nnunetv2_fair.audit.causes.verdicts import Diagnosis, diagnose

#: Share of the patients' variance that is the same in all images of a patient and all models.
_STABLE = 0.8
#: How far apart the groups are in the covariate of difficulty, in standard deviations.
_APART = 1.2


@dataclass(frozen=True)
class Cell:
    """One setting.

    With the background of another patient of the same group, half of a shortcut's gap is gone.

    Attributes:
        planted: Cause -> the gap it makes. ``other`` is a cause that no intervention removes.
        n: Test patients of each group.
        trainings: Of either kind.
        between: Standard deviation of a group's mean score between trainings.
        unsteady: Times as much models of balanced groups vary.
        double: Share of the patients with expert masks.
        spread: Standard deviation of scores between patients.
        skewed: Whether scores have a long tail to the left.
        odd: How much worse both groups are on images without background.
        levels: Whether the better group falls to the other on them, as where nothing is found.
    """

    planted: Mapping[str, float] = field(default_factory=dict)
    n: int = 100
    trainings: int = 5
    between: float = 0.01
    unsteady: float = 1.0
    double: float = 0.6
    spread: float = 0.08
    skewed: bool = False
    odd: float = 0.0
    levels: bool = False


def draw(cell: Cell, rng: np.random.Generator) -> Evidence:
    """Return scores of one study."""
    second = np.repeat([False, True], cell.n)
    size = len(second)
    noise = rng.gamma(1, 1, size) - 1 if cell.skewed else rng.standard_normal(size)
    stable = -cell.spread * math.sqrt(_STABLE) * noise
    difficulty = cell.planted.get("difficulty", 0.0)
    covariate = rng.standard_normal(size) + _APART * second * (difficulty > 0)

    def trainings() -> np.ndarray:
        return cell.between * rng.standard_normal((cell.trainings, 2))[:, second.astype(int)]

    def scores(models: np.ndarray, without: str, share: float = 1.0) -> np.ndarray:
        flat = cell.spread * math.sqrt(1 - _STABLE) * rng.standard_normal(size)
        gap = sum(
            made * (1 - share * (cause == without))
            for cause, made in cell.planted.items()
            if cause != "difficulty"
        )
        slope = (difficulty or cell.spread / 2) / _APART
        return 0.85 + stable + flat + models - slope * covariate - gap * second

    models, balanced = trainings(), cell.unsteady * trainings()
    expert = scores(models, "labels")
    expert[:, rng.random(size) >= cell.double] = np.nan
    neutral = scores(models, "shortcut") - cell.odd
    if cell.levels:
        neutral -= sum(cell.planted.values()) * ~second
    return Evidence(
        scores(models, ""), second, scores(balanced, "representation"), covariate[:, None],
        expert, neutral, scores(models, "shortcut", 0.5),
    )  # fmt: skip


@dataclass(frozen=True)
class Found:
    """Shares of runs in one setting.

    Attributes:
        shown: A gap is shown.
        named: Cause -> it is named, alone or among others.
        right: Exactly the planted causes are named.
        wrong: A cause that was not planted is named.
        nothing: No cause is named.
        mixed: The named causes are called mixed.
        both: All planted causes are supported, by the contrast alone; 1 where there are none.
        denied: A planted cause is excluded.
        excluded: Mean share of the causes that were not planted that are excluded.
    """

    shown: float
    named: Mapping[str, float]
    right: float
    wrong: float
    nothing: float
    mixed: float
    both: float
    denied: float
    excluded: float


def simulate(cell: Cell, runs: int, seed: int) -> Found:
    """Return what the rule says in one setting.

    Args:
        cell: The setting.
        runs: How often it is drawn.
        seed: Of the random numbers.
    """
    rng = np.random.default_rng(seed)
    return summary(cell, [diagnose(draw(cell, rng)) for _ in range(runs)])


def summary(cell: Cell, made: list[Diagnosis]) -> Found:
    """Return how often diagnoses of one setting are right."""
    planted = {cause for cause in cell.planted if cause in CAUSES}
    counts: Counter[str] = Counter()
    named: Counter[str] = Counter()
    for one in made:
        names = set(one.named)
        out = {cause for cause, judged in one.causes.items() if judged.verdict == "excluded"}
        named.update(names)
        counts["shown"] += one.shown
        counts["right"] += names == planted
        counts["wrong"] += bool(names - planted)
        counts["nothing"] += not names
        counts["mixed"] += bool(one.mixed)
        counts["both"] += planted <= set(one.supported)
        counts["denied"] += bool(out & planted)
        counts["excluded"] += len(out - planted)
    rates = {key: counts[key] / len(made) for key in counts}
    rates["excluded"] = rates["excluded"] / (len(CAUSES) - len(planted))
    return Found(named={cause: named[cause] / len(made) for cause in CAUSES}, **rates)


PAIRS = (("representation", "labels"), ("difficulty", "shortcut"))
BY_CAUSE = (
    ("none", Cell()),
    ("none, skewed scores", Cell(skewed=True)),
    *((f"{cause}", Cell({cause: 0.08})) for cause in CAUSES),
    ("another", Cell({"other": 0.08})),
    ("representation and another, half each", Cell({"representation": 0.04, "other": 0.04})),
    (
        "the same, balanced models vary twice as much",
        Cell({"representation": 0.04, "other": 0.04}, unsteady=2.0),
    ),
    *((f"{a} and {b}, half each", Cell({a: 0.04, b: 0.04})) for a, b in PAIRS),
    *((f"{a} and {b}, 0.08 each", Cell({a: 0.08, b: 0.08})) for a, b in PAIRS),
    ("shortcut, 0.15 worse without background", Cell({"shortcut": 0.08}, odd=0.15)),
    ("another, better group as bad without background", Cell({"other": 0.08}, levels=True)),
)
SETTINGS = (
    ("3 trainings", Cell(trainings=3)),
    ("8 trainings", Cell(trainings=8)),
    ("8 trainings, 150 patients", Cell(trainings=8, n=150)),
    ("8 trainings that vary by 0.03", Cell(trainings=8, between=0.03)),
    ("20% with expert masks", Cell(double=0.2)),
    ("skewed scores", Cell(skewed=True)),
)


def by_cause(runs: int, seed: int) -> None:
    """Print what is named by what was planted."""
    titles = ("planted", "gap shown", *CAUSES, "right", "wrong", "nothing", "mixed",
              "supported", "excluded wrongly", "excluded rightly")  # fmt: skip
    print("| " + " | ".join(titles) + " |\n|" + "---|" * len(titles))
    for number, (title, cell) in enumerate(BY_CAUSE):
        f = simulate(cell, runs, seed + number)
        rates = (f.shown, *f.named.values(), f.right, f.wrong, f.nothing, f.mixed, f.both,
                 f.denied, f.excluded)  # fmt: skip
        print(f"| {title} | " + " | ".join(f"{rate:.3f}" for rate in rates) + " |", flush=True)


def by_setting(runs: int, seed: int) -> None:
    """Print how often one cause of a gap of 0.08 is named, with more and with less to go by."""
    print("| setting | " + " | ".join(f"{c}: right, wrong" for c in CAUSES) + " | none named |")
    print("|" + "---|" * (len(CAUSES) + 2))
    for number, (title, setting) in enumerate(SETTINGS):
        start = seed + 100 + 10 * number
        cells = []
        for place, cause in enumerate(CAUSES):
            f = simulate(replace(setting, planted={cause: 0.08}), runs, start + place)
            cells.append(f"{f.right:.3f}, {f.wrong:.3f}")
        f = simulate(setting, runs, start + len(CAUSES))
        print(f"| {title} | " + " | ".join(cells) + f" | {f.nothing:.3f} |", flush=True)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=500, help="of each row of the first table")
    parser.add_argument("--settings", type=int, default=200, help="runs of the second table")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    by_cause(args.runs, args.seed)
    print()
    by_setting(args.settings, args.seed)


if __name__ == "__main__":
    main()
