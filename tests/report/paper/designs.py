"""Evaluations of every design that a manuscript may have to describe, measured by the evaluator."""

import functools
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nnunetv2_fair.evaluation.discovery.settings import DiscoverySettings
from nnunetv2_fair.evaluation.failures.criteria import parse_failures
from nnunetv2_fair.evaluation.request import Request, ScoresFile, answer
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings


def scores(
    *,
    patients: int = 60,
    images: int = 1,
    labels: tuple[str, ...] = ("lungs", "heart"),
    gap: float = 0.0,
    failing: float = 0.0,
    unknown: int = 0,
    missing: int = 0,
    rare: int = 0,
    trainings: int = 1,
    everybody: bool = False,
    seed: int = 0,
) -> pd.DataFrame:
    """Draw scores of every image, label and training.

    Args:
        patients: Number of patients, half of them of either sex.
        images: Images of every second patient; others have one.
        labels: Labels.
        gap: How much lower the Dice of women is.
        failing: Share of women's images in which the last label is missed.
        unknown: Patients of unknown sex.
        missing: Images without a prediction.
        rare: Patients of a rare site.
        trainings: Number of trainings; several have a column ``training``.
        everybody: Whether every patient has all images.
        seed: Seed of the draws.
    """
    random = np.random.default_rng(seed)
    rows = []
    for patient in range(patients):
        sex = "" if patient < unknown else ("female", "male")[patient % 2]
        site = "rare" if patient >= patients - rare else "AB"[patient // 2 % 2]
        person = random.normal(0, 0.02)
        for image in range(images if patient % 2 or everybody else 1):
            case = f"case{patient}x{image}"
            gone = len({r["case"] for r in rows}) < missing
            for label in labels:
                size = int(random.integers(800, 1200) * (0.8 if sex == "female" else 1.0))
                failed = sex == "female" and label == labels[-1] and random.random() < failing
                for training in range(trainings):
                    lower = gap if sex == "female" else 0.0
                    dice = float(np.clip(random.normal(0.9 + person - lower, 0.03), 0.01, 0.99))
                    flags = "empty_prediction" if failed else ""
                    rows.append(
                        {
                            "case": case, "patient": f"person{patient}", "sex": sex,
                            "age": ("<50", ">=50")[patient // 2 % 2], "site": site,
                            "view": ("front", "side", "back")[image], "training": f"run{training}",
                            "label": label, "lesion_f1": dice**2,
                            "dice": np.nan if gone else 0.0 if failed else dice,
                            "hd95_mm": np.nan if gone else np.inf if failed else 30 * (1 - dice),
                            "diagonal_mm": 200.0, "reference_voxels": size,
                            "prediction_voxels": 0 if failed or gone else size,
                            "flags": "missing_prediction" if gone else flags,
                        }
                    )  # fmt: skip
    frame = pd.DataFrame(rows)
    return frame if trainings > 1 else frame.drop(columns="training")


#: Name of a design -> how its scores are drawn, and what is asked for.
DESIGNS: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "plain": ({}, {}),
    "gap": ({"gap": 0.08}, {"attributes": ("sex", "age")}),
    "one label": ({"labels": ("nodule",), "gap": 0.03}, {}),
    "several images": ({"images": 3, "gap": 0.05}, {"attributes": ("sex", "age", "sex+age")}),
    "images counted": (
        {"images": 3},
        {"statistics": StatisticsSettings("case", n_bootstrap=100)},
    ),
    "failures": (
        {"failing": 0.3, "patients": 80},
        {"failures": parse_failures(["dice=0.1", "heart:hd95=50"])},
    ),
    "unknown and missing": (
        {"unknown": 2, "missing": 3, "rare": 3},
        {"attributes": ("sex", "site")},
    ),
    "one left out": ({"missing": 1, "unknown": 1, "images": 2}, {}),
    "three groups": ({"rare": 12, "gap": 0.05}, {"attributes": ("site", "sex")}),
    "adjusted": ({"gap": 0.05}, {"adjust": ("site", "age")}),
    "margins": ({"patients": 100}, {"margins": {"dice": 0.05}, "attributes": ("sex", "sex+age")}),
    "searched": ({"gap": 0.1}, {"discover": DiscoverySettings(permutations=99)}),
    "confirmed": (
        {"gap": 0.15, "patients": 120},
        {"discover": DiscoverySettings(permutations=199, confirm=True)},
    ),
    "trainings": (
        {"trainings": 3, "gap": 0.06, "failing": 0.2, "patients": 40},
        {"trainings": "repeats"},
    ),
    "folds": ({"trainings": 3, "patients": 30}, {"trainings": "folds"}),
    "no intervals": ({"gap": 0.06}, {"statistics": StatisticsSettings(n_bootstrap=0)}),
    "both views": ({"images": 2, "everybody": True, "gap": 0.03}, {"attributes": ("view", "sex")}),
    "some views": ({"images": 2}, {"attributes": ("view",)}),
    "infinite": ({"failing": 0.6}, {"empty_distance": "inf"}),
    "own score": ({"gap": 0.1}, {"columns": {"lesion_f1": "higher"}}),
    "90% and more": (
        {"rare": 8, "gap": 0.05},
        {
            "attributes": ("site",),
            "statistics": StatisticsSettings(min_patients=10, n_bootstrap=100, confidence=0.9),
        },
    ),
    "one group": ({"patients": 12, "unknown": 10}, {}),
}  # fmt: skip


@functools.cache
def evaluated(design: str, seed: int = 0) -> EvaluationResult:
    """Return the evaluation of a design."""
    drawn, asked = DESIGNS[design]
    options: dict[str, Any] = {
        "name": "Model A",
        "attributes": ("sex",),
        "statistics": StatisticsSettings(n_bootstrap=100),
        **asked,
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "per_case.csv"
        columns = options.pop("columns", {})
        drawn_scores = scores(seed=seed, **drawn)
        unused = [] if columns else ["lesion_f1"]
        drawn_scores.drop(columns=unused).to_csv(path, index=False)
        return answer(Request(ScoresFile(path, "csv", columns), **options)).result
