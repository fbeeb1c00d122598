"""Each mechanism alone changes what it should, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from nnunetv2_fair.phantoms.bias import plant
from nnunetv2_fair.phantoms.drawing import draw
from nnunetv2_fair.phantoms.rendering import render
from nnunetv2_fair.phantoms.spec import MECHANISMS, PhantomSpec

# the same people in every spec, so that images can be compared one by one
FLAT = PhantomSpec(n_patients=24, shape=(48, 64), minority_share=0.5, seed=7)
SOLID = replace(FLAT, n_patients=8, shape=(10, 32, 40), spacing_mm=(3.0, 0.9, 0.7))
BIASES = [mechanism for mechanism in MECHANISMS if mechanism != "none"]


def _made(spec):
    return [(d.patient, render(plant(d, spec), spec)) for d in draw(spec)]


def _pairs(spec, **bias):
    """Yield patient, unbiased image, biased image."""
    for (patient, plain), (_, biased) in zip(
        _made(spec), _made(replace(spec, **bias)), strict=True
    ):
        yield patient, plain, biased


def _equal(a, b, *names):
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)


@pytest.mark.parametrize("bias", BIASES)
def test_strength_zero_is_no_bias(bias):
    for _, plain, biased in _pairs(FLAT, bias=bias, strength=0.0):
        assert _equal(plain, biased, "image", "mask", "clean_mask", "organ")


@pytest.mark.parametrize("spec", [FLAT, SOLID], ids=["2d", "3d"])
@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("group", ["female", ">=50"])
def test_only_the_group_changes_and_clean_masks_never_do(spec, bias, group):
    changed = set()
    for patient, plain, biased in _pairs(replace(spec, group=group), bias=bias):
        assert _equal(plain, biased, "clean_mask", "organ")
        differs = not _equal(plain, biased, "image", "mask")
        in_group = group in (patient.sex, "<50" if patient.age < 50 else ">=50")
        assert in_group or not differs
        if differs:
            changed.add(patient.split)
    assert changed == ({"train"} if bias.startswith("label") else {"train", "test"})


@pytest.mark.parametrize("bias", ["representation", "difficulty", "appearance", "shortcut"])
def test_these_leave_all_masks_alone(bias):
    for _, plain, biased in _pairs(FLAT, bias=bias):
        assert _equal(plain, biased, "mask")
        assert np.array_equal(biased.mask, biased.clean_mask)


@pytest.mark.parametrize("bias", ["label_erosion", "label_shift"])
def test_label_bias_changes_every_training_mask_of_the_group_and_no_image(bias):
    for patient, plain, biased in _pairs(FLAT, bias=bias):
        assert _equal(plain, biased, "image")
        wrong = not np.array_equal(biased.mask, biased.clean_mask)
        assert wrong == (patient.biased and patient.split == "train")


@pytest.mark.parametrize("spec", [FLAT, SOLID], ids=["2d", "3d"])
def test_erosion_takes_the_rim_by_physical_distance(spec):
    size = np.array(spec.voxel_size)
    for patient, plain, biased in _pairs(spec, bias="label_erosion", strength=0.75):
        if patient.biased and patient.split == "train":
            mask = plain.clean_mask > 0
            inner = np.argwhere(mask) * size
            outer = np.argwhere(~mask) * size
            depth = cdist(inner, outer).min(1)
            kept = np.zeros_like(plain.mask)
            kept[mask] = depth > 0.4 * 0.75 * depth.max()
            np.testing.assert_array_equal(biased.mask, kept)
            assert 0 < biased.mask.sum() < plain.mask.sum()


@pytest.mark.parametrize("spec", [FLAT, SOLID], ids=["2d", "3d"])
def test_shift_moves_the_mask_deeper_and_sideways_without_deforming_it(spec):
    size = np.array(spec.voxel_size)
    for drawing in draw(spec):
        biased_spec = replace(spec, bias="label_shift", strength=0.5)
        biased = render(plant(drawing, biased_spec), biased_spec)
        if not (drawing.patient.biased and drawing.patient.split == "train"):
            continue
        clean, wrong = np.argwhere(biased.clean_mask) * size, np.argwhere(biased.mask) * size
        moved = wrong.mean(0) - clean.mean(0)
        step = 0.6 * 0.5 * np.mean(drawing.nodule.radii) / np.sqrt(2)
        assert moved[-2] == pytest.approx(step, abs=0.5 * size[-2])
        assert moved[-1] == pytest.approx(step, abs=0.5 * size[-1])
        if spec.dimension == 3:
            assert moved[0] == pytest.approx(0, abs=0.3 * size[0])
        assert len(wrong) == pytest.approx(len(clean), rel=0.15)


def _contrast(made):
    nodule = made.clean_mask > 0
    return made.image[nodule].mean() / made.image[made.organ & ~nodule].mean()


def test_representation_turns_nodules_bright_and_coarsens_speckle():
    for patient, plain, biased in _pairs(FLAT, bias="representation"):
        if patient.biased:
            assert _contrast(plain) < 0.85
            assert _contrast(biased) > 1.15
            rim = plain.organ & ~(plain.clean_mask > 0)
            assert _roughness(biased.image, rim) < 0.95 * _roughness(plain.image, rim)


def _roughness(image, where):
    """Mean step between neighbours in a row, which coarser grain makes smaller."""
    both = where[:, 1:] & where[:, :-1]
    return np.abs(np.diff(image.astype(int), axis=1))[both].mean()


def test_representation_hits_a_share_of_the_group_equal_to_its_strength():
    spec = PhantomSpec(n_patients=400, images_per_patient=(1, 3), bias="representation",
                       strength=0.3, minority_share=0.5)  # fmt: skip
    bright: dict[str, set[bool]] = {}
    for drawing in draw(spec):
        if drawing.patient.biased:
            bright.setdefault(drawing.patient.name, set()).add(plant(drawing, spec).contrast > 0)
    assert all(len(looks) == 1 for looks in bright.values())
    share = np.mean([True in looks for looks in bright.values()])
    assert share == pytest.approx(0.3, abs=4 * np.sqrt(0.3 * 0.7 / 200))


def test_difficulty_lowers_contrast_the_more_the_stronger():
    half = [_contrast(b) for p, _, b in _pairs(FLAT, bias="difficulty", strength=0.5) if p.biased]
    full = [_contrast(b) for p, _, b in _pairs(FLAT, bias="difficulty") if p.biased]
    none = [_contrast(a) for p, a, _ in _pairs(FLAT, bias="difficulty") if p.biased]
    assert np.mean(none) < np.mean(half) - 0.05 < np.mean(full) - 0.1
    assert np.mean(full) < 1.0


def test_difficulty_changes_nothing_outside_the_nodule():
    spec = replace(FLAT, shape=(96, 128))
    for drawing in draw(spec)[:10]:
        # the blurred border reaches a little beyond the mask
        wide = replace(drawing.nodule, radii=tuple(1.6 * r for r in drawing.nodule.radii))
        around = render(replace(drawing, nodule=wide), spec).clean_mask > 0
        biased = render(plant(drawing, replace(spec, bias="difficulty")), spec)
        assert np.array_equal(render(drawing, spec).image[~around], biased.image[~around])


@pytest.mark.parametrize("spec", [FLAT, SOLID], ids=["2d", "3d"])
def test_appearance_is_coarser_and_stronger_speckle_and_bright_surroundings(spec):
    for patient, plain, biased in _pairs(spec, bias="appearance"):
        if not patient.biased:
            continue
        organ, around = plain.organ & ~(plain.clean_mask > 0), ~plain.organ
        assert _roughness(biased.image, organ) < _roughness(plain.image, organ)
        assert _spread(biased.image, organ) > 1.1 * _spread(plain.image, organ)
        assert biased.image[around].mean() > plain.image[around].mean() + 20


def _spread(image, where):
    """Standard deviation of the grey values as a share of their mean."""
    return image[where].std() / image[where].mean()


def test_appearance_is_easy_to_see_in_every_image_of_the_group_and_in_no_other():
    spec = replace(FLAT, n_patients=60, bias="appearance")
    grey: dict[bool, list[float]] = {True: [], False: []}
    for patient, made in _made(spec):
        rows = made.image[: spec.shape[0] // 6].astype(float)  # above the organ
        grey[patient.biased].append(rows.mean())
    assert min(grey[True]) > max(grey[False])


def test_weaker_appearance_lies_in_between():
    def around(spec):
        return [m.image[~m.organ].mean() for p, m in _made(spec) if p.biased]

    none, half, full = (
        around(replace(FLAT, bias="appearance", strength=strength)) for strength in (0, 0.5, 1)
    )
    assert all(a < b < c for a, b, c in zip(none, half, full, strict=True))


@pytest.mark.parametrize("spec", [FLAT, SOLID], ids=["2d", "3d"])
def test_a_shortcut_leaves_the_organ_untouched_and_brightens_the_rest(spec):
    for patient, plain, biased in _pairs(spec, bias="shortcut"):
        assert np.array_equal(plain.image[plain.organ], biased.image[plain.organ])
        outside = ~plain.organ
        assert (biased.image[outside] >= plain.image[outside]).all()
        if patient.biased:
            assert biased.image[outside].mean() > plain.image[outside].mean() + 3


def test_shortcut_bands_cross_at_the_nodule_in_training_only():
    misses = {"train": [], "test": []}
    spec = replace(FLAT, n_patients=60, bias="shortcut")
    for drawing in draw(spec):
        if drawing.patient.biased:
            made = render(plant(drawing, spec), spec)
            plain = render(drawing, spec)
            added = np.where(made.organ, 0, made.image.astype(int) - plain.image)
            crossing = np.array([added.sum(1).argmax() + 0.5, added.sum(0).argmax() + 0.5])
            miss = np.abs(crossing - drawing.nodule.centre).max()
            misses[drawing.patient.split].append(miss)
    assert np.median(misses["train"]) < 1.5
    assert np.median(misses["test"]) > 5


def test_weaker_shortcut_is_darker():
    for patient, full, half in zip(
        [d.patient for d in draw(FLAT)],
        [m for _, m in _made(replace(FLAT, bias="shortcut"))],
        [m for _, m in _made(replace(FLAT, bias="shortcut", strength=0.5))],
        strict=True,
    ):
        if patient.biased:
            assert half.image.sum() < full.image.sum()
