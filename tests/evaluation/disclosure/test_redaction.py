"""How values and reasons are told."""

import pandas as pd
import pytest

from nnunetv2_fair.evaluation.disclosure.redaction import fewest_to_compare, reasons
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult


@pytest.mark.parametrize(("settings", "told"), [({"min_patients": 2}, 5), ({}, 5),
                                                ({"min_patients": 8}, 8)])  # fmt: skip
def test_the_limit_that_is_told_is_never_below_that_of_small_groups(settings, told):
    result = EvaluationResult("", pd.DataFrame(), (), (), (), (), settings=settings)
    assert fewest_to_compare(result) == told


def test_reasons_hold_no_number_of_a_group():
    found = reasons("abc", {"a"}, {"a": "1 patient", "b": "2 patients"}, least=8)
    assert found == {"a": "fewer than 5 patients", "b": "fewer than 8 patients with a value"}
