"""How values and reasons are told."""

import pandas as pd
import pytest

from nnunetv2_fair.evaluation.disclosure.redaction import (
    fewest_to_compare,
    note_filter,
    reasons,
)
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult


@pytest.mark.parametrize(("settings", "told"), [({"min_patients": 2}, 5), ({}, 5),
                                                ({"min_patients": 8}, 8)])  # fmt: skip
def test_the_limit_that_is_told_is_never_below_that_of_small_groups(settings, told):
    result = EvaluationResult("", pd.DataFrame(), (), (), (), (), settings=settings)
    assert fewest_to_compare(result) == told


def test_reasons_hold_no_number_of_a_group():
    found = reasons("abc", {"a"}, {"a": "1 patient", "b": "2 patients"}, least=8)
    assert found == {"a": "fewer than 5 patients", "b": "fewer than 8 patients with a value"}


def test_notes_on_how_the_table_was_read_are_not_shared():
    frame = pd.DataFrame({"case": ["c"], "patient": ["Jane"]})
    settings = {"demographics": "/home/jane/people.csv", "table_options": "--values sex F=female"}
    may_stay = note_filter(EvaluationResult("", frame, (), (), (), (), settings=settings))
    assert not may_stay("people.csv: 'sex': decimal commas are read as points")
    assert not may_stay("Read with different options (none against --values sex F=female).")
    assert may_stay("No dataset.json was found.")
