"""Cluster indices against their definitions written out."""

import numpy as np
import pytest

from nnunetv2_fair.inspection.clusters import separation, standardised, tsne


def davies_bouldin(features, groups):
    names = np.unique(groups)
    centres = [features[groups == g].mean(0) for g in names]
    spreads = [
        np.mean([np.linalg.norm(x - c) for x in features[groups == g]])
        for g, c in zip(names, centres, strict=True)
    ]
    worst = []
    for i in range(len(names)):
        ratios = [
            (spreads[i] + spreads[j]) / np.linalg.norm(centres[i] - centres[j])
            for j in range(len(names))
            if j != i
        ]
        worst.append(max(ratios))
    return np.mean(worst)


def silhouette(features, groups):
    values = []
    for i, x in enumerate(features):
        distances = np.linalg.norm(features - x, axis=1)
        own = [d for j, d in enumerate(distances) if groups[j] == groups[i] and j != i]
        if not own:
            values.append(0)
            continue
        a = np.mean(own)
        b = min(distances[groups == g].mean() for g in np.unique(groups) if g != groups[i])
        values.append((b - a) / max(a, b))
    return np.mean(values)


@pytest.mark.parametrize("n_groups", [2, 3])
def test_indices_are_their_definitions(rng, n_groups):
    groups = np.array([0, *rng.integers(0, n_groups, 24), *range(n_groups)])
    features = rng.normal(size=(len(groups), 4)) + 0.8 * groups[:, None]
    index, width = separation(features, groups)
    assert index == pytest.approx(davies_bouldin(features, groups))
    assert width == pytest.approx(silhouette(features, groups))


def test_mixing_raises_one_and_lowers_the_other(rng):
    groups = np.arange(40) % 2
    noise = rng.normal(size=(40, 4))
    far, mixed = (separation(noise + shift * groups[:, None], groups) for shift in (5, 0.5))
    assert far[0] < mixed[0]
    assert far[1] > mixed[1]


def test_a_bottleneck_that_always_says_the_same():
    features = standardised(np.full((6, 3), 7.0))
    assert np.array_equal(features, np.zeros((6, 3)))
    assert np.isnan(separation(features, np.array([0, 1] * 3))).all()


@pytest.mark.parametrize("shape", [(3, 2), (5, 1), (40, 7)])
def test_tsne_takes_few_cases_and_features_and_repeats_itself(rng, shape):
    features = rng.normal(size=shape)
    points = tsne(features, 3)
    assert points.shape == (shape[0], 2)
    assert np.isfinite(points).all()
    assert np.array_equal(points, tsne(features, 3))
