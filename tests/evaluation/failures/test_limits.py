"""``--failure`` and ``--threshold`` are read by one function, and refused in the same words."""

import re

import pytest

from nnunetv2_fair.errors import UsageError
from nnunetv2_fair.evaluation.downstream.settings import parse_thresholds
from nnunetv2_fair.evaluation.failures.criteria import parse_failures

PARSERS = {"--failure": parse_failures, "--threshold": parse_thresholds}


def refusal(option, texts):
    with pytest.raises(UsageError) as found:
        PARSERS[option](texts)
    same = str(found.value).replace(option, "OPTION")
    return re.sub("METRIC|MEASURE", "QUANTITY", re.sub("such as .*", "such as", same))


@pytest.mark.parametrize(
    "texts",
    [["a"], ["=1"], [":a=1"], ["a="], ["a=high"], ["a=nan"], ["a=-inf"], ["a=b", "x:=2", "a"]],
)
def test_both_options_say_the_same(texts):
    assert refusal("--failure", texts) == refusal("--threshold", texts)


def test_several_problems_are_told_at_once():
    with pytest.raises(UsageError) as found:
        parse_thresholds(["ef", "ef=high", "ef=1", "ef=1", "ef=2"])
    assert str(found.value) == (
        "Some values of --threshold cannot be used:\n"
        "  - --threshold ef: expected MEASURE=NUMBER or LABEL:MEASURE=NUMBER, such as ef=50\n"
        "  - --threshold ef=high: 'high' is not a number; expected MEASURE=NUMBER or "
        "LABEL:MEASURE=NUMBER, such as ef=50\n"
        "  - --threshold ef=1: ef=1 is given twice; give it once"
    )


def test_a_metric_has_one_limit_and_a_measure_several():
    with pytest.raises(UsageError, match=r"--failure b:dice=0.2: b:dice is given twice; give it"):
        parse_failures(["dice=0.1", "b:dice=0.1", "b:dice=0.2"])
    assert [one.value for one in parse_thresholds(["ef=1", "ef=2"])] == [1, 2]
