import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from nnunetv2_fair.evaluation.masks.foreground import crop
from nnunetv2_fair.evaluation.metrics import surface_distances as surface
from nnunetv2_fair.evaluation.metrics.overlap import count_overlap
from nnunetv2_fair.evaluation.metrics.regions import LabelMapPair
from nnunetv2_fair.evaluation.metrics.surface_distances import Surfaces, surface_metrics
from tests.evaluation.factories import region_of_masks

VALUES = [(1,), (2,), (1, 2), (2, 3), (1, 2, 3), (9,)]


def surface_of(mask: np.ndarray) -> np.ndarray:
    """Mask minus its erosion, as positions."""
    inside = ndimage.binary_erosion(mask, ndimage.generate_binary_structure(mask.ndim, 1))
    return np.argwhere(mask & ~inside)


@st.composite
def two_label_maps(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Blocks of labels that touch each other and the borders; or nothing."""
    shape = draw(st.sampled_from([(7, 10), (12, 5), (4, 6, 9), (5, 3, 4)]))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    maps = []
    for _ in range(2):
        labels = np.zeros(shape, dtype=draw(st.sampled_from([np.uint8, np.int32])))
        for value in generator.integers(0, 4, draw(st.integers(0, 5))):
            corners = [np.sort(generator.integers(0, n + 1, 2)) for n in shape]
            labels[tuple(slice(a, b) for a, b in corners)] = value
        maps.append(labels)
    return maps[0], maps[1]


@settings(deadline=None, max_examples=150)
@given(two_label_maps(), st.sampled_from([3, 1 << 18]))
def test_regions_equal_their_masks(maps: tuple[np.ndarray, np.ndarray], chunk: int):
    spacing = (2.5, 0.7, 0.9)[-maps[0].ndim :]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(surface, "_CHUNK", chunk)
        pair = LabelMapPair(crop(maps[0]), crop(maps[1]), spacing, 1.0)
        assert pair.reference_values == tuple(sorted(set(np.unique(maps[0])) - {0}))
        assert pair.prediction_values == tuple(sorted(set(np.unique(maps[1])) - {0}))
        for values in VALUES:
            first, second = (np.isin(labels, values) for labels in maps)
            region = pair.region(values)
            assert region.counts == count_overlap(first, second)
            expected = surface_metrics(first, second, spacing)
            assert repr(region.surface) == repr(expected)
            for labels, mask in zip(maps, (first, second), strict=True):
                found = crop(labels)
                place = Surfaces(found.labels, found.offset).of(values)
                assert np.array_equal(place, surface_of(mask))


@settings(deadline=None, max_examples=50)
@given(two_label_maps())
def test_ignored_voxels_are_background_in_both(maps: tuple[np.ndarray, np.ndarray]):
    spacing = (1.0,) * maps[0].ndim
    pair = LabelMapPair(crop(maps[0]), crop(maps[1]), spacing, 1.0).without(3)
    scored = maps[0] != 3
    for values in ((1,), (1, 2)):
        first, second = (np.isin(labels, values) & scored for labels in maps)
        assert pair.region(values).counts == count_overlap(first, second)
        assert repr(pair.region(values).surface) == repr(surface_metrics(first, second, spacing))


def test_distances_in_voxels_ignore_the_spacing():
    first, second = np.zeros((6, 9), dtype=bool), np.zeros((6, 9), dtype=bool)
    first[1, 1] = second[3, 5] = True
    pair = region_of_masks(first, second, (3.0, 0.5))
    assert pair.surface.hd == pytest.approx(np.hypot(6, 2))
    assert pair.surface_in_voxels.hd == pytest.approx(np.hypot(2, 4))
