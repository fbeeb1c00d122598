import dataclasses
import math

import pytest

from nnunetv2_fair.evaluation.findings.all_findings import brief
from nnunetv2_fair.evaluation.findings.sentences import plain
from nnunetv2_fair.evaluation.findings.subgroups import error_rate, subgroups
from nnunetv2_fair.evaluation.results.discovery import Confirmation
from tests.report import factories
from tests.report.of_evaluation.test_discovered import discovery

NAN = math.nan


def found_in(discovered, **changes):
    result = dataclasses.replace(factories.full(), discovery=discovered, **changes)
    return list(subgroups(result)), result.metric(discovered.metric)


def test_one_finding_for_each_subgroup_that_is_shown():
    (finding,), metric = found_in(discovery())
    assert (finding.kind, finding.verdict, finding.direction) == ("subgroup", "shown", "worse")
    assert finding.who == ("sex=female", "age=>=65")
    assert finding.items == {"sex": "female", "age": ">=65"}
    assert finding.n == {"sex=female, age=>=65": 12}
    assert (finding.value, finding.corrected_p, finding.family_size) == (-0.213, 4e-4, 35)
    assert finding.numbers == {"z": -5.26, "shrunken_divergence": -0.181, "overall": 0.823}
    assert plain(brief(finding, metric)) == (
        "worse where sex is female and age is >=65 (\N{MINUS SIGN}0.213)"
    )


def test_of_distances_more_is_worse():
    (finding,), _ = found_in(discovery(metric="hd95"))
    assert finding.direction == "better"


def test_confidence_decides():
    women, *_ = discovery().subgroups
    weak = discovery(subgroups=(dataclasses.replace(women, corrected_p=0.02),))
    for confidence, verdict in ((0.95, "shown"), (0.99, "not_shown")):
        (finding,), metric = found_in(weak, settings={"confidence": confidence})
        assert finding.verdict == verdict
    assert plain(brief(finding, metric)) == (
        "no subgroup shown to differ (the smallest of the p-values, corrected for 35 subgroups, is "
        "0.020)"
    )
    assert "about 1% of studies" in plain(error_rate(0.99))


def test_the_held_out_half_decides_where_there_is_one():
    women, *_ = discovery().subgroups
    for corrected, verdict in ((0.01, "shown"), (0.2, "not_shown"), (NAN, "not_comparable")):
        confirmation = Confirmation(9, 8, 0.7, -0.1, -2.5, corrected, corrected)
        confirmed = dataclasses.replace(women, confirmation=confirmation)
        (finding,), metric = found_in(discovery(subgroups=(confirmed,), n_held_out=90))
        assert finding.verdict == verdict
        if verdict == "shown":
            assert finding.value == -0.1
            assert "shrunken_divergence" not in finding.numbers
    assert "no subgroup could be tested in the held-out half" in finding.sentence
    assert plain(brief(finding, metric)) == "no subgroup could be tested"


def test_ranks_and_mean_may_disagree():
    women, *_ = discovery().subgroups
    odd = dataclasses.replace(women, divergence=0.02, mean=0.843)
    (finding,), _ = found_in(discovery(subgroups=(odd,)))
    assert finding.direction == "worse"
    assert "Most of its values are worse, although its mean is not" in finding.sentence


@pytest.mark.parametrize("discovered", [discovery(subgroups=())])
def test_nothing_to_test(discovered):
    (finding,), _ = found_in(discovered)
    assert finding.verdict == "not_comparable"
    assert finding.sentence == "Subgroups were searched for, but no subgroup is large enough."


def test_no_search_no_finding():
    assert list(subgroups(factories.full())) == []
