"""A fresh linear probe: how well a linear boundary in the features separates the groups."""

import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nnunetv2_fair.evaluation.estimation.intervals import Sources, expanded_interval
from nnunetv2_fair.evaluation.estimation.resampling import bootstrap
from nnunetv2_fair.evaluation.estimation.streams import Streams
from nnunetv2_fair.evaluation.estimation.units import Units
from nnunetv2_fair.evaluation.results.values import Interval

#: One held-out part per fold: positions of its cases.
Folds = Sequence[np.ndarray]

_MOST_ITERATIONS = 2000


def held_out_predictions(features: np.ndarray, groups: np.ndarray, folds: Folds) -> np.ndarray:
    """Predict every case's group from its features by a probe that has not seen its patient.

    The probe is multinomial logistic regression with scikit-learn's default penalty on
    standardised features; groups weigh equally however many cases they have. Scaling and fit use
    the training part only, and nothing is tuned.

    Args:
        features: ``(n, C)`` finite features.
        groups: ``(n,)`` group indices.
        folds: Held-out parts that share no patient and hold every case once; each remaining
            training part needs at least two groups.

    Returns:
        ``(n,)`` predicted group indices.
    """
    predicted = np.empty_like(groups)
    for held_out in folds:
        training = np.ones(len(groups), dtype=bool)
        training[held_out] = False
        probe = make_pipeline(
            StandardScaler(),
            LogisticRegression(class_weight="balanced", max_iter=_MOST_ITERATIONS),
        )
        with warnings.catch_warnings():
            # separable features have no exact optimum; the boundary is stable long before the end
            warnings.simplefilter("ignore", ConvergenceWarning)
            probe.fit(features[training], groups[training])
        predicted[held_out] = probe.predict(features[held_out])
    return predicted


class ProbeScores:
    """Balanced accuracy of one or more models' probes on the same cases, with intervals.

    Accuracy is averaged over a patient's cases of a group, then over the group's patients, then
    over groups, so that neither many images nor large groups count more. Intervals resample
    patients, the same ones for all models, and are widened for small groups
    (:func:`nnunetv2_fair.evaluation.estimation.intervals.expanded_interval`); the probes are not
    fitted again.

    Args:
        correct: ``(models, n)`` bool: whether each case's group was predicted.
        patients: Patient of each case.
        groups: ``(n,)`` group indices.
        n_groups: Number of groups; each has a case.
        n_replicates: Number of resamples; 0 gives intervals of NaN.
        confidence: Coverage of the intervals.
        seed: Seed of the resampling.
    """

    def __init__(
        self,
        correct: np.ndarray,
        patients: Sequence[str],
        groups: np.ndarray,
        n_groups: int,
        n_replicates: int,
        confidence: float,
        seed: int,
    ) -> None:
        units = Units.from_cases(correct.astype(float), patients, groups, n_groups)
        self._values = np.nanmean(units.values, axis=1).mean(axis=1)
        drawn = bootstrap(units, n_replicates, Streams(seed, [str(g) for g in range(n_groups)]))
        self._replicates = drawn.means
        self._sizes = (~np.isnan(units.values[0])).sum(axis=0)
        self._confidence = confidence

    def balanced_accuracy(self, model: int) -> tuple[float, Interval]:
        """Return a model's balanced accuracy, 0 to 1, and its interval."""
        return float(self._values[model]), self._interval(self._replicates[:, model])

    def change(self, model: int) -> tuple[float, Interval]:
        """Return a model's balanced accuracy minus the first model's, and the paired interval."""
        replicates = self._replicates[:, model] - self._replicates[:, 0]
        return float(self._values[model] - self._values[0]), self._interval(replicates)

    def _interval(self, group_means: np.ndarray) -> Interval:
        """Return the interval of the mean over groups: (replicates, groups)."""
        variances = group_means.var(axis=0) if len(group_means) else np.zeros(len(self._sizes))
        sources = Sources(variances, self._sizes)
        return expanded_interval(group_means.mean(axis=1), self._confidence, sources)
