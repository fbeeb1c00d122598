"""Evaluations with scores that are known."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nnunetv2_fair.audit.diagnosis.evaluations import Evaluations
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.values import MetricInfo

DICE = MetricInfo("dice", "Dice", "", "higher", "overlap", lowest=0.0, highest=1.0)
LABEL = "organ"


def evaluation(
    scores: np.ndarray,
    groups: Sequence[str],
    names: Sequence[str] = ("male", "female"),
    attribute: str = "sex",
    cases: Sequence[str] = (),
    patients: Sequence[str] = (),
) -> EvaluationResult:
    """Return an evaluation of (trainings, cases) scores; NaN is a case without prediction."""
    cases = cases or [f"c{i:03d}" for i in range(scores.shape[1])]
    patients = patients or [f"p{i:03d}" for i in range(scores.shape[1])]

    def of(row: np.ndarray, name: str) -> EvaluationResult:
        frame = pd.DataFrame(
            {
                "case": cases, "patient": patients, attribute: groups, "label": LABEL,
                "dice": row, "flags": "",
            }
        )  # fmt: skip
        return EvaluationResult(
            name, frame[np.isfinite(row)].reset_index(drop=True), (DICE,), (LABEL,), (attribute,),
            (), settings={
                "groups": {attribute: list(names)}, "reference_groups": {attribute: names[0]},
                "empty_distance": "diagonal", "regions": {LABEL: [1]},
            },
        )  # fmt: skip

    each = tuple(of(row, f"run{i}") for i, row in enumerate(scores))
    mean = of(scores.mean(axis=0), "mean")
    return mean if len(each) == 1 else EvaluationResult(
        "mean", mean.per_case, mean.metrics, mean.labels, mean.attributes, (),
        settings=mean.settings, trainings=each,
    )  # fmt: skip


def drawn(
    rng: np.random.Generator,
    n: int = 40,
    trainings: int = 4,
    gap: float = 0.0,
    cause: str = "",
    by_edit: float = 0.0,
    spoils: float = 0.0,
) -> Evaluations:
    """Draw evaluations with a gap that a cause makes.

    Args:
        rng: Generator.
        n: Patients of each group.
        trainings: Of either kind.
        gap: Of the model.
        cause: What removes it; empty: nothing.
        by_edit: What editing removes in any case.
        spoils: How much worse both groups are on images without background.
    """
    second = np.repeat([False, True], n)
    groups = np.where(second, "female", "male").tolist()
    stable = 0.05 * rng.standard_normal(2 * n)
    covariate = rng.standard_normal(2 * n) + second * (cause == "difficulty")

    def scores(removes: str, edited: float = 0.0, spoilt: float = 0.0) -> EvaluationResult:
        left = 0.0 if cause == removes else gap
        of_group = -max(left - edited, 0.0) * second
        own = -gap * covariate if cause == "difficulty" else of_group
        noise = 0.02 * rng.standard_normal((trainings, 2 * n))
        return evaluation((0.7 - spoilt + stable + own + noise).clip(0.01, 0.99), groups)

    names = [f"c{i:03d}" for i in range(2 * n)]
    return Evaluations(
        scores("none"),
        {"sex": scores("representation")},
        scores("labels"),
        scores("shortcut", by_edit, spoils),
        {"sex": scores("shortcut")},
        {"sex": scores("none", by_edit)},
        {"group-only": scores("none")},
        pd.DataFrame({"size": covariate}, index=names),
    )
