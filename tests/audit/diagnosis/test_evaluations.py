"""Scores of patients from evaluations: who is compared, and who is left out."""

import dataclasses

import numpy as np
import pytest

from nnunetv2_fair.audit.diagnosis.evaluations import Evaluations, compared, pairs_of
from tests.audit.diagnosis.factories import LABEL, drawn, evaluation


def test_pairs_have_enough_patients():
    groups = ["a"] * 6 + ["b"] * 9 + ["c"] * 4
    found = evaluation(np.full((1, 19), 0.5), groups, ("a", "b", "c"))
    assert pairs_of(found, "sex") == (("a", "b"),)
    none = dataclasses.replace(found, settings={**found.settings, "reference_groups": {}})
    assert pairs_of(none, "sex") == (("b", "a"),)
    assert pairs_of(evaluation(np.full((1, 8), 0.5), ["a"] * 8), "sex") == ()


def test_a_patient_counts_once():
    scores = np.linspace(0.1, 0.9, 24)[None]
    groups = ["male"] * 12 + ["female"] * 12
    patients = [f"p{i // 2}" for i in range(24)]
    found = compared(
        Evaluations(evaluation(scores, groups, patients=patients)), "sex", ("male", "female"),
        "dice", LABEL,
    )  # fmt: skip
    assert found.evidence.scores.shape == (1, 12)
    names = sorted({*patients})
    first = int(names[0][1:])
    assert found.evidence.scores[0, 0] == pytest.approx(scores[0, 2 * first : 2 * first + 2].mean())


def test_patients_in_both_groups_are_left_out():
    groups = ["male", "female"] + ["male"] * 6 + ["female"] * 6
    patients = ["both", "both"] + [f"p{i}" for i in range(12)]
    found = compared(
        Evaluations(evaluation(np.full((1, 14), 0.5), groups, patients=patients)), "sex",
        ("male", "female"), "dice", LABEL,
    )  # fmt: skip
    assert found.evidence.scores.shape == (1, 12)
    assert found.notes == ("1 patient with images in both groups: left out.",)


def test_few_cases_without_an_intervention_are_left_out_of_everything():
    whole = drawn(np.random.default_rng(0), 20)
    scores = np.full((4, 40), 0.5)
    scores[:, 3] = np.nan
    groups = ["male"] * 20 + ["female"] * 20
    found = compared(
        dataclasses.replace(whole, neutralised=evaluation(scores, groups)), "sex",
        ("male", "female"), "dice", LABEL,
    )  # fmt: skip
    assert found.evidence.scores.shape == (4, 39)
    assert found.evidence.neutral.shape == (4, 39)
    assert "1 case that an intervention could not be done with" in found.notes[0]


def test_an_intervention_that_many_cases_lack_is_not_used():
    whole = drawn(np.random.default_rng(0), 20)
    scores = np.full((4, 40), 0.5)
    scores[:, :8] = np.nan
    groups = ["male"] * 20 + ["female"] * 20
    found = compared(
        dataclasses.replace(whole, neutralised=evaluation(scores, groups)), "sex",
        ("male", "female"), "dice", LABEL,
    )  # fmt: skip
    assert found.evidence.neutral is None
    assert found.evidence.scores.shape == (4, 40)
    assert found.left_out == {
        "shortcut": "8 of 40 cases have no result of this intervention, more than 10%"
    }


def test_too_few_patients_are_said():
    scores = np.full((1, 20), 0.5)
    scores[0, 3:10] = np.nan
    found = evaluation(scores, ["male"] * 10 + ["female"] * 10)
    said = compared(Evaluations(found), "sex", ("male", "female"), "dice", LABEL)
    assert said == "3 and 10 patients of male and female have scores; expected 5 or more of each"


@pytest.mark.parametrize("name", ["expert", "control"])
def test_scores_that_some_trainings_lack_are_those_of_nobody(name):
    whole = drawn(np.random.default_rng(0), 20)
    scores = np.full((4, 40), 0.5)
    scores[0, 3] = np.nan
    result = evaluation(scores, ["male"] * 20 + ["female"] * 20)
    changed = {name: result if name == "expert" else {"sex": result}}
    found = compared(
        dataclasses.replace(whole, **changed), "sex", ("male", "female"), "dice", LABEL
    )
    found.evidence.check()
    assert np.isnan(getattr(found.evidence, name)).all(axis=0).sum() == 1
