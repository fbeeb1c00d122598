import numpy as np
import pytest

from nnunetv2_fair.errors import DatasetError
from nnunetv2_fair.synthesis.quality.memorisation import nearest_training_cases

RNG = np.random.default_rng(1)
PATIENTS = [f"p{i // 2}" for i in range(60)]


def _images(n: int) -> np.ndarray:
    """Smooth shapes that differ between cases, with noise as strong as they are."""
    coarse = RNG.uniform(-1, 1, (n, 1, 4, 4)).repeat(12, 2).repeat(12, 3)
    return coarse + RNG.normal(0, 0.5, coarse.shape)


def test_copies_are_dropped_and_new_cases_are_not():
    training = _images(60)
    copies = training[:5] + RNG.normal(0, 0.5, training[:5].shape)  # more noise hides no copy
    found = nearest_training_cases(np.concatenate([copies, _images(20)]), training, PATIENTS)
    assert found.too_near[:5].all()
    assert found.too_near[5:].sum() <= 1


def test_distances_by_brute_force():
    training, new = _images(8)[:, :, ::3, ::3], _images(3)[:, :, ::3, ::3]  # 16 pixels: as they are
    patients = list("aabbccdd")
    found = nearest_training_cases(new, training, patients)

    def distance(x: np.ndarray, y: np.ndarray) -> float:
        return float(np.sqrt(np.mean((x - y) ** 2)))

    nearest = [min(distance(x, y) for y in training) for x in new]
    others = [
        min(distance(x, y) for y, q in zip(training, patients, strict=True) if q != p)
        for x, p in zip(training, patients, strict=True)
    ]
    np.testing.assert_allclose(found.distances, nearest)
    np.testing.assert_allclose(found.real, others)
    assert found.limit == pytest.approx(np.quantile(others, 0.01))


def test_images_of_one_patient_do_not_set_the_limit():
    training = _images(60)
    training[1::2] = training[::2]  # the second image of every patient is the first
    assert nearest_training_cases(_images(2), training, PATIENTS).limit > 0.1


def test_what_gives_no_limit_is_refused():
    training = _images(4)
    with pytest.raises(DatasetError, match="Train on at least two patients"):
        nearest_training_cases(training, training, ["a"] * 4)
    training[1] = training[0]
    with pytest.raises(DatasetError, match="patients under two names"):
        nearest_training_cases(training, training[:2], list("ab"))
