"""How much of a gap each intervention removes, and whether that is more than half of it.

With ``g`` the gap as it is and ``g_k`` what is left of it without cause ``k``, the contrast is::

    C_k = (g - g_k) - g / 2 = g / 2 - g_k

above 0 where the cause makes more than half of the gap, and below 0 where less. ``g`` and ``g_k``
are of the same patients, so the standard error is that of each patient's own difference, not that
of two gaps. What other trainings would change is added as in
:mod:`nnunetv2_fair.evaluation.estimation.trainings`.
"""

import math
from typing import NamedTuple

import numpy as np

from nnunetv2_fair.audit.causes.evidence import CAUSES, Cause, Evidence
from nnunetv2_fair.audit.statistics.contrasts import Spread, gap_of
from nnunetv2_fair.audit.statistics.rulers import FEWEST_DOUBLE, Sample, combined
from nnunetv2_fair.evaluation.boundary_maps.map_test import FEWEST_PATIENTS
from nnunetv2_fair.evaluation.estimation.trainings import (
    NO_ERROR,
    TrainingError,
    p_with_trainings,
    training_error,
    widened,
)
from nnunetv2_fair.evaluation.results.values import Interval

_TINY = 1e-9

NOT_DONE = "the intervention was not done"
ONE_TRAINING = "one training of either kind cannot tell its cause from chance between trainings"
FEW_EXPERT = f"fewer than {FEWEST_DOUBLE} patients of a group have expert masks"
NO_OVERLAP = "hardly any patients of one group are as difficult as those of the other"


class Measured(NamedTuple):
    """A number with what other patients and what other trainings would change.

    Attributes:
        spread: The number, with its standard error by patients.
        error: Its error by trainings; :data:`NO_ERROR` of one training, of which alone is spoken.
    """

    spread: Spread
    error: TrainingError

    def turned(self, sign: float) -> "Measured":
        """Return the number times 1 or -1."""
        return Measured(self.spread._replace(value=sign * self.spread.value), self.error)

    def interval(self, confidence: float) -> Interval:
        """Return the two-sided interval."""
        return widened(
            self.spread.value, self.spread.interval(confidence), self.error, confidence
        )  # fmt: skip

    @property
    def p_value(self) -> float:
        """Two-sided p-value of the number being 0."""
        return p_with_trainings(self.spread.p_value, self.spread.value, self.error)

    @property
    def p_above(self) -> float:
        """One-sided p-value of the number being 0 or less."""
        half = self.p_value / 2
        return half if self.spread.value > 0 else 1 - half


class Removal(NamedTuple):
    """What an intervention does to the gap.

    Attributes:
        removed: g - g_k, in the direction of the gap.
        contrast: g / 2 - g_k, in the direction of the gap.
    """

    removed: Measured
    contrast: Measured


def gap(evidence: Evidence) -> Measured:
    """Return the mean of the first group minus the mean of the second, over all trainings."""
    return _paired(evidence.scores, evidence.second)


def gains(evidence: Evidence) -> tuple[Measured, ...]:
    """Return how much better the worse group becomes without its own backgrounds.

    What an edit spoils makes scores worse. A gap may then vanish because the better group falls to
    the other; only what misled the model can make the worse group better. Images without background
    may be so odd to a model that nothing can: then the background of another patient shows it.

    Args:
        evidence: Checked.

    Returns:
        Means over the group's patients, above 0 if scores improve: on images without background,
        and on those with the background of another patient of the group. Of either, if there are
        such images of five or more patients. They are of these trained models: whether
        others would gain, too, the gap's own test asks.
    """
    upwards = 1.0 if evidence.better == "higher" else -1.0
    worse = evidence.second == (upwards * gap(evidence).spread.value > 0)
    made = []
    for edited in (evidence.neutral, evidence.control):
        if edited is None:
            continue
        each = upwards * (edited - evidence.scores)[:, worse].mean(axis=0)
        each = each[np.isfinite(each)]
        if len(each) >= FEWEST_PATIENTS:
            error = float(each.std(ddof=1)) / math.sqrt(len(each))
            spread = Spread(float(each.mean()), error, float(len(each) - 1))
            made.append(Measured(spread, NO_ERROR))
    return tuple(made)


def removals(evidence: Evidence) -> dict[Cause, Removal | str]:
    """Return, of each cause, what its removal does, or why that is not known.

    Args:
        evidence: Checked.
    """
    found = gap(evidence).spread.value
    sign = math.copysign(1.0, found)
    made: dict[Cause, Removal | str] = {}
    for cause in CAUSES:
        removed, contrast = (_OF_CAUSE[cause](evidence, share) for share in (1.0, 0.5))
        if isinstance(removed, str) or isinstance(contrast, str):
            made[cause] = str(removed)
        else:
            made[cause] = Removal(removed.turned(sign), contrast.turned(sign))
    return made


def _representation(evidence: Evidence, share: float) -> Measured | str:
    """Return share * g - g_k; other models, so that trainings vary on either side.

    The variance between trainings is taken to be the same on both sides: each alone has few degrees
    of freedom.
    """
    before, after = evidence.scores, evidence.balanced
    if after is None:
        return NOT_DONE
    if min(len(before), len(after)) < 2:
        return ONE_TRAINING
    second = evidence.second
    spread = _gap(share * before.mean(axis=0) - after.mean(axis=0), second)
    each = [_gaps(values, second) for values in (before, after)]
    within = sum(float(((one - one.mean()) ** 2).sum()) for one in each)
    freedom = len(before) + len(after) - 2
    variance = within / freedom * (share**2 / len(before) + 1 / len(after))
    return Measured(spread, TrainingError(np.array([variance]), np.array([float(freedom)])))


def _shortcut(evidence: Evidence, share: float) -> Measured | str:
    if evidence.neutral is None:
        return NOT_DONE
    return _paired(share * evidence.scores - evidence.neutral, evidence.second)


def _labels(evidence: Evidence, share: float) -> Measured | str:
    """Return share * g - g_k, from patients with both masks and from those with automated ones.

    It is the gap of share * A - E, with scores A against automated masks of all patients and E
    against expert masks of some: that of E - share * A, estimated by double sampling, times -1.
    """
    if evidence.expert is None:
        return NOT_DONE
    both = np.isfinite(evidence.expert).all(axis=0)
    if min(int((both & inside).sum()) for inside in _groups(evidence)) < FEWEST_DOUBLE:
        return FEW_EXPERT

    def of(automated: np.ndarray, expert: np.ndarray) -> Spread:
        samples = [
            Sample(
                expert[both & inside] - share * automated[both & inside],
                automated[both & inside],
                automated[~both & inside],
            )
            for inside in _groups(evidence)
        ]
        return combined(samples[0], samples[1]).gap

    spread = of(evidence.scores.mean(axis=0), evidence.expert.mean(axis=0))
    each = [of(*pair).value for pair in zip(evidence.scores, evidence.expert, strict=True)]
    return Measured(spread._replace(value=-spread.value), _error(each))


def _difficulty(evidence: Evidence, share: float) -> Measured | str:
    """Return share * g - g_k, g_k being adjusted by regression on group and covariates.

    Both are sums of scores with fixed weights, and so is their difference; its standard error comes
    from each patient's influence on both, with residuals divided by the square root of 1 - leverage
    (HC2).

    Source: MacKinnon and White, Journal of Econometrics 29, 1985.
    """
    covariates = evidence.covariates
    if covariates is None:
        return NOT_DONE
    first, second = _groups(evidence)
    if not all(_in_common(column[first], column[second]) for column in covariates.T):
        return NO_OVERLAP
    varying = covariates[:, covariates.std(axis=0) > 0]
    plain = np.column_stack([first, second]).astype(float)
    design = np.column_stack([plain, varying])
    y = evidence.scores.mean(axis=0)
    weights, influences = [], []
    for x in (plain, design):
        inverse = np.linalg.pinv(x)
        leverage = np.einsum("ij,ji->i", x, inverse)
        weight = inverse[0] - inverse[1]
        weights.append(weight)
        influences.append(
            weight * (y - x @ (inverse @ y)) / np.sqrt(np.maximum(1 - leverage, _TINY))
        )
    raw, adjusted = influences
    values = evidence.scores @ (share * weights[0] - weights[1])
    error = float(np.sqrt(((share * raw - adjusted) ** 2).sum()))
    freedom = float(len(y) - np.linalg.matrix_rank(design))
    return Measured(Spread(float(values.mean()), error, freedom), _error(values))


def _in_common(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Return whether five patients of each group lie within the range of the other."""
    return all(
        int(((a >= b.min()) & (a <= b.max())).sum()) >= FEWEST_PATIENTS
        for a, b in ((ours, theirs), (theirs, ours))
    )


def _groups(evidence: Evidence) -> tuple[np.ndarray, np.ndarray]:
    return ~evidence.second, evidence.second


def _gap(values: np.ndarray, second: np.ndarray) -> Spread:
    return gap_of(values, second, np.arange(len(values)))


def _paired(values: np.ndarray, second: np.ndarray) -> Measured:
    return Measured(_gap(values.mean(axis=0), second), _between(values, second))


def _between(values: np.ndarray, second: np.ndarray) -> TrainingError:
    return _error(_gaps(values, second))


def _gaps(values: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return (trainings,) gaps."""
    return values[:, ~second].mean(axis=1) - values[:, second].mean(axis=1)


def _error(each: np.ndarray | list[float]) -> TrainingError:
    """Return the error of a mean of one value per training."""
    values = np.asarray(each)
    if len(values) < 2:
        return NO_ERROR
    return training_error(values - values.mean(), "repeats")


_OF_CAUSE = {
    "representation": _representation,
    "difficulty": _difficulty,
    "labels": _labels,
    "shortcut": _shortcut,
}
