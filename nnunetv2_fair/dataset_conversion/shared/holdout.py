"""Choosing patients for the test part so that every group keeps its share."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from nnunetv2_fair.errors import ConversionError, counted


def choose_test_patients(strata: Mapping[str, Sequence[str]], ratio: float, seed: int) -> set[str]:
    """Return the patients of the test part.

    Systematic sampling: patients are sorted by stratum and shuffled within it, then every
    1/ratio-th is taken from a random start. Every group that the first attribute forms, every
    group that the first two form together, and so on, therefore gets its share of the test part,
    rounded up or down to whole patients.

    Args:
        strata: Values of the attributes of each patient, the most important attribute first.
        ratio: Share of patients for the test part, at least 0 and below 1.
        seed: The same seed and patients give the same choice.

    Raises:
        ConversionError: If a part would be without patients.

    Source: systematic sampling, Cochran, Sampling Techniques (1977), chapter 8.
    """
    if ratio == 0:
        return set()
    generator = np.random.default_rng(seed)
    patients = sorted(strata)
    order = generator.permutation(len(patients))
    ranked = sorted((patients[i] for i in order), key=lambda patient: tuple(strata[patient]))
    start = float(generator.random())
    # patient i is taken where a multiple of 1 lies in (start + i*ratio, start + (i+1)*ratio]
    chosen = {
        patient
        for i, patient in enumerate(ranked)
        if math.floor(start + (i + 1) * ratio) > math.floor(start + i * ratio)
    }
    if not chosen or len(chosen) == len(patients):
        raise ConversionError(
            f"A test part of {ratio:g} cannot be taken from {counted(len(patients), 'patient')}: "
            "training "
            "and test part need at least one each. Choose another --test-ratio (0 for no test "
            "part)."
        )
    return chosen
