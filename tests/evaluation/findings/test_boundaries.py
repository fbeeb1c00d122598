"""Places are marked where the verdict on the two groups says so, corrected like it."""

import pytest

from nnunetv2_fair.evaluation.findings.boundaries import places_shown
from nnunetv2_fair.evaluation.results.boundary_maps import BoundaryDifference

NAN = float("nan")


def difference(p_values: tuple[float, ...], corrected: float) -> BoundaryDifference:
    known = [p for p in p_values if p == p]
    least = min(known, default=NAN)
    errors = tuple(0.0 for _ in p_values)
    return BoundaryDifference(("a", "b"), (errors,), (p_values,), least, corrected, 3)


@pytest.mark.parametrize(
    ("p_values", "corrected", "shown"),
    [
        pytest.param((0.01, 0.02, 0.3), 0.03, (True, False, False), id="0.02-times-3-is-0.06"),
        pytest.param((0.01, 0.02, 0.3), 0.01, (True, True, False), id="only-pair"),
        pytest.param((0.04, 0.045, NAN), 0.12, (False, False, False), id="pair-not-shown"),
        pytest.param((0.01, NAN, 0.01), 0.02, (True, False, True), id="no-outline-there"),
        pytest.param((NAN, NAN, NAN), NAN, (False, False, False), id="not-compared"),
    ],
)
def test_places_shown(p_values, corrected, shown):
    assert places_shown(difference(p_values, corrected), 0.95) == (shown,)
