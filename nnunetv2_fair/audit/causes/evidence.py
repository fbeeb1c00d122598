"""Scores of two groups of patients as they are, and after interventions that remove one cause each.

The four causes, and what removes each of them:

- ``representation``, too few training cases of a group: training on as many of each group;
- ``difficulty``, images of a group are harder: adjustment for covariates of image and expert mask;
- ``labels``, labels of a group are systematically different: expert masks as the ruler;
- ``shortcut``, something outside the organ: the background is neutralised before prediction.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from nnunetv2_fair.errors import EvaluationError, counted
from nnunetv2_fair.evaluation.boundary_maps.map_test import FEWEST_PATIENTS

Cause = Literal["representation", "difficulty", "labels", "shortcut"]
CAUSES: tuple[Cause, ...] = get_args(Cause)


@dataclass(frozen=True)
class Evidence:
    """Scores of the same patients, one for each patient: the mean over the patient's images.

    Whatever was not done is None.

    Attributes:
        scores: (trainings, patients) of models as they are; finite.
        second: (patients,) bool, whether a patient is of the second group; five patients or more
            of each.
        balanced: (other trainings, patients) of models trained with balanced groups; finite.
        covariates: (patients, covariates) of difficulty, from image and expert mask; finite.
        expert: (trainings, patients) of the models of ``scores`` against expert masks, where
            ``scores`` are against automated ones; NaN for patients without an expert mask.
        neutral: (trainings, patients) of the models of ``scores`` on images with a neutralised
            background; finite.
        control: (trainings, patients) of the models of ``scores`` on images with the background of
            another patient of the same group; NaN for patients without such an image.
        better: Whether higher or lower scores are better.
    """

    scores: np.ndarray
    second: np.ndarray
    balanced: np.ndarray | None = None
    covariates: np.ndarray | None = None
    expert: np.ndarray | None = None
    neutral: np.ndarray | None = None
    control: np.ndarray | None = None
    better: Literal["higher", "lower"] = "higher"

    def check(self) -> None:
        """Raise if the arrays do not fit together.

        Raises:
            EvaluationError: Shapes differ, a score or covariate is not finite, a group has fewer
                than five patients, or a patient's expert or control score is there for some
                trainings only.
        """
        trainings, patients = _two_axes("scores", self.scores)
        if self.second.shape != (patients,) or self.second.dtype != bool:
            raise EvaluationError(
                f"Diagnosis: second has shape {self.second.shape} and type {self.second.dtype}; "
                f"expected ({patients},) and bool, one value for each patient of scores."
            )
        for name, n in (("first", int((~self.second).sum())), ("second", int(self.second.sum()))):
            if n < FEWEST_PATIENTS:
                raise EvaluationError(
                    f"Diagnosis: the {name} group has {n} patients; expected at least "
                    f"{FEWEST_PATIENTS}. Leave this pair of groups out, or join small groups."
                )
        for name, array, first in (
            ("balanced", self.balanced, None),
            ("neutral", self.neutral, trainings),
            ("expert", self.expert, trainings),
            ("control", self.control, trainings),
        ):
            if array is None:
                continue
            found = _two_axes(name, array)
            expected = (found[0] if first is None else first, patients)
            if found != expected:
                raise EvaluationError(
                    f"Diagnosis: {name} has shape {found}, expected {expected}: the patients "
                    "of scores in the same order"
                    + (", and the same trainings." if first is not None else ".")
                )
        if self.covariates is not None and _two_axes("covariates", self.covariates)[0] != patients:
            raise EvaluationError(
                f"Diagnosis: covariates has shape {self.covariates.shape}, expected ({patients}, "
                "number of covariates): one row for each patient of scores."
            )
        for name in ("scores", "balanced", "covariates", "neutral"):
            array = getattr(self, name)
            if array is not None and not np.isfinite(array).all():
                raise EvaluationError(
                    f"Diagnosis: {int((~np.isfinite(array)).sum())} values of {name} are missing "
                    "or infinite; expected finite numbers. Leave those patients out of all arrays."
                )
        for name, array in (("expert", self.expert), ("control", self.control)):
            if array is None:
                continue
            there = np.isfinite(array)
            uneven = int((there.any(axis=0) & ~there.all(axis=0)).sum())
            if uneven:
                raise EvaluationError(
                    f"Diagnosis: {name} has scores of some trainings only for "
                    f"{counted(uneven, 'patient')}; expected those of all or of none. Score all "
                    "trainings on the same patients."
                )


def _two_axes(name: str, array: np.ndarray) -> tuple[int, int]:
    if array.ndim != 2 or 0 in array.shape:
        raise EvaluationError(
            f"Diagnosis: {name} has shape {array.shape}; expected two axes, none of them empty."
        )
    return array.shape[0], array.shape[1]
