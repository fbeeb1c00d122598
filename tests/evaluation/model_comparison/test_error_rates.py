"""How often a whole comparison claims something that is not there: from scores to findings."""

import itertools
import math
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from nnunetv2_fair.evaluation.estimation.units import Units
from nnunetv2_fair.evaluation.findings.of_models.gains_and_losses import balance
from nnunetv2_fair.evaluation.findings.sentences import plain
from nnunetv2_fair.evaluation.metrics.registry import METRICS
from nnunetv2_fair.evaluation.model_comparison.comparison import compare_models
from nnunetv2_fair.evaluation.model_comparison.contrasts import contrasts_of
from nnunetv2_fair.evaluation.model_comparison.simultaneous import Family, RandomWeights
from nnunetv2_fair.evaluation.model_comparison.standard_errors import Means
from nnunetv2_fair.evaluation.results.comparison import ModelComparison
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.evaluation.run import ScoredSettings, evaluate_scores
from nnunetv2_fair.evaluation.scored_cases import table_of_scores
from nnunetv2_fair.evaluation.scores_from_files import Scores
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.tables.settings import TableSettings

DICE = METRICS["dice"]
INFO = MetricInfo("dice", DICE.title, "", DICE.better, DICE.definition, DICE.one_minus_is_error)


def evaluated(dice: np.ndarray, about: pd.DataFrame) -> EvaluationResult:
    """Evaluate scores of one label; ``about``: patient, and a column per attribute."""
    cases = [f"c{number:04d}" for number in range(len(dice))]
    rows = pd.DataFrame({"case": cases, "label": "organ", "flags": "", "dice": dice})
    rows["reference_voxels"] = rows["prediction_voxels"] = pd.array([pd.NA] * len(rows), "Int64")
    table = about.assign(case=cases)
    scores = Scores(Path("simulated.csv"), "", rows, (INFO,), ("organ",), table, 0)
    settings = ScoredSettings(statistics=StatisticsSettings(n_bootstrap=0))
    attributes = [column for column in about if column != "patient"]
    return evaluate_scores(scores, table_of_scores(scores, TableSettings()), attributes, settings)


def compared(models: np.ndarray, about: pd.DataFrame) -> ModelComparison:
    results = [evaluated(dice, about) for dice in models]
    return compare_models(results, [f"m{i}" for i in range(len(models))], n_bootstrap=0)


def claims(result: ModelComparison) -> Counter:
    """Count, 1 each: quantity of a shown finding, ``shown`` and ``signs`` anywhere."""
    found = Counter(f.quantity for f in result.findings if f.verdict == "shown")
    verdicts = {f.verdict for f in result.findings}
    found["any shown"] = "shown" in verdicts
    found["any shown or signs"] = bool(verdicts & {"shown", "signs"})
    return Counter({what: int(bool(count)) for what, count in found.items()})


def people(sizes: tuple[int, ...], images: int = 1) -> pd.DataFrame:
    patients = np.repeat(np.arange(sum(sizes)), images)
    groups = np.repeat(np.arange(len(sizes)), sizes)[patients]
    return pd.DataFrame(
        {"patient": [f"p{i:04d}" for i in patients], "grp": [f"g{g:02d}" for g in groups]}
    )


def equal_models(rng, about: pd.DataFrame, deviations) -> np.ndarray:
    """Dice of models with the same true means; half the variance is the patient's."""
    codes, _ = pd.factorize(about["patient"])
    patient = rng.standard_normal(codes.max() + 1)[codes]
    noise = rng.standard_normal((len(deviations), len(about)))
    latent = np.sqrt(0.5) * patient + np.sqrt(0.5) * noise
    return (0.8 + np.array(deviations)[:, None] * latent).clip(0, 1)


def limit(studies: int, rate: float) -> float:
    return studies * rate + 2 * math.sqrt(studies * rate * (1 - rate))


def test_a_model_with_half_the_noise_has_no_smaller_gap():
    """The input that called it smaller: eight groups of 20, no gap, SD 0.12 and 0.06."""
    rng = np.random.default_rng(3)
    about = people((20,) * 8)
    shared = rng.standard_normal(160)
    models = [
        np.clip(0.8 + sd * (0.84 * shared + 0.55 * rng.standard_normal(160)), 0, 1).round(4)
        for sd in (0.12, 0.06, 0.06)
    ]
    result = compared(np.array(models), about)
    entry = result.headline_entry("grp")
    # what the verdict used to rest on: the largest difference between group means
    assert entry.differences["m1"].gaps["delta"].value < -0.02
    for model in ("m1", "m2"):
        found = result.change(entry, model, "between_groups")
        assert found.verdict == "not_shown"
        assert "no change of the gap" in plain(balance(result, "grp", model).first)
        assert not balance(result, "grp", model).harms
        assert result.change(entry, model, "worst_group_mean").verdict == "not_shown"


@pytest.mark.parametrize("sizes", [(10, 10), (15,) * 4])
def test_twelve_equal_models(sizes):
    """Words of a difference used to be on 0.44 of these pages. Without pages, to be fast."""
    rng = np.random.default_rng(5)
    studies, shown, signs = 60, 0, 0
    about = people(sizes)
    names = sorted(about["patient"])
    weights = RandomWeights(names, rng)
    groups = pd.factorize(about["grp"])[0]
    for _ in range(studies):
        models = equal_models(rng, about, [0.08] * 12)
        units = Units.from_cases(models, about["patient"], groups, len(sizes))
        paired = SimpleNamespace(
            means=Means.of(units), enough=list(range(len(sizes))), names=range(len(sizes)),
            patients=sizes, sizeable=5, is_sizeable=True, metric=INFO, left_out={},
        )  # fmt: skip
        family, contrasts = Family(weights, 0.95), []
        for theirs, ours in itertools.combinations(range(12), 2):
            contrasts += contrasts_of(paired, ours, theirs).values()
        family.add(names, contrasts)
        least = min(family.corrected(contrast) for contrast in contrasts)
        shown += least <= 0.05
        signs += least <= 0.10
    assert family.size == 66 * 3 + 11 * len(sizes)
    assert shown <= limit(studies, 0.05)
    assert signs <= limit(studies, 0.10)


def test_who_loses_is_said_first():
    """Women gain, and men lose 0.015 in every patient."""
    rng = np.random.default_rng(1)
    about = pd.DataFrame(
        {"patient": [f"p{i:03d}" for i in range(120)], "sex": ["female", "male"] * 60}
    )
    women = (about["sex"] == "female").to_numpy()
    before = (np.where(women, 0.75, 0.85) + rng.normal(0, 0.04, 120)).clip(0, 1)
    after = (before + np.where(women, 0.05, -0.015) + rng.normal(0, 0.02, 120)).clip(0, 1)
    result = compared(np.array([before, after]), about)
    said = plain(balance(result, "sex", "m1").first)
    assert said.startswith(
        "With m1, the gap in Dice between the groups of sex is smaller: male loses 0.0"
    )
    assert "female gains 0.0" in said
    male = result.change(result.headline_entry("sex"), "m1", "group_mean", "male")
    assert (male.verdict, male.direction) == ("shown", "worse")
    assert male.interval.low < -0.015 < male.interval.high < 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sizes", "images", "deviations"),
    [
        ((20, 20), 1, [0.08] * 12),
        ((20,) * 8, 1, [0.12, 0.06]),
        ((20, 100), 3, [0.1, 0.05]),
        ((5, 8, 10, 15, 20, 40, 80), 1, [0.12, 0.06]),
    ],
)
def test_calibration(sizes, images, deviations):
    rng = np.random.default_rng(9)
    studies, found = 120, Counter()
    about = people(sizes, images)
    for _ in range(studies):
        found += claims(compared(equal_models(rng, about, deviations), about))
    assert found["any shown"] <= limit(studies, 0.05)
    assert found["any shown or signs"] <= limit(studies, 0.10)
    assert found["between_group_variance"] + found["absolute_gap"] <= limit(studies, 0.05)
