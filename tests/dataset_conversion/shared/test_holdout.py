from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.dataset_conversion.shared.holdout import choose_test_patients
from nnunetv2_fair.errors import ConversionError


@given(
    st.lists(
        st.tuples(st.sampled_from(("f", "m", "")), st.sampled_from(("<50", "50-<65", ">=65"))),
        min_size=12,
        max_size=120,
    ),
    st.sampled_from((0.1, 0.2, 0.25, 0.3, 0.5)),
    st.integers(0, 1000),
)
def test_every_group_gets_its_share_rounded_to_a_patient(
    groups: list[tuple[str, str]], ratio: float, seed: int
) -> None:
    strata = {f"p{i}": group for i, group in enumerate(groups)}
    chosen = choose_test_patients(strata, ratio, seed)
    for depth in (0, 1, 2):  # everybody, first attribute, both together
        total = Counter(group[:depth] for group in strata.values())
        taken = Counter(strata[patient][:depth] for patient in chosen)
        for group, number in total.items():
            assert abs(taken[group] - Fraction(ratio) * number) < 1 + 1e-9


def test_the_seed_decides_and_repeats() -> None:
    strata = {f"p{i}": ("f" if i % 2 else "m",) for i in range(40)}
    first = choose_test_patients(strata, 0.2, 1)
    assert first == choose_test_patients(dict(reversed(strata.items())), 0.2, 1)
    assert any(first != choose_test_patients(strata, 0.2, seed) for seed in range(2, 6))


def test_every_patient_can_be_chosen() -> None:
    strata = {f"p{i}": ("f" if i < 3 else "m",) for i in range(10)}
    ever = set()
    for seed in range(100):
        ever |= choose_test_patients(strata, 0.2, seed)
    assert ever == set(strata)


def test_ratio_zero_means_no_test_part() -> None:
    assert choose_test_patients({"a": ("f",)}, 0, 0) == set()


def test_too_few_patients_are_refused() -> None:
    with pytest.raises(ConversionError, match=r"0\.2 cannot be taken from 1 patient.*--test-ratio"):
        choose_test_patients({"a": ("f",)}, 0.2, 0)


@pytest.mark.parametrize("seed", range(20))
def test_one_patient_is_never_a_test_part_without_training_part(seed: int) -> None:
    with pytest.raises(ConversionError, match="need at least one each"):
        choose_test_patients({"a": ("f",)}, 0.9, seed)
