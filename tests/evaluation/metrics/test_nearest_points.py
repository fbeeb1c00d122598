import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunetv2_fair.evaluation.metrics import nearest_points as distances
from nnunetv2_fair.evaluation.metrics.nearest_points import distances_both_ways, nearest_distances


def brute_force(points: np.ndarray, targets: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    differences = (points[:, None] - targets[None]) * np.array(spacing)
    return np.sqrt((differences**2).sum(axis=-1)).min(axis=1)


@st.composite
def point_sets(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, tuple[float, ...]]:
    """Two clouds, close together or far apart, in boxes that are not cubes."""
    dimensions = draw(st.integers(1, 3))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    extent = [draw(st.sampled_from([1, 2, 7, 30, 61])) for _ in range(dimensions)]
    apart = [draw(st.sampled_from([0, 0, 3, -40, 400])) for _ in range(dimensions)]
    first = generator.integers(0, extent, (draw(st.integers(1, 120)), dimensions))
    second = generator.integers(0, extent, (draw(st.integers(1, 120)), dimensions)) + apart
    spacing = tuple(draw(st.sampled_from([0.3, 0.78, 1.0, 5.0])) for _ in range(dimensions))
    return first, second, spacing


@pytest.fixture(params=["all pairs", "trees", "rows", "few rows", "bytes run out"])
def search(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    """Every way of searching, whatever the number of points."""
    if request.param != "all pairs":
        monkeypatch.setattr(distances, "_FEW_PAIRS", 0)
    if request.param not in ("all pairs", "trees"):
        monkeypatch.setattr(distances, "_FEW_POINTS", 0)
    if request.param == "few rows":
        monkeypatch.setattr(distances, "_MOST_ROWS", 6)
    if request.param == "bytes run out":
        monkeypatch.setattr(distances, "_FAR", 5)
    distances._rounds.cache_clear()
    yield request.param
    distances._rounds.cache_clear()


def test_every_search_equals_brute_force(search: str):
    @settings(deadline=None, max_examples=100)
    @given(point_sets())
    def check(drawn):
        first, second, spacing = drawn
        there, back = distances_both_ways(first, second, spacing)
        assert there == pytest.approx(brute_force(first, second, spacing), abs=1e-9)
        assert back == pytest.approx(brute_force(second, first, spacing), abs=1e-9)

    check()


@pytest.mark.parametrize("spacing", [(2.5, 0.78, 0.78), (1.0, 0.5, 0.4), (0.6, 3.0, 1.0)])
def test_large_surfaces_with_far_points_equal_brute_force(spacing: tuple[float, ...]):
    generator = np.random.default_rng(3)
    sphere = generator.normal(size=(3000, 3))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    first = np.unique((60 + 35 * sphere).astype(int), axis=0)
    second = np.unique((61 + 33 * sphere).astype(int), axis=0)
    second = np.concatenate([second, [[400, 20, 30], [401, 20, 30], [-300, 90, 600]]])
    assert len(first) + len(second) > distances._FEW_POINTS
    assert nearest_distances(first, second, spacing) == pytest.approx(
        brute_force(first, second, spacing), abs=1e-9
    )
    assert nearest_distances(second, first, spacing) == pytest.approx(
        brute_force(second, first, spacing), abs=1e-9
    )


@pytest.mark.parametrize("extent", [(1440, 1448), (1449, 900), (40_000, 70_001), (800, 1100, 1182)])
@pytest.mark.parametrize("side", [1.0, 0.78])
def test_all_pairs_are_exact_however_large_the_picture(extent: tuple[int, ...], side: float):
    generator = np.random.default_rng(7)
    corners = np.array([[0] * len(extent), extent, [extent[0] - 1, *extent[1:]]])
    first = np.concatenate([generator.integers(0, extent, (300, len(extent))), corners])
    # neighbours of far-off points: what products of large numbers would round away
    second = np.concatenate([first[:150] + 1, corners[::-1], corners[1:2] + 1])
    assert len(first) * len(second) <= distances._FEW_PAIRS
    spacing = (side,) * len(extent)
    there, back = distances_both_ways(first, second, spacing)
    assert there == pytest.approx(brute_force(first, second, spacing), rel=1e-9, abs=0)
    assert back == pytest.approx(brute_force(second, first, spacing), rel=1e-9, abs=0)


def test_only_targets_that_can_be_nearest_are_kept():
    places = np.array([[0.0, 0.0], [1.0, 0.0]])
    candidates = np.array([[3.0, 0.0], [3.5, 0.5], [50.0, 0.0], [-2.5, 0.0]])
    kept = distances._possibly_nearest(places, candidates)
    assert {tuple(place) for place in kept} == {(3.0, 0.0), (3.5, 0.5), (-2.5, 0.0)}
