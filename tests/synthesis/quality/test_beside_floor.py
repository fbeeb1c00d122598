import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from nnunetv2_fair.errors import DatasetError
from nnunetv2_fair.synthesis.quality.beside_floor import MEASURES, quality
from nnunetv2_fair.synthesis.quality.random_features import random_features

RNG = np.random.default_rng(2)


def _images(n: int) -> np.ndarray:
    return np.stack([gaussian_filter(x, 2) * 4 for x in RNG.normal(size=(n, 1, 32, 32))])


@pytest.fixture(scope="module")
def real() -> np.ndarray:
    return random_features(np.clip(_images(80), -1, 1))


def test_real_cases_stay_at_the_floor(real):
    found = quality(random_features(np.clip(_images(60), -1, 1)), real)
    assert found.n == 40
    assert set(found.measured) == set(found.floor) == set(MEASURES)
    assert found.measured["frechet_distance"] == pytest.approx(
        found.floor["frechet_distance"], rel=0.35
    )


@pytest.mark.parametrize(
    "spoil",
    [
        lambda x: x * 0.5,
        lambda x: gaussian_filter(x, (0, 0, 1.5, 1.5)),
        lambda x: x + RNG.normal(0, 0.3, x.shape),
    ],
    ids=["contrast", "blur", "noise"],
)
def test_spoilt_cases_do_not(real, spoil):
    found = quality(random_features(spoil(np.clip(_images(60), -1, 1))), real)
    # not the Frechet distance: of 40 cases with 128 features it hardly sees blur
    assert found.measured["kernel_distance"] > 0.2
    assert abs(found.floor["kernel_distance"]) < 0.05


def test_only_the_transposed_form_rewards_lost_contrast(real):
    found = quality(random_features(np.clip(_images(60), -1, 1) * 0.5), real)
    both = [(found.measured[name], found.floor[name]) for name in
            ("minimum_matching_distance", "fairdiff_matching_distance")]  # fmt: skip
    assert both[0][0] > 1.1 * both[0][1]
    assert both[1][0] < both[1][1]


def test_few_cases_repeated_are_seen_by_coverage_and_recall(real):
    again = random_features(np.clip(_images(3), -1, 1)).repeat(20, axis=0)
    found = quality(again, real)
    assert found.measured["coverage"] < found.floor["coverage"] / 4
    assert found.measured["recall"] < found.floor["recall"] / 4


def test_the_same_seed_gives_the_same_values(real):
    assert quality(real[:20], real, seed=3) == quality(real[:20], real, seed=3)


def test_groups_that_are_too_small_are_refused(real):
    with pytest.raises(DatasetError, match="Found 7 real and 20 synthetic cases of a group"):
        quality(real[:20], real[:7])


def test_random_features_need_16_pixels():
    with pytest.raises(ValueError, match="at least 16 pixels"):
        random_features(np.zeros((2, 1, 15, 40)))
