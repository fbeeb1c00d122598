import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.estimation import gaps
from nnunetv2_fair.evaluation.estimation.gaps import (
    equity_scaled,
    fairness_gap,
    group_std,
    max_min_gap,
    skewed_error_ratio,
)

SCORES = {"a": 0.9, "b": 0.8, "c": 0.65}
score_lists = st.lists(st.floats(0, 1), min_size=2, max_size=6)


def test_fairness_gap_is_signed():
    assert fairness_gap(0.9, 0.85) == pytest.approx(0.05)
    assert fairness_gap(0.85, 0.9) == pytest.approx(-0.05)
    assert math.isnan(fairness_gap(math.nan, 0.9))


def test_values_by_hand():
    assert skewed_error_ratio(SCORES) == pytest.approx(0.35 / 0.1)
    assert max_min_gap(SCORES) == pytest.approx(0.25)
    mean = (0.9 + 0.8 + 0.65) / 3
    variance = sum((score - mean) ** 2 for score in SCORES.values()) / 2
    assert group_std(SCORES) == pytest.approx(math.sqrt(variance))
    assert equity_scaled(0.8, SCORES) == pytest.approx(0.8 / (1 + math.sqrt(variance)))
    assert equity_scaled(0.8, SCORES, "absolute") == pytest.approx(0.8 / (1 + 0.1 + 0 + 0.15))


def test_perfect_groups():
    assert skewed_error_ratio({"a": 1.0, "b": 1.0}) == 1
    assert skewed_error_ratio({"a": 1.0, "b": 0.9}) == math.inf


@pytest.mark.parametrize(
    "measure",
    [skewed_error_ratio, max_min_gap, group_std, lambda scores: equity_scaled(0.7, scores)],
)
def test_groups_without_score_are_left_out_and_named(measure):
    with pytest.warns(UserWarning, match="left out of the fairness measure: tiny") as caught:
        with_nan = measure({**SCORES, "tiny": math.nan})
    assert caught[0].filename == __file__ or measure.__name__ == "<lambda>"
    assert with_nan == measure(SCORES)
    with pytest.warns(UserWarning, match="tiny"):
        assert math.isnan(measure({"a": 0.9, "tiny": math.nan}))
    assert math.isnan(measure({"a": 0.9}))
    assert math.isnan(measure({}))


@pytest.mark.parametrize("score", [-0.1, 85.0, math.inf])
def test_error_ratio_refuses_scores_outside_0_1(score: float):
    with pytest.raises(EvaluationError, match=r"male .*Pass fractions such as Dice"):
        skewed_error_ratio({"female": 0.8, "male": score})


def test_unknown_deviation():
    with pytest.raises(EvaluationError, match=r'"variance", expected "std"'):
        equity_scaled(0.8, SCORES, "variance")  # type: ignore[arg-type]


@given(score_lists, st.floats(0, 1))
def test_fast_path_equals_plain_python(scores: list[float], overall: float):
    named = {str(index): score for index, score in enumerate(scores)}
    rows = np.array([scores, scores[::-1]])
    overalls = np.array([overall, overall])
    mean = math.fsum(scores) / len(scores)
    std = math.sqrt(math.fsum((score - mean) ** 2 for score in scores) / (len(scores) - 1))
    assert gaps.max_min_gap_along(rows) == pytest.approx([max(scores) - min(scores)] * 2)
    assert gaps.group_std_along(rows) == pytest.approx([std] * 2, abs=1e-12)
    assert gaps.equity_scaled_along(overalls, rows, "std") == pytest.approx(
        [overall / (1 + std)] * 2
    )
    absolute = overall / (1 + sum(abs(overall - score) for score in scores))
    assert gaps.equity_scaled_along(overalls, rows, "absolute") == pytest.approx([absolute] * 2)
    if max(scores) < 1:
        ratio = max(1 - score for score in scores) / min(1 - score for score in scores)
        assert gaps.skewed_error_ratio_along(rows) == pytest.approx([ratio] * 2)
        assert skewed_error_ratio(named) == pytest.approx(ratio)


@given(score_lists, st.floats(0.1, 1), st.randoms())
def test_properties(scores: list[float], overall: float, shuffler):
    named = {str(index): score for index, score in enumerate(scores)}
    order = list(named.items())
    shuffler.shuffle(order)
    for measure in (skewed_error_ratio, max_min_gap, group_std):
        assert measure(dict(order)) == pytest.approx(measure(named))
    assert skewed_error_ratio(named) >= 1
    assert max_min_gap(named) >= 0
    # the sample standard deviation of points in a range
    assert group_std(named) <= max_min_gap(named) + 1e-12
    assert equity_scaled(overall, named, "absolute") <= overall
    equal = dict.fromkeys(named, overall)
    assert max_min_gap(equal) == 0
    assert skewed_error_ratio(equal) == 1
    assert equity_scaled(overall, equal) == pytest.approx(overall)
