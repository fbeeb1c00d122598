import math

import pytest

from nnunetv2_fair.errors import UsageError
from nnunetv2_fair.phantoms.spec import (
    DEFAULT_SHAPE_3D,
    DEFAULT_SPACING_MM_3D,
    MECHANISMS,
    PLANTED,
    PhantomSpec,
    phantom_schema,
)


def test_only_representation_makes_the_group_rare_and_strength_does_not_matter():
    shares = {b: PhantomSpec(bias=b, strength=0.2).training_share for b in MECHANISMS}
    assert shares.pop("representation") == 0.05
    assert set(shares.values()) == {0.5}
    assert PhantomSpec(bias="representation", strength=0).training_share == 0.05
    assert PhantomSpec(bias="representation", minority_share=0.0).training_share == 0.0


def test_every_mechanism_is_explained():
    assert set(PLANTED) == set(MECHANISMS)


@pytest.mark.parametrize(
    ("group", "attribute"),
    [("female", "sex"), ("male", "sex"), ("<50", "age"), (">=50", "age")],
)
def test_the_group_names_its_attribute(group, attribute):
    assert PhantomSpec(group=group).attribute == attribute
    assert group in phantom_schema()[attribute].groups


def test_field_of_view_is_shape_times_spacing():
    spec = PhantomSpec(shape=(16, 60, 40), spacing_mm=(2.0, 0.5, 0.75))
    assert spec.field_of_view == (32.0, 30.0, 30.0)
    assert spec.dimension == 3
    assert PhantomSpec(shape=(30, 40)).field_of_view == (30.0, 40.0)


def test_the_default_volume_is_valid():
    PhantomSpec(shape=DEFAULT_SHAPE_3D, spacing_mm=DEFAULT_SPACING_MM_3D)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bias": "age"}, "bias 'age' is unknown; choose from none, representation"),
        ({"group": "F"}, "group 'F' is unknown; choose from female, male, <50, >=50"),
        ({"strength": 1.5}, "strength is 1.5, expected a number from 0 to 1"),
        ({"strength": math.nan}, "strength is nan, expected"),
        ({"minority_share": -0.1}, "minority share is -0.1, expected"),
        ({"test_share": 30}, "test share is 30, expected"),
        ({"unknown_age_share": 2}, "unknown age share is 2, expected"),
        ({"n_patients": 1}, "1 patients were asked for, expected at least 2"),
        ({"images_per_patient": (0, 3)}, r"\[0, 3\], expected the fewest"),
        ({"images_per_patient": (3, 2)}, r"\[3, 2\], expected the fewest"),
        ({"contrast": (0.5, 0.3)}, r"contrast is \[0.5, 0.3\], expected the least and the most"),
        ({"contrast": (0.0, 0.3)}, r"contrast is \[0.0, 0.3\]"),
        ({"seed": -1}, "seed is -1, expected 0 or more"),
        ({"shape": (64,)}, r"shape \[64\] has 1 numbers, expected rows columns"),
        ({"shape": (16, 64)}, r"shape \[16, 64\] is too small, expected at least 24"),
        ({"shape": (3, 40, 40), "spacing_mm": (1, 1, 1)}, "4 slices"),
        ({"spacing_mm": (1.0, 1.0)}, "pictures have no spacing"),
        ({"shape": (16, 40, 48)}, "spacing of a volume is none, expected three positive numbers"),
        ({"shape": (16, 40, 48), "spacing_mm": (3, 0, 1)}, r"is \[3, 0, 1\], expected three"),
        ({"shape": (6, 40, 48), "spacing_mm": (9.0, 0.8, 0.8)}, "would vanish between voxels"),
    ],
)
def test_nonsense_is_refused_with_what_was_expected(options, message):
    with pytest.raises(UsageError, match=message):
        PhantomSpec(**options)


def test_all_problems_are_listed_at_once():
    with pytest.raises(UsageError) as caught:
        PhantomSpec(n_patients=0, strength=7, shape=(4, 4))
    assert str(caught.value).count("\n  - ") == 3
