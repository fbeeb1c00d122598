from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunetv2_fair.phantoms.drawing import Patient, draw
from nnunetv2_fair.phantoms.spec import PhantomSpec


def _patients(spec):
    return list({d.patient.name: d.patient for d in draw(spec)}.values())


@given(
    n=st.integers(2, 60),
    share=st.floats(0, 1),
    test_share=st.floats(0, 1),
    group=st.sampled_from(["female", "male", "<50", ">=50"]),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_shares_are_as_planted(n, share, test_share, group, seed):
    spec = PhantomSpec(
        n_patients=n,
        minority_share=share,
        test_share=test_share,
        group=group,
        seed=seed,
        images_per_patient=(1, 1),
    )
    patients = _patients(spec)
    assert len(patients) == n
    test = [p for p in patients if p.split == "test"]
    train = [p for p in patients if p.split == "train"]
    assert abs(len(test) - n * test_share) <= 1
    # within one patient; one more where rounding would leave a side empty
    assert abs(sum(p.biased for p in train) - len(train) * share) <= 1
    assert abs(sum(p.biased for p in test) - len(test) / 2) <= 0.5
    if 0 < share < 1 and len(train) > 1:
        assert 0 < sum(p.biased for p in train) < len(train)
    for patient in patients:
        age_group = "<50" if patient.age < 50 else ">=50"
        assert patient.biased == (group in (patient.sex, age_group))


def test_rare_group_has_exactly_its_share_of_training_patients():
    patients = _patients(PhantomSpec(n_patients=200, bias="representation"))
    counts = Counter((p.split, p.sex) for p in patients)
    assert counts == {
        ("train", "female"): 7,
        ("train", "male"): 133,
        ("test", "female"): 30,
        ("test", "male"): 30,
    }


@pytest.mark.parametrize("group", ["female", ">=50"])
def test_sex_and_age_are_not_confounded(group):
    patients = _patients(PhantomSpec(n_patients=120, group=group, minority_share=0.25))
    for split in ("train", "test"):
        for biased in (True, False):
            cell = [p for p in patients if p.split == split and p.biased == biased]
            assert abs(sum(p.sex == "female" for p in cell) - len(cell) / 2) <= 0.5 or (
                group == "female"
            )
            assert abs(sum(p.age >= 50 for p in cell) - len(cell) / 2) <= 0.5 or group == ">=50"


def test_ages_are_plausible():
    ages = np.array([p.age for p in _patients(PhantomSpec(n_patients=400))])
    assert ages.min() >= 18
    assert ages.max() <= 90
    assert 45 < ages.mean() < 56
    assert 10 < ages.std() < 20
    assert len(set(ages)) > 30


def test_unknown_ages_have_their_share_and_change_nothing_else():
    spec = PhantomSpec(n_patients=50)
    some = draw(replace(spec, unknown_age_share=0.1))
    assert sum(not p.age_known for p in {d.patient.name: d.patient for d in some}.values()) == 5
    known = [replace(d, patient=replace(d.patient, age_known=True)) for d in some]
    assert known == draw(spec)


def test_patients_have_varying_numbers_of_images_and_stay_in_one_part():
    drawings = draw(PhantomSpec(n_patients=80, images_per_patient=(2, 5)))
    assert set(Counter(d.patient.name for d in drawings).values()) == {2, 3, 4, 5}
    assert len({d.name for d in drawings}) == len(drawings)
    assert len({(d.patient.name, d.patient.split) for d in drawings}) == 80


def test_images_of_a_patient_are_alike_and_not_equal():
    drawings = draw(PhantomSpec(n_patients=30, images_per_patient=(2, 2)))
    for first, second in zip(drawings[::2], drawings[1::2], strict=True):
        assert first.lumps == second.lumps
        assert first.contrast == second.contrast
        assert first.nodule.centre != second.nodule.centre
        assert first.noise_seed != second.noise_seed
    assert len({d.contrast for d in drawings}) == 30


def _anatomy(drawings):
    nobody = Patient("", "train", "", 0, True, False)
    return [replace(d, patient=nobody) for d in drawings]


def test_anatomy_depends_on_the_seed_alone():
    spec = PhantomSpec(n_patients=20)
    plain = _anatomy(draw(spec))
    for other in (
        replace(spec, bias="representation"),
        replace(spec, bias="shortcut", strength=0.3, group=">=50"),
        replace(spec, test_share=0.6, minority_share=0.9),
    ):
        assert _anatomy(draw(other)) == plain
    more = _anatomy(draw(replace(spec, n_patients=25)))
    assert more[: len(plain)] == plain
    assert _anatomy(draw(replace(spec, seed=1))) != plain


@pytest.mark.parametrize(
    ("shape", "spacing"), [((40, 72), None), ((12, 32, 48), (3.0, 0.9, 0.7)), ((72, 40), None)]
)
def test_nodules_lie_within_the_organ_and_the_picture(shape, spacing):
    spec = PhantomSpec(n_patients=40, shape=shape, spacing_mm=spacing)
    for d in draw(spec):
        centre, organ = np.array(d.nodule.centre), np.array(d.organ.centre)
        level = np.linalg.norm((centre - organ) / np.array(d.organ.radii))
        assert level + max(d.nodule.radii) / max(d.organ.radii) < 1.05
        assert (centre - max(d.nodule.radii) > 0).all()
        assert (centre + max(d.nodule.radii) < spec.field_of_view).all()
