"""How values and reasons are told."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunetv2_fair.evaluation.disclosure.of_evaluation import shareable
from nnunetv2_fair.evaluation.disclosure.redaction import (
    fewest_to_compare,
    note_on_images,
    reasons,
    shareable_notes,
)
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult, Exclusion
from nnunetv2_fair.evaluation.results.tables import public_notes
from tests.evaluation.disclosure import attack
from tests.evaluation.disclosure.test_attack import DICE, evaluated
from tests.report.factories import two_groups


@pytest.mark.parametrize(("settings", "told"), [({"min_patients": 2}, 5), ({}, 5),
                                                ({"min_patients": 8}, 8)])  # fmt: skip
def test_the_limit_that_is_told_is_never_below_that_of_small_groups(settings, told):
    result = EvaluationResult("", pd.DataFrame(), (), (), (), (), settings=settings)
    assert fewest_to_compare(result) == told


def test_reasons_hold_no_number_of_a_group():
    found = reasons("abc", {"a"}, {"a": "1 patient", "b": "2 patients"}, least=8)
    assert found == {"a": "fewer than 5 patients", "b": "fewer than 8 patients with a value"}


def test_only_notes_that_are_known_to_tell_nothing_are_shared():
    known = [public_notes.PIXELS, public_notes.few_groups("sex"), public_notes.unknown_group("sex")]
    others = [
        "people.csv: 'sex': decimal commas are read as points",
        "Read with different options (none against --values sex F=female).",
        "No case of 'x' has a defined value.",  # no digit, no name, and tells of a hidden group
        "The scores were read from Jane.csv; no mask was measured.",
        public_notes.few_groups("site"),  # not an attribute of this result
        f"{public_notes.PIXELS} Jane Doe is one of them.",
    ]
    assert shareable_notes([*others, *known], ["sex"], {}) == tuple(known)
    choice = public_notes.only_chosen("sex", ["f", "m"])
    assert shareable_notes([choice], ["sex"], {}) == ()
    assert shareable_notes([choice], ["sex"], {"sex": ["f", "m"]}) == (choice,)


def test_a_note_on_images_is_made_of_what_is_shown():
    shown = two_groups().comparisons[0]
    titles = {shown.metric: "Dice"}
    assert note_on_images([shown], titles) == ()
    (note,) = note_on_images([dataclasses.replace(shown, by_image=True)] * 2, titles)
    assert note == public_notes.by_image({shown.attribute: ["Dice"]})


@settings(max_examples=10, deadline=None)
@given(st.lists(st.text(max_size=40), max_size=5))
def test_every_note_of_a_shareable_result_is_on_the_list(notes):
    table = attack.Table(np.linspace(0.5, 0.9, 20), np.repeat(["a", "b"], 10), attack.decimals(4))
    private = dataclasses.replace(
        evaluated(DICE, table, table.values),
        notes=(*notes, public_notes.PIXELS),
        exclusions=tuple(Exclusion(note, ("Jane",), {}) for note in notes),
    )
    told = shareable(private)
    assert told.notes[0] == public_notes.PIXELS
    assert len(told.notes) == 2  # and what is said of every shareable result
    assert told.exclusions == ()
