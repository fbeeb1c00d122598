"""The linear probe against scikit-learn put together by hand, and by brute force."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from nnunetv2_fair.inspection.probe import ProbeScores, held_out_predictions


def data(rng, n=60, n_groups=2, apart=1.0, n_features=5):
    groups = np.arange(n) % n_groups
    features = rng.normal(size=(n, n_features)) * [1, 100, 0.01, 5, 1] + 3
    features[:, 1] += 100 * apart * groups
    return features, groups


def folds_of(n, n_folds=5):
    return [np.arange(start, n, n_folds) for start in range(n_folds)]


def test_predictions_are_those_of_a_probe_fitted_on_the_other_folds(rng):
    features, groups = data(rng, n_groups=3)
    groups[20:50:3] = 1  # unequal groups, so that their weights matter
    folds = folds_of(len(groups), 4)
    found = held_out_predictions(features, groups, folds)
    for held_out in folds:
        train = np.setdiff1d(np.arange(len(groups)), held_out)
        mean, std = features[train].mean(0), features[train].std(0)
        probe = LogisticRegression(class_weight="balanced", max_iter=2000)
        probe.fit((features[train] - mean) / std, groups[train])
        expected = probe.predict((features[held_out] - mean) / std)
        assert np.array_equal(found[held_out], expected)


def test_a_case_has_no_part_in_its_own_prediction(rng):
    features, groups = data(rng, apart=0)
    folds = folds_of(len(groups))
    before = held_out_predictions(features, groups, folds)
    flipped = groups.copy()
    flipped[folds[0]] = 1 - flipped[folds[0]]
    after = held_out_predictions(features, flipped, folds)
    assert np.array_equal(before[folds[0]], after[folds[0]])
    others = np.concatenate(folds[1:])
    assert not np.array_equal(before[others], after[others])


def test_features_of_groups_far_apart_and_of_none(rng):
    apart, groups = data(rng, 200, apart=20)
    none, _ = data(rng, 200, apart=0)
    patients = [f"p{i}" for i in range(200)]
    correct = [held_out_predictions(x, groups, folds_of(200)) == groups for x in (apart, none)]
    scores = ProbeScores(np.array(correct), patients, groups, 2, 500, 0.95, 0)
    assert scores.balanced_accuracy(0)[0] == 1
    value, interval = scores.balanced_accuracy(1)
    assert interval.low < 0.5 < interval.high
    assert 0.35 < value < 0.65
    change, interval = scores.change(1)
    assert change == pytest.approx(value - 1)
    assert interval.low < change < interval.high < -0.2


def scores_by_hand(correct, patients, groups, n_groups):
    per_group = []
    for group in range(n_groups):
        means = []
        for patient in sorted(set(patients)):
            own = [c for c, p, g in zip(correct, patients, groups, strict=True)
                   if p == patient and g == group]  # fmt: skip
            if own:
                means.append(sum(own) / len(own))
        per_group.append(sum(means) / len(means))
    return sum(per_group) / n_groups


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_cases_then_patients_then_groups(draw):
    n = draw.draw(st.integers(3, 14))
    n_groups = draw.draw(st.integers(2, 3))
    n_more = n - n_groups
    more = draw.draw(st.lists(st.integers(0, n_groups - 1), min_size=n_more, max_size=n_more))
    groups = np.array([*range(n_groups), *more])
    patients = [f"p{draw.draw(st.integers(0, 4))}" for _ in range(n)]
    correct = np.array([draw.draw(st.lists(st.booleans(), min_size=n, max_size=n))])
    scores = ProbeScores(correct, patients, groups, n_groups, 0, 0.95, 0)
    found, interval = scores.balanced_accuracy(0)
    assert found == pytest.approx(scores_by_hand(correct[0], patients, groups, n_groups))
    assert np.isnan(interval.low)


def test_one_case_per_patient_is_scikit_learns_balanced_accuracy(rng):
    groups = rng.integers(0, 3, 50)
    predicted = rng.integers(0, 3, 50)
    patients = [str(i) for i in range(50)]
    scores = ProbeScores((predicted == groups)[None], patients, groups, 3, 0, 0.95, 0)
    assert scores.balanced_accuracy(0)[0] == pytest.approx(
        balanced_accuracy_score(groups, predicted)
    )


def test_intervals_resample_patients_and_not_images(rng):
    """Ten images of a patient that agree are worth one patient, not ten."""
    groups = np.repeat(np.arange(20) % 2, 10)
    patients = np.repeat([f"p{i}" for i in range(20)], 10)
    correct = np.repeat(rng.random(20) < 0.7, 10)[None]
    by_patient = ProbeScores(correct, list(patients), groups, 2, 2000, 0.95, 0)
    single = ProbeScores(correct[:, ::10], list(patients[::10]), groups[::10], 2, 2000, 0.95, 0)
    assert by_patient.balanced_accuracy(0) == single.balanced_accuracy(0)
    images = [f"{p}_{i}" for i, p in enumerate(patients)]
    by_image = ProbeScores(correct, images, groups, 2, 2000, 0.95, 0).balanced_accuracy(0)[1]
    interval = by_patient.balanced_accuracy(0)[1]
    assert interval.high - interval.low > 2 * (by_image.high - by_image.low)


def test_small_resamples_by_brute_force():
    """Two groups of two patients: the resampled means take few values, all of them known."""
    correct = np.array([[True, False, True, True]])
    groups = np.array([0, 0, 1, 1])
    scores = ProbeScores(correct, list("abcd"), groups, 2, 3000, 0.95, 1)
    means = {(a + b) / 2 for a, b in itertools.product((1, 0), repeat=2)}
    possible = {(mean + 1) / 2 for mean in means}
    _, interval = scores.balanced_accuracy(0)
    assert {interval.low, interval.high} <= possible
    assert (interval.low, interval.high) == (0.5, 1.0)


def test_both_models_are_resampled_with_the_same_patients(rng):
    groups = np.arange(40) % 2
    patients = [str(i) for i in range(40)]
    same = rng.random(40) < 0.6
    scores = ProbeScores(np.array([same, same]), patients, groups, 2, 300, 0.95, 0)
    change, interval = scores.change(1)
    assert change == interval.low == interval.high == 0
