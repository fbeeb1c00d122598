"""Exact resamples against brute force, and large ones against exact resamples."""

import dataclasses

import numpy as np
import pytest

from nnunetv2_fair.evaluation.estimation import resampling
from nnunetv2_fair.evaluation.estimation.resampling import bootstrap
from nnunetv2_fair.evaluation.estimation.streams import Streams
from nnunetv2_fair.evaluation.estimation.units import Units

PAIRS = [(0, 1), (2, 0)]
NAMES = ("a", "b", "c", "d")


def streams(seed: int = 0) -> Streams:
    return Streams(seed, NAMES, ("sex", "dice"))


def units_of(kind: str, n: int = 300, seed: int = 1) -> Units:
    """Return units of three groups of different sizes: skewed, with failures and ties."""
    rng = np.random.default_rng(seed)
    group = np.repeat([0, 1, 2], [n, 3 * n // 4, 40])
    names = np.arange(len(group))
    if kind == "in several groups":
        names[n : n + n // 5] = names[: n // 5]
    if kind == "by image":
        images = np.where(group == 0, 1, rng.integers(3, 6, len(group)))
        group, names = np.repeat(group, images), np.repeat(names, images)
    values = rng.beta(9, 2, len(group)) - 0.05 * group
    values[rng.random(len(group)) < 0.03] = 0.0
    values = np.stack([values, np.round(values + 0.01, 1)])
    return Units.from_cases(values, names, group, 4, compared=[0, 1, 2])


@pytest.mark.parametrize("kind", ["plain", "in several groups", "by image"])
def test_resamples_equal_brute_force(kind: str):
    units = units_of(kind, 24)
    drawn = bootstrap(units, 20, streams(5), PAIRS)
    patterns, stratum = np.unique(units.counts > 0, axis=0, return_inverse=True)
    strata = [np.flatnonzero(stratum.ravel() == k) for k in range(len(patterns))]
    # by the first model's value of the first group
    strata = [
        s[np.argsort(units.values[0, s, int(np.argmax(pattern))], kind="stable")]
        for s, pattern in zip(strata, patterns, strict=True)
    ]
    draws = [
        s[streams(5).of(np.flatnonzero(pattern)).integers(0, len(s), (20, len(s)))]
        for s, pattern in zip(strata, patterns, strict=True)
    ]
    chosen = np.concatenate(draws, axis=1)
    for replicate in range(20):
        samples = {}
        for group in range(3):
            here = [u for u in chosen[replicate] if units.counts[u, group]]
            assert drawn.means[replicate, 1, group] == pytest.approx(
                units.values[1, here, group].mean()
            )
            samples[group] = copies(units, here, group)
            assert drawn.medians[replicate, 0, group] == pytest.approx(np.median(samples[group]))
        everyone = units.overall[0, chosen[replicate]]
        assert drawn.overall_mean[replicate, 0] == pytest.approx(everyone.mean())
        for k, (first, second) in enumerate(PAIRS):
            signs = np.sign(samples[first][:, None] - samples[second][None, :])
            assert drawn.dominance[replicate, k] == pytest.approx(signs.mean())


def copies(units: Units, chosen: list[int], group: int) -> np.ndarray:
    """Return values, so often that each patient counts alike."""
    if units.images is None:
        return units.values[0, chosen, group]
    parts = []
    for unit in chosen:
        mine = (units.images.units == unit) & (units.images.groups == group)
        parts.append(np.repeat(units.images.values[0, mine], 60 // mine.sum()))
    return np.concatenate(parts)


@pytest.mark.parametrize("kind", ["plain", "in several groups", "by image"])
def test_large_strata_agree_with_resampling(kind: str, monkeypatch: pytest.MonkeyPatch):
    units = units_of(kind, 900)
    exact = bootstrap(units, 4000, streams(1), PAIRS)
    monkeypatch.setattr(resampling, "_LARGE", 100)
    limit = bootstrap(units, 4000, streams(2), PAIRS)
    for field in dataclasses.fields(exact):
        one, other = getattr(exact, field.name), getattr(limit, field.name)
        one, other = one.reshape(len(one), -1), other.reshape(len(other), -1)
        known = ~np.isnan(one[0])
        assert (np.isnan(other).all(axis=0) == ~known).all()
        one, other = one[:, known], other[:, known]
        spread = np.maximum(one.std(axis=0), 1e-3)
        for share in (0.025, 0.2, 0.5, 0.8, 0.975):
            quantiles = np.quantile(one, share, axis=0)
            # medians jump from value to value
            if "median" in field.name:
                away = (one <= quantiles).mean(axis=0) - (other <= quantiles).mean(axis=0)
                assert np.abs(away).max() < 0.06, (field.name, share)
            else:
                away = quantiles - np.quantile(other, share, axis=0)
                assert np.abs(away / spread).max() < 0.25, (field.name, share)
        if "median" not in field.name:
            assert other.std(axis=0) == pytest.approx(one.std(axis=0), rel=0.08)
        assert np.corrcoef(one.T) == pytest.approx(np.corrcoef(other.T), abs=0.12)


def test_large_groups_with_infinite_values(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(4)
    values = rng.random(400)
    values[0] = np.inf
    units = Units.from_cases(values[None], np.arange(400), np.arange(400) % 2, 2)
    monkeypatch.setattr(resampling, "_LARGE", 100)
    drawn = bootstrap(units, 2000, streams(0))
    # the chance that one of many is drawn at least once
    assert np.isinf(drawn.means[:, 0, 0]).mean() == pytest.approx(1 - np.exp(-1), abs=0.04)
    assert np.isfinite(drawn.means[:, 0, 1]).all()
    assert np.isfinite(drawn.medians).all()
    assert np.isinf(drawn.overall_mean).mean() == pytest.approx(1 - np.exp(-1), abs=0.04)


def test_nothing_to_resample():
    units = Units.from_cases(np.empty((1, 0)), np.empty(0, dtype=int), np.empty(0, dtype=int), 2)
    assert np.isnan(bootstrap(units, 3, streams(0)).means).all()
    drawn = bootstrap(units_of("plain", 24), 0, streams(0), PAIRS)
    assert drawn.dominance.shape == (0, 2)


@pytest.mark.parametrize("kind", ["plain", "by image"])
@pytest.mark.parametrize("largest", [1000, 100])
def test_what_is_drawn_of_a_group_does_not_depend_on_how_many_are_in_others(
    kind: str, largest: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(resampling, "_LARGE", largest)
    units = units_of(kind, 160)
    # two of the first group leave, who would be drawn before the others
    kept = np.arange(2, len(units.counts))
    images = units.images and dataclasses.replace(
        units.images,
        values=units.images.values[:, units.images.units >= 2],
        units=units.images.units[units.images.units >= 2] - 2,
        groups=units.images.groups[units.images.units >= 2],
    )
    fewer = Units(units.values[:, kept], units.overall[:, kept], units.counts[kept], images)
    one, other = (bootstrap(of, 300, streams(), [(1, 2)]) for of in (units, fewer))
    for group in (1, 2):
        assert one.means[..., group] == pytest.approx(other.means[..., group], abs=1e-9)
        assert np.array_equal(one.medians[..., group], other.medians[..., group])
    assert one.dominance == pytest.approx(other.dominance, abs=1e-9)
    assert not np.allclose(one.means[..., 0], other.means[..., 0])
