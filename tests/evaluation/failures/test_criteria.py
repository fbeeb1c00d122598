"""When a case counts as failed: what is accepted, and what is refused in which words."""

import pytest

from nnunetv2_fair.errors import UsageError
from nnunetv2_fair.evaluation.failures.criteria import (
    USUAL,
    by_label,
    check_failures,
    criteria_of,
    parse_failures,
)
from nnunetv2_fair.evaluation.results.failures import FailureCriterion
from tests.report.factories import DICE, HD95


def test_criteria_are_read_and_written():
    texts = ["dice=0.1", "lesion:dice=0.3", "hd95=20", "left:lung:dice=0.5"]
    found = parse_failures(texts)
    assert [str(criterion) for criterion in found] == texts
    assert found[1] == FailureCriterion("dice", 0.3, "lesion")
    assert found[3].label == "left:lung"


def test_a_label_s_own_criterion_replaces_the_general_one():
    found = list(by_label(parse_failures(["dice=0.1", "b:dice=0.3"]), ["a", "b", "average"]))
    assert [(label, c.threshold) for label, c in found] == [("a", 0.1), ("b", 0.3)]


def test_dice_is_the_usual_criterion_where_it_is_measured():
    assert criteria_of(None, [DICE]) == (USUAL,)
    assert criteria_of(None, [HD95]) == ()
    assert criteria_of([FailureCriterion("hd95", 9)], [DICE, HD95])[0].metric == "hd95"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dice", "expected METRIC=NUMBER or LABEL:METRIC=NUMBER"),
        ("=0.1", "expected METRIC=NUMBER"),
        (":dice=0.1", "expected METRIC=NUMBER"),
        ("dice=low", "'low' is not a number"),
        ("dice=nan", "'nan' is not a number"),
        ("dice=inf", "'inf' is not a number"),
    ],
)
def test_malformed_criteria_are_refused(text, message):
    with pytest.raises(UsageError, match=message):
        parse_failures([text])


def test_all_problems_are_listed_at_once():
    with pytest.raises(UsageError) as found:
        parse_failures(["dice=low", "dice=0.1", "dice=0.2", "iou"])
    assert all(word in str(found.value) for word in ("'low'", "given twice", "--failure iou"))
    criteria = parse_failures(["dce=0.1", "x:dice=2", "hd95=0", "dice=-1"])
    with pytest.raises(UsageError) as found:
        check_failures(criteria, ["dice", "hd95"], ["organ"])
    told = str(found.value)
    assert "'dce' is not evaluated (evaluated: dice, hd95)" in told
    assert "there is no label 'x' (labels: organ)" in told
    assert "2 is not a threshold of dice; expected 0 or more and less than 1" in told
    assert "0 is not a threshold of hd95; expected more than 0" in told
    assert "-1 is not a threshold of dice" in told


def test_labels_that_are_not_known_yet_are_not_checked():
    criteria = parse_failures(["x:dice=0.1", "f1=7"])
    check_failures(criteria, ["dice", "f1"], None)
