import numpy as np
import pytest

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.discovery.lattice import Lattice
from nnunetv2_fair.subgroups.divergence import find_divergences

GROUPS = [("a", "b"), ("x", "y", "z")]


def test_parts_and_contributions(rng):
    codes = np.column_stack([rng.integers(0, 2, 80), rng.integers(0, 3, 80)])
    values = rng.normal(size=80) + codes[:, 0]
    found = find_divergences(codes, values, 0.01)
    lattice = Lattice(found, GROUPS)
    by_codes = dict(zip(map(tuple, found.codes), found.divergence, strict=True))
    by_codes[-1, -1] = 0.0
    for first, second in map(tuple, found.codes):
        own = by_codes[first, second]
        shares = lattice.contributions(np.array([first, second]))
        assert sum(shares.values()) == pytest.approx(own)
        if first >= 0 and second >= 0:
            expected = (by_codes[first, -1] + own - by_codes[-1, second]) / 2
            assert shares[0] == pytest.approx(expected)


def test_too_many_combinations_to_number():
    found = find_divergences(np.zeros((4, 2), dtype=int), np.arange(4.0), 0.5)
    with pytest.raises(EvaluationError, match="too many combinations"):
        Lattice(found, [range(2**31), range(2**31)])
