"""What is said of arrays that do not fit together."""

import dataclasses

import numpy as np
import pytest

from nnunetv2_fair.audit.causes.evidence import Evidence
from nnunetv2_fair.errors import EvaluationError

SCORES = np.zeros((2, 20))
GOOD = Evidence(SCORES, np.arange(20) < 10, SCORES[:1], np.zeros((20, 1)), SCORES, SCORES)
HOLE = np.where(np.arange(20) == 3, np.nan, SCORES)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"scores": SCORES[0]}, r"scores has shape \(20,\); expected two axes"),
        ({"second": np.zeros(20)}, r"second has shape \(20,\) and type float64; expected \(20,\)"),
        ({"second": np.arange(20) < 4}, "the second group has 4 patients; expected at least 5"),
        ({"balanced": SCORES[:, 1:]}, r"balanced has shape \(2, 19\), expected \(2, 20\)"),
        ({"neutral": SCORES[:1]}, r"neutral has shape \(1, 20\), expected \(2, 20\).*same train"),
        ({"covariates": np.zeros((19, 2))}, r"covariates has shape \(19, 2\), expected \(20,"),
        ({"neutral": HOLE}, "2 values of neutral are missing or infinite"),
        ({"expert": np.vstack([HOLE[0], SCORES[1]])}, "expert has scores of some trainings only"),
        ({"control": SCORES[:1]}, r"control has shape \(1, 20\), expected \(2, 20\)"),
        ({"control": np.vstack([HOLE[0], SCORES[1]])}, "some trainings only for 1 patient;"),
    ],
)
def test_refused(changed, message):
    with pytest.raises(EvaluationError, match=message):
        dataclasses.replace(GOOD, **changed).check()


@pytest.mark.parametrize("name", ["expert", "control"])
def test_scores_that_may_lack(name):
    dataclasses.replace(GOOD, **{name: HOLE}).check()
